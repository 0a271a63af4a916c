// Serves the demo page with a golden model and synthetic titles, in Chromium.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { launch } from "../../../rust/wasm/tests/chromium.mjs";
import { Model, modelBytes } from "../../../rust/wasm/tests/package.mjs";
import { assemble } from "../assemble.mjs";
import { serve } from "../serve.mjs";
import { rounded } from "./rounded.mjs";

export { launch, modelBytes };

/** The model of most tests, and the titles of its items, most popular first. */
export const model = await Model.load(modelBytes("f32"));
/** Models of the same items: with a start vector, and that one with a rounded table. */
const COARSE = await rounded(modelBytes("start"), 0.1, Model);
export const starting = await Model.load(modelBytes("start"));
export const coarse = await Model.load(COARSE);
export const items = model.items();
export const titles = items.map((id, index) => [
  id,
  `Night Train No. ${id}, The (${1900 + index})`,
]);

/** An item's name on the page. */
export const nameOf = (item) => `The Night Train No. ${item}`;

/** The site in its own folder, and a browser. `names`: the page's models, golden ones or "coarse". */
export async function start(names = ["f32"]) {
  const root = await mkdtemp(join(tmpdir(), "recgrela-demo-"));
  const folder = join(root, "site");
  const site = { folder, publish, address: "", browser: undefined, serveAgain, stop, close };
  let server;

  /** Assembles the site; with other models it is a new version. */
  async function publish(...models) {
    const file = join(root, "titles.json");
    await writeFile(file, JSON.stringify(titles));
    const paths = (models.length > 0 ? models : names).map(async (name) => {
      const path = join(root, `${name}.safetensors`);
      await writeFile(path, name === "coarse" ? COARSE : modelBytes(name));
      return path;
    });
    const [first, second] = await Promise.all(paths);
    await assemble(first, file, folder, second);
  }

  /** Starts the server, always on the same port, because storage belongs to an origin. */
  async function serveAgain() {
    server = await serve(folder, site.address === "" ? 0 : Number(new URL(site.address).port));
    site.address = server.address;
  }

  function stop() {
    server.close();
  }

  async function close() {
    await site.browser?.close();
    stop();
    await rm(root, { recursive: true, force: true });
  }

  await publish();
  await serveAgain();
  site.browser = await launch();
  return site;
}

/** A page in a fresh browser context; `errors` collects its errors. */
export async function firstVisit(site, options = {}) {
  const context = await site.browser.newContext(options);
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto(site.address);
  return { context, page, errors };
}

/** Waits until the films are shown. */
export const ready = (page) => page.locator("#parts:not([hidden]) #best li").first().waitFor();

/** The names in a list. */
export const names = (page, list) => page.locator(`#${list} .name`).allTextContents();

/** The names that the engine recommends in Node after these events. */
export function recommended(...history) {
  return recommendedBy(model, ...history);
}

/** The same, by one of the two models. */
export function recommendedBy(model, ...history) {
  const session = model.session();
  session.extend(history);
  return session.topK(10).map(({ item }) => nameOf(item));
}

/** Waits until the page shows this number of events: what a dialog answers comes a task later. */
export async function counts(page, events) {
  const shown = (events) => document.getElementById("events").textContent === events;
  await page.waitForFunction(shown, String(events));
}

/** Waits until all changes are saved in the browser's storage, with this number of events. */
export async function kept(page, events) {
  await page.waitForFunction(async (events) => {
    const { Storage } = await import("./storage.js");
    const value = await (await Storage.open()).read();
    return (value?.films.length ?? 0) === events;
  }, events);
}
