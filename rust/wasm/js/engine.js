// The engine's module: choosing and loading a build, and recovering after a trap.

import * as plain from "./recgrela-plain.js";
import * as simd128 from "./recgrela-simd128.js";
import { RecgrelaError, takePanic } from "./shared.js";
import { open, readAll, refuseHtml } from "./source.js";

// Bundlers recognise `new URL(literal, import.meta.url)` and include the file.
const BUILDS = {
  simd128: {
    glue: simd128,
    url: new URL("./recgrela-simd128.wasm", import.meta.url),
    engine: undefined,
  },
  plain: {
    glue: plain,
    url: new URL("./recgrela-plain.wasm", import.meta.url),
    engine: undefined,
  },
};

// A module with one function, `i32.const 0; i8x16.splat; drop`.
// prettier-ignore
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0,
  10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11,
]);

/** One instance of a module, with its own memory. */
class Engine {
  #dead;

  constructor(glue) {
    this.Model = glue.Model;
  }

  /** Whether it trapped, so that its memory can no longer be trusted. */
  get dead() {
    return this.#dead !== undefined;
  }

  /** Calls into the module and converts its exceptions to RecgrelaError. */
  call(work) {
    if (this.#dead !== undefined) throw new RecgrelaError("crashed", this.#dead);
    try {
      return work();
    } catch (error) {
      if (error instanceof RecgrelaError) throw error;
      const why = takePanic() ?? `${error} (most likely out of memory)`;
      this.#dead =
        `the engine stopped and everything loaded with it is lost: load the model again. ` +
        `Cause: ${why}`;
      throw new RecgrelaError("crashed", this.#dead, { cause: error });
    }
  }
}

/**
 * The engine to load a model with; starts one if there is none or the last one crashed.
 * @param {boolean} [simd] undefined: SIMD if the machine supports it
 * @returns {Promise<Engine>}
 */
export async function engineFor(simd) {
  const build = BUILDS[choose(simd)];
  const starting = (build.engine ??= start(build));
  let engine;
  try {
    engine = await starting;
  } catch (error) {
    if (build.engine === starting) build.engine = undefined; // the next load tries again
    throw error;
  }
  if (engine.dead && build.engine === starting) {
    build.glue.__wbg_reset_state();
    build.engine = Promise.resolve(new Engine(build.glue));
  }
  return build.engine;
}

function choose(simd) {
  if (typeof WebAssembly !== "object") {
    throw new RecgrelaError("unsupported", "this JavaScript engine has no WebAssembly");
  }
  if (simd === false) return "plain";
  const has = WebAssembly.validate(SIMD_PROBE);
  if (simd && !has) {
    throw new RecgrelaError("unsupported", "simd: this JavaScript engine has no WebAssembly SIMD");
  }
  return has ? "simd128" : "plain";
}

async function start({ glue, url }) {
  const response = await open(url);
  // Other content types are compiled too, but not while streaming.
  const streams = response.headers.get("content-type")?.startsWith("application/wasm");
  try {
    const module = streams
      ? await WebAssembly.compileStreaming(response)
      : await WebAssembly.compile(await moduleBytes(url, response));
    await glue.default({ module_or_path: module });
  } catch (error) {
    if (error instanceof RecgrelaError) throw error;
    // The browsers' words differ, and not all have a class for it.
    const forbidden = /content.?security.?policy|unsafe-eval|csp\b/i.test(error.message);
    const advice = forbidden
      ? ". The page's Content-Security-Policy has to allow 'wasm-unsafe-eval' in script-src"
      : ` (${url.href})`;
    throw new RecgrelaError(
      "unsupported",
      `the WebAssembly module does not start: ${error.message}${advice}`,
      { cause: error },
    );
  }
  return new Engine(glue);
}

async function moduleBytes(url, response) {
  const bytes = await readAll(url, response);
  refuseHtml(url, bytes, "a WebAssembly module (docs/web.md, Bundlers)");
  return bytes;
}
