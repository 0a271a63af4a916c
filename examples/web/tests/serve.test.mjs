// The server: types, isolation headers, revalidation, and nothing outside its folder.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile, mkdir } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { serve } from "../serve.mjs";

let root;
let server;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "recgrela-serve-"));
  await mkdir(join(root, "site"));
  await writeFile(join(root, "secret.txt"), "secret");
  for (const name of ["index.html", "main.js", "engine.wasm", "titles.json", "model.safetensors"]) {
    await writeFile(join(root, "site", name), name);
  }
  server = await serve(join(root, "site"), 0);
});
after(async () => {
  server.close();
  await rm(root, { recursive: true });
});

/** Requests a path verbatim; fetch would normalise it. */
function ask(path, { method = "GET", headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const asking = request(server.address, { path, method, headers }, async (response) => {
      let body = "";
      for await (const piece of response) body += piece;
      resolve({ status: response.statusCode, headers: response.headers, body });
    });
    asking.on("error", reject).end();
  });
}

test("files have their types and the isolation headers", async () => {
  for (const [path, type] of [
    ["/", "text/html; charset=utf-8"],
    ["/main.js", "text/javascript; charset=utf-8"],
    ["/engine.wasm", "application/wasm"],
    ["/titles.json", "application/json"],
  ]) {
    const { status, headers } = await ask(path);
    assert.equal(status, 200);
    assert.equal(headers["content-type"], type);
    assert.equal(headers["cross-origin-opener-policy"], "same-origin");
    assert.equal(headers["cross-origin-embedder-policy"], "require-corp");
  }
});

test("unchanged files are not sent again", async () => {
  const { headers } = await ask("/main.js");
  const again = await ask("/main.js", { headers: { "if-none-match": headers.etag } });
  assert.deepEqual([again.status, again.body], [304, ""]);
  await writeFile(join(root, "site", "main.js"), "changed");
  const changed = await ask("/main.js", { headers: { "if-none-match": headers.etag } });
  assert.deepEqual([changed.status, changed.body], [200, "changed"]);
});

test("text and wasm are compressed for clients that accept it", async () => {
  const zipped = (path) => fetch(new URL(path, server.address)); // accepts gzip and decodes it
  for (const path of ["main.js", "engine.wasm", "titles.json"]) {
    const response = await zipped(path);
    assert.equal(response.headers.get("content-encoding"), "gzip", path);
    assert.equal((await response.text()).length, path === "main.js" ? "changed".length : path.length);
    assert.equal((await ask(`/${path}`)).headers["content-encoding"], undefined, path);
  }
  const model = await zipped("model.safetensors");
  assert.equal(model.headers.get("content-encoding"), null);
  assert.equal(Number(model.headers.get("content-length")), "model.safetensors".length);
});

test("nothing outside the folder, and only GET and HEAD", async () => {
  for (const path of [
    "/../secret.txt",
    "/..%2fsecret.txt",
    "/%2e%2e/secret.txt",
    "/none",
    "/%",
    "/%00",
  ]) {
    assert.equal((await ask(path)).status, 404, path);
  }
  assert.equal((await ask("/main.js", { method: "POST" })).status, 405);
});
