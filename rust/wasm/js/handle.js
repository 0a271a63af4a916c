// Base of Model and Session: an object in the engine's memory, until it is freed.

import { RecgrelaError } from "./shared.js";

/** Calls into the engine with the handle's object. */
export const CALL = Symbol("call");

export class Handle {
  #engine;
  #raw;

  constructor(engine, raw) {
    if (raw === undefined) {
      const made = "Model.load() makes a Model, model.session() a Session";
      throw new RecgrelaError("invalid-argument", `there is no constructor to call: ${made}`);
    }
    this.#engine = engine;
    this.#raw = raw;
  }

  [CALL](work) {
    if (this.#raw === undefined) {
      throw new RecgrelaError("freed", `this ${this.constructor.name} has been freed`);
    }
    return this.#engine.call(() => work(this.#raw, this.#engine));
  }

  free() {
    const raw = this.#raw;
    this.#raw = undefined;
    // A crashed engine's objects are gone with it.
    if (raw !== undefined && !this.#engine.dead) this.#engine.call(() => raw.free());
  }
}

// The symbol does not exist where `using` is not supported.
if (Symbol.dispose) Handle.prototype[Symbol.dispose] = Handle.prototype.free;
