// Saves the viewer in the browser's storage, across reloads and in sync with other tabs.

import { filmsOf } from "./viewer.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./storage.js").Storage} Storage */

export class Keeping {
  #viewer;
  #tell;
  #restored;
  /** @type {Storage | undefined} */
  #storage;
  /**
   * A value that could not be restored. It stays in storage until the user decides.
   * @type {unknown}
   */
  #refused;
  /** @type {number | undefined} films of the saved history, while the viewer shows another one */
  #aside;
  #tabs = new BroadcastChannel("recgrela-demo");

  /**
   * @param {Viewer} viewer
   * @param {{ tell: (text: string) => void, restored: (from: "storage" | "tab") => void }} calls
   *   `tell` receives a message on what is saved; `restored` is called after the viewer changed
   */
  constructor(viewer, { tell, restored }) {
    this.#viewer = viewer;
    this.#tell = tell;
    this.#restored = restored;
  }

  /**
   * Restores the saved value.
   * @param {Promise<Storage>} opening
   * @returns {Promise<string | undefined>} the reason, if a saved value could not be restored
   */
  async start(opening) {
    this.#tabs.onmessage = () => {
      if (this.#aside === undefined) void this.#restore("tab");
    };
    try {
      this.#storage = await opening;
    } catch (error) {
      this.#tell(`Not saved: this browser stores nothing for this page (${reason(error)})`);
      return undefined;
    }
    return this.#restore("storage");
  }

  /** Saves the viewer. */
  async save() {
    if (this.#storage === undefined || this.#refused !== undefined) return;
    if (this.#aside !== undefined) return;
    const { films, snapshot } = this.#viewer.save();
    try {
      await (films.length === 0 ? this.#storage.clear() : this.#storage.write({ films, snapshot }));
    } catch (error) {
      this.#tell(`Not saved: ${reason(error)}`);
      return;
    }
    this.#tabs.postMessage("changed");
    this.#tellWhatIsKept(snapshot.length);
  }

  /**
   * Leaves the saved value as it is, until `replace` or `goBack`.
   * @param {number} films of the saved history; a second call does not change their number
   */
  pause(films) {
    this.#aside ??= films;
    this.#tell("Not saved: a shared history is open");
  }

  /** Number of films of the saved history, while the viewer shows another one. */
  get aside() {
    return this.#aside;
  }

  /** Saves the viewer's history in place of the saved value, also of one that could not be restored. */
  replace() {
    this.#aside = undefined;
    this.#refused = undefined;
    return this.save();
  }

  /** Restores the saved value. */
  goBack() {
    this.#aside = undefined;
    return this.#restore("storage");
  }

  /** Number of films in a value that could not be restored. */
  get listed() {
    return filmsOf(this.#refused).length;
  }

  /** Appends the films of the value that could not be restored, then those picked since. */
  rebuild() {
    this.#viewer.replay([...filmsOf(this.#refused), ...this.#viewer.films]);
    return this.discard();
  }

  /** Discards the value that could not be restored. */
  discard() {
    this.#refused = undefined;
    return this.save();
  }

  /** @param {"storage" | "tab"} from */
  async #restore(from) {
    /** @type {any} */
    let kept;
    try {
      kept = await this.#storage?.read();
    } catch (error) {
      this.#storage = undefined; // never overwrite what cannot be read
      this.#tell(`Not saved: the browser's storage cannot be read (${reason(error)})`);
      return undefined;
    }
    try {
      if (kept === undefined) this.#viewer.reset();
      else this.#viewer.restore(kept);
    } catch (error) {
      this.#refused = kept;
      this.#tell("Not saved: the saved state needs your decision first");
      return reason(error);
    }
    this.#refused = undefined;
    this.#tellWhatIsKept(kept?.snapshot.length);
    this.#restored(from);
    return undefined;
  }

  /** @param {number | undefined} bytes */
  #tellWhatIsKept(bytes) {
    if (this.#viewer.films.length === 0) this.#tell("Nothing is saved in this browser");
    else this.#tell(`Saved in this browser, ${bytes?.toLocaleString("en")} bytes`);
  }
}

/** @param {unknown} error */
function reason(error) {
  return error instanceof Error ? error.message : String(error);
}
