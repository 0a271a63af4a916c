// The demo page with a golden model and made-up titles, on a server of its own, in Chromium.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { launch } from "../../../rust/wasm/tests/chromium.mjs";
import { GOLDEN, Model, modelBytes } from "../../../rust/wasm/tests/package.mjs";
import { assemble } from "../assemble.mjs";
import { serve } from "../serve.mjs";

export { launch, modelBytes };

/** The model, and what its items are called here; the first is the most popular. */
export const model = await Model.load(modelBytes("f32"));
export const items = model.items();
export const titles = items.map((id, index) => [
  id,
  `Night Train No. ${id}, The (${1900 + index})`,
]);

/** The name of an item on the page. */
export const nameOf = (item) => `The Night Train No. ${item}`;

/** The site in a folder of its own, and a browser. */
export async function start() {
  const root = await mkdtemp(join(tmpdir(), "recgrela-demo-"));
  const folder = join(root, "site");
  const site = { folder, publish, address: "", browser: undefined, serveAgain, stop, close };
  let server;

  /** Puts the site together; again with another model, it is another version. */
  async function publish(name = "f32") {
    const file = join(root, "titles.json");
    await writeFile(file, JSON.stringify(titles));
    await assemble(fileURLToPath(new URL(`${name}.safetensors`, GOLDEN)), file, folder);
  }

  /** Starts the server, on the same port each time: storage belongs to an address. */
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

/** A page of a browser that was never here; `errors` collects what it reports as such. */
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

/** Waits for the films. */
export const ready = (page) => page.locator("#parts:not([hidden]) #best li").first().waitFor();

/** The names in a list. */
export const names = (page, list) => page.locator(`#${list} .name`).allTextContents();

/** The names that the engine in Node recommends after these events. */
export function recommended(...history) {
  const session = model.session();
  session.extend(history);
  return session.topK(10).map(({ item }) => nameOf(item));
}

/** Waits until all changes are kept in the browser's storage, and so many events are. */
export async function kept(page, events) {
  await page.waitForFunction(async (events) => {
    const { Storage } = await import("./storage.js");
    const value = await (await Storage.open()).read();
    return (value?.films.length ?? 0) === events;
  }, events);
}
