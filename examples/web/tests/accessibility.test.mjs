// axe-core reports no violations in any state of the page, light and dark, on desktop and phone.
// The types check.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { firstVisit, ready, start } from "./site.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core");

let site;

before(async () => {
  site = await start(["start", "coarse"]);
});
after(() => site?.close());

/** axe's violations by rule. */
async function violations(page) {
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ["violations"] }),
  );
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`,
  );
}

const VIEWS = {
  "desktop, light": { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  "desktop, dark": { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  "phone, light": {
    colorScheme: "light",
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
  },
  "phone, dark": {
    colorScheme: "dark",
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
  },
};

for (const [name, view] of Object.entries(VIEWS)) {
  test(`no violations: ${name}`, async () => {
    // No animation, so that colours are final.
    const { page, context } = await firstVisit(site, { ...view, reducedMotion: "reduce" });
    await page.addInitScript({ path: AXE });
    await page.reload();
    await ready(page);
    assert.deepEqual(await violations(page), [], "at the start");
    for (const place of [0, 4, 2]) await page.locator("#best .film").nth(place).click();
    if (view.hasTouch) await page.locator("#best .ask").nth(1).tap();
    else await page.locator("#best .film").nth(1).hover();
    assert.deepEqual(await violations(page), [], "with history and what if");
    if (view.hasTouch) await page.locator("#close").tap();
    await page.locator("#best .why").nth(1).click();
    assert.deepEqual(await violations(page), [], "with reasons");
    await page.locator("#models input").nth(1).check();
    assert.deepEqual(await violations(page), [], "with the second model");
    await page.fill("#query", "night");
    assert.deepEqual(await violations(page), [], "with matches");
    await page.click("#share");
    assert.deepEqual(await violations(page), [], "with a link");
    await page.keyboard.press("Escape");
    await page.evaluate(() => (location.hash = "#history=damaged"));
    await page.getByRole("button", { name: "Continue without it" }).waitFor();
    assert.deepEqual(await violations(page), [], "with a damaged link");
    await page.getByRole("button", { name: "Continue without it" }).click();
    await page.click("#reset");
    assert.deepEqual(await violations(page), [], "with a dialog");
    await page.keyboard.press("Escape");
    await page.route("**/model.safetensors", (route) => route.fulfill({ body: "no model" }));
    await page.evaluate(async () => {
      for (const worker of await navigator.serviceWorker.getRegistrations())
        await worker.unregister();
    });
    await page.reload();
    await page.getByRole("button", { name: "Clear caches and reload" }).waitFor();
    assert.deepEqual(await violations(page), [], "with a problem");
    await context.close();
  });
}

test("a screen reader finds the parts of the first screen by role and name", async () => {
  const { page, context } = await firstVisit(site);
  await ready(page);
  const films = await page.getByRole("list", { name: "Recommended before your first pick" }).ariaSnapshot();
  assert.match(films.split("\n")[1], /^ {2}- listitem:$/);
  assert.match(films.split("\n")[2], /^ {4}- button "The Night Train No\. -?\d+ \d+ score -?\d+\.\d\d"/);
  const whole = await page.locator("body").ariaSnapshot();
  for (const part of [
    '- link "Skip to the films"',
    '- heading "What next?" [level=1]',
    '- searchbox "Search 100 films"',
    '- heading "Recommended before your first pick" [level=2]',
    "- status: Pick a film, or search",
    '- heading "What if?" [level=2]',
    '- heading "History" [level=2]',
    '- button "Share" [disabled]',
  ]) {
    assert.ok(whole.includes(part), `${part} is not in\n${whole}`);
  }
  await page.click("#best .film");
  await page.waitForSelector("#models:not(:disabled)");
  const models = await page.getByRole("group", { name: "Ranked by" }).ariaSnapshot();
  assert.match(models, /- radio "f32, 61 kB" \[checked\]/);
  assert.match(models, /- radio "f32, 61 kB"\n/);
  assert.match(models, /- status: \d+ of ten films are in both lists/);
  await page.click("#share");
  const dialog = await page.getByRole("dialog", { name: "Share your history" }).ariaSnapshot();
  assert.match(dialog, /- textbox "Link"/);
  await context.close();
});

test("reduced motion disables animation", async () => {
  const { page, context } = await firstVisit(site, { reducedMotion: "reduce" });
  await ready(page);
  await page.click("#best .film");
  await page.click("#best .film");
  const moving = await page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
  await context.close();
});

test("the types check", () => {
  const here = (path) => fileURLToPath(new URL(path, import.meta.url));
  execFileSync(
    here("../../../rust/wasm/node_modules/.bin/tsc"),
    ["--project", here("../tsconfig.json")],
    {
      encoding: "utf8",
    },
  );
});
