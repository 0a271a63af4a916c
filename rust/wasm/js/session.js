import { OPTIONS, bytes, choice, count, exact, kindsOf, list, optional } from "./arguments.js";
import { isHalf, skips, timeOf, timesOf } from "./arguments.js";
import { CALL, Handle } from "./handle.js";

/** One user of a model. index.d.ts documents the methods. */
export class Session extends Handle {
  append(item, options) {
    const { kind, time, ...rest } = optional(options, OPTIONS.append);
    const seconds = timeOf(time);
    const skip = skips(rest);
    return this[CALL]((raw) => raw.append(item, kind, seconds, skip));
  }

  extend(items, options) {
    const ids = list("items", items);
    const { kinds, times, ...rest } = optional(options, OPTIONS.extend);
    const [names, seconds] = [kindsOf(kinds, ids.length), timesOf(times)];
    const skip = skips(rest);
    return this[CALL]((raw) => raw.extend(ids, names, seconds, skip));
  }

  score(items) {
    const ids = list("items", items);
    return this[CALL]((raw) => raw.score(ids));
  }

  userVector() {
    return this[CALL]((raw) => raw.userVector());
  }

  topK(k = 10, options) {
    const most = count("k", k);
    const chosen = choice(optional(options, OPTIONS.topK));
    return this[CALL]((raw) => raw.topK(most, ...chosen));
  }

  step(item, k = 10, options) {
    const most = count("k", k);
    const { kind, time, ...rest } = optional(options, OPTIONS.step);
    const seconds = timeOf(time);
    const chosen = choice(rest);
    return this[CALL]((raw) => raw.step(item, kind, seconds, most, ...chosen));
  }

  peek(items, k = 10, options) {
    const ids = list("items", items);
    const most = count("k", k);
    const { kinds, times, ...rest } = optional(options, OPTIONS.peek);
    const [names, seconds] = [kindsOf(kinds, ids.length), timesOf(times)];
    const chosen = choice(rest);
    return this[CALL]((raw) => raw.peek(ids, names, seconds, most, ...chosen));
  }

  why(item, n = 3) {
    const most = count("n", n);
    return this[CALL]((raw) => raw.why(item, most));
  }

  keepUndo(depth) {
    const most = exact("depth", depth);
    this[CALL]((raw) => raw.keepUndo(most));
  }

  undo(n = 1) {
    const events = exact("n", n);
    this[CALL]((raw) => raw.undo(events));
  }

  keepLog(capacity) {
    const most = count("capacity", capacity);
    this[CALL]((raw) => raw.keepLog(most));
  }

  get log() {
    return this[CALL]((raw) => raw.log);
  }

  get logKinds() {
    return this[CALL]((raw) => raw.logKinds);
  }

  get logTimes() {
    return this[CALL]((raw) => raw.logTimes);
  }

  forget(items) {
    const ids = list("items", items);
    this[CALL]((raw) => raw.forget(ids));
  }

  snapshot(options) {
    const half = isHalf(optional(options, OPTIONS.snapshot));
    return this[CALL]((raw) => raw.snapshot(half));
  }

  restore(snapshot) {
    const blob = bytes("snapshot", snapshot);
    this[CALL]((raw) => raw.restore(blob));
  }

  reset() {
    this[CALL]((raw) => raw.reset());
  }

  clone() {
    return this[CALL]((raw, engine) => new Session(engine, raw.clone()));
  }

  get events() {
    return this[CALL]((raw) => raw.events);
  }

  get seen() {
    return this[CALL]((raw) => raw.seen);
  }

  get stateBytes() {
    return this[CALL]((raw) => raw.stateBytes);
  }

  get undoable() {
    return this[CALL]((raw) => raw.undoable);
  }

  get undoBytes() {
    return this[CALL]((raw) => raw.undoBytes);
  }
}
