// The golden hashes in a page or a worker of the test server.

import { Model } from "/package/index.js";

import { goldenHashes } from "./hash.mjs";

const read = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());

export const hashes = (simd) => goldenHashes(Model, new URL("/golden/", location.href), simd, read);
