// Assembles the demo page: page, npm package, models and titles in one folder that any web server can
// serve, with the list of files that the service worker caches. With a second model of the same items,
// the page compares the two.
//
//     node examples/web/assemble.mjs MODEL TITLES FOLDER [SECOND]

import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const PAGE = fileURLToPath(new URL("page/", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../../target/npm/recgrela/", import.meta.url));

/** Names of the types of an item table, as `recgrela inspect` prints them. */
const TABLES = /** @type {Record<string, string>} */ ({ F32: "f32", F16: "f16", I8: "int8" });

/**
 * @param {string} model a model file
 * @param {string} titles JSON: a list of [item id, title], most popular first
 * @param {string} folder its contents are replaced
 * @param {string} [second] another model of the same items
 */
export async function assemble(model, titles, folder, second) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await cp(PAGE, folder, { recursive: true });
  await cp(PACKAGE, join(folder, "recgrela"), { recursive: true, filter: ofAPage });
  await cp(model, join(folder, "model.safetensors"));
  if (second !== undefined) await cp(second, join(folder, "second.safetensors"));
  await cp(titles, join(folder, "titles.json"));
  await fill(folder, "models", await modelLinks(folder, second !== undefined));
  await fill(folder, "modules", await moduleLinks(folder));
  await writeFile(join(folder, "files.js"), await listed(folder));
}

/** Whether a page loads this file of the package. @param {string} path */
function ofAPage(path) {
  return !/(\.d\.ts|\.json|\.md|LICENSE|node\.js)$/.test(path);
}

/**
 * Links to the models, each with what the page tells about it. A page loads them when it has been painted:
 * fetched at once, they would take the network from the style sheets.
 * @param {string} folder
 * @param {boolean} two
 */
async function modelLinks(folder, two) {
  const link = async (/** @type {string} */ id, /** @type {string} */ file) => {
    const bytes = await readFile(join(folder, file));
    return (
      `<link id="${id}" rel="alternate" type="application/octet-stream" href="${file}" ` +
      `data-table="${tableOf(bytes)}" data-bytes="${bytes.length}">`
    );
  };
  const links = [await link("first-file", "model.safetensors")];
  if (two) links.push(await link("second-file", "second.safetensors"));
  return links;
}

/** The type of a model's item table. A page also serves a damaged model, and reports it. @param {Buffer} bytes */
function tableOf(bytes) {
  try {
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
    return TABLES[header["catalog.table"].dtype] ?? "unknown";
  } catch {
    return "unknown";
  }
}

/**
 * Links that make the browser fetch all modules at once instead of one import after the other.
 * @param {string} folder
 */
async function moduleLinks(folder) {
  const scripts = (await filesIn(folder)).filter((file) => file.endsWith(".js"));
  return scripts
    .filter((file) => file !== "worker.js")
    .map((file) => `<link rel="modulepreload" href="${file}">`);
}

/**
 * Puts links into the page, in place of a comment.
 * @param {string} folder
 * @param {string} comment
 * @param {string[]} links
 */
async function fill(folder, comment, links) {
  const page = join(folder, "index.html");
  const text = await readFile(page, "utf8");
  await writeFile(page, text.replace(`<!-- ${comment} -->`, links.join("\n  ")));
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
  const [model, titles, folder, second] = process.argv.slice(2);
  if (folder === undefined) {
    console.error("usage: node examples/web/assemble.mjs MODEL TITLES FOLDER [SECOND]");
    process.exit(2);
  }
  await assemble(model, titles, folder, second);
}
