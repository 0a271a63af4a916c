// The package in headless Chromium: a page, a module worker, the cache, a Content-Security-Policy.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { goldenHashesIn, launch, serve } from "./chromium.mjs";
import { GOLDEN_HASHES, modelBytes } from "./package.mjs";

const bytes = { one: modelBytes("f32"), two: modelBytes("f16") };
// How the server handles /model.
let model;
let browser;
let context;
let page;
let server;

function answer(path, response) {
  if (path.startsWith("/strict")) {
    const allowed = path === "/strict-wasm" ? "'wasm-unsafe-eval'" : "";
    response.setHeader("content-security-policy", `script-src 'self' ${allowed}`);
    return false;
  }
  if (path !== "/model") return false;
  if (model.status !== 200) return response.destroy();
  const headers = { etag: model.etag, "content-length": model.bytes.length };
  return response.writeHead(200, headers).end(model.bytes);
}

before(async () => {
  server = await serve(answer);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  server?.close();
});

beforeEach(async () => {
  model = { status: 200, etag: '"1"', bytes: bytes.one };
  await context?.close();
  context = await browser.newContext();
  page = await context.newPage();
  await page.goto(`${server.origin}/`);
});

for (const simd of [true, false]) {
  for (const inWorker of [false, true]) {
    const name = `golden hashes, ${simd ? "simd128" : "plain"}, ${inWorker ? "worker" : "page"}`;
    test(name, async () => {
      assert.deepEqual(await goldenHashesIn(page, simd, inWorker), GOLDEN_HASHES);
    });
  }
}

/** Loads /model in the page; returns its fingerprint, progress and size in the cache. */
const load = (options = {}) =>
  page.evaluate(async (options) => {
    const { Model } = await import("/package/index.js");
    const events = [];
    const onProgress = (event) => events.push(event);
    const loaded = await Model.load("/model", { onProgress, ...options });
    // The load does not wait until the file is cached.
    for (let turn = 0; turn < 100 && options.cache !== false; turn++) {
      if (await caches.match("/model")) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const kept = await caches.match("/model");
    const length = kept && (await kept.arrayBuffer()).byteLength;
    return { fingerprint: loaded.fingerprint, simd: loaded.simd, last: events.at(-1), length };
  }, options);

test("a page picks simd128 and sees progress", async () => {
  const { simd, last } = await load();
  assert.equal(simd, true);
  const total = bytes.one.length;
  assert.deepEqual(last, { loaded: total, total });
});

test("the second load uses the cached file, also without the server", async () => {
  const first = await load();
  assert.equal(first.length, bytes.one.length);
  // If these bytes were used, the fingerprint would differ.
  model.bytes = bytes.two;
  assert.deepEqual(await load(), first);
  model.status = 0;
  assert.deepEqual(await load(), first);
});

test("a new version on the server replaces the cached file", async () => {
  const first = await load();
  model = { ...model, etag: '"2"', bytes: bytes.two };
  const second = await load();
  assert.notEqual(second.fingerprint, first.fingerprint);
  model.status = 0;
  assert.equal((await load()).fingerprint, second.fingerprint);
});

test("nothing is cached if disabled or if the file is not a model", async () => {
  assert.equal((await load({ cache: false })).length, undefined);
  model.bytes = bytes.one.subarray(0, 5000);
  await assert.rejects(load(), /tensor|safetensors/);
  assert.equal(await page.evaluate(async () => (await caches.match("/model")) === undefined), true);
});

test("a damaged cached file is deleted", async () => {
  await load();
  await page.evaluate(async () => {
    const cache = await caches.open("recgrela");
    const kept = await cache.match("/model");
    await cache.put("/model", new Response("damaged", { headers: kept.headers }));
  });
  await assert.rejects(load(), /safetensors/);
  assert.equal((await load()).length, bytes.one.length);
});

test("of files that differ in the query, the newest four stay in the cache", async () => {
  const kept = () =>
    page.evaluate(async () => {
      const keys = await (await caches.open("recgrela")).keys();
      return keys.map(({ url }) => url.replace(location.origin, ""));
    });
  /** Loads a file, and waits until the cache has it and this many in all. */
  const load = (name, count) =>
    page.evaluate(
      async ([name, count]) => {
        const { Model } = await import("/package/index.js");
        (await Model.load(name)).free();
        const cache = await caches.open("recgrela");
        for (let turn = 0; turn < 500; turn++) {
          if ((await cache.match(name)) && (await cache.keys()).length === count) return;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      },
      [name, count],
    );
  await load("/model", 1);
  await load("/model?v=1", 2);
  await load("/model?v=2", 3);
  await load("/model?v=3", 4);
  assert.deepEqual(await kept(), ["/model", "/model?v=1", "/model?v=2", "/model?v=3"]);
  await load("/model?v=4", 4);
  assert.deepEqual(await kept(), ["/model?v=1", "/model?v=2", "/model?v=3", "/model?v=4"]);
  // A newer file at the same address counts as the newest.
  model = { ...model, etag: '"2"', bytes: bytes.two };
  await load("/model?v=1", 4);
  await page.waitForFunction(
    async () => (await (await caches.open("recgrela")).keys()).at(-1).url.endsWith("?v=1"),
  );
  await load("/model?v=5", 4);
  assert.deepEqual(await kept(), ["/model?v=3", "/model?v=4", "/model?v=1", "/model?v=5"]);
});

test("a page in place of a model or of the module is named", async () => {
  const failure = (source) =>
    page.evaluate(async (source) => {
      const { Model } = await import("/package/index.js");
      return Model.load(source).catch(({ code, message }) => ({ code, message }));
    }, source);
  const missing = await failure("/no-such-model");
  assert.equal(missing.code, "fetch-failed");
  assert.match(missing.message, /no-such-model": the server sent HTML, expected a model file/);
  await page.route("**/recgrela-simd128.wasm", (route) =>
    route.fulfill({ contentType: "text/html", body: "<!DOCTYPE html><title>app</title>" }),
  );
  await page.reload(); // the first load has started an engine
  const module = await failure("/model");
  assert.equal(module.code, "fetch-failed");
  assert.match(module.message, /simd128\.wasm": the server sent HTML, expected a WebAssembly module/);
  assert.doesNotMatch(module.message, /Policy/);
});

test("a module that is no WebAssembly is not blamed on a policy", async () => {
  await page.route("**/recgrela-simd128.wasm", (route) =>
    route.fulfill({ contentType: "application/wasm", body: "damaged" }),
  );
  const { code, message } = await page.evaluate(async () => {
    const { Model } = await import("/package/index.js");
    return Model.load("/model").catch(({ code, message }) => ({ code, message }));
  });
  assert.equal(code, "unsupported");
  assert.match(message, /magic word.*simd128\.wasm/s);
  assert.doesNotMatch(message, /Policy/);
});

test("a Content-Security-Policy that allows WebAssembly is enough", async () => {
  await page.goto(`${server.origin}/strict-wasm`);
  assert.equal((await load()).simd, true);
});

test("the error names a Content-Security-Policy that forbids WebAssembly", async () => {
  await page.goto(`${server.origin}/strict`);
  const error = await page.evaluate(async () => {
    const { Model } = await import("/package/index.js");
    return Model.load("/model").catch(({ name, code, message }) => ({ name, code, message }));
  });
  assert.equal(error.name, "RecgrelaError");
  assert.equal(error.code, "unsupported");
  assert.match(error.message, /wasm-unsafe-eval/);
});
