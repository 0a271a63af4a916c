// Shared by the engine's module and the wrapper. The generated JavaScript imports this file by name.

/** The only error that this package throws, except for the reason of an abort. */
export class RecgrelaError extends Error {
  /**
   * @param {string} code stable, for programs
   * @param {string} message for people
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }

  get name() {
    return "RecgrelaError";
  }
}

/** An error for an invalid argument. */
export function invalid(what, value, expected) {
  const message = `${what}: found ${shown(value)}, expected ${expected}`;
  return new RecgrelaError("invalid-argument", message);
}

/** Formats any value for a message: short, on one line. */
export function shown(value) {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}...` : value);
    case "bigint":
    case "number":
    case "boolean":
    case "undefined":
      return String(value);
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    default:
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object";
  }
}

/** Adds an item to a list of recommendations. */
export function recommend(best, item, score) {
  best.push({ item, score });
}

/** Adds an event to a list of reasons. */
export function explain(reasons, position, item, kind, drop) {
  reasons.push(kind === undefined ? { position, item, drop } : { position, item, kind, drop });
}

/** A config: its properties, in the order of docs/format.md. */
export function architecture(
  hiddenSize,
  numHeads,
  numLayers,
  innerSize,
  numItems,
  gate,
  localConv,
  positions,
  finalNorm,
  start,
  kinds,
  gaps,
) {
  const sizes = { hiddenSize, numHeads, numLayers, innerSize, numItems };
  return { ...sizes, gate, localConv, positions, finalNorm, start, kinds, gaps };
}

let panic;

/** Stores a panic's message until the following trap is caught. */
export function panicked(message) {
  panic = message;
}

/** Takes the message of the last panic. */
export function takePanic() {
  const message = panic;
  panic = undefined;
  return message;
}
