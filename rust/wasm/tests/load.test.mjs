// Sources of models in Node, and their errors.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { gzipSync } from "node:zlib";

import { GOLDEN, GOLDEN_HASHES, Model, modelBytes, refused } from "./package.mjs";

const FILE = new URL("f32.safetensors", GOLDEN);
const bytes = modelBytes("f32");

describe("sources", () => {
  let origin;
  let server;
  before(async () => {
    server = createServer((request, response) => {
      const half = bytes.subarray(0, bytes.length / 2);
      switch (request.url) {
        case "/model":
          return response.writeHead(200, { "content-length": bytes.length }).end(bytes);
        case "/chunked":
          response.write(half);
          return setTimeout(() => response.end(bytes.subarray(half.length)), 50);
        case "/gzip":
          return response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(bytes));
        case "/slow":
          return response.writeHead(200, { "content-length": bytes.length }).write(half);
        case "/broken":
          response.writeHead(200, { "content-length": bytes.length }).write(half);
          return setTimeout(() => response.destroy(), 50);
        default:
          return response.writeHead(404).end();
      }
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${server.address().port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  test("bytes, files and URLs give the same model", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    const padded = new Uint8Array(bytes.length + 3);
    padded.set(bytes, 3);
    const sources = [
      bytes,
      Uint8Array.from(bytes).buffer,
      new DataView(padded.buffer, 3),
      shared,
      FILE,
      FILE.href,
      fileURLToPath(FILE),
      `data:application/octet-stream;base64,${bytes.toString("base64")}`,
      `${origin}/model`,
      new URL(`${origin}/chunked`),
      `${origin}/gzip`,
    ];
    const prints = await Promise.all(
      sources.map(async (source) => (await Model.load(source)).fingerprint),
    );
    assert.equal(new Set(prints).size, 1);
  });

  test("progress is reported per chunk and ends with the total", async () => {
    const progress = async (source) => {
      const events = [];
      await Model.load(source, { onProgress: (event) => events.push(event) });
      assert.equal(events.at(-1).loaded, bytes.length);
      assert.ok(events.every(({ loaded }, i) => i === 0 || loaded > events[i - 1].loaded));
      return events;
    };
    assert.equal((await progress(`${origin}/model`)).at(-1).total, bytes.length);
    assert.equal((await progress(FILE)).at(-1).total, bytes.length);
    const chunked = await progress(`${origin}/chunked`);
    assert.ok(chunked.length >= 2 && chunked.every(({ total }) => total === null));
    assert.equal((await progress(`${origin}/gzip`)).at(-1).total, null);
  });

  test("unreadable sources", async () => {
    const failed = refused("fetch-failed", /cannot read/);
    await assert.rejects(Model.load(`${origin}/absent`), refused("fetch-failed", /answered 404/));
    await assert.rejects(Model.load(`${origin}/broken`), failed);
    await assert.rejects(Model.load("http://127.0.0.1:1/"), failed);
    await assert.rejects(Model.load("no/such/file"), failed);
    await assert.rejects(Model.load(new URL(".", FILE)), failed);
    await assert.rejects(Model.load("other:address"), failed);
  });

  test("an abort rejects with its reason, before and during a load", async () => {
    const reason = new Error("enough");
    const mine = (error) => error === reason;
    await assert.rejects(Model.load(bytes, { signal: AbortSignal.abort(reason) }), mine);
    const controller = new AbortController();
    const onProgress = () => controller.abort(reason);
    await assert.rejects(
      Model.load(`${origin}/slow`, { signal: controller.signal, onProgress }),
      mine,
    );
    await assert.rejects(Model.load(`${origin}/slow`, { signal: AbortSignal.timeout(100) }), {
      name: "TimeoutError",
    });
  });
});

test("arguments that are not sources or options", async () => {
  const invalid = refused("invalid-argument");
  for (const source of [undefined, null, 5, {}, [1, 2], new Blob([])]) {
    await assert.rejects(Model.load(source), invalid);
  }
  await assert.rejects(Model.load(bytes, 5), invalid);
  await assert.rejects(Model.load(bytes, { simd: "yes" }), invalid);
  await assert.rejects(Model.load(bytes, { verify: 1 }), invalid);
  await assert.rejects(Model.load(bytes, { cache: "no" }), invalid);
  await assert.rejects(Model.load(bytes, { onProgress: 5 }), invalid);
  await assert.rejects(Model.load(bytes, { signal: {} }), invalid);
});

test("a worker thread has its own engine", async () => {
  const worker = new Worker(new URL("./node-worker.mjs", import.meta.url));
  const hashes = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  assert.deepEqual(hashes, [GOLDEN_HASHES, GOLDEN_HASHES]);
});
