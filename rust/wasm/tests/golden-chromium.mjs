// Prints the golden hashes of both builds in headless Chromium, for `make test-bindings`.

import { goldenHashesIn, launch, serve } from "./chromium.mjs";
import { printHashes } from "./hash.mjs";

const server = await serve();
const browser = await launch();
try {
  const page = await browser.newPage();
  await page.goto(`${server.origin}/`);
  for (const build of ["simd128", "plain"]) {
    printHashes(`chromium-${build}`, await goldenHashesIn(page, build === "simd128"));
  }
} finally {
  await browser.close();
  server.close();
}
