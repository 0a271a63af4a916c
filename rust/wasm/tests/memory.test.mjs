// Memory stays constant over 1,000 models, and an engine is not used again after a trap.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { Model, PACKAGE, modelBytes } from "./package.mjs";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");
const bytes = modelBytes("int8");

/** Bytes of the WebAssembly memory. The generated JavaScript exposes the running instance. */
async function wasmMemory() {
  const { default: instance } = await import(new URL("recgrela-simd128.js", PACKAGE));
  return (await instance()).memory.buffer.byteLength;
}

async function use(free) {
  const model = await Model.load(bytes);
  const session = model.session();
  session.keepUndo(3);
  session.extend(model.items().slice(0, 20));
  assert.equal(session.topK(5).length, 5);
  const copy = session.clone();
  copy.restore(session.snapshot());
  if (!free) return;
  for (const handle of [copy, session, model]) handle.free();
}

for (const free of [true, false]) {
  test(`1,000 loads with ${free ? "free" : "the garbage collector"}`, async () => {
    const measure = async (loads) => {
      for (let i = 0; i < loads; i++) {
        await use(free);
        if (!free && i % 20 === 0) await collected();
      }
      for (let turn = 0; turn < 3; turn++) await collected();
      return { wasm: await wasmMemory(), heap: process.memoryUsage().heapUsed };
    };
    const before = await measure(200);
    const after = await measure(1000);
    // The test cannot control garbage collection.
    const more = after.wasm - before.wasm;
    assert.ok(more <= (free ? 0 : 4_000_000), `${more} bytes more`);
    assert.ok(after.heap - before.heap < 500_000, `${after.heap - before.heap} bytes of heap more`);
  });
}

/** Finalizers run in a separate task. */
async function collected() {
  gc();
  await new Promise((resolve) => setTimeout(resolve, 1));
}

test("out of memory is an error; after a trap the next load starts a new engine", async (t) => {
  const { Model, RecgrelaError } = await packageWithMemory(t, 8);
  const options = { simd: true };
  const code = (expected) => (error) => error instanceof RecgrelaError && error.code === expected;
  const model = await Model.load(bytes, options);
  await assert.rejects(Model.load(new Uint8Array(2 ** 24), options), code("out-of-memory"));
  const session = model.session();
  session.append(model.items()[0]); // the session still works

  const copies = [];
  const fill = () => {
    for (;;) copies.push(session.clone());
  };
  const crashed = code("crashed");
  assert.throws(fill, (error) => crashed(error) && error.cause instanceof WebAssembly.RuntimeError);
  for (const handle of [model, session, copies[0]]) {
    assert.throws(() => handle.free() ?? handle.items?.() ?? handle.topK(), (error) =>
      ["crashed", "freed"].includes(error.code));
  }
  assert.throws(() => copies[1].topK(), crashed);

  // Concurrent loads share the new instance, which handles of the old one do not touch.
  const [one, two] = await Promise.all([Model.load(bytes, options), Model.load(bytes, options)]);
  for (const handle of copies) handle.free();
  copies.length = 0;
  await collected();
  const sessions = [one, two].map((loaded) => loaded.session());
  for (const fresh of sessions) fresh.append(one.items()[3]);
  assert.deepEqual(sessions[0].topK(5), sessions[1].topK(5));
});

/** A copy of the package whose SIMD module can grow by only a few pages. */
async function packageWithMemory(t, pages) {
  const folder = await mkdtemp(join(tmpdir(), "recgrela-"));
  t.after(() => rm(folder, { recursive: true }));
  await cp(PACKAGE, folder, { recursive: true });
  const file = join(folder, "recgrela-simd128.wasm");
  await writeFile(file, withMemoryLimit(await readFile(file), pages));
  return import(pathToFileURL(join(folder, "node.js")));
}

/** Adds a maximum to the memory of a module (section 5, `no maximum, minimum`). */
function withMemoryLimit(module, pages) {
  const MEMORY = 5;
  for (let offset = 8; offset < module.length; ) {
    const start = offset + 1;
    const [size, body] = leb128(module, start);
    if (module[offset] === MEMORY) {
      assert.deepEqual([...module.subarray(body, body + 2)], [1, 0]);
      const [minimum] = leb128(module, body + 2);
      const limits = [1, 1, ...twoBytes(minimum), ...twoBytes(minimum + pages)];
      const section = Uint8Array.of(MEMORY, limits.length, ...limits);
      return Buffer.concat([module.subarray(0, offset), section, module.subarray(body + size)]);
    }
    offset = body + size;
  }
  throw new Error("no memory section");
}

/** A number, and the offset after it. */
function leb128(bytes, offset) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[offset++];
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return [value, offset];
  }
}

const twoBytes = (value) => [(value & 0x7f) | 0x80, value >> 7];
