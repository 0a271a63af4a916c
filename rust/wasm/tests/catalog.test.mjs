// Changes of the catalogue, and quotas, on both builds.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { Model, modelBytes, refused } from "./package.mjs";

/** D of the golden model f32. */
const SIZE = 32;

for (const simd of [true, false]) {
  describe(simd ? "simd128" : "plain", () => {
    let model;
    let items;
    let session;
    beforeEach(async () => {
      model = await Model.load(modelBytes("f32"), { simd });
      items = model.items();
      session = model.session();
      session.append(items[0]);
    });
    const best = (options) => session.topK(Infinity, options).map(({ item }) => item);

    test("added items are recommended and appended", () => {
      model.addItems([7, 8n], new Float32Array(2 * SIZE).fill(0.5));
      assert.equal(model.length, items.length + 2);
      assert.deepEqual(model.items(), [...items, 7, 8]);
      assert.ok(model.has(7));
      assert.ok(best().includes(8));
      const [one, other] = session.score([7, 8]);
      assert.equal(one, other);
      session.append(7);
      assert.deepEqual(session.seen, [items[0], 7]);
      model.addItems([8], new Array(SIZE).fill(0));
      assert.deepEqual([...session.score([8])], [0]);
      assert.deepEqual([model.added, model.replaced], [[7, 8], []]);
      const [seven, third] = [model.itemVectors([7]), model.itemVectors([items[3]])];
      assert.deepEqual(seven, new Float32Array(SIZE).fill(0.5));
      model.addItems([items[3]], seven);
      assert.deepEqual(model.replaced, [items[3]]);
      assert.deepEqual(model.itemVectors([items[3], 8, 7]), Float32Array.of(...seven, ...new Float32Array(SIZE), ...seven));
      assert.notDeepEqual(third, seven);
      assert.equal(model.config.numItems, items.length);
    });

    test("retired items are not recommended until reinstated", () => {
      const before = best();
      model.retire([items[1], items[2]]);
      assert.deepEqual(model.retired, [items[1], items[2]]);
      assert.deepEqual(best(), before.filter((item) => !model.retired.includes(item)));
      assert.deepEqual(best({ allow: [items[1]] }), []);
      model.reinstate([items[1], items[2]]);
      assert.deepEqual(model.retired, []);
      assert.deepEqual(best(), before);
    });

    test("an overlay moves to another load of the model, on the other build too", async () => {
      model.addItems([7], new Float32Array(SIZE).fill(0.5));
      model.retire([items[3]]);
      const bytes = model.overlay();
      const other = await Model.load(modelBytes("f32"), { simd: !simd });
      other.setOverlay(bytes.buffer);
      assert.deepEqual(other.overlay(), bytes);
      const same = other.session();
      same.append(items[0]);
      assert.deepEqual(same.topK(Infinity), session.topK(Infinity));
      session.append(7);
      same.restore(session.snapshot());
      assert.deepEqual(same.seen, [items[0], 7]);
      const without = await Model.load(modelBytes("f32"), { simd });
      const missing = refused("foreign-snapshot", /activate that overlay/);
      assert.throws(() => without.session().restore(session.snapshot()), missing);
    });

    test("invalid changes are refused and change nothing", async () => {
      const vectors = new Float32Array(SIZE);
      const before = model.overlay();
      const invalid = refused("invalid-overlay");
      assert.throws(() => model.addItems([7], vectors.subarray(1)), invalid);
      assert.throws(() => model.addItems(["a text"], vectors), invalid);
      assert.throws(() => model.addItems([7, 7], new Float32Array(2 * SIZE)), invalid);
      const argument = (words) => refused("invalid-argument", words);
      assert.throws(() => model.addItems([7], new Array(SIZE).fill("x")), argument(/element 0/));
      const infinite = new Float32Array(SIZE).fill(1 / 0, SIZE - 1);
      assert.throws(() => model.addItems([7], infinite), argument(/element 31: found Infinity/));
      assert.throws(() => model.addItems([2n ** 70n], vectors), argument(/which no item can have/));
      assert.throws(() => model.addItems([0.5], vectors), argument(/item id/));
      assert.throws(() => model.retire([123456789]), refused("unknown-item"));
      assert.throws(() => model.reinstate([123456789]), refused("unknown-item"));
      assert.throws(() => model.setOverlay(before.slice(1)), invalid);
      assert.throws(() => model.setOverlay("text"), argument(/overlay/));
      const other = await Model.load(modelBytes("f16"), { simd });
      assert.throws(() => model.setOverlay(other.overlay()), invalid);
      assert.deepEqual(model.overlay(), before);
      model.addItems([7], vectors);
      assert.throws(() => model.setOverlay(before), refused("invalid-overlay", /added items/));
    });

    test("a quota limits the items of a group", () => {
      const group = (item) => items.indexOf(item) % 3;
      const words = /maxPerGroup: found no groups/;
      assert.throws(() => best({ maxPerGroup: 2 }), refused("invalid-argument", words));
      model.setGroups(items.map(group));
      const counts = [0, 0, 0];
      const expected = best().filter((item) => counts[group(item)]++ < 2);
      assert.deepEqual(best({ maxPerGroup: 2 }), expected);
      assert.equal(expected.length, 6);
      const peeked = session.peek([items[1]], Infinity, { maxPerGroup: 1 });
      session.append(items[1]);
      assert.deepEqual(session.topK(Infinity, { maxPerGroup: 1 }), peeked);
      assert.equal(peeked.length, 3);
      assert.equal(session.clone().topK(9, { maxPerGroup: 1 }).length, 3);
    });

    test("groups that do not fit are refused", () => {
      const invalid = (words) => refused("invalid-argument", words);
      assert.throws(() => model.setGroups([1, 2]), invalid(/groups: found 2 numbers/));
      assert.throws(() => model.setGroups(items.map(String)), invalid(/groups, element 0/));
      assert.throws(() => model.setGroups(items.map(() => 0.5)), invalid(/a whole number/));
      assert.throws(() => model.setGroups(5), invalid(/groups/));
      assert.throws(() => best({ maxPerGroup: -1 }), invalid(/maxPerGroup/));
    });
  });
}
