// One viewer: the engine's session, the films in order, and the time of each event.

/** @typedef {import("./recgrela/index.js").ItemId} ItemId */
/** @typedef {import("./recgrela/index.js").Recommendation} Recommendation */
/** @typedef {{ films: ItemId[], snapshot: Uint8Array<ArrayBuffer> }} Saved */

const SHOWN = 10;
const UNDO_DEPTH = 20;
const REASONS = 3;

export class Viewer {
  #model;
  #session;
  /** @type {ItemId[]} oldest first; the engine has them too, but without their order */
  films = [];
  /** @type {Recommendation[]} the top 10; empty before the first event without a start vector */
  best = [];
  /** @type {number[]} milliseconds per event since the page was opened */
  times = [];

  /** @param {import("./recgrela/index.js").Model} model */
  constructor(model) {
    this.#model = model;
    this.#session = started(model);
    this.#rank();
  }

  /** Appends one event and ranks all films. @param {ItemId} id */
  append(id) {
    const start = performance.now();
    this.best = this.#session.step(id, SHOWN);
    this.times.push(performance.now() - start);
    this.films.push(id);
  }

  /** `best` as if one more event had been appended; changes nothing. @param {ItemId} id */
  whatIf(id) {
    return this.#session.peek([id], SHOWN);
  }

  /** The events without which a film's score falls most, largest drop first. @param {ItemId} id */
  why(id) {
    return this.#session.why(id, REASONS);
  }

  /** Has the events of another viewer: appends the last one, or all again. @param {ItemId[]} films */
  follow(films) {
    const mine = this.films;
    const more = films.length - mine.length;
    if (!mine.every((film, index) => film === films[index]) || more < 0) this.replay(films);
    else if (more === 1) this.append(films[mine.length]);
    else if (more > 1) this.replay(films);
  }

  /** Undoes the last event. @returns {ItemId} the film */
  undo() {
    this.#session.undo();
    const film = this.films.pop();
    this.#rank();
    return /** @type {ItemId} */ (film);
  }

  /** Forgets a film as if it had never been picked. @param {ItemId} id */
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

  /** Number of events that can be undone. */
  get undoable() {
    return this.#session.undoable;
  }

  /** Bytes of the engine's state. */
  get stateBytes() {
    return this.#session.stateBytes;
  }

  /** The value to save. @returns {Saved} */
  save() {
    return { films: [...this.films], snapshot: this.#session.snapshot() };
  }

  /**
   * The history for a link, with all of its events. The state is in half precision, which makes the link half
   * as long; the next pick then has scores with an error of up to a thousandth of the largest.
   */
  share() {
    return this.#session.snapshot({ precision: "f16" });
  }

  /**
   * Restores a saved value; throws and changes nothing if it is damaged or of another model.
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
   * Replaces all events by those of a snapshot with a log of all of them; throws and changes nothing if
   * it is damaged or of another model.
   * @param {Uint8Array} snapshot
   */
  open(snapshot) {
    const session = started(this.#model);
    session.restore(snapshot);
    const films = session.log;
    if (films.length !== session.events) {
      throw new Error(`found ${films.length} films for ${session.events} events`);
    }
    this.#replace(session, films);
  }

  /**
   * Resets and appends these films, skipping unknown ones.
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
    const answers = this.films.length > 0 || this.#model.hasStart;
    this.best = answers ? this.#session.topK(SHOWN) : [];
  }
}

/**
 * The list of films in a saved value, or an empty list.
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
