// Scores of the page by Lighthouse with its default settings, as on a slow phone and on a desktop: the
// median run of three each, in a fresh browser. Exits with 1 if a score is below 95.
//
//     node examples/web/tests/lighthouse.mjs FOLDER

import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";
import { computeMedianRun } from "lighthouse/core/lib/median-run.js";

import { serve } from "../serve.mjs";

const CATEGORIES = ["performance", "accessibility", "best-practices", "seo"];
const RUNS = 3;
const ENOUGH = 95;

/** @param {string} address @param {object} [config] */
async function measure(address, config) {
  const chrome = await launch({
    chromePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    chromeFlags: ["--headless=new", "--no-sandbox"],
  });
  try {
    const options = { port: chrome.port, onlyCategories: CATEGORIES, logLevel: "error" };
    return (await lighthouse(address, options, config)).lhr;
  } finally {
    await chrome.kill();
  }
}

/** The audits that took points, for whoever has to mend them. */
function lost({ categories, audits }) {
  return Object.values(categories).flatMap(({ auditRefs }) =>
    auditRefs
      .filter(({ id, weight }) => weight > 0 && audits[id].score !== null && audits[id].score < 0.9)
      .map(({ id }) => `  ${id}: ${audits[id].displayValue ?? audits[id].title}`),
  );
}

const { address, close } = await serve(process.argv[2], 0);
let low = false;
for (const [name, config] of [["phone", undefined], ["desktop", desktopConfig]]) {
  const runs = [];
  for (let run = 0; run < RUNS; run++) runs.push(await measure(address, config));
  const median = computeMedianRun(runs);
  const scores = CATEGORIES.map((id) => Math.round(median.categories[id].score * 100));
  low ||= scores.some((score) => score < ENOUGH);
  console.log(`${name}: ${CATEGORIES.map((id, at) => `${id} ${scores[at]}`).join(", ")}`);
  const { audits } = median;
  const timings = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time"];
  const shown = [...timings, "cumulative-layout-shift", "speed-index"];
  console.log(`  ${shown.map((id) => `${audits[id].title} ${audits[id].displayValue}`).join(", ")}`);
  console.log([...lost(median)].join("\n"));
}
close();
process.exit(low ? 1 : 0);
