// Times a cold load until the first recommendations. It starts with the navigation in a fresh
// browser context (no cache, no storage, no service worker). It includes loading the page, the
// wasm, the model and the titles, verifying the model, and a click on the first film as soon as it
// appears. It ends with the frame after the ten recommendations are in the page.
//
//     node examples/web/tests/cold-load.mjs FOLDER

import { fileURLToPath } from "node:url";

import { launch } from "../../../rust/wasm/tests/chromium.mjs";
import { serve } from "../serve.mjs";

/** Milliseconds of five loads, ascending. */
export async function coldLoads(browser, address) {
  const times = [];
  for (let run = 0; run < 5; run++) times.push(await coldLoad(browser, address));
  return times.sort((one, other) => one - other);
}

async function coldLoad(browser, address) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(clickAtOnce);
  await page.goto(address, { waitUntil: "commit" });
  const time = await (
    await page.waitForFunction(() => globalThis.firstRecommendations)
  ).jsonValue();
  await context.close();
  return time;
}

/** Runs in the page: clicks the first film as soon as it appears. */
function clickAtOnce() {
  const observer = new MutationObserver(() => {
    const parts = document.getElementById("parts");
    const film = parts?.hidden === false && parts.querySelector("#best .film");
    if (!film) return;
    observer.disconnect();
    film.click();
    const scores = [...parts.querySelectorAll("#best .number")].filter(
      ({ textContent }) => textContent !== "",
    );
    if (scores.length !== 10) throw new Error(`${scores.length} recommendations after the click`);
    requestAnimationFrame(() =>
      requestAnimationFrame((now) => (globalThis.firstRecommendations = now)),
    );
  });
  observer.observe(document, { subtree: true, childList: true, attributes: true });
}

/** @param {number[]} times */
export function summary(times) {
  const shown = times.map((time) => time.toFixed(0)).join(", ");
  return `cold load to first recommendations: median ${times[2].toFixed(0)} ms of ${shown} ms`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { address, close } = await serve(process.argv[2], 0);
  const browser = await launch();
  console.log(summary(await coldLoads(browser, address)));
  await browser.close();
  close();
}
