// The history in the browser's storage: across reloads, in two tabs, and damaged.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { firstVisit, items, kept, nameOf, names, ready, recommended } from "./site.mjs";
import { context, page, site, testSite, visit } from "./visits.mjs";

testSite();
beforeEach(visit);

/** Two saved events. */
async function history() {
  await page.locator("#best .film").nth(3).click();
  await page.locator("#best .film").nth(6).click();
  await kept(page, 2);
  return { seen: await names(page, "seen"), best: await names(page, "best") };
}

/** Damages the saved value. */
const damage = (how) =>
  page.evaluate(async (how) => {
    const { Storage } = await import("./storage.js");
    const storage = await Storage.open();
    const value = await storage.read();
    if (how === "a bit of the state") value.snapshot[value.snapshot.length >> 1] ^= 1;
    if (how === "the list") value.films = value.films.slice(1);
    if (how === "everything") return storage.write({ films: "no list", snapshot: "no bytes" });
    return storage.write(value);
  }, how);

const reload = async () => {
  await page.reload();
  await ready(page);
};
const problem = () => page.textContent("#problems");
/** Storage is asynchronous, so wait after the click. */
const solved = () => page.waitForSelector("#problems:empty", { state: "attached" });
const button = (name) => page.getByRole("button", { name });

test("a reload restores page and engine exactly", async () => {
  const { seen, best } = await history();
  assert.match(await page.textContent("#saved"), /^Saved in this browser, [\d,]+ bytes$/);
  await reload();
  assert.deepEqual(await names(page, "seen"), seen);
  assert.deepEqual(await names(page, "best"), best);
  assert.equal(await page.textContent("#status"), "Restored your history.");
  // The log was restored: an earlier film can be forgotten.
  await page.locator("#seen .forget").first().click();
  assert.deepEqual(await names(page, "best"), recommended(items[3]));
  await kept(page, 1);
});

test("an empty history leaves nothing in the storage", async () => {
  await history();
  await page.click("#reset");
  await page.click("#sure button[value=yes]");
  await kept(page, 0);
  assert.equal(await page.textContent("#saved"), "Nothing is saved in this browser");
  await reload();
  assert.equal(await page.textContent("#events"), "0");
});

test("two tabs share one user", async () => {
  const other = await context.newPage();
  await other.goto(site.address);
  await ready(other);
  const { best } = await history();
  await other.waitForFunction(() => document.getElementById("events").textContent === "2");
  assert.deepEqual(await names(other, "best"), best);
  await other.click("#best .film");
  await page.waitForFunction(() => document.getElementById("events").textContent === "3");
  assert.deepEqual(await names(page, "best"), await names(other, "best"));
});

for (const [what, why] of [
  ["a bit of the state", /checksum/],
  ["the list", /the list of films does not fit the state/],
]) {
  test(`damaged, ${what}: it is reported, kept, and can be rebuilt with later picks`, async () => {
    const { seen } = await history();
    await damage(what);
    await reload();
    assert.match(await problem(), why);
    assert.match(await problem(), /stays unchanged/);
    assert.match(await page.textContent("#saved"), /^Not saved/);
    // The page still works and does not overwrite the saved value.
    await page.locator("#best .film").first().click();
    await reload();
    assert.match(await problem(), why);
    assert.equal(await page.textContent("#events"), "0");
    await page.locator("#best .film").first().click();
    await page.getByRole("button", { name: /^Rebuild it from its \d films$/ }).click();
    await solved();
    const listed = what === "the list" ? seen.slice(0, 1) : seen;
    assert.deepEqual(await names(page, "seen"), [nameOf(items[0]), ...listed]);
    await kept(page, listed.length + 1);
    await reload();
    assert.deepEqual(await names(page, "seen"), [nameOf(items[0]), ...listed]);
  });
}

test("a value damaged beyond repair is reported and deleted only on request", async () => {
  await history();
  await damage("everything");
  await reload();
  assert.match(await problem(), /snapshot: found "no bytes", expected a Uint8Array/);
  assert.equal(await button(/^Rebuild/).count(), 0);
  await reload();
  await button("Delete it").click();
  await solved();
  await reload();
  assert.equal(await problem(), "");
});

test("without storage the page says so and works", async () => {
  const { page, context } = await firstVisit(site);
  await page.addInitScript(() => {
    Object.defineProperty(window, "indexedDB", {
      value: {
        open: () => {
          throw new DOMException("denied by the user", "SecurityError");
        },
      },
    });
  });
  await page.reload();
  await ready(page);
  assert.match(await page.textContent("#saved"), /^Not saved: .*denied by the user/);
  await page.click("#best .film");
  assert.deepEqual(await names(page, "best"), recommended(items[0]));
  await context.close();
});
