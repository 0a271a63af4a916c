// Loads bytes from a URL, with progress, abort signal and cache, or in Node from a file.

import { RecgrelaError, invalid, shown } from "./shared.js";

/** The name of the cache; its keys are the models' URLs. */
const CACHE = "recgrela";

/** The number of files of one path that stay in the cache. */
const FILES_PER_PATH = 4;

/** Set by node.js: reads file URLs and paths. */
export const files = { read: undefined, address: undefined };

/**
 * The bytes of a model file.
 * @returns {Promise<{bytes: Uint8Array, accepted?: () => void, refused?: () => void}>} with
 *   callbacks for when the bytes have proved to be a model, or not
 */
export async function readModel(source, { onProgress, cache, signal }) {
  signal?.throwIfAborted();
  const bytes = bytesOf(source);
  if (bytes !== undefined) return { bytes };
  const url = addressOf(source);
  const store = cache && /^https?:$/.test(url.protocol) ? await openCache() : undefined;
  const kept = await store?.match(url);
  const response = store
    ? await revalidated(url, kept, signal)
    : checked(url, await fetched(url, { signal }));
  const read = await readAll(url, response, { onProgress, signal });
  refuseHtml(url, read, "a model file");
  if (store === undefined) return { bytes: read };
  if (response === kept) return { bytes: read, refused: () => quietly(store.delete(url)) };
  return { bytes: read, accepted: () => quietly(keep(store, url, forStore(response, read))) };
}

/**
 * Stores a file, and deletes all but the newest of its path: a query is either a version, such as
 * `?v=1`, whose files would stay for ever, or names another file, which should stay.
 */
async function keep(store, url, response) {
  await store.put(url, response);
  const oldestFirst = await store.keys(url, { ignoreSearch: true });
  for (const older of oldestFirst.slice(0, -FILES_PER_PATH)) await store.delete(older);
}

/**
 * Refuses a page that came in place of a file, as from servers that answer every unknown path with
 * one.
 */
export function refuseHtml(url, bytes, expected) {
  const start = new TextDecoder().decode(bytes.subarray(0, 64)).trimStart();
  if (!/^<(!doctype|html)\b/i.test(start)) return;
  throw failed(url, `the server sent HTML, expected ${expected}. Is the file there?`);
}

/** A response of the package's own file. */
export async function open(url) {
  return checked(url, await fetched(url, {}));
}

/** The bytes of an object that contains bytes. */
export function bytesOf(value) {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  const isBuffer = /^\[object (Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(value));
  return isBuffer ? new Uint8Array(value) : undefined;
}

function addressOf(source) {
  if (typeof source !== "string" && !(source instanceof URL)) {
    throw invalid("source", source, "an address, a Uint8Array or an ArrayBuffer");
  }
  try {
    const { document, location } = globalThis;
    return files.address?.(source) ?? new URL(source, document?.baseURI ?? location?.href);
  } catch {
    throw invalid("source", source, "an address");
  }
}

async function fetched(url, init) {
  try {
    if (url.protocol !== "file:" || files.read === undefined) return await fetch(url, init);
    const bytes = await files.read(url, init.signal);
    return new Response(bytes, { headers: { "content-length": bytes.length } });
  } catch (error) {
    throw failed(url, error.message, init.signal, error);
  }
}

function checked(url, response) {
  if (!response.ok) throw failed(url, `the server answered ${response.status}`);
  return response;
}

/**
 * The cached file if the server has the same version, fails or is unreachable; else the server's.
 *
 * The validators are compared here, because If-None-Match would need the consent of a server of
 * another origin.
 */
async function revalidated(url, kept, signal) {
  const asking = fetched(url, { signal, cache: "no-cache" });
  if (kept === undefined) return checked(url, await asking);
  const response = await asking.catch((error) => {
    if (signal?.aborted) throw error;
  });
  if (response !== undefined && response.status < 500 && !sameVersion(response, kept)) {
    return checked(url, response);
  }
  if (response?.body) quietly(response.body.cancel());
  return kept;
}

function sameVersion(response, kept) {
  const validator = ["etag", "last-modified"].find((name) => response.headers.has(name));
  return (
    response.ok &&
    validator !== undefined &&
    response.headers.get(validator) === kept.headers.get(validator)
  );
}

/** The cache, if any: there is none in Node, on insecure pages and in some private windows. */
async function openCache() {
  try {
    return await globalThis.caches?.open(CACHE);
  } catch {
    return undefined;
  }
}

/** A response to cache: decoded, with only the headers that identify its version. */
function forStore(response, bytes) {
  const headers = { "content-length": bytes.length, "content-type": "application/octet-stream" };
  for (const name of ["etag", "last-modified"]) {
    if (response.headers.has(name)) headers[name] = response.headers.get(name);
  }
  return new Response(bytes, { headers });
}

/** Ignores the outcome of something that a load does not depend on. */
function quietly(promise) {
  promise.catch(() => {});
}

/** All bytes of a response. */
export async function readAll(url, response, { onProgress, signal } = {}) {
  const { body, headers } = response;
  // The length of encoded bytes does not apply to the decoded bytes that arrive here.
  const length = headers.has("content-encoding") ? null : headers.get("content-length");
  const total = length === null ? null : Number(length);
  const chunks = [];
  let loaded = 0;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw failed(url, error.message, signal, error);
      });
      if (done) break;
      chunks.push(value);
      loaded += value.length;
      onProgress?.({ loaded, total });
    }
  } finally {
    quietly(reader.cancel()); // the rest, if onProgress threw
  }
  const bytes = new Uint8Array(loaded);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

function failed(url, why, signal, cause) {
  // An abort keeps the platform's error.
  if (signal?.aborted) return signal.reason;
  return new RecgrelaError("fetch-failed", `cannot read ${shown(url.href)}: ${why}`, { cause });
}
