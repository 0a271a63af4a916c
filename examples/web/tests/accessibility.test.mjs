// axe-core finds nothing, in each state of the page, light and dark, on a desk and on a phone; the
// types are right.

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

/** What axe finds, rule by rule. */
async function violations(page) {
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ["violations"] }),
  );
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`,
  );
}

const VIEWS = {
  "desk, light": { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  "desk, dark": { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
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
    // Still, so that no colour is caught half way.
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
    await page.getByRole("button", { name: "Load everything anew" }).waitFor();
    assert.deepEqual(await violations(page), [], "with a problem");
    await context.close();
  });
}

test("motion is only for those who like it", async () => {
  const { page, context } = await firstVisit(site, { reducedMotion: "reduce" });
  await ready(page);
  await page.click("#best .film");
  await page.click("#best .film");
  const moving = await page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
  await context.close();
});

test("the types are right", () => {
  const here = (path) => fileURLToPath(new URL(path, import.meta.url));
  execFileSync(
    here("../../../rust/wasm/node_modules/.bin/tsc"),
    ["--project", here("../tsconfig.json")],
    {
      encoding: "utf8",
    },
  );
});
