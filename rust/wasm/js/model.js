import { loading } from "./arguments.js";
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
    const { bytes, accepted, refused } = await readModel(source, reading);
    const engine = await starting;
    reading.signal?.throwIfAborted();
    try {
      const raw = engine.call(() => new engine.Model(bytes, verify));
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

  has(item) {
    return this[CALL]((raw) => raw.has(item));
  }

  items() {
    return this[CALL]((raw) => raw.items());
  }

  get length() {
    return this[CALL]((raw) => raw.length);
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
