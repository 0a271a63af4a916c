// Shared by the engine's module and the wrapper. The generated JavaScript imports this file by name.

/** Everything that this package throws, but for an abort, whose reason is yours. */
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

/** An error that blames an argument. */
export function invalid(what, value, expected) {
  const message = `${what}: found ${shown(value)}, expected ${expected}`;
  return new RecgrelaError("invalid-argument", message);
}

/** A value as a message shows it: short, on one line, whatever it is. */
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

let panic;

/** Keeps what a panic says, until the trap that follows it has been caught. */
export function panicked(message) {
  panic = message;
}

/** What the last panic said, once. */
export function takePanic() {
  const message = panic;
  panic = undefined;
  return message;
}
