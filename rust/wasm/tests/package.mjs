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

/** The expected hash of all models. */
export const { sha256: GOLDEN_HASH } = JSON.parse(readFileSync(new URL("golden.json", GOLDEN)));

/** For `assert.throws` and `assert.rejects`: a RecgrelaError with this code and message. */
export function refused(code, words = /./) {
  return (error) => {
    const isExpected = error instanceof RecgrelaError && error.code === code;
    if (isExpected && words.test(error.message)) return true;
    throw new Error(`expected ${code} and ${words}, found: ${error}`, { cause: error });
  };
}
