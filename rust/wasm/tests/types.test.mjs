// The types fit TypeScript code, and the package's metadata is correct.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { PACKAGE } from "./package.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

test("an example compiles, and its type errors are found", () => {
  const tsc = here("../node_modules/.bin/tsc");
  execFileSync(tsc, ["--project", here("tsconfig.json")], { encoding: "utf8" });
});

test("package.json lists existing files", async () => {
  const manifest = JSON.parse(await readFile(new URL("package.json", PACKAGE)));
  const files = await readdir(PACKAGE);
  const { types, node, default: web } = manifest.exports["."];
  for (const file of [types, node, web, ...manifest.sideEffects]) {
    assert.ok(files.includes(file.slice("./".length)), file);
  }
  assert.ok(["LICENSE", "README.md"].every((file) => files.includes(file)));
});
