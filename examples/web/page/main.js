// The page: loads model and titles, and connects the parts.

import { element } from "./dom.js";
import { changes, FilmList } from "./film-list.js";
import { HistoryList } from "./history-list.js";
import { Keeping } from "./keeping.js";
import { microseconds, showNumbers } from "./numbers.js";
import { clearAndReload, workOffline } from "./offline.js";
import { clearProblem, showProblem } from "./problem.js";
import { Model } from "./recgrela/index.js";
import { Search } from "./search.js";
import { Storage } from "./storage.js";
import { Titles, titleOf } from "./titles.js";
import { Viewer } from "./viewer.js";
import { WhatIf } from "./what-if.js";

/** @typedef {import("./titles.js").Film} Film */
/** @typedef {import("./recgrela/index.js").Recommendation} Recommendation */

const POPULAR = 10;
const BEGINNING = "Pick a film, or search. The list changes with each film.";

const progress = /** @type {HTMLProgressElement} */ (element("progress"));

async function load() {
  const titles = readTitles();
  titles.catch(() => {}); // reported below
  // The service worker caches the file: one copy, of the same version as the page.
  const model = await Model.load("model.safetensors", {
    cache: false,
    onProgress({ loaded, total }) {
      if (total !== null) progress.value = loaded / total;
    },
  });
  return { model, titles: new Titles(model.items(), await titles) };
}

async function readTitles() {
  const response = await fetch("titles.json");
  if (!response.ok)
    throw new Error(`cannot read "${response.url}": the server answered ${response.status}`);
  return response.json();
}

/** All user actions, once the model is loaded. */
class Page {
  #viewer;
  #titles;
  #keeping;
  #best = new FilmList("best", "film-row");
  #history;
  #search;
  #whatIf;

