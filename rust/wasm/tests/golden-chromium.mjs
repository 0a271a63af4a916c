// Prints the golden hash of both builds in headless Chromium, for `make test-bindings`.

import { goldenHashIn, launch, serve } from "./chromium.mjs";

const server = await serve();
const browser = await launch();
try {
  const page = await browser.newPage();
  await page.goto(`${server.origin}/`);
  for (const build of ["simd128", "plain"]) {
    console.log(`chromium-${build} ${await goldenHashIn(page, build === "simd128")}`);
  }
} finally {
  await browser.close();
  server.close();
}
