// The service worker. It caches one version of all files of the page, including the model, and
// responds from the cache. A new version is fetched completely or not used.

const worker = /** @type {any} */ (self);
worker.importScripts("files.js"); // FILES, written by assemble.mjs
/** @type {{ version: string, paths: string[] }} */
const { version, paths } = worker.FILES;
const CACHES = "recgrela-demo-";
const CACHE = CACHES + version;

worker.addEventListener("install", (/** @type {any} */ event) => {
  event.waitUntil(keepAll().then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (/** @type {any} */ event) => {
  event.waitUntil(deleteOthers().then(() => worker.clients.claim()));
});

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  if (request.method === "GET") event.respondWith(answer(request));
});

async function keepAll() {
  const cache = await caches.open(CACHE);
  // Revalidate each with the server; unchanged files come from the browser's HTTP cache.
  await cache.addAll(paths.map((path) => new Request(path, { cache: "no-cache" })));
}

async function deleteOthers() {
  const old = (await caches.keys()).filter((name) => name.startsWith(CACHES) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** @param {Request} request */
async function answer(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request.mode === "navigate" ? "./" : request);
  return kept ?? fetch(request);
}
