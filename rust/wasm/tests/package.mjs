// The built package and the golden models.

import { readFileSync } from "node:fs";

const ROOT = new URL("../../../", import.meta.url);

/** The folder of the package. */
export const PACKAGE = new URL("target/npm/recgrela/", ROOT);

/** The folder of the golden models. */
export const GOLDEN = new URL("tests/golden/", ROOT);

export const { Model, RecgrelaError, Session } = await import(new URL("node.js", PACKAGE));

/** The bytes of a golden model. */
export const modelBytes = (name) => readFileSync(new URL(`${name}.safetensors`, GOLDEN));

const golden = JSON.parse(readFileSync(new URL("golden.json", GOLDEN)));

/** The expected hashes of all models of format 1 and of format 2. */
export const GOLDEN_HASHES = [golden.sha256, golden.format_2.sha256];

/** For `assert.throws` and `assert.rejects`: a RecgrelaError with this code and message. */
export function refused(code, words = /./) {
  return (error) => {
    const isExpected = error instanceof RecgrelaError && error.code === code;
    if (isExpected && words.test(error.message)) return true;
    throw new Error(`expected ${code} and ${words}, found: ${error}`, { cause: error });
  };
}
