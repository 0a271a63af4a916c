// Takes screenshots of the page for review: desktop and phone, light and dark.
//
//     node examples/web/tests/screenshots.mjs SITE OUTPUT

import { join } from "node:path";

import { launch } from "../../../rust/wasm/tests/chromium.mjs";
import { serve } from "../serve.mjs";
import { firstVisit, ready } from "./site.mjs";

const DESK = { viewport: { width: 1280, height: 900 } };
const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

const [folder, output] = process.argv.slice(2);
const { address, close } = await serve(folder, 0);
const browser = await launch();
for (const colorScheme of ["light", "dark"]) {
  await pictures(`desk-${colorScheme}`, { ...DESK, colorScheme, reducedMotion: "reduce" });
  await pictures(`phone-${colorScheme}`, { ...PHONE, colorScheme, reducedMotion: "reduce" });
}
await browser.close();
close();

/** The page at the start, after some events, with what-if, and with matches. */
async function pictures(name, view) {
  const { page, context } = await firstVisit({ browser, address }, view);
  const take = (step) => page.screenshot({ path: join(output, `${name}-${step}.png`) });
  await ready(page);
  await take("start");
  for (const place of [0, 2, 5, 1, 4]) {
    const film = page.locator("#best .film").nth(place);
    await (view.hasTouch ? film.tap() : film.click());
  }
  await page.mouse.move(0, 0);
  await page.evaluate(() => scrollTo(0, 0));
  await take("history");
  if (view.hasTouch) await page.locator("#best .ask").nth(2).tap();
  else await page.locator("#best .film").nth(2).hover();
  await take("what-if");
  if (view.hasTouch) await page.locator("#close").tap();
  await page.fill("#query", "star");
  await take("search");
  await context.close();
}
