// Hooks of the tests of a page: one site per file, a fresh browser context per test, no errors.

import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";

import { firstVisit, ready, start } from "./site.mjs";

/** Of the running test. Importers see each new value. */
export let site;
export let page;
export let context;
let errors;

/** Registers the hooks that start and close the site, and close what `visit` opened. */
export function testSite() {
  before(async () => {
    site = await start();
  });
  after(() => site?.close());
  afterEach(async () => {
    await context.close();
    assert.deepEqual(errors, []);
  });
}

/** Opens the page in a fresh browser context. */
export async function visit() {
  ({ page, context, errors } = await firstVisit(site));
  await ready(page);
}
