// The page by pointer and keyboard, compared with the engine in Node.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { counts, firstVisit, items, model, nameOf, names, ready, recommended } from "./site.mjs";
import { context, page, site, testSite, visit } from "./visits.mjs";

testSite();
beforeEach(visit);

const pick = (place) => page.locator("#best .film").nth(place).click();
const text = (id) => page.textContent(`#${id}`);
const focused = () =>
  page.evaluate(() => document.activeElement?.textContent?.replace(/\s+/g, " ").trim());

test("the page starts with the popular films and an empty history", async () => {
  assert.deepEqual(await names(page, "best"), items.slice(0, 10).map(nameOf));
  assert.equal(await text("pick-title"), "Popular films");
  assert.equal(await text("count"), "100");
  assert.equal(await text("events"), "0");
  assert.ok(await page.locator("#history-empty").isVisible());
});

test("each click is an event, and the recommendations change at once", async () => {
  await pick(2);
  assert.deepEqual(await names(page, "best"), recommended(items[2]));
  const next = (await names(page, "best"))[3];
  await pick(3);
  const [second, first] = await names(page, "seen");
  assert.deepEqual([first, second], [nameOf(items[2]), next]);
  const history = [items[2], items.find((item) => nameOf(item) === next)];
  assert.deepEqual(await names(page, "best"), recommended(...history));
  assert.equal(await text("events"), "2");
  assert.match(await text("last"), /^(< )?[\d,]+ µs$/);
  assert.match(await text("median"), /^(< )?[\d,]+ µs$/);
  assert.match(await text("state"), /^\d+\.\d KiB$/);
  assert.match(
    await text("status"),
    /appended and all films ranked in .* µs\. \d+ of ten are new\./,
  );
});

test("undo removes one event at a time", async () => {
  await pick(0);
  const before = await names(page, "best");
  await pick(4);
  await page.click("#undo");
  assert.deepEqual(await names(page, "best"), before);
  assert.deepEqual(await names(page, "seen"), [nameOf(items[0])]);
  await page.click("#undo");
  assert.equal(await text("pick-title"), "Popular films");
  assert.ok(await page.locator("#undo").isDisabled());
  assert.equal(await focused(), "History");
});

test("forgetting a film restores the state without it", async () => {
  for (const item of items.slice(0, 3)) await search(String(item));
  await page.click(`[aria-label^="Forget ${nameOf(items[1])} ("]`);
  assert.deepEqual(await names(page, "seen"), [nameOf(items[2]), nameOf(items[0])]);
  assert.deepEqual(await names(page, "best"), recommended(items[0], items[2]));
});

/** Searches for a film by its number and picks it. */
async function search(number) {
  await page.fill("#query", `no ${number} train`);
  await page
    .locator("#matches .film", { hasText: `No. ${number} ` })
    .first()
    .click();
}

test("the search accepts words in any order, marks seen films, and reports no match", async () => {
  await search(String(items[7]));
  assert.deepEqual(await names(page, "seen"), [nameOf(items[7])]);
  assert.equal(await page.inputValue("#query"), "");
  await page.fill("#query", "1907 NIGHT");
  assert.deepEqual(await names(page, "matches"), [nameOf(items[7])]);
  assert.equal(await page.textContent("#matches .change"), "seen");
  await page.fill("#query", "train");
  assert.equal(await text("found"), "The first 6 of 100 matches");
  await page.fill("#query", "submarine");
  assert.equal(await text("found"), "No film matches");
});

test("what if: pointing shows the recommendations and changes nothing", async () => {
  await pick(0);
  const best = await names(page, "best");
  await page.locator("#best .film").nth(5).hover();
  const film = items.find((item) => nameOf(item) === best[5]);
  assert.deepEqual(await names(page, "after"), recommended(items[0], film));
  assert.deepEqual(await names(page, "best"), best);
  assert.equal(await text("events"), "1");
  await page.keyboard.press("Escape");
  assert.deepEqual(await names(page, "after"), []);
  await pick(5);
  assert.deepEqual(await names(page, "best"), recommended(items[0], film));
});

test("why names the films that a score rests on, when asked", async () => {
  const why = page.locator("#best .why");
  const shown = () => page.locator("#best .reasons").allTextContents();
  await pick(0);
  assert.equal(await why.first().isVisible(), false); // with one film there is nothing to tell
  await search(String(items[5]));
  await search(String(items[9]));
  assert.deepEqual(await shown(), Array(10).fill(""));
  const session = model.session();
  session.keepLog(Infinity);
  session.extend([items[0], items[5], items[9]]);
  const expected = session.topK(10).map(({ item }) => {
    const reasons = session.why(item, 3).map(
      ({ item, drop }) => `${nameOf(item)} (${1900 + items.indexOf(item)}) by ${drop.toFixed(2)}`,
    );
    return reasons.length === 0
      ? "No single film in your history raises its score."
      : `Without these its score would fall: ${reasons.join(", ")}.`;
  });
  assert.ok(expected.some((text) => text.includes(" by ")));
  for (let place = 0; place < 10; place++) await why.nth(place).click();
  assert.deepEqual(await shown(), expected);
  assert.equal(await text("events"), "3");
  const [best] = await names(page, "best");
  assert.match(await why.first().getAttribute("aria-label"), new RegExp(`^Why ${best} \\(.*\\?$`));
  await page.click("#undo");
  assert.deepEqual(await shown(), Array(10).fill(""));
});