  /** @param {Model} model @param {Titles} titles */
  constructor(model, titles) {
    this.#titles = titles;
    this.#viewer = new Viewer(model);
    this.#keeping = new Keeping(this.#viewer, {
      tell: (text) => (element("saved").textContent = text),
      restored: (from) => this.#restored(from),
    });
    this.#history = new HistoryList((film) => this.#forget(film));
    this.#search = new Search(titles, (film) => this.#pick(film));
    this.#whatIf = new WhatIf(
      (film) => this.#rows(this.#viewer.whatIf(film.id)),
      () => this.#rows(this.#viewer.best).map(({ film }) => film),
    );
    this.#whatIf.watch(this.#best);
    this.#whatIf.watch(this.#search.matches);
    this.#best.onPress("film", (film) => this.#pick(film));
    this.#best.onPress("why", (film) => this.#explain(film));
    this.#best.useArrows();
    element("undo").addEventListener("click", () => this.#undo());
    this.#askBeforeReset();
    element("count").textContent = model.length.toLocaleString("en");
    const build = model.simd ? "WebAssembly with SIMD" : "WebAssembly";
    element("engine").textContent = `${build}, model ${model.fingerprint.slice(0, 8)}`;
  }

  /** @param {Promise<Storage>} storage */
  async start(storage) {
    element("status").textContent = BEGINNING;
    const why = await this.#keeping.start(storage);
    if (why !== undefined) this.#tellRefused(why);
    this.#show();
  }

  /** @param {Film} film */
  #pick(film) {
    const before = this.#best.films;
    const first = this.#viewer.films.length === 0;
    this.#viewer.append(film.id);
    const moves = first
      ? undefined
      : changes(
          this.#rows(this.#viewer.best).map(({ film }) => film),
          before,
        );
    const fresh = moves?.filter((move) => move === "new").length;
    const time = microseconds(this.#viewer.times.at(-1) ?? 0);
    const news = fresh === undefined ? "" : ` ${fresh} of ten are new.`;
    this.#changed(`${titleOf(film)} appended and all films ranked in ${time}.${news}`, moves);
  }

  /** @param {Film} film */
  #explain(film) {
    const reasons = this.#viewer.why(film.id).map(({ item, drop }) => {
      return `${titleOf(this.#titles.of(item))} by ${drop.toFixed(2)}`;
    });
    const text =
      reasons.length === 0
        ? "No single film of your history raises its score."
        : `Without these its score falls: ${reasons.join(", ")}.`;
    this.#best.tell(film, text);
  }

  #undo() {
    const film = this.#titles.of(this.#viewer.undo());
    this.#changed(`${titleOf(film)} taken back.`);
    if (this.#viewer.undoable === 0) element("history-title").focus();
  }

  /** @param {Film} film */
  #forget(film) {
    this.#viewer.forget(film.id);
    this.#changed(`${titleOf(film)} forgotten, as if it had never been.`);
  }

  #askBeforeReset() {
    const sure = /** @type {HTMLDialogElement} */ (element("sure"));
    element("reset").addEventListener("click", () => sure.showModal());
    sure.addEventListener("close", () => {
      if (sure.returnValue !== "yes") return;
      sure.returnValue = "";
      this.#viewer.reset();
      this.#changed("Your history is deleted.");
      element("pick").focus();
    });
  }

  /** @param {string} text @param {("new" | number)[]} [moves] */
  #changed(text, moves) {
    element("status").textContent = text;
    this.#show(moves);
    void this.#keeping.save();
  }

  /** @param {("new" | number)[]} [moves] */
  #show(moves) {
    const { films, undoable } = this.#viewer;
    const started = films.length > 0;
    element("pick-title").textContent = started ? "Recommended next" : "Popular films";
    element("score-label").hidden = !started;
    const popular = this.#titles.films.slice(0, POPULAR).map((film) => ({ film }));
    const rows = started ? this.#rows(this.#viewer.best) : popular;
    const why = films.length > 1;
    this.#best.show(rows.map((row, rank) => ({ ...row, change: moves?.[rank], why })));
    this.#history.show(films.map((id) => this.#titles.of(id)));
    this.#search.show(new Set(films));
    /** @type {HTMLButtonElement} */ (element("undo")).disabled = undoable === 0;
    /** @type {HTMLButtonElement} */ (element("reset")).disabled = !started;
    showNumbers(this.#viewer);
    this.#whatIf.clear();
    const current = this.#best.current;
    if (current) this.#whatIf.show(current);
  }

  /** @param {"storage" | "tab"} from */
  #restored(from) {
    clearProblem("saved");
    const what = from === "tab" ? "Another tab changed your history." : "Restored your history.";
    element("status").textContent = this.#viewer.films.length > 0 ? what : BEGINNING;
    this.#show();
  }

  /** @param {string} why */
  #tellRefused(why) {
    const { listed } = this.#keeping;
    const decide = (/** @type {() => Promise<void>} */ call) => () => {
      clearProblem("saved");
      void call();
      this.#show();
      element("pick").focus();
    };
    /** @type {[string, () => void][]} */
    const rebuild =
      listed > 0
        ? [[`Rebuild it from its ${listed} films`, decide(() => this.#keeping.rebuild())]]
        : [];
    showProblem(
      "saved",
      "The saved state could not be restored",
      `${why}. It stays unchanged until you decide.`,
      [...rebuild, ["Delete it", decide(() => this.#keeping.discard())]],
    );
  }

  /** @param {Recommendation[]} best */
  #rows(best) {
    return best.map(({ item, score }) => ({ film: this.#titles.of(item), score }));
  }
}

/** Reports unhandled errors, such as a crashed engine. @param {unknown} error */
function tellMistake(error) {
  const why = error instanceof Error ? error.message : String(error);
  showProblem("model", "Something went wrong", `${why}. Your saved history is unchanged.`, [
    ["Reload the page", () => location.reload()],
  ]);
}

async function main() {
  addEventListener("error", ({ error }) => tellMistake(error));
  addEventListener("unhandledrejection", ({ reason }) => tellMistake(reason));
  const storage = Storage.open();
  storage.catch(() => {}); // reported by Keeping
  try {
    const { model, titles } = await load();
    await new Page(model, titles).start(storage);
    element("parts").hidden = false;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    showProblem("model", "The model could not be loaded", `${why}. Your history is unchanged.`, [
      ["Clear caches and reload", () => void clearAndReload()],
    ]);
    return;
  } finally {
    element("loading").remove();
  }
  await workOffline(
    (text) => (element("offline").textContent = text),
    () =>
      showProblem("newer", "A newer version of this page is available", "Your history is kept.", [
        ["Use it now", () => location.reload()],
      ]),
  );
}

await main();
