import { OPTIONS, bytes, kindsOf, list, loading, numbers, optional, timesOf } from "./arguments.js";
import { engineFor } from "./engine.js";
import { CALL, Handle } from "./handle.js";
import { Session } from "./session.js";
import { RecgrelaError } from "./shared.js";
import { readModel } from "./source.js";

/** A loaded model. index.d.ts documents the methods. */
export class Model extends Handle {
  static async load(source, options) {
    const { simd, verify, ...reading } = loading(options);
    const starting = engineFor(simd);
    starting.catch(() => {}); // reported below, once the bytes are loaded
    const { bytes: file, accepted, refused } = await readModel(source, reading);
    const engine = await starting;
    reading.signal?.throwIfAborted();
    try {
      const raw = engine.call(() => new engine.Model(file, verify));
      accepted?.();
      return new Model(engine, raw);
    } catch (error) {
      if (error instanceof RecgrelaError && error.code === "invalid-model") refused?.();
      throw error;
    }
  }

  session() {
    return this[CALL]((raw, engine) => new Session(engine, raw.session()));
  }

  migrate(snapshot, log, options) {
    const blob = bytes("snapshot", snapshot);
    const ids = list("log", log);
    const { kinds, times } = optional(options, OPTIONS.migrate);
    const [names, seconds] = [kindsOf(kinds, ids.length), timesOf(times)];
    return this[CALL]((raw, engine) => {
      return new Session(engine, raw.migrate(blob, ids, names, seconds));
    });
  }

  itemVectors(items) {
    const ids = list("items", items);
    return this[CALL]((raw) => raw.itemVectors(ids));
  }

  compareIsas() {
    return this[CALL]((raw) => raw.compareIsas());
  }

  setGroups(groups) {
    const whole = "a whole number";
    const found = numbers("groups", groups, Float64Array, Number.isSafeInteger, whole);
    this[CALL]((raw) => raw.setGroups(found));
  }

  addItems(items, vectors) {
    const ids = list("items", items);
    const found = numbers("vectors", vectors, Float32Array, Number.isFinite, "a finite number");
    this[CALL]((raw) => raw.addItems(ids, found));
  }

  retire(items) {
    const ids = list("items", items);
    this[CALL]((raw) => raw.retire(ids));
  }

  reinstate(items) {
    const ids = list("items", items);
    this[CALL]((raw) => raw.reinstate(ids));
  }

  overlay() {
    return this[CALL]((raw) => raw.overlay());
  }

  setOverlay(overlay) {
    const blob = bytes("overlay", overlay);
    this[CALL]((raw) => raw.setOverlay(blob));
  }

  get retired() {
    return this[CALL]((raw) => raw.retired);
  }

  get replaced() {
    return this[CALL]((raw) => raw.replaced);
  }

  get added() {
    return this[CALL]((raw) => raw.added);
  }

  has(item) {
    return this[CALL]((raw) => raw.has(item));
  }

  items() {
    return this[CALL]((raw) => raw.items());
  }

  get length() {
    return this[CALL]((raw) => raw.length);
  }

  get kinds() {
    return this[CALL]((raw) => raw.kinds);
  }

  get usesTimes() {
    return this[CALL]((raw) => raw.usesTimes);
  }

  get hasStart() {
    return this[CALL]((raw) => raw.hasStart);
  }

  get config() {
    return this[CALL]((raw) => raw.config);
  }

  get tableDtype() {
    return this[CALL]((raw) => raw.tableDtype);
  }

  get fingerprint() {
    return this[CALL]((raw) => raw.fingerprint);
  }

  get idType() {
    return this[CALL]((raw) => (raw.text ? "string" : "number"));
  }

  get simd() {
    return this[CALL]((raw) => raw.isa === "simd128");
  }
}