test("start over asks first", async () => {
  await pick(0);
  await page.click("#reset");
  await page.click("#sure button[value=no]");
  assert.equal(await text("events"), "1");
  await page.click("#reset");
  await page.click("#sure button[value=yes]");
  await counts(page, 0);
  assert.equal(await text("events"), "0");
  assert.deepEqual(await names(page, "best"), items.slice(0, 10).map(nameOf));
});

test("everything by keyboard", async () => {
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the films");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "query");
  // Enter picks the first match, and the focus stays for the next query.
  await page.keyboard.type(`no ${items[20]} `);
  await page.keyboard.press("Enter");
  const first = items.find((item) => String(item).includes(String(items[20])));
  assert.deepEqual(await names(page, "seen"), [nameOf(first)]);
  assert.equal(await page.evaluate(() => document.activeElement?.id), "query");
  // Focus shows what-if, arrows move between rows, and the focus keeps its rank.
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  const best = await names(page, "best");
  assert.match(await text("what-if-text"), new RegExp(`After ${best[1]} `));
  const picked = items.find((item) => nameOf(item) === best[1]);
  assert.deepEqual(await names(page, "after"), recommended(first, picked));
  await page.waitForFunction(() =>
    /of ten are new/.test(document.getElementById("what-if-spoken").textContent),
  );
  await page.keyboard.press("Enter");
  assert.deepEqual(await names(page, "best"), recommended(first, picked));
  assert.match(await focused(), new RegExp(`^2 ${(await names(page, "best"))[1]} `));
  assert.match(await text("what-if-text"), new RegExp(`After ${(await names(page, "best"))[1]} `));
  // After forgetting the newest, the focus moves to the row below, then to the heading.
  await page.focus("#seen .forget");
  await page.keyboard.press("Enter");
  assert.deepEqual(await names(page, "seen"), [nameOf(first)]);
  assert.equal(await focused(), "Forget");
  await page.keyboard.press("Space");
  assert.equal(await focused(), "History");
  assert.equal(await text("events"), "0");
});

test("arrow keys move from the search box into the matches and back", async () => {
  await page.focus("#query");
  await page.keyboard.type("night");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  assert.match(await focused(), new RegExp(`^2 ${nameOf(items[1])} `));
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "query");
});

test("on touch a button opens what-if, and a tap picks", async () => {
  const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
  const { page, context, errors } = await firstVisit(site, phone);
  await ready(page);
  await page.locator("#best .film").nth(1).tap();
  assert.deepEqual(await names(page, "best"), recommended(items[1]));
  assert.ok(await page.locator("#what-if").isHidden());
  const third = (await names(page, "best"))[2];
  await page.locator("#best .ask").nth(2).tap();
  assert.ok(await page.locator("#what-if").isVisible());
  assert.match(await page.textContent("#what-if-text"), new RegExp(`After ${third} `));
  // The panel does not cover the row.
  const bottom = await page
    .locator("#best .ask")
    .nth(2)
    .evaluate((button) => button.getBoundingClientRect().bottom);
  const top = await page.locator("#what-if").evaluate((panel) => panel.getBoundingClientRect().top);
  assert.ok(bottom <= top, `${bottom} is below ${top}`);
  assert.equal((await names(page, "after")).length, 10);
  await page.locator("#close").tap();
  assert.ok(await page.locator("#what-if").isHidden());
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
  assert.deepEqual(errors, []);
  await context.close();
});

test("an unhandled error is reported", async () => {
  const { page, context } = await firstVisit(site);
  await ready(page);
  await page.evaluate(
    () =>
      void setTimeout(() => {
        throw new Error("the engine stopped");
      }),
  );
  await page.getByRole("button", { name: "Reload the page" }).waitFor();
  assert.match(
    await page.textContent("#problems"),
    /the engine stopped\. Your saved history is unchanged/,
  );
  await context.close();
});

test("all requests stay on the page's origin", async () => {
  const { context } = await firstVisit(site);
  const requests = [];
  context.on("request", (request) => requests.push(new URL(request.url()).origin));
  const page = await context.newPage();
  await page.goto(site.address);
  await ready(page);
  await page.locator("#best .film").first().click();
  assert.deepEqual(new Set(requests), new Set([new URL(site.address).origin]));
  await context.close();
});
