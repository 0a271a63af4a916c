// Prints the golden hashes of both builds in Node, for `make test-bindings`.

import { readFile } from "node:fs/promises";

import { goldenHashes, printHashes } from "./hash.mjs";
import { GOLDEN, Model } from "./package.mjs";

for (const build of ["simd128", "plain"]) {
  const hashes = await goldenHashes(Model, GOLDEN, build === "simd128", readFile);
  printHashes(`node-${build}`, hashes);
}
