// The arguments that the face takes, checked and as the engine wants them.

import { bytesOf } from "./source.js";
import { invalid } from "./shared.js";

/** Counts in the engine are u32; what is more is as good as this. */
const MOST = 2 ** 32 - 1;

/** A count, 0 or more; Infinity stands for all. */
export function count(what, value) {
  if (value === Infinity || (Number.isInteger(value) && value >= 0)) return Math.min(value, MOST);
  throw invalid(what, value, "a whole number, 0 or more, or Infinity");
}

/** A list of ids as an array of its own: nothing of the caller's runs while the engine reads it. */
export function list(what, value) {
  // The characters of a text would be taken for ids.
  if (typeof value === "object" && typeof value?.[Symbol.iterator] === "function") return [...value];
  throw invalid(what, value, "an array of item ids, or another iterable");
}

/** Bytes that are in an ArrayBuffer or in a view of one. */
export function bytes(what, value) {
  const found = bytesOf(value);
  if (found === undefined) throw invalid(what, value, "a Uint8Array or an ArrayBuffer");
  return found;
}

/** Options, which may be left out. */
export function optional(options) {
  if (options === undefined || options === null) return {};
  if (typeof options === "object") return options;
  throw invalid("options", options, "an object");
}

/** Whether to pass over ids that the model does not know. */
export function skips({ unknown = "error" }) {
  if (unknown !== "error" && unknown !== "skip") throw invalid("unknown", unknown, '"error" or "skip"');
  return unknown === "skip";
}

/** What topK and peek take, in the order of the engine's parameters. */
export function choice(options) {
  const { excludeSeen = true, allow, deny, unknown } = optional(options);
  if (typeof excludeSeen !== "boolean") throw invalid("excludeSeen", excludeSeen, "a boolean");
  const ids = (what, value) => (value === undefined ? undefined : list(what, value));
  return [excludeSeen, ids("allow", allow), ids("deny", deny), skips({ unknown })];
}
