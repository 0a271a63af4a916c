// Names of the films, and the search.

/** @typedef {import("./recgrela/index.js").ItemId} ItemId */
/** @typedef {{ id: ItemId, name: string, year: string, key: string }} Film */

export class Titles {
  /** @type {Film[]} most popular first, as in the titles file */
  films;
  /** @type {Map<ItemId, Film>} */
  #byId;

  /**
   * @param {ItemId[]} items all items of the model; those without a title show their id
   * @param {unknown} titles a list of [id, title]
   */
  constructor(items, titles) {
    if (!Array.isArray(titles) || !titles.every((row) => Array.isArray(row) && row.length === 2)) {
      throw new Error("the titles file is not a list of [id, title]: run make web again");
    }
    const known = new Set(items);
    const titled = new Map(titles.filter(([id]) => known.has(id)));
    const untitled = items.filter((id) => !titled.has(id)).map((id) => [id, `Item ${id}`]);
    this.films = [...titled, ...untitled].map(([id, title]) => film(id, String(title)));
    this.#byId = new Map(this.films.map((film) => [film.id, film]));
  }

  /** @param {ItemId} id an item of the model */
  of(id) {
    return /** @type {Film} */ (this.#byId.get(id));
  }

  /** @param {unknown} id */
  has(id) {
    return this.#byId.has(/** @type {ItemId} */ (id));
  }

  /**
   * Films that contain every word of a query: first those that start with it, then by popularity.
   * @param {string} query
   */
  find(query) {
    const wanted = plain(query).trim();
    const words = wanted.split(/\s+/);
    const found = this.films.filter(({ key }) => words.every((word) => key.includes(word)));
    const begins = (/** @type {Film} */ { key }) => Number(key.startsWith(wanted));
    return found.sort((one, other) => begins(other) - begins(one));
  }
}

/** A film's name and year. @param {Film} film */
export function titleOf({ name, year }) {
  return year === "" ? name : `${name} (${year})`;
}

/** @param {ItemId} id @param {string} title such as "Godfather, The (1972)" @returns {Film} */
function film(id, title) {
  const [, sorted, year = ""] = title.match(/^(.*?)(?: \((\d{4})\))?$/s) ?? [, title];
  const name = sorted.replace(/^(.+?), (The|An?|La|Les?|Il)(?= \(|$)/, "$2 $1");
  return { id, name, year, key: plain(`${name} ${year} ${sorted}`) };
}

/** Removes case, accents and punctuation. @param {string} text */
function plain(text) {
  return text
    .normalize("NFD")
    .replace(/[^\p{L}\p{N}\s]/gu, "")
    .toLowerCase();
}
