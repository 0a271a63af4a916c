// Serves a folder on loopback, for the demo page.
//
//     node examples/web/serve.mjs FOLDER [PORT]

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/** @type {Record<string, string>} */
const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};

/** Types that gzip shrinks; a model's weights it does not. */
const COMPRESSED = /text|json|svg|wasm/;

/** @type {Map<string, Buffer>} compressed files by ETag */
const zipped = new Map();

const HEADERS = {
  "cache-control": "no-cache", // revalidate by ETag
  // A cross-origin isolated page gets a clock resolution of 5 µs, any other page 100 µs.
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "x-content-type-options": "nosniff",
  vary: "accept-encoding",
};

/**
 * @param {string} folder
 * @param {number} port 0 for any free port
 * @returns {Promise<{ address: string, close: () => void }>}
 */
export async function serve(folder, port) {
  const server = createServer((request, response) => {
    answer(folder, request, response).catch(() => response.destroy());
  });
  await new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(undefined));
  });
  const { port: taken } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { address: `http://127.0.0.1:${taken}/`, close };
}

/**
 * @param {string} folder
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:http").ServerResponse} response
 */
async function answer(folder, request, response) {
  if (request.method !== "GET" && request.method !== "HEAD")
    return void response.writeHead(405).end();
  // The URL parser removes dot segments, so the path stays in the folder.
  const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
  const file = join(folder, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
  const body = await readFile(file).catch(() => undefined);
  if (body === undefined)
    return void response.writeHead(404, { "content-type": "text/plain" }).end("not found");
  const etag = `"${createHash("sha256").update(body).digest("hex").slice(0, 32)}"`;
  const type = TYPES[extname(file)] ?? "application/octet-stream";
  if (request.headers["if-none-match"] === etag)
    return void response.writeHead(304, { ...HEADERS, etag }).end();
  const zip = COMPRESSED.test(type) && /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
  const sent = zip ? compressed(etag, body) : body;
  const encoding = zip ? { "content-encoding": "gzip" } : {};
  const headers = { ...HEADERS, ...encoding, etag, "content-type": type, "content-length": sent.length };
  response.writeHead(200, headers).end(request.method === "HEAD" ? undefined : sent);
}

/** @param {string} etag @param {Buffer} body */
function compressed(etag, body) {
  const made = zipped.get(etag) ?? gzipSync(body);
  zipped.set(etag, made);
  return made;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, port = "8000"] = process.argv.slice(2);
  if (folder === undefined) {
    console.error("usage: node examples/web/serve.mjs FOLDER [PORT]");
    process.exit(2);
  }
  try {
    const { address } = await serve(folder, Number(port));
    console.log(`The demo page: ${address} (Ctrl-C stops it)`);
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    console.error(code === "EADDRINUSE" ? `port ${port} is taken: make web PORT=8001` : message);
    process.exit(1);
  }
}
