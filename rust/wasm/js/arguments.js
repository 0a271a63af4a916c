// Checks the public arguments and converts them to what the engine takes.

import { bytesOf } from "./source.js";
import { invalid } from "./shared.js";

/** The engine's counts are u32; larger values are clamped to this. */
const MOST = 2 ** 32 - 1;

/** A count, 0 or more; Infinity means all. */
export function count(what, value) {
  if (value === Infinity || (Number.isInteger(value) && value >= 0)) return Math.min(value, MOST);
  throw invalid(what, value, "a whole number, 0 or more, or Infinity");
}

/** A number of events or states that have to exist, so that neither Infinity nor clamping makes sense. */
export function exact(what, value) {
  if (Number.isInteger(value) && value >= 0 && value <= MOST) return value;
  throw invalid(what, value, `a whole number from 0 to ${MOST}`);
}

/** Copies a list, so that none of the caller's code runs while the engine reads it. */
export function list(what, value) {
  // Iterating over a string would yield characters as ids.
  const iterates = typeof value === "object" && typeof value?.[Symbol.iterator] === "function";
  if (iterates) return [...value];
  throw invalid(what, value, "an array, or another iterable");
}

/** The kinds of as many events, from one for all or one for each; undefined if there are none. */
export function kindsOf(value, events) {
  if (typeof value === "string") return new Array(events).fill(value);
  return value === undefined || value === null ? undefined : list("kinds", value);
}

/** A time in seconds that a whole number represents; undefined if there is none. */
export function timeOf(value) {
  if (value === undefined || value === null) return undefined;
  if (isTime(value)) return value;
  throw invalid("time", value, SECONDS);
}

/** The times of events; undefined if there are none. */
export function timesOf(value) {
  if (value === undefined || value === null) return undefined;
  return numbers("times", value, Float64Array, isTime, SECONDS);
}

const SECONDS = "a number of seconds up to 2^53";
const isTime = (value) => typeof value === "number" && Number.isSafeInteger(Math.floor(value));

/** Copies a list of numbers. */
export function numbers(what, value, Numbers, fits, expected) {
  const found = list(what, value);
  const wrong = found.findIndex((number) => !fits(number));
  if (wrong < 0) return Numbers.from(found);
  throw invalid(`${what}, element ${wrong}`, found[wrong], expected);
}

/** The bytes of an ArrayBuffer or of a view. */
export function bytes(what, value) {
  const found = bytesOf(value);
  if (found === undefined) throw invalid(what, value, "a Uint8Array or an ArrayBuffer");
  return found;
}

/** A boolean. */
export function flag(what, value) {
  if (typeof value === "boolean") return value;
  throw invalid(what, value, "a boolean");
}

/** The options of queries. */
const QUERY = ["excludeSeen", "allow", "deny", "maxPerGroup", "unknown"];

/** The options of each method. */
export const OPTIONS = {
  append: ["kind", "time", "unknown"],
  extend: ["kinds", "times", "unknown"],
  topK: QUERY,
  step: [...QUERY, "kind", "time"],
  peek: [...QUERY, "kinds", "times"],
  snapshot: ["precision"],
  migrate: ["kinds", "times"],
  load: ["onProgress", "cache", "simd", "verify", "signal"],
};

/** Options, which may be omitted; others than these names are mistakes, such as exclude for deny. */
export function optional(options, names) {
  if (options === undefined || options === null) return {};
  if (typeof options !== "object") throw invalid("options", options, "an object");
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    throw invalid("options", name, `one of ${names.join(", ")}`);
  }
  return options;
}

/** Whether to skip ids that the model does not know. */
export function skips({ unknown = "error" }) {
  if (unknown === "error" || unknown === "skip") return unknown === "skip";
  throw invalid("unknown", unknown, '"error" or "skip"');
}

/** Whether a snapshot is in half precision. */
export function isHalf({ precision = "f32" }) {
  if (precision === "f32" || precision === "f16") return precision === "f16";
  throw invalid("precision", precision, '"f32" or "f16"');
}

/** The options of queries, in the order of the engine's parameters. */
export function choice({ excludeSeen = true, allow, deny, maxPerGroup, unknown }) {
  const ids = (what, value) => (value === undefined ? undefined : list(what, value));
  const lists = [ids("allow", allow), ids("deny", deny)];
  const most = maxPerGroup === undefined ? undefined : count("maxPerGroup", maxPerGroup);
  return [flag("excludeSeen", excludeSeen), ...lists, most, skips({ unknown })];
}

/** The options of load. */
export function loading(options) {
  const { simd, verify = true, cache = true, onProgress, signal } = optional(options, OPTIONS.load);
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw invalid("onProgress", onProgress, "a function");
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid("signal", signal, "an AbortSignal");
  }
  if (simd !== undefined) flag("simd", simd);
  return { simd, verify: flag("verify", verify), cache: flag("cache", cache), onProgress, signal };
}
