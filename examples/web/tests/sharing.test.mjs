// The history as a link: shared, opened elsewhere, damaged, and of another model.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Model } from "../../../rust/wasm/tests/package.mjs";
import { counts, firstVisit, items, kept, model, modelBytes, nameOf } from "./site.mjs";
import { names, ready, recommended } from "./site.mjs";
import { context, page, site, testSite, visit } from "./visits.mjs";

testSite();
beforeEach(visit);

/** Picks two films and returns the link to them. */
async function link() {
  await page.locator("#best .film").nth(3).click();
  await page.locator("#best .film").nth(6).click();
  await page.click("#share");
  const address = await page.inputValue("#link-address");
  await page.keyboard.press("Escape");
  return address;
}

/** Opens an address in a fresh browser context: another visitor. */
async function elsewhere(address) {
  const visit = await firstVisit({ ...site, browser: site.browser, address });
  await ready(visit.page);
  return visit;
}

const problem = (page) => page.textContent("#problems");

test("a link restores the history elsewhere", async () => {
  const address = await link();
  assert.match(address, /^http:\/\/127\.0\.0\.1:\d+\/#history=[A-Za-z0-9_-]+$/);
  const other = await elsewhere(address);
  assert.deepEqual(await names(other.page, "seen"), await names(page, "seen"));
  assert.deepEqual(await names(other.page, "best"), await names(page, "best"));
  assert.equal(await other.page.textContent("#status"), "A shared history of 2 films.");
  assert.equal(other.page.url(), site.address); // a reload keeps later picks
  await kept(other.page, 2);
  await other.page.click("#best .film");
  await kept(other.page, 3);
  await other.page.reload();
  await ready(other.page);
  assert.equal(await other.page.textContent("#events"), "3");
  // The log came along.
  await other.page.click("#reset");
  await other.page.click("#sure button[value=yes]");
  await counts(other.page, 0);
  await other.page.goto(address);
  await counts(other.page, 2);
  await other.page.locator("#seen .forget").first().click();
  assert.deepEqual(await names(other.page, "best"), recommended(items[3]));
  assert.deepEqual(other.errors, []);
  await other.context.close();
});

test("the state in a link has half precision, and the next pick is the engine's with it", async () => {
  const address = await link();
  const bytes = Buffer.from(address.slice(address.indexOf("=") + 1), "base64url");
  const session = model.session();
  session.keepLog(Infinity);
  session.append(items[3]);
  session.append(session.topK(10)[6].item); // what link() picks
  assert.deepEqual(new Uint8Array(bytes), session.snapshot({ precision: "f16" }));
  assert.ok(bytes.length < 0.6 * session.snapshot().length);

  const other = await elsewhere(address);
  assert.deepEqual(await names(other.page, "best"), await names(page, "best"));
  session.restore(bytes);
  session.append(session.topK(1)[0].item);
  await other.page.click("#best .film");
  await counts(other.page, 3);
  assert.deepEqual(await names(other.page, "best"), session.topK(10).map(({ item }) => nameOf(item)));
  assert.deepEqual(other.errors, []);
  await other.context.close();
});

test("the dialog tells what the link holds, and copies it", async () => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const address = await link();
  assert.ok(await page.locator("#share").isEnabled());
  await page.focus("#share");
  await page.keyboard.press("Enter");
  assert.match(await page.textContent("#link-text"), /[\d,]+ bytes\. Anyone who has it can see the 2 films/);
  assert.ok((await page.textContent("#link-text")).includes(address.length.toLocaleString("en")));
  assert.equal(await page.evaluate(() => document.activeElement?.id), "link-address");
  assert.equal(await page.evaluate(() => getSelection().toString()), address);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("link-copied").textContent === "Copied.");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), address);
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "share");
});

test("without a clipboard it says so, and the link stays selected", async () => {
  const address = await link();
  await page.evaluate(() => {
    navigator.clipboard.writeText = () => Promise.reject(new DOMException("denied"));
  });
  await page.click("#share");
  await page.click("#copy");
  await page.waitForFunction(() => document.getElementById("link-copied").textContent !== "");
  assert.match(await page.textContent("#link-copied"), /copy the selected link yourself/);
  assert.equal(await page.evaluate(() => getSelection().toString()), address);
});

test("nothing is shared of an empty history", async () => {
  assert.ok(await page.locator("#share").isDisabled());
});

