// The events that explain an item's score, on both builds.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Model, modelBytes, refused } from "./package.mjs";

for (const simd of [true, false]) {
  describe(simd ? "simd128" : "plain", () => {
    test("drops are those of sessions without the event", async () => {
      const model = await Model.load(modelBytes("both"), { simd });
      const items = model.items();
      const history = Array.from({ length: 12 }, (_, index) => items[(index * 7) % 10]);
      const kinds = history.map((_, index) => model.kinds[index % 3]);
      const score = (kept) => {
        const session = model.session();
        const chosen = (list) => list.filter((_, index) => kept(index));
        session.extend(chosen(history), { kinds: chosen(kinds) });
        return session.score([items[30]])[0];
      };
      const session = model.session();
      session.keepLog(Infinity);
      session.extend(history, { kinds });
      const expected = history
        .map((item, position) => {
          const drop = Math.fround(score(() => true) - score((index) => index !== position));
          return { position, item, kind: kinds[position], drop };
        })
        .filter(({ drop }) => drop > 0)
        .sort((a, b) => b.drop - a.drop);
      assert.ok(expected.length > 3);
      assert.deepEqual(session.why(items[30], Infinity), expected);
      assert.deepEqual(session.why(items[30]), expected.slice(0, 3));
      assert.deepEqual(session.why(items[30], 1), expected.slice(0, 1));
    });

    test("a model without kinds has reasons without one", async () => {
      const model = await Model.load(modelBytes("start"), { simd });
      const items = model.items();
      const session = model.session();
      session.keepLog(9);
      session.extend(items.slice(0, 9));
      const reasons = items.flatMap((item) => session.why(item, 9));
      assert.ok(reasons.length > 0);
      for (const reason of reasons) {
        assert.deepEqual(Object.keys(reason), ["position", "item", "drop"]);
        assert.equal(reason.item, items[reason.position]);
      }
    });

    test("the log has to hold every event", async () => {
      const model = await Model.load(modelBytes("f32"), { simd });
      const items = model.items();
      const session = model.session();
      session.append(items[1]);
      assert.throws(() => session.why(items[2]), refused("no-log"));
      assert.throws(() => session.why(123456789), refused("unknown-item", /123456789/));
      assert.throws(() => session.why(items[2], -1), refused("invalid-argument", /n: found -1/));
    });
  });
}
