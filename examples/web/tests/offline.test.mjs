// Without a network, with a new version, and with a damaged file.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { firstVisit, items, kept, names, ready, recommended, start } from "./site.mjs";

let site;

before(async () => {
  site = await start();
});
after(() => site?.close());
beforeEach(() => site.publish());

const worksOffline = (page) =>
  page.waitForFunction(() => document.getElementById("offline").textContent === "Works offline");

test("after the first visit the page, the wasm and the model need no server", async () => {
  const { page, context, errors } = await firstVisit(site);
  await ready(page);
  await page.locator("#best .film").nth(1).click();
  await kept(page, 1);
  await worksOffline(page);
  site.stop();
  try {
    await page.reload();
    await ready(page);
    assert.deepEqual(await names(page, "best"), recommended(items[1]));
    const other = await context.newPage();
    await other.goto(`${site.address}index.html`);
    await ready(other);
    assert.deepEqual(await names(other, "best"), recommended(items[1]));
  } finally {
    await site.serveAgain();
  }
  assert.deepEqual(errors, []);
  await context.close();
});

test("a new version is fetched and offered; with another model the history is kept", async () => {
  const { page, context } = await firstVisit(site);
  await ready(page);
  await page.click("#best .film");
  await kept(page, 1);
  await worksOffline(page);
  await site.publish("int8");
  await page.reload();
  await page.getByRole("button", { name: "Use it now" }).click();
  await page.getByRole("button", { name: "Delete it" }).waitFor();
  assert.match(await page.textContent("#problems"), /model/);
  assert.equal(await page.textContent("#count"), "300");
  await kept(page, 1);
  await context.close();
});

test("a damaged model is reported and the history kept; a repaired model loads", async () => {
  const { page, context } = await firstVisit(site);
  await ready(page);
  await page.click("#best .film");
  await kept(page, 1);
  await worksOffline(page);
  const file = join(site.folder, "model.safetensors");
  const bytes = await readFile(file);
  bytes[bytes.length - 100] ^= 4;
  await writeFile(file, bytes);
  const reload = page.getByRole("button", { name: "Clear caches and reload" });
  // The worker's cache is intact: damage on the server does not reach this page.
  await page.reload();
  await ready(page);
  await page.evaluate(async () => {
    for (const worker of await navigator.serviceWorker.getRegistrations())
      await worker.unregister();
  });
  await page.reload();
  await reload.waitFor();
  assert.match(
    await page.textContent("#problems"),
    /The model could not be loaded.*fingerprint.*Your history is unchanged/s,
  );
  assert.ok(await page.locator("#parts").isHidden());
  await site.publish();
  await reload.click();
  await ready(page);
  assert.deepEqual(await names(page, "best"), recommended(items[0]));
  await context.close();
});

test("a missing model or titles file is named", async () => {
  for (const [file, words] of [
    ["model.safetensors", /model\.safetensors.*404/],
    ["titles.json", /titles\.json.*404/],
    ["recgrela/recgrela-simd128.wasm", /simd128\.wasm.*404/],
  ]) {
    const { page, context } = await firstVisit(site);
    await ready(page);
    await page.route(`**/${file}`, (route) => route.fulfill({ status: 404 }));
    await context.route(`**/worker.js`, (route) => route.abort());
    await page.evaluate(async () => {
      for (const worker of await navigator.serviceWorker.getRegistrations())
        await worker.unregister();
    });
    await page.reload();
    await page.getByRole("button", { name: "Clear caches and reload" }).waitFor();
    assert.match(await page.textContent("#problems"), words);
    await context.close();
  }
});
