// One value in the browser's storage: the saved viewer.

const NAME = "recgrela-demo";
const STORE = "kept";
const KEY = "viewer";

export class Storage {
  #database;

  /** @param {IDBDatabase} database */
  constructor(database) {
    this.#database = database;
  }

  /** Opens the storage; rejects if the browser has none, as in some private windows. */
  static async open() {
    const opening = indexedDB.open(NAME, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    return new Storage(await done(opening));
  }

  /** The saved value, or undefined. @returns {Promise<unknown>} */
  read() {
    return done(this.#database.transaction(STORE).objectStore(STORE).get(KEY));
  }

  /**
   * Replaces the saved value. Writes are done in the order of the calls.
   * @param {unknown} value
   */
  write(value) {
    return this.#change((store) => store.put(value, KEY));
  }

  /** Deletes the saved value. */
  clear() {
    return this.#change((store) => store.delete(KEY));
  }

  /**
   * Resolves once the change is complete.
   * @param {(store: IDBObjectStore) => unknown} change
   */
  #change(change) {
    const transaction = this.#database.transaction(STORE, "readwrite");
    change(transaction.objectStore(STORE));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(undefined);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
