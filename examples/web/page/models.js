// The one or two models of the page, and the choice between them.

import { changes } from "./film-list.js";
import { element } from "./dom.js";
import { Model } from "./recgrela/index.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./recgrela/index.js").Recommendation} Recommendation */
/** @typedef {"first" | "second"} Which */

/** The link to a model in the page's head, which assemble.mjs wrote. @param {Which} which */
const linkOf = (which) =>
  /** @type {HTMLLinkElement | null} */ (document.getElementById(`${which}-file`));

/** Whether the page has a second model. */
export const hasSecond = () => linkOf("second") !== null;

/**
 * Loads a model. The service worker caches the file: one copy, of the same version as the page.
 * @param {Which} which
 * @param {(share: number) => void} [progress]
 */
export function load(which, progress) {
  return Model.load(/** @type {HTMLLinkElement} */ (linkOf(which)).href, {
    cache: false,
    onProgress({ loaded, total }) {
      if (total !== null) progress?.(loaded / total);
    },
  });
}

/** The choice between the models. */
export class Choice {
  #fieldset = /** @type {HTMLFieldSetElement} */ (element("models"));

  /** @param {(which: Which) => void} chosen */
  constructor(chosen) {
    for (const which of /** @type {Which[]} */ (["first", "second"])) {
      const { table, bytes } = linkOf(which)?.dataset ?? {};
      element(`${which}-model`).textContent = `${table}, ${kilobytes(Number(bytes))}`;
    }
    this.#fieldset.addEventListener("change", ({ target }) => {
      chosen(/** @type {Which} */ (/** @type {HTMLInputElement} */ (target).value));
    });
    this.#fieldset.hidden = false;
    element("agreement").textContent = "Loading the second model.";
  }

  /** Allows choosing, once both models are loaded. */
  enable() {
    this.#fieldset.disabled = false;
  }

  /** @param {string} why */
  refuse(why) {
    element("agreement").textContent = `The second model cannot be used: ${why}`;
  }

  /** @param {Recommendation[]} first @param {Recommendation[]} second */
  compare(first, second) {
    element("agreement").textContent = agreement(first, second);
  }
}

/**
 * How far two top lists agree, in words.
 * @param {Recommendation[]} first
 * @param {Recommendation[]} second
 */
function agreement(first, second) {
  const moves = changes(
    second.map(({ item }) => item),
    first.map(({ item }) => item),
  );
  const common = moves.filter((move) => move !== "new").length;
  const same = moves.filter((move) => move === 0).length;
  if (same === first.length && same === second.length) return "Both rank the same films, in the same order.";
  const films = common === first.length ? "The same films" : `${common} of ten films`;
  return `${films} are in both lists, ${same} at the same rank.`;
}

/** @param {number} bytes */
function kilobytes(bytes) {
  return `${Math.round(bytes / 1000).toLocaleString("en")} kB`;
}
