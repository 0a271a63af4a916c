// Prints the golden hashes that a bundle computes in headless Chromium (see tests/bindings/bundled.js).
//
//     node golden-bundle.mjs FOLDER true|false        a folder with index.html and golden/; with SIMD or not

import { serve } from "../../../examples/web/serve.mjs";
import { launch } from "./chromium.mjs";

const [folder, simd] = process.argv.slice(2);
const { address, close } = await serve(folder, 0);
const browser = await launch();
try {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.goto(address);
  await page.waitForFunction(() => globalThis.hashes);
  console.log(...(await page.evaluate((simd) => globalThis.hashes(simd), simd === "true")));
} finally {
  await browser.close();
  close();
}
