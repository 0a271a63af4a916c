// The search box, and the films that match.

import { element } from "./dom.js";
import { FilmList } from "./film-list.js";

/** @typedef {import("./titles.js").Film} Film */

const SHOWN = 6;

export class Search {
  matches = new FilmList("matches", "film-row");
  #titles;
  #pick;
  #query = /** @type {HTMLInputElement} */ (element("query"));
  /** @type {Set<unknown>} */
  #seen = new Set();

  /** @param {import("./titles.js").Titles} titles @param {(film: Film) => void} pick */
  constructor(titles, pick) {
    this.#titles = titles;
    this.#pick = pick;
    this.#query.addEventListener("input", () => this.#find());
    element("search").addEventListener("submit", (event) => {
      event.preventDefault();
      const [first] = this.matches.films;
      if (first) this.#picked(first);
    });
    this.#query.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" || this.matches.films.length === 0) return;
      event.preventDefault();
      this.matches.focus();
    });
    this.matches.onPress("film", (film) => this.#picked(film));
    this.matches.useArrows(this.#query);
  }

  /** @param {Set<unknown>} seen ids of films to mark */
  show(seen) {
    this.#seen = seen;
    this.#find();
  }

  /** @param {Film} film */
  #picked(film) {
    this.#query.value = "";
    this.#query.focus();
    this.#pick(film);
  }

  #find() {
    const query = this.#query.value.trim();
    const found = query === "" ? [] : this.#titles.find(query);
    element("found").textContent = query === "" ? "" : matches(found.length);
    this.matches.show(
      found.slice(0, SHOWN).map((film) => ({ film, seen: this.#seen.has(film.id) })),
    );
  }
}

/** @param {number} count */
function matches(count) {
  if (count === 0) return "No film matches";
  if (count > SHOWN) return `The first ${SHOWN} of ${count} matches`;
  return count === 1 ? "One match" : `${count} matches`;
}
