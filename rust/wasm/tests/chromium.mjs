// Headless Chromium with a test server for the package and the golden models.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";

import { chromium } from "playwright-core";

import { GOLDEN, PACKAGE } from "./package.mjs";

const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
const FOLDERS = { package: PACKAGE, golden: GOLDEN, tests: new URL("./", import.meta.url) };

/**
 * Serves /package, /golden and /tests, and an empty page at any other path. Counts requests by path;
 * `answer` can handle a request itself.
 */
export async function serve(answer = () => false) {
  const requests = new Map();
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    requests.set(pathname, (requests.get(pathname) ?? 0) + 1);
    if (answer(pathname, response, request)) return;
    const [, folder, ...rest] = pathname.split("/");
    const file = FOLDERS[folder] && new URL(rest.join("/"), FOLDERS[folder]);
    try {
      const body = file ? await readFile(file) : "<!doctype html><title>test</title>";
      const type = file ? (TYPES[extname(pathname)] ?? "application/octet-stream") : "text/html";
      response.writeHead(200, { "content-type": type, "content-length": body.length });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://localhost:${server.address().port}`;
  return { origin, requests, close: () => server.close() };
}

/** Debian's Chromium, or the binary named by CHROMIUM. */
export function launch() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}

/** The golden hashes of a build, computed in a page, or in a module worker that the page starts. */
export function goldenHashesIn(page, simd, inWorker = false) {
  return page.evaluate(
    async ([simd, inWorker]) => {
      if (!inWorker) return (await import("/tests/golden-page.mjs")).hashes(simd);
      const worker = new Worker("/tests/golden-worker.mjs", { type: "module" });
      const answer = new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
      });
      worker.postMessage(simd);
      return answer.finally(() => worker.terminate());
    },
    [simd, inWorker],
  );
}
