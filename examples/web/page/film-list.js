// A list of films with ranks, titles, scores and changes of rank.

import { element, resize, write } from "./dom.js";
import { titleOf } from "./titles.js";

/** @typedef {import("./titles.js").Film} Film */
/**
 * @typedef {{ film: Film, score?: number, change?: "new" | number, seen?: boolean, why?: boolean }} Row
 *   `why`: whether the row has a button that asks for reasons
 */

export class FilmList {
  #list;
  #template;
  /** @type {Film[]} */
  films = [];

  /** @param {string} id of an ol @param {"film-row" | "plain-row"} template */
  constructor(id, template) {
    this.#list = element(id);
    this.#template = template;
  }

  /** @param {Row[]} rows */
  show(rows) {
    resize(this.#list, rows.length, this.#template);
    rows.forEach((row, index) => fill(this.#list.children[index], row, index + 1));
    this.films = rows.map(({ film }) => film);
  }

  /** The film whose row contains an element. @param {EventTarget | null} target */
  filmAt(target) {
    const row = target instanceof Element ? target.closest("li") : null;
    return row?.parentElement === this.#list
      ? this.films[[...this.#list.children].indexOf(row)]
      : undefined;
  }

  /** The film whose row has the keyboard focus or the pointer. */
  get current() {
    const focused = this.#list.querySelector("li:has(:focus-visible)");
    // On devices without hover, the row touched last matches :hover.
    const pointed = matchMedia("(hover: hover)").matches
      ? this.#list.querySelector("li:hover")
      : null;
    return this.filmAt(focused ?? pointed);
  }

  /**
   * Calls back with a row's film when its button of this class is pressed.
   * @param {"film" | "ask" | "why"} button
   * @param {(film: Film) => void} call
   */
  onPress(button, call) {
    this.#list.addEventListener("click", ({ target }) => {
      const film = this.filmAt(target);
      if (film && target instanceof Element && target.closest(`.${button}`)) call(film);
    });
  }

  /**
   * Calls back with the film that the pointer or the focus reaches. Touch has no pointing, so it is
   * ignored.
   * @param {(film: Film, how: "pointer" | "focus") => void} call
   */
  onPoint(call) {
    this.#list.addEventListener("pointerover", ({ target, pointerType }) => {
      const film = this.filmAt(target);
      if (film && pointerType !== "touch") call(film, "pointer");
    });
    this.#list.addEventListener("focusin", ({ target }) => {
      const film = this.filmAt(target);
      if (film && target instanceof Element && target.matches(":focus-visible"))
        call(film, "focus");
    });
  }

  /**
   * Writes a text below a film's row, until the list is shown again.
   * @param {Film} film
   * @param {string} text
   */
  tell(film, text) {
    write(this.#list.children[this.films.indexOf(film)], "reasons", text);
  }

  /**
   * Moves the focus with arrow keys, and from the first row to the element before the list.
   * @param {HTMLElement} [before]
   */
  useArrows(before) {
    this.#list.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step === undefined || !(event.target instanceof Element)) return;
      const buttons = /** @type {HTMLElement[]} */ ([...this.#list.querySelectorAll(".film")]);
      const next = buttons.findIndex((button) =>
        button.parentElement?.contains(/** @type {Node} */ (event.target)),
      );
      const wanted = next + step < 0 ? before : buttons[next + step];
      if (wanted === undefined) return;
      event.preventDefault();
      wanted.focus();
    });
  }

  /** Puts the focus on the first row. */
  focus() {
    /** @type {HTMLElement | null} */ (this.#list.querySelector(".film"))?.focus();
  }
}

/**
 * How each rank has changed: the places something moved up, or that it is new.
 * @template T
 * @param {T[]} after
 * @param {T[]} before
 * @returns {("new" | number)[]}
 */
export function changes(after, before) {
  return after.map((one, rank) => {
    const was = before.indexOf(one);
    return was < 0 ? "new" : was - rank;
  });
}

/** How many of ten are new, in words. @param {("new" | number)[]} moves */
export function news(moves) {
  const fresh = moves.filter((move) => move === "new").length;
  return `${fresh} of ten ${fresh === 1 ? "is" : "are"} new`;
}

/** @param {Element} row @param {Row} what @param {number} rank */
function fill(row, { film, score, change, seen = false, why = false }, rank) {
  write(row, "rank", String(rank));
  write(row, "name", film.name);
  write(row, "year", film.year);
  write(row, "number", score === undefined ? "" : score.toFixed(2));
  /** @type {HTMLElement} */ (row.querySelector(".score")).hidden = score === undefined;
  row.querySelector(".ask")?.setAttribute("aria-label", `What if ${titleOf(film)} came next?`);
  write(row, "reasons", "");
  const button = /** @type {HTMLElement | null} */ (row.querySelector(".why"));
  if (button !== null) button.hidden = !why;
  button?.setAttribute("aria-label", `Why ${titleOf(film)}?`);
  const mark = row.querySelector(".change");
  if (mark === null) return;
  const [kind, text] = seen ? ["seen", "seen"] : moved(change);
  mark.textContent = text;
  mark.className = `change ${kind}`;
}

/** @param {"new" | number | undefined} change @returns {[kind: string, text: string]} */
function moved(change) {
  if (change === undefined || change === 0) return ["", ""];
  if (change === "new") return ["new", "new"];
  return change > 0 ? ["up", `up ${change}`] : ["down", `down ${-change}`];
}
