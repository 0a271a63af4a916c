// Misuse and hostile bytes always throw a descriptive RecgrelaError and change nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Model, RecgrelaError, Session, modelBytes, refused } from "./package.mjs";

const model = await Model.load(modelBytes("f32"));
const items = model.items();

test("an error has a code, a name and a message on one line", () => {
  const session = model.session();
  try {
    session.append("a\nb");
    assert.fail("nothing was thrown");
  } catch (error) {
    assert.ok(error instanceof Error && error instanceof RecgrelaError);
    assert.equal(error.name, "RecgrelaError");
    assert.equal(error.code, "unknown-item");
    const words = String.raw`item "a\nb" is not among the model's 100 items; its ids are numbers`;
    assert.equal(error.message, words);
    assert.match(String(error), /^RecgrelaError: item/);
  }
});

test("unknown ids", () => {
  const session = model.session();
  session.append(items[0]);
  const unknown = refused("unknown-item", /123456789/);
  assert.throws(() => session.append(123456789), unknown);
  assert.throws(() => session.append(123456789n), unknown);
  assert.throws(() => session.append(2n ** 70n), refused("unknown-item"));
  assert.throws(() => session.extend([items[1], 123456789]), unknown);
  assert.throws(() => session.score([123456789]), unknown);
  assert.throws(() => session.topK(1, { allow: [123456789] }), unknown);
  assert.throws(() => session.topK(1, { deny: [123456789] }), unknown);
  assert.throws(() => session.peek([123456789]), unknown);
  assert.throws(() => session.forget([123456789]), unknown);
  assert.equal(session.events, 1);
});

test("values that are not ids", () => {
  const session = model.session();
  const invalid = refused("invalid-argument", /item id/);
  const numbers = [0.5, NaN, Infinity, 2 ** 53];
  for (const value of [undefined, null, true, {}, [], Symbol("x"), () => 1, ...numbers]) {
    for (const unknown of ["error", "skip"]) {
      assert.throws(() => session.append(value, { unknown }), invalid);
      assert.throws(() => session.extend([value], { unknown }), invalid);
    }
  }
  assert.equal(session.events, 0);
});

test("values that are not lists, counts or options", () => {
  const session = model.session();
  session.append(items[0]);
  const invalid = refused("invalid-argument");
  for (const value of [undefined, null, 5, "abc", {}, () => 1]) {
    assert.throws(() => session.extend(value), invalid);
    assert.throws(() => session.score(value), invalid);
    assert.throws(() => session.peek(value), invalid);
    assert.throws(() => session.forget(value), invalid);
  }
  for (const value of [-1, 1.5, NaN, null, "5", 5n, {}]) {
    assert.throws(() => session.topK(value), invalid);
    assert.throws(() => session.peek([], value), invalid);
    assert.throws(() => session.keepUndo(value), invalid);
    assert.throws(() => session.undo(value), invalid);
    assert.throws(() => session.keepLog(value), invalid);
  }
  assert.throws(() => session.append(items[0], "skip"), invalid);
  assert.throws(() => session.append(items[0], { unknown: "ignore" }), invalid);
  assert.throws(() => session.topK(5, { excludeSeen: "no" }), invalid);
  assert.throws(() => session.topK(5, { allow: "abc" }), invalid);
  assert.throws(() => session.topK(5, { deny: null }), invalid);
  for (const value of [undefined, null, "abc", 5, [1, 2]]) {
    assert.throws(() => session.restore(value), invalid);
  }
  assert.throws(() => new Session(), invalid);
  assert.throws(() => new Model(), invalid);
  assert.equal(session.events, 1);
});

test("unknown options are refused by name", async () => {
  const session = model.session();
  session.append(items[0]);
  const ids = [items[1]];
  for (const call of [
    (options) => session.append(items[1], options),
    (options) => session.extend(ids, options),
    (options) => session.topK(3, options),
    (options) => session.step(items[1], 3, options),
    (options) => session.peek(ids, 3, options),
    (options) => session.snapshot(options),
    (options) => model.migrate(session.snapshot(), ids, options),
  ]) {
    const named = refused("invalid-argument", /^options: found "exclude", expected one of \w+/);
    assert.throws(() => call({ exclude: ids }), named);
  }
  const precision = /^precision: found "half", expected "f32" or "f16"$/;
  assert.throws(() => session.snapshot({ precision: "half" }), refused("invalid-argument", precision));
  // An option of another method.
  assert.throws(() => session.topK(3, { kind: "cart" }), refused("invalid-argument", /"kind"/));
  await assert.rejects(
    Model.load(modelBytes("f32"), { progress() {} }),
    refused("invalid-argument", /^options: found "progress", expected one of onProgress, /),
  );
  assert.equal(session.events, 1);
});

