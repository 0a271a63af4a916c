// Times of events, on both builds.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { Model, modelBytes, refused } from "./package.mjs";

for (const simd of [true, false]) {
  describe(simd ? "simd128" : "plain", () => {
    let model;
    let [first, second] = [];
    let kinds;
    before(async () => {
      model = await Model.load(modelBytes("gaps"), { simd });
      [first, second] = model.items();
      kinds = model.kinds;
    });

    test("an event has a time", () => {
      assert.equal(model.usesTimes, true);
      const session = model.session();
      session.keepLog(10);
      const times = [100, 3700.9];
      const peeked = session.peek([first, second], 5, { kinds, times });
      session.append(first, { kind: kinds[0], time: 100 });
      session.append(second, { kind: kinds[1], time: 3700.9 });
      assert.deepEqual(session.topK(5), peeked);
      assert.deepEqual(session.logTimes, [100, 3700]);
      const moved = model.migrate(session.snapshot(), session.log, { kinds, times });
      assert.deepEqual(moved.snapshot(), session.snapshot());

      const steps = model.session();
      steps.step(first, 5, { kind: kinds[0], time: 100 });
      assert.deepEqual(steps.step(second, 5, { kind: kinds[1], time: 3700 }), peeked);
      const other = model.session();
      assert.equal(other.extend([first, second], { kinds, times: new Set([100, 110]) }), 2);
      assert.notDeepEqual(other.topK(5), peeked);
      other.reset();
      const skipping = { kinds: kinds[0], times: [1, 2, 3], unknown: "skip" };
      assert.equal(other.extend([first, -5, second], skipping), 2);
      const without = model.session();
      without.extend([first, second], { kinds: kinds[0], times: [1, 3] });
      assert.deepEqual(other.snapshot(), without.snapshot());
    });

    test("a missing time, or what is no time, changes nothing", () => {
      const session = model.session();
      const kind = kinds[0];
      const missing = refused("invalid-argument", /pass the time of each event/);
      assert.throws(() => session.append(first, { kind }), missing);
      assert.throws(() => session.extend([first], { kinds: kind }), missing);
      assert.throws(() => session.peek([first], 3, { kinds: kind }), missing);
      assert.throws(() => session.step(first, 3, { kind }), missing);
      for (const time of ["1", NaN, Infinity, 2 ** 53, 5n, new Date()]) {
        const error = refused("invalid-argument", /time: found .*, expected a number of seconds/);
        assert.throws(() => session.append(first, { kind, time }), error);
        const each = refused("invalid-argument", /times, element 1: found .*, expected a number/);
        const call = () => session.extend([first, second], { kinds, times: [1, time] });
        assert.throws(call, each);
      }
      const few = refused("invalid-argument", /times: found 1, expected 2, one for each item/);
      assert.throws(() => session.extend([first, second], { kinds, times: [1] }), few);
      assert.throws(() => session.extend([first], { kinds, times: 5 }), refused("invalid-argument"));
      assert.equal(session.events, 0);
    });

    test("a model that uses no times refuses one", async () => {
      const plain = await Model.load(modelBytes("f32"), { simd });
      assert.equal(plain.usesTimes, false);
      const session = plain.session();
      const none = refused("invalid-argument", /this model does not use times/);
      assert.throws(() => session.append(plain.items()[0], { time: 1 }), none);
      session.keepLog(1);
      session.append(plain.items()[0], { time: undefined });
      assert.deepEqual(session.logTimes, []);
    });
  });
}
