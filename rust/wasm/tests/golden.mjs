// Prints the golden hash of both builds in Node, for `make test-bindings`.

import { readFile } from "node:fs/promises";

import { goldenHash } from "./hash.mjs";
import { GOLDEN, Model } from "./package.mjs";

for (const build of ["simd128", "plain"]) {
  console.log(`node-${build} ${await goldenHash(Model, GOLDEN, build === "simd128", readFile)}`);
}
