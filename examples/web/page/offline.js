// The service worker: after the first visit the page needs no network.

/** Prefix of the worker's cache names, before the version. */
const CACHES = "recgrela-demo-";

/**
 * Caches everything for offline use.
 * @param {(text: string) => void} tell receives a status message
 * @param {() => void} renewed called when a newer version is available
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

/** Deletes all cached files and reloads the page. The history is kept. */
export async function clearAndReload() {
  const registrations = (await navigator.serviceWorker?.getRegistrations()) ?? [];
  await Promise.all(registrations.map((registration) => registration.unregister()));
  const names = (await globalThis.caches?.keys()) ?? [];
  await Promise.all(
    names.filter((name) => name.startsWith(CACHES)).map((name) => caches.delete(name)),
  );
  location.reload();
}