test("a visitor with a history chooses between it and the shared one", async () => {
  const address = await link();
  const shared = await names(page, "seen");
  const other = await elsewhere(site.address);
  await other.page.locator("#best .film").nth(0).click();
  await kept(other.page, 1);
  await other.page.goto(address);
  const button = (name) => other.page.getByRole("button", { name });
  await button("Back to mine").waitFor();
  assert.deepEqual(await names(other.page, "seen"), shared);
  // Picks change the shared history, not the saved one.
  await other.page.locator("#best .film").nth(0).click();
  assert.match(await other.page.textContent("#saved"), /^Not saved: a shared history is open/);
  await kept(other.page, 1);
  await button("Back to mine").click();
  await other.page.waitForFunction(() => document.getElementById("events").textContent === "1");
  assert.deepEqual(await names(other.page, "seen"), [nameOf(items[0])]);
  assert.equal(await problem(other.page), "");

  await other.page.goto(address);
  await button("Replace mine with it").click();
  await kept(other.page, 2);
  await other.page.reload();
  await ready(other.page);
  assert.deepEqual(await names(other.page, "seen"), shared);
  assert.deepEqual(other.errors, []);
  await other.context.close();
});

test("starting over with a shared history open deletes the saved one too", async () => {
  const address = await link();
  await kept(page, 2);
  await page.goto(address);
  const back = page.getByRole("button", { name: "Back to mine" });
  await back.waitFor();
  await page.click("#reset");
  await page.click("#sure button[value=yes]");
  await kept(page, 0);
  assert.equal(await page.textContent("#status"), "Your history is deleted.");
  assert.equal(await problem(page), "");
  await page.reload();
  await ready(page);
  assert.equal(await page.textContent("#events"), "0");
  // Saving goes on.
  await page.locator("#best .film").nth(0).click();
  await kept(page, 1);
});

test("a second link before the decision asks about the same saved history", async () => {
  const address = await link();
  const other = await elsewhere(site.address);
  await other.page.locator("#best .film").nth(0).click();
  await kept(other.page, 1);
  await other.page.goto(address);
  const asked = () => other.page.waitForFunction(() => document.querySelectorAll(".shared").length === 1);
  await asked();
  for (const forgotten of [0, 2]) {
    for (let film = 0; film < forgotten; film++) {
      await other.page.locator("#seen .forget").first().click();
    }
    await other.page.goto(address);
    await other.page.waitForFunction(() => document.getElementById("events").textContent === "2");
    await asked();
    assert.match(await problem(other.page), /Yours of one film is still saved/);
  }
  await other.page.getByRole("button", { name: "Back to mine" }).click();
  await other.page.waitForFunction(() => document.getElementById("events").textContent === "1");
  assert.deepEqual(other.errors, []);
  await other.context.close();
});

test("a shared history replaces one that could not be restored, with the question about that", async () => {
  const address = await link();
  await kept(page, 2);
  await page.evaluate(async () => {
    const { Storage } = await import("./storage.js");
    const storage = await Storage.open();
    const value = await storage.read();
    value.snapshot[value.snapshot.length >> 1] ^= 1;
    await storage.write(value);
  });
  await page.reload();
  await ready(page);
  assert.match(await problem(page), /could not be restored/);
  await page.locator("#best .film").nth(0).click();
  await page.goto(address);
  await page.getByRole("button", { name: "Replace mine with it" }).click();
  assert.equal(await problem(page), "");
  await page.waitForFunction(() => /^Saved/.test(document.getElementById("saved").textContent));
  await page.reload();
  await ready(page);
  assert.equal(await page.textContent("#events"), "2");
  assert.equal(await problem(page), "");
});

test("half of a character in a link is reported as any other", async () => {
  const message = await page.evaluate(async () => {
    const { decoded } = await import("./sharing.js");
    try {
      decoded("A\ud800");
    } catch (error) {
      return error.message;
    }
  });
  assert.match(message, /at character 1, expected only A-Z/);
});

test("a damaged or foreign link is reported, and the history is empty", async () => {
  const address = await link();
  const start = address.indexOf("=") + 1;
  const middle = (start + address.length) >> 1;
  const flipped = address[middle] === "A" ? "B" : "A";
  const foreign = (await Model.load(modelBytes("start"))).session();
  foreign.extend([items[1]]);
  const blob = Buffer.from(foreign.snapshot()).toString("base64url");
  for (const [damaged, words] of [
    [address.slice(0, -40), /found \d+ bytes|checksum|truncated/],
    [address.slice(0, middle) + flipped + address.slice(middle + 1), /checksum/],
    [`${address.slice(0, middle)}%20${address.slice(middle + 1)}`, /found "%" at character \d+/],
    [`${address.slice(0, start)}AAAAA`, /the end of the link is missing/],
    [address.slice(0, start), /./],
    [address.slice(0, start) + blob, /model/],
  ]) {
    const other = await elsewhere(damaged);
    assert.match(await problem(other.page), /The shared history could not be opened/);
    assert.match(await problem(other.page), words);
    assert.equal(await other.page.textContent("#events"), "0");
    assert.equal(other.page.url(), site.address);
    await kept(other.page, 0);
    // The page works.
    await other.page.getByRole("button", { name: "Continue without it" }).click();
    assert.equal(await problem(other.page), "");
    await other.page.locator("#best .film").nth(0).click();
    await kept(other.page, 1);
    assert.deepEqual(other.errors, []);
    await other.context.close();
  }
});
