// Posts the golden hashes of both builds from a worker thread.

import { readFile } from "node:fs/promises";
import { parentPort } from "node:worker_threads";

import { goldenHash } from "./hash.mjs";
import { GOLDEN, Model } from "./package.mjs";

const hash = (simd) => goldenHash(Model, GOLDEN, simd, readFile);
parentPort.postMessage(await Promise.all([hash(true), hash(false)]));
