// One viewer: the engine's session, the films in their order, and what each event took.

/** @typedef {import("./recgrela/index.js").ItemId} ItemId */
/** @typedef {import("./recgrela/index.js").Recommendation} Recommendation */
/** @typedef {{ films: ItemId[], snapshot: Uint8Array<ArrayBuffer> }} Saved */

const SHOWN = 10;
const UNDO_DEPTH = 20;

export class Viewer {
  #model;
  #session;
  /** @type {ItemId[]} the oldest first; the engine has them too, but shows no order */
  films = [];
  /** @type {Recommendation[]} the ten best; none before the first event */
  best = [];
  /** @type {number[]} milliseconds of each event since the page was opened */
  times = [];

  /** @param {import("./recgrela/index.js").Model} model */
  constructor(model) {
    this.#model = model;
    this.#session = started(model);
  }

  /** Takes in one event and ranks all films. @param {ItemId} id */
  append(id) {
    const start = performance.now();
    this.#session.append(id);
    this.best = this.#session.topK(SHOWN);
    this.times.push(performance.now() - start);
    this.films.push(id);
  }

  /** What `best` would be after one more event; nothing changes. @param {ItemId} id */
  whatIf(id) {
    return this.#session.peek([id], SHOWN);
  }

  /** Takes the last event back. @returns {ItemId} the film */
  undo() {
    this.#session.undo();
    const film = this.films.pop();
    this.#rank();
    return /** @type {ItemId} */ (film);
  }

  /** Makes it as if a film had never been seen. @param {ItemId} id */
  forget(id) {
    this.#session.forget([id]);
    this.films = this.films.filter((film) => film !== id);
    this.#rank();
  }

  /** Forgets everything. */
  reset() {
    this.#session.reset();
    this.films = [];
    this.#rank();
  }

  /** How many events can be taken back now. */
  get undoable() {
    return this.#session.undoable;
  }

  /** Bytes that the engine keeps of the history. */
  get stateBytes() {
    return this.#session.stateBytes;
  }

  /** What is to be kept. @returns {Saved} */
  save() {
    return { films: [...this.films], snapshot: this.#session.snapshot() };
  }

  /**
   * Continues from what was kept; throws and changes nothing if it is damaged or another model's.
   * @param {any} saved
   */
  restore(saved) {
    const session = started(this.#model);
    session.restore(saved?.snapshot);
    const films = filmsOf(saved);
    const distinct = new Set(films);
    const fits =
      films.length === session.events &&
      distinct.size === session.seen.length &&
      session.seen.every((film) => distinct.has(film));
    if (!fits) throw new Error("the list of films does not fit the state");
    this.#replace(session, films);
  }

  /**
   * Begins anew and takes in these films; unknown ones are left out.
   * @param {ItemId[]} films
   */
  replay(films) {
    const known = films.filter((film) => this.#model.has(film));
    const session = started(this.#model);
    session.extend(known);
    this.#replace(session, known);
  }

  /** @param {import("./recgrela/index.js").Session} session @param {ItemId[]} films */
  #replace(session, films) {
    this.#session.free();
    this.#session = session;
    this.films = films;
    this.#rank();
  }

  #rank() {
    this.best = this.films.length === 0 ? [] : this.#session.topK(SHOWN);
  }
}

/**
 * The list of films in what was kept, as far as there is one.
 * @param {any} saved
 * @returns {ItemId[]}
 */
export function filmsOf(saved) {
  return Array.isArray(saved?.films) ? [...saved.films] : [];
}

/** A session that can undo and forget. @param {import("./recgrela/index.js").Model} model */
function started(model) {
  const session = model.session();
  session.keepUndo(UNDO_DEPTH);
  session.keepLog(Infinity);
  return session;
}
