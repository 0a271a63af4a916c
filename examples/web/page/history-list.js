// The viewer's films, newest first, each with a button to forget it.

import { element, resize, write } from "./dom.js";
import { titleOf } from "./titles.js";

/** @typedef {import("./titles.js").Film} Film */

export class HistoryList {
  #list = element("seen");
  #empty = element("history-empty");
  /** @type {Film[]} */
  #films = [];

  /** @param {(film: Film) => void} forget */
  constructor(forget) {
    this.#list.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest(".forget") : null;
      if (button === null) return;
      const index = [...this.#list.children].indexOf(/** @type {Element} */ (button.parentElement));
      forget(this.#films[index]);
      this.#focusNear(index);
    });
  }

  /** @param {Film[]} films oldest first */
  show(films) {
    this.#films = films.toReversed();
    this.#empty.hidden = films.length > 0;
    resize(this.#list, films.length, "seen-row");
    this.#films.forEach((film, index) => {
      const row = this.#list.children[index];
      write(row, "rank", String(films.length - index));
      write(row, "name", film.name);
      write(row, "year", film.year);
      row.querySelector(".forget")?.setAttribute("aria-label", `Forget ${titleOf(film)}`);
    });
  }

  /** Focuses the row that replaced a removed one. @param {number} index */
  #focusNear(index) {
    const row = this.#list.children[Math.min(index, this.#films.length - 1)];
    const near = /** @type {HTMLElement | null} */ (row?.querySelector(".forget") ?? null);
    (near ?? element("history-title")).focus();
  }
}