test("a number of events or states is not clamped, and the error has the caller's", () => {
  const session = model.session();
  for (const [call, name] of [
    [(value) => session.keepUndo(value), "depth"],
    [(value) => session.undo(value), "n"],
  ]) {
    const words = (value) => new RegExp(`^${name}: found ${value}, expected .* from 0 to 4294967295$`);
    for (const value of [1e12, Infinity]) {
      assert.throws(() => call(value), refused("invalid-argument", words(value)));
    }
  }
  // Here more than there is means all.
  session.keepLog(Infinity);
  session.append(items[0]);
  assert.equal(session.topK(1e12).length, items.length - 1);
});

test("exceptions of the caller's code pass through, and it may use the session", () => {
  const session = model.session();
  const mine = new Error("mine");
  assert.throws(
    () =>
      session.extend(
        (function* () {
          yield items[0];
          throw mine;
        })(),
      ),
    (error) => error === mine,
  );
  assert.equal(session.events, 0);
  session.extend(
    (function* () {
      session.append(items[1]);
      yield items[0];
    })(),
  );
  assert.equal(session.events, 2);
});

test("queries at the wrong time", () => {
  const session = model.session();
  for (const ask of [() => session.topK(), () => session.score(items), () => session.peek([])]) {
    assert.throws(ask, refused("no-events"));
  }
  session.append(items[0]);
  assert.throws(() => session.undo(), refused("undo-depth"));
  assert.throws(() => session.forget([items[0]]), refused("no-log"));
  session.keepLog(5);
  assert.throws(() => session.forget([items[0]]), refused("no-log", /log of the last 0 events/));
  assert.throws(() => session.keepUndo(2 ** 31), refused("out-of-memory"));
  assert.equal(session.topK(3).length, 3);
});

test("freed handles", async () => {
  const own = await Model.load(modelBytes("f32"));
  const session = own.session();
  session.append(items[0]);
  session.free();
  session.free();
  own[Symbol.dispose]?.();
  own.free();
  const freed = refused("freed", /this (Session|Model) has been freed/);
  for (const name of Object.getOwnPropertyNames(Session.prototype)) {
    if (name === "constructor") continue;
    const isGetter = Object.getOwnPropertyDescriptor(Session.prototype, name).get !== undefined;
    const use = () => (isGetter ? session[name] : session[name](argumentOf(name)));
    assert.throws(use, freed, name);
  }
  assert.throws(() => own.session(), freed);
  assert.throws(() => own.items(), freed);
  assert.throws(() => own.length, freed);
});

function argumentOf(name) {
  if (["keepUndo", "keepLog", "undo", "topK"].includes(name)) return 1;
  return name === "restore" ? new Uint8Array(8) : [];
}

test("hostile snapshots are refused and change nothing", async () => {
  const session = model.session();
  session.extend(items.slice(0, 9));
  const good = session.snapshot();
  const other = (await Model.load(modelBytes("f16"))).session();
  other.append(items[0]);
  assert.throws(() => session.restore(other.snapshot()), refused("foreign-snapshot"));
  const anyError = (error) => ["invalid-snapshot", "foreign-snapshot"].includes(error.code);
  for (let length = 0; length < good.length; length += 7) {
    assert.throws(() => session.restore(good.subarray(0, length)), anyError);
  }
  for (let offset = 0; offset < good.length; offset += 3) {
    const bad = good.slice();
    bad[offset] ^= 0x41;
    assert.throws(() => session.restore(bad), anyError, `byte ${offset}`);
  }
  assert.deepEqual(session.snapshot(), good);
});

test("hostile models are refused", async () => {
  const good = modelBytes("f32");
  const bad = refused("invalid-model");
  for (const length of [0, 7, 8, 100, 5000, good.length - 1]) {
    await assert.rejects(Model.load(good.subarray(0, length)), bad);
  }
  for (let offset = 0; offset < good.length; offset += 997) {
    const changed = Uint8Array.from(good);
    changed[offset] ^= 0x10;
    // A flip in the header's padding may leave a valid file.
    await Model.load(changed).then(
      () => assert.ok(offset < 3000, `byte ${offset}`),
      (error) => bad(error),
    );
  }
});

test("an id past 2^53 is a bigint", async () => {
  const bytes = Uint8Array.from(modelBytes("f32"));
  const view = new DataView(bytes.buffer);
  const header = Number(view.getBigUint64(0, true));
  const tensors = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + header)));
  const start = (name) => 8 + header + tensors[name].data_offsets[0];
  const last = view.getInt32(start("catalog.order") + 4 * (items.length - 1), true);
  view.setBigInt64(start("catalog.ids") + 8 * last, 2n ** 60n + 1n, true);
  await assert.rejects(Model.load(bytes), refused("invalid-model", /fingerprint/));
  const large = await Model.load(bytes, { verify: false });
  assert.equal(large.items()[last], 2n ** 60n + 1n);
  assert.ok(large.has(2n ** 60n + 1n));
  const session = large.session();
  session.append(2n ** 60n + 1n);
  assert.deepEqual(session.seen, [2n ** 60n + 1n]);
});
