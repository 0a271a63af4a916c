// The service worker. It keeps one version of all files of the page, the model among them, and
// answers from these; a new version is fetched whole, or not taken.

const worker = /** @type {any} */ (self);
worker.importScripts("files.js"); // FILES, which assemble.mjs writes
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
  // The server is asked for each; what has not changed comes from the browser's own cache.
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
