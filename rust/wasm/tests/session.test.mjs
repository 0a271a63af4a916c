// Each method of a session, on both builds.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { GOLDEN, Model, Session, modelBytes, refused } from "./package.mjs";

for (const simd of [true, false]) {
  describe(simd ? "simd128" : "plain", () => {
    let model;
    let items;
    before(async () => {
      model = await Model.load(new URL("f32.safetensors", GOLDEN), { simd });
      items = model.items();
    });

    const after = (...history) => {
      const session = model.session();
      session.extend(history);
      return session;
    };
    const same = (one, other) => {
      assert.deepEqual(one.score(items), other.score(items));
      assert.deepEqual(one.snapshot(), other.snapshot());
    };

    test("properties of a model", () => {
      assert.equal(model.simd, simd);
      assert.equal(model.length, 100);
      assert.equal(model.idType, "number");
      assert.match(model.fingerprint, /^[0-9a-f]{64}$/);
      assert.deepEqual([...new Set(items)], items);
      assert.ok(items.every((item) => model.has(item) && model.has(BigInt(item))));
      const numbers = [items[0] + 1, 0.5, NaN, 2n ** 64n];
      for (const other of [String(items[0]), null, undefined, {}, ...numbers]) {
        assert.equal(model.has(other), false, String(other));
      }
    });

    test("a model tells its architecture", async () => {
      assert.deepEqual(model.config, {
        hiddenSize: 32,
        numHeads: 2,
        numLayers: 1,
        innerSize: 64,
        numItems: 100,
        gate: true,
        localConv: true,
        positions: "rotary",
        finalNorm: true,
        start: false,
        kinds: [],
        gaps: false,
      });
      assert.equal(model.tableDtype, "f32");
      const other = await Model.load(modelBytes("gaps"), { simd });
      assert.deepEqual(other.config.kinds, other.kinds);
      assert.equal(other.config.gaps, true);
      assert.equal(other.config.start, other.hasStart);
      assert.deepEqual(model.compareIsas(), simd ? ["simd128", "scalar"] : ["scalar"]);
    });

    test("a score is the product of the user's vector and the item's", async () => {
      const session = after(items[1], items[2]);
      const user = session.userVector();
      assert.ok(user instanceof Float32Array && user.length === model.config.hiddenSize);
      const vectors = model.itemVectors(items);
      assert.equal(vectors.length, items.length * user.length);
      for (const [index, score] of session.score(items).entries()) {
        const vector = vectors.subarray(index * user.length, (index + 1) * user.length);
        const product = vector.reduce((sum, number, i) => sum + number * user[i], 0);
        assert.ok(Math.abs(product - score) < 1e-5 * Math.max(1, Math.abs(score)));
      }
      assert.throws(() => model.session().userVector(), refused("no-events"));
      assert.throws(() => model.itemVectors([12345]), refused("unknown-item"));
      const start = (await Model.load(modelBytes("start"), { simd })).session();
      assert.equal(start.userVector().length, 32);
    });

    test("events are appended one by one or as any iterable", () => {
      const session = model.session();
      assert.ok(session instanceof Session);
      assert.equal(session.append(items[3]), true);
      assert.equal(session.append(BigInt(items[4])), true);
      assert.equal(session.append("no such item", { unknown: "skip" }), false);
      assert.equal(session.extend(new Set([items[5], items[3]])), 2);
      assert.equal(session.extend(Int32Array.of(items[6], 7), { unknown: "skip" }), 1);
      assert.equal(session.extend([]), 0);
      assert.equal(session.events, 5);
      assert.deepEqual(session.seen, [items[3], items[4], items[5], items[6]]);
      same(session, after(items[3], items[4], items[5], items[3], items[6]));
    });

    test("items are ranked best first, with the scores of score()", () => {
      const session = after(items[1], items[2]);
      const best = session.topK();
      assert.equal(best.length, 10);
      const scores = session.score(best.map(({ item }) => item));
      assert.ok(scores instanceof Float32Array);
      assert.deepEqual(best.map(({ score }) => score), [...scores]);
      assert.deepEqual([...scores].sort((a, b) => b - a), [...scores]);
      const all = session.topK(Infinity);
      assert.equal(all.length, items.length - 2);
      assert.deepEqual(all.slice(0, 10), best);
      assert.deepEqual(session.topK(0), []);
    });

    test("options of topK", () => {
      const session = after(items[1], items[2]);
      const ids = (options) => new Set(session.topK(100, options).map(({ item }) => item));
      assert.deepEqual(ids(), new Set(items.filter((_, index) => index !== 1 && index !== 2)));
      assert.equal(ids({ excludeSeen: false }).size, items.length);
      assert.deepEqual(ids({ allow: items.slice(1, 4) }), new Set([items[3]]));
      assert.deepEqual(ids({ allow: [] }), new Set());
      assert.equal(ids({ deny: new Set(items.slice(3)) }).size, 1);
      assert.equal(ids({ deny: ["unknown"], unknown: "skip" }).size, items.length - 2);
    });

    test("step is append and topK", () => {
      const session = after(items[1]);
      const options = { excludeSeen: false, deny: [items[9]] };
      assert.deepEqual(session.step(items[2], 7), after(items[1], items[2]).topK(7));
      const expected = after(items[1], items[2], items[3]).topK(7, options);
      assert.deepEqual(session.step(items[3], 7, options), expected);
      assert.deepEqual(session.step(123456789, 7, { unknown: "skip" }), session.topK(7));
      const before = session.snapshot();
      assert.throws(() => session.step(123456789), refused("unknown-item"));
      assert.throws(() => session.step(items[4], 7, { deny: [123456789] }), refused("unknown-item"));
      assert.throws(() => session.step(items[4], -1), refused("invalid-argument"));
      assert.deepEqual(session.snapshot(), before);
    });

    test("peek returns what topK would and changes nothing", () => {
      const session = after(items[1]);
      const before = session.snapshot();
      const options = { excludeSeen: false, deny: [items[9]] };
      const later = after(items[1], items[2], items[3]);
      assert.deepEqual(session.peek([items[2], items[3]], 7), later.topK(7));
      assert.deepEqual(session.peek([items[2], items[3]], 7, options), later.topK(7, options));
      assert.deepEqual(session.snapshot(), before);
    });

    test("undo restores exactly", () => {
      const session = after(items[1]);
      session.keepUndo(2);
      session.extend([items[2], items[3], items[4]]);
      assert.equal(session.undoable, 2);
      session.undo();
      same(session, after(items[1], items[2], items[3]));
      session.undo(1);
      same(session, after(items[1], items[2]));
      assert.equal(session.undoable, 0);
      session.undo(0);
      const taken = session.undoBytes;
      assert.ok(taken > 2 * session.stateBytes);
      session.keepUndo(4);
      assert.equal(session.undoBytes, 2 * taken);
      session.keepUndo(0);
      assert.equal(session.undoBytes, 0);
    });

    test("forget removes items exactly", () => {
      const session = model.session();
      session.keepLog(Infinity);
      session.extend([items[1], items[2], items[1], items[3]]);
      session.forget([items[1]]);
      assert.equal(session.events, 2);
      assert.deepEqual(session.seen, [items[2], items[3]]);
      assert.deepEqual(session.score(items), after(items[2], items[3]).score(items));
    });

    test("a snapshot continues, also on the other build", async () => {
      const session = after(...items.slice(0, 20));
      const bytes = session.snapshot();
      const other = (await Model.load(modelBytes("f32"), { simd: !simd })).session();
      other.restore(bytes);
      session.append(items[30]);
      other.append(items[30]);
      same(session, other);
      other.restore(bytes.buffer);
      assert.equal(other.events, 20);
    });

    test("a snapshot in half precision is smaller, and drifts from the next event on", () => {
      const session = after(...items.slice(0, 20));
      const exact = session.snapshot({ precision: "f32" });
      assert.deepEqual(exact, session.snapshot());
      const half = session.snapshot({ precision: "f16" });
      assert.ok(half.length < 0.6 * exact.length, `${half.length} of ${exact.length} bytes`);
      const other = model.session();
      other.restore(half);
      assert.deepEqual(other.score(items), session.score(items));
      session.append(items[30]);
      other.append(items[30]);
      const [expected, found] = [session.score(items), other.score(items)];
      const largest = Math.max(...expected.map(Math.abs));
      const drift = Math.max(...expected.map((score, index) => Math.abs(score - found[index])));
      assert.ok(drift > 0 && drift < 1e-3 * largest, `${drift} of ${largest}`);
    });

    test("clones, sessions and resets are independent", () => {
      const session = after(items[1]);
      const copy = session.clone();
      copy.append(items[2]);
      same(session, after(items[1]));
      same(copy, after(items[1], items[2]));
      copy.reset();
      assert.equal(copy.events, 0);
      assert.deepEqual(copy.seen, []);
      assert.ok(session.stateBytes > copy.stateBytes);
    });

    test("a session outlives its model's handle", async () => {
      const own = await Model.load(modelBytes("f32"), { simd });
      const session = own.session();
      own.free();
      session.append(items[1]);
      assert.deepEqual(session.topK(3), after(items[1]).topK(3));
      session.free();
    });

    test("strings are ids", async () => {
      const texts = await Model.load(modelBytes("text-ids"), { simd });
      assert.equal(texts.idType, "string");
      const session = texts.session();
      session.append(texts.items()[0]);
      assert.equal(typeof session.topK(1)[0].item, "string");
      // An unpaired surrogate does not match the replacement character.
      assert.equal(texts.has("\ud800"), false);
    });
  });
}

test("restore takes the snapshot's log, even an empty one, and nothing can be undone", async () => {
  const model = await Model.load(modelBytes("f32"));
  const items = model.items();
  const bare = model.session();
  bare.extend(items.slice(0, 3));
  const logged = model.session();
  logged.keepLog(Infinity);
  logged.extend(items.slice(0, 3));
  for (const [from, log] of [
    [bare, []],
    [logged, items.slice(0, 3)],
  ]) {
    const session = model.session();
    session.keepLog(Infinity);
    session.keepUndo(5);
    session.append(items[5]);
    session.restore(from.snapshot());
    assert.deepEqual(session.log, log);
    assert.equal(session.undoable, 0);
    // Both go on with the next event.
    session.append(items[7]);
    assert.deepEqual(session.log, [...log, items[7]]);
    assert.equal(session.undoable, 1);
    if (from === bare) assert.throws(() => session.forget([items[0]]), refused("no-log"));
    else session.forget([items[0]]);
  }
});
