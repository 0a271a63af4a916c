// The first screen of a model with a start vector, and the comparison of two models.

import assert from "node:assert/strict";
import { test } from "node:test";

import { coarse, items, nameOf, names, recommendedBy, starting } from "./site.mjs";
import { page, site, testSite, visit } from "./visits.mjs";

testSite();

/** Publishes a page of these models and opens it. */
async function publish(...models) {
  await site.publish(...models);
  await visit();
}

const text = (id) => page.textContent(`#${id}`);
const radio = (place) => page.locator("#models input").nth(place);
const compared = () => page.waitForSelector("#models:not(:disabled)", { state: "attached" });

test("before the first click the model answers from its start vector", async () => {
  await publish("start", "coarse");
  const first = recommendedBy(starting);
  assert.notDeepEqual(first, items.slice(0, 10).map(nameOf)); // not the most popular ones
  assert.deepEqual(await names(page, "best"), first);
  assert.equal(await text("pick-title"), "Recommended before your first pick");
  assert.match(await page.locator("#best .number").first().textContent(), /^-?\d+\.\d\d$/);
  assert.ok(await page.locator("body.fresh").count());
  // What if works too, and the first event tells what is new.
  await page.locator("#best .film").nth(3).hover();
  const fourth = items.find((item) => nameOf(item) === first[3]);
  assert.deepEqual(await names(page, "after"), recommendedBy(starting, fourth));
  await page.locator("#best .film").nth(3).click();
  assert.deepEqual(await names(page, "best"), recommendedBy(starting, fourth));
  assert.match(await text("status"), /\d+ of ten (is|are) new\.$/);
  assert.equal(await page.locator("body.fresh").count(), 0);
  // With an empty history it is the first screen again.
  await page.click("#undo");
  assert.deepEqual(await names(page, "best"), first);
  assert.ok(await page.locator("body.fresh").count());
});

test("the first screen fits: posters in a grid, nothing too wide, text inside its poster", async () => {
  await publish("start", "coarse");
  for (const width of [320, 390, 800, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    const { overflow, cut, tops } = await page.evaluate(() => {
      const films = [...document.querySelectorAll("#best .film")];
      return {
        overflow: document.documentElement.scrollWidth - innerWidth,
        cut: films.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).length,
        tops: new Set(films.map((film) => film.getBoundingClientRect().top)).size,
      };
    });
    assert.ok(overflow <= 0, `at ${width} px the page is ${overflow} px too wide`);
    assert.equal(cut, 0, `at ${width} px`);
    assert.ok(tops <= 5, `at ${width} px the ten posters take ${tops} rows`);
  }
});

test("the choice of a model changes the ranks shown, and tells how far both agree", async () => {
  await publish("start", "coarse");
  await compared();
  await page.locator("#best .film").nth(2).click();
  const [film] = await names(page, "seen");
  const item = items.find((item) => nameOf(item) === film);
  const lists = [starting, coarse].map((by) => recommendedBy(by, item));
  assert.deepEqual(await names(page, "best"), lists[0]);
  const common = lists[1].filter((name) => lists[0].includes(name)).length;
  const same = lists[1].filter((name, rank) => name === lists[0][rank]).length;
  assert.ok(0 < same && common < 10); // a difference to tell
  const agreement = `${common} of ten films are in both lists, ${same} at the same rank.`;
  assert.equal(await text("agreement"), agreement);
  const labels = await page.locator("#models label").allTextContents();
  assert.deepEqual(
    labels.map((label) => label.trim()),
    ["f32, 61 kB", "f32, 61 kB"], // 60,632 bytes
  );

  await radio(1).check();
  assert.deepEqual(await names(page, "best"), lists[1]);
  assert.equal(await text("agreement"), agreement);
  const fresh = await page.locator("#best .change.new").count();
  assert.equal(fresh, 10 - common);
  // What if and the next event are the second model's.
  const next = items.find((item) => nameOf(item) === lists[1][4]);
  await page.locator("#best .film").nth(4).hover();
  assert.deepEqual(await names(page, "after"), recommendedBy(coarse, item, next));
  await page.locator("#best .film").nth(4).click();
  assert.deepEqual(await names(page, "best"), recommendedBy(coarse, item, next));
  assert.match(await text("last"), /µs$/);
  // Both have forgotten a film, and both lost the last event.
  await page.locator("#seen .forget").nth(1).click();
  assert.deepEqual(await names(page, "best"), recommendedBy(coarse, next));
  await radio(0).check();
  assert.deepEqual(await names(page, "best"), recommendedBy(starting, next));
});

test("two equal models agree in all ranks", async () => {
  await publish("start", "start");
  await page.click("#best .film");
  await page.waitForSelector("#models:not(:disabled)");
  assert.equal(
    await page.textContent("#agreement"),
    "Both rank the same films, in the same order.",
  );
});

test("a second model of other films is refused, and the page works", async () => {
  await publish("start", "int8");
  await page.click("#best .film");
  await page.waitForFunction(() => /other films/.test(document.getElementById("agreement").textContent));
  assert.equal(await page.locator("#models:disabled").count(), 1);
  assert.equal((await names(page, "best")).length, 10);
});

test("with one model there is no choice", async () => {
  await publish("start");
  await page.click("#best .film");
  assert.ok(await page.locator("#models").isHidden());
});

test("the models are chosen by keyboard", async () => {
  await publish("start", "coarse");
  await compared();
  await page.locator("#best .film").first().click();
  await page.focus("#query");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.value), "first");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement?.value), "second");
  const [film] = await names(page, "seen");
  const item = items.find((item) => nameOf(item) === film);
  assert.deepEqual(await names(page, "best"), recommendedBy(coarse, item));
});
