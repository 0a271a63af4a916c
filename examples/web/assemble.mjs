// Assembles the demo page: page, npm package, model and titles in one folder that any web server can
// serve, with the list of files that the service worker caches.
//
//     node examples/web/assemble.mjs MODEL TITLES FOLDER

import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const PAGE = fileURLToPath(new URL("page/", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../../target/npm/recgrela/", import.meta.url));

/**
 * @param {string} model a model file
 * @param {string} titles JSON: a list of [item id, title], most popular first
 * @param {string} folder its contents are replaced
 */
export async function assemble(model, titles, folder) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await cp(PAGE, folder, { recursive: true });
  await cp(PACKAGE, join(folder, "recgrela"), { recursive: true, filter: ofAPage });
  await cp(model, join(folder, "model.safetensors"));
  await cp(titles, join(folder, "titles.json"));
  await preloadModules(folder);
  await writeFile(join(folder, "files.js"), await listed(folder));
}

/** Whether a page loads this file of the package. @param {string} path */
function ofAPage(path) {
  return !/(\.d\.ts|\.json|\.md|LICENSE|node\.js)$/.test(path);
}

/**
 * Makes the browser fetch all modules at once instead of one import after the other.
 * @param {string} folder
 */
async function preloadModules(folder) {
  const scripts = (await filesIn(folder)).filter((file) => file.endsWith(".js"));
  const links = scripts
    .filter((file) => file !== "worker.js")
    .map((file) => `<link rel="modulepreload" href="${file}">`);
  const page = join(folder, "index.html");
  const text = await readFile(page, "utf8");
  await writeFile(page, text.replace("<!-- modules -->", links.join("\n  ")));
}

/**
 * All files below a folder, as URLs relative to it.
 * @param {string} folder
 */
async function filesIn(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => relative(folder, join(parentPath, name))).sort();
}

/**
 * The script with the list of files. Its text changes when any file changes.
 * @param {string} folder
 */
async function listed(folder) {
  const files = await filesIn(folder);
  const hash = createHash("sha256");
  for (const file of files) hash.update(file).update(await readFile(join(folder, file)));
  // The page's URL is that of its folder. The worker does not cache itself.
  const kept = files
    .filter((file) => file !== "worker.js")
    .map((file) => (file === "index.html" ? "./" : file));
  const version = hash.digest("hex").slice(0, 16);
  return `self.FILES = ${JSON.stringify({ version, paths: kept }, null, 2)};\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [model, titles, folder] = process.argv.slice(2);
  if (folder === undefined) {
    console.error("usage: node examples/web/assemble.mjs MODEL TITLES FOLDER");
    process.exit(2);
  }
  await assemble(model, titles, folder);
}
