// The service worker: after the first visit the page needs no network.

/** What the worker's caches are called, before the version. */
const CACHES = "recgrela-demo-";

/**
 * Has everything kept for use without a network.
 * @param {(text: string) => void} tell gets in words how far that is
 * @param {() => void} renewed called when a newer version is there
 */
export async function workOffline(tell, renewed) {
  const workers = navigator.serviceWorker;
  if (workers === undefined) return tell("Offline use needs https or localhost");
  const first = workers.controller === null;
  workers.addEventListener("controllerchange", () => {
    if (!first) renewed();
  });
  try {
    await workers.register("worker.js", { updateViaCache: "none" });
    await workers.ready;
    tell("Works offline");
  } catch (error) {
    tell(`Does not work offline: ${error instanceof Error ? error.message : error}`);
  }
}

/** Throws away all files that are kept, and loads the page anew. The history stays. */
export async function loadAnew() {
  const registrations = (await navigator.serviceWorker?.getRegistrations()) ?? [];
  await Promise.all(registrations.map((registration) => registration.unregister()));
  const names = (await globalThis.caches?.keys()) ?? [];
  await Promise.all(
    names.filter((name) => name.startsWith(CACHES)).map((name) => caches.delete(name)),
  );
  location.reload();
}
