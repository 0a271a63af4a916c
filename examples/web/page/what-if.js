// The recommendations after a film, shown on pointing, focus or a button; changes nothing.

import { element } from "./dom.js";
import { changes, FilmList, news } from "./film-list.js";
import { titleOf } from "./titles.js";

/** @typedef {import("./titles.js").Film} Film */

const INTRODUCTION = element("what-if-text").textContent ?? "";
/** Milliseconds, so that a screen reader can first read the list row with the focus. */
const SPOKEN_AFTER = 700;

export class WhatIf {
  #ask;
  #now;
  #after = new FilmList("after", "plain-row");
  #text = element("what-if-text");
  #spoken = element("what-if-spoken");
  #panel = element("what-if");
  #close = element("close");
  /** @type {HTMLElement | null} */
  #from = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {(film: Film) => { film: Film, score: number }[]} ask
   * @param {() => Film[]} now the current recommendations
   */
  constructor(ask, now) {
    this.#ask = ask;
    this.#now = now;
    this.#close.addEventListener("click", () => {
      this.clear();
      this.#from?.focus();
    });
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.clear();
    });
  }

  /** Connects a list to the panel. @param {FilmList} list */
  watch(list) {
    list.onPoint((film, how) => this.show(film, how === "focus"));
    list.onPress("ask", (film) => {
      this.#from = /** @type {HTMLElement | null} */ (document.activeElement);
      this.show(film, true);
      // Scroll above the panel, where it covers the list.
      this.#from?.scrollIntoView({ block: "nearest" });
    });
  }

  /** @param {Film} film @param {boolean} [aloud] whether a screen reader should announce it */
  show(film, aloud = false) {
    const after = this.#ask(film);
    const now = this.#now();
    const moves =
      now.length === 0
        ? []
        : changes(
            after.map(({ film }) => film),
            now,
          );
    this.#text.textContent = `After ${titleOf(film)}:`;
    this.#after.show(after.map((row, rank) => ({ ...row, change: moves[rank] })));
    this.#close.hidden = false;
    this.#panel.classList.add("asked");
    clearTimeout(this.#timer);
    if (aloud) this.#timer = setTimeout(() => this.#say(film, after, moves), SPOKEN_AFTER);
  }

  clear() {
    clearTimeout(this.#timer);
    this.#text.textContent = INTRODUCTION;
    this.#after.show([]);
    this.#spoken.textContent = "";
    this.#close.hidden = true;
    this.#panel.classList.remove("asked");
  }

  /** @param {Film} film @param {{ film: Film }[]} after @param {("new" | number)[]} moves */
  #say(film, after, moves) {
    const first = after.slice(0, 3).map(({ film }) => titleOf(film));
    const titles = first.join(", ");
    this.#spoken.textContent = `After ${titleOf(film)}: ${titles}; ${news(moves)}.`;
  }
}
