// Kinds of events, the first screen, the log and migrating, on both builds.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { Model, modelBytes, refused } from "./package.mjs";

for (const simd of [true, false]) {
  describe(simd ? "simd128" : "plain", () => {
    let model;
    let items;
    let [view, cart] = [];
    before(async () => {
      model = await Model.load(modelBytes("both"), { simd });
      items = model.items();
      [view, cart] = model.kinds;
    });

    test("an event has a kind", () => {
      assert.equal(model.kinds.length, 3);
      const session = model.session();
      const two = [items[1], items[2]];
      const peeked = session.peek(two, 5, { kinds: new Set([cart, view]) });
      session.append(items[1], { kind: cart });
      session.append(items[2], { kind: view });
      assert.deepEqual(session.topK(5), peeked);
      const other = model.session();
      assert.equal(other.extend(two, { kinds: [cart, view] }), 2);
      assert.deepEqual(other.snapshot(), session.snapshot());
      other.reset();
      const steps = model.session();
      steps.step(two[0], 5, { kind: cart });
      assert.deepEqual(steps.step(two[1], 5, { kind: view }), peeked);
      other.extend(two, { kinds: view });
      assert.notDeepEqual(other.snapshot(), session.snapshot());
      other.reset();
      const skipping = { kinds: [cart, cart, view], unknown: "skip" };
      assert.equal(other.extend([items[1], "no such item", items[2]], skipping), 2);
      assert.deepEqual(other.snapshot(), session.snapshot());
    });

    test("an event without its kind changes nothing, and the error lists the kinds", () => {
      const session = model.session();
      const listed = new RegExp(model.kinds.map((kind) => `\`${kind}\``).join(", "));
      const invalid = refused("invalid-argument", listed);
      assert.throws(() => session.append(items[1]), invalid);
      assert.throws(() => session.append(items[1], { kind: "no such" }), invalid);
      assert.throws(() => session.extend(items.slice(0, 2), { kinds: [view, "x"] }), invalid);
      assert.throws(() => session.peek([items[1]]), invalid);
      const words = /kind of event: found 5, expected a string/;
      assert.throws(() => session.append(items[1], { kind: 5 }), refused("invalid-argument", words));
      const few = refused("invalid-argument", /kinds: found 1, expected 2, one for each item/);
      assert.throws(() => session.extend(items.slice(0, 2), { kinds: [view] }), few);
      assert.throws(() => session.extend(items, { kinds: 5 }), refused("invalid-argument", /kinds/));
      assert.equal(session.events, 0);
    });

    test("a model without kinds refuses one", async () => {
      const plain = await Model.load(modelBytes("f32"), { simd });
      assert.deepEqual(plain.kinds, []);
      const session = plain.session();
      const none = refused("invalid-argument", /this model has no kinds/);
      assert.throws(() => session.append(plain.items()[0], { kind: view }), none);
      session.keepLog(1);
      session.append(plain.items()[0], { kind: undefined });
      assert.deepEqual(session.logKinds, []);
    });

    test("the first screen comes from the start vector", async () => {
      assert.equal(model.hasStart, true);
      const session = model.session();
      const [first, second] = session.topK(2);
      assert.deepEqual([...session.score([first.item])], [first.score]);
      assert.deepEqual(session.topK(1, { deny: [first.item] }), [second]);
      const plain = await Model.load(modelBytes("f32"), { simd });
      assert.equal(plain.hasStart, false);
      assert.throws(() => plain.session().topK(), refused("no-events", /start vector/));
    });

    test("the log has the last events", () => {
      const session = model.session();
      assert.deepEqual([session.log, session.logKinds], [[], []]);
      session.keepLog(2);
      session.extend(items.slice(0, 3), { kinds: [view, cart, view] });
      assert.deepEqual(session.log, [items[1], items[2]]);
      assert.deepEqual(session.logKinds, [cart, view]);
    });

    test("a history migrates to another model", async () => {
      const session = model.session();
      session.keepLog(Infinity);
      session.extend(items.slice(0, 3), { kinds: [view, cart, view] });
      const [snapshot, log, kinds] = [session.snapshot(), session.log, session.logKinds];
      const same = model.migrate(snapshot, log, { kinds });
      assert.deepEqual(same.snapshot(), snapshot);

      const other = await Model.load(modelBytes("text-ids"), { simd });
      const moved = other.migrate(snapshot, log.with(1, "no such item"));
      const known = [log[0], log[2]];
      assert.deepEqual(moved.log, known);
      const fresh = other.session();
      fresh.extend(known);
      assert.deepEqual(moved.score(known), fresh.score(known));
    });

    test("a log that is not the snapshot's is refused", () => {
      const session = model.session();
      session.keepLog(Infinity);
      session.extend(items.slice(0, 3), { kinds: view });
      const snapshot = session.snapshot();
      const wrong = refused("no-log", /found 2 events, expected 3/);
      assert.throws(() => model.migrate(snapshot, items.slice(0, 2), { kinds: view }), wrong);
      const repeated = [items[0], items[1], items[1]];
      const error = refused("no-log", /expected another one/);
      assert.throws(() => model.migrate(snapshot, repeated, { kinds: view }), error);
      assert.throws(() => model.migrate(snapshot, session.log), refused("invalid-argument", /kind/));
      const damaged = snapshot.slice(1);
      const broken = refused("invalid-snapshot");
      assert.throws(() => model.migrate(damaged, session.log, { kinds: view }), broken);
      assert.throws(() => model.migrate("x", []), refused("invalid-argument", /snapshot/));
      assert.throws(() => model.migrate(snapshot, 5), refused("invalid-argument", /log/));
    });
  });
}
