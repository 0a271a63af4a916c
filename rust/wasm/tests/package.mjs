// The package as it was built, and the golden models.

const ROOT = new URL("../../../", import.meta.url);

/** The folder of the package. */
export const PACKAGE = new URL("target/npm/recgrela/", ROOT);

/** The folder of the golden models. */
export const GOLDEN = new URL("tests/golden/", ROOT);

export const { Model, RecgrelaError, Session } = await import(new URL("node.js", PACKAGE));
