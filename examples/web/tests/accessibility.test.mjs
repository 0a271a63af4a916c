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
  site = await start();
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
    await page.fill("#query", "night");
    assert.deepEqual(await violations(page), [], "with matches");
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
