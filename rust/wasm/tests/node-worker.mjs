// Posts the golden hashes of both builds from a worker thread.

import { readFile } from "node:fs/promises";
import { parentPort } from "node:worker_threads";

import { goldenHashes } from "./hash.mjs";
import { GOLDEN, Model } from "./package.mjs";

const hashes = (simd) => goldenHashes(Model, GOLDEN, simd, readFile);
parentPort.postMessage(await Promise.all([hashes(true), hashes(false)]));
