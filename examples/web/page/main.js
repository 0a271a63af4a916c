// The page: loads model and titles, and connects the parts.

import { element } from "./dom.js";
import { changes, FilmList, news } from "./film-list.js";
import { HistoryList } from "./history-list.js";
import { Keeping } from "./keeping.js";
import { Choice, hasSecond, load } from "./models.js";
import { microseconds, showNumbers } from "./numbers.js";
import { clearAndReload, workOffline } from "./offline.js";
import { clearProblem, showProblem } from "./problem.js";
import { Search } from "./search.js";
import { ShareDialog, decoded, takeShared } from "./sharing.js";
import { Storage } from "./storage.js";
import { Titles, titleOf } from "./titles.js";
import { Viewer } from "./viewer.js";
import { WhatIf } from "./what-if.js";

/** @typedef {import("./titles.js").Film} Film */
/** @typedef {import("./models.js").Which} Which */
/** @typedef {import("./recgrela/index.js").Model} Model */
/** @typedef {import("./recgrela/index.js").Recommendation} Recommendation */

const POPULAR = 10;
const BEGINNING = "Pick a film, or search. All ten change with each film.";

const progress = /** @type {HTMLProgressElement} */ (element("progress"));

async function loadAll() {
  await painted();
  const titles = readTitles();
  titles.catch(() => {}); // reported below
  const model = await load("first", (share) => (progress.value = share));
  await responsive();
  const named = new Titles(model.items(), await titles);
  await responsive();
  return { model, titles: named };
}

/** Lets the browser handle input and paint between two pieces of work. */
function responsive() {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Resolves after the first paint, or soon in a tab that is not shown. */
function painted() {
  return new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
    setTimeout(resolve, 100);
  });
}

async function readTitles() {
  const response = await fetch("titles.json");
  if (!response.ok)
    throw new Error(`cannot read "${response.url}": the server answered ${response.status}`);
  return response.json();
}

/** All user actions, once the model is loaded. */
class Page {
  /** The viewer of the first model, whose state is saved and shared. */
  #viewer;
  /** @type {Viewer | undefined} the same events on the second model */
  #second;
  /** @type {Choice | undefined} */
  #choice;
  /** The viewer whose recommendations are shown: one of the two. */
  #shown;
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
    this.#shown = this.#viewer;
    if (hasSecond()) this.#choice = new Choice((which) => this.#choose(which));
    this.#keeping = new Keeping(this.#viewer, {
      tell: (text) => (element("saved").textContent = text),
      restored: (from) => this.#restored(from),
    });
    this.#history = new HistoryList((film) => this.#forget(film));
    this.#search = new Search(titles, (film) => this.#pick(film));
    this.#whatIf = new WhatIf(
      (film) => this.#rows(this.#shown.whatIf(film.id)),
      () => this.#films(this.#shown.best),
    );
    this.#whatIf.watch(this.#best);
    this.#whatIf.watch(this.#search.matches);
    this.#best.onPress("film", (film) => this.#pick(film));
    this.#best.onPress("why", (film) => this.#explain(film));
    this.#best.useArrows();
    element("undo").addEventListener("click", () => this.#undo());
    const dialog = new ShareDialog();
    element("share").addEventListener("click", () => {
      dialog.show(this.#viewer.share(), this.#viewer.films.length);
    });
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
    this.#openShared();
    addEventListener("hashchange", () => this.#openShared());
  }

  /** Loads the second model, if the page has one, and allows choosing. */
  async compare() {
    if (this.#choice === undefined) return;
    try {
      const model = await load("second");
      const items = model.items();
      if (items.length !== this.#titles.films.length || !items.every((id) => this.#titles.has(id))) {
        throw new Error("it has other films");
      }
      this.#second = new Viewer(model);
    } catch (error) {
      return this.#choice.refuse(reason(error));
    }
    this.#second.follow(this.#viewer.films);
    this.#choice.enable();
    this.#choice.compare(this.#viewer.best, this.#second.best);
  }

  /** Shows the recommendations of one of the models, with the differences. @param {Which} which */
  #choose(which) {
    const before = this.#films(this.#shown.best);
    this.#shown = which === "second" && this.#second ? this.#second : this.#viewer;
    this.#show(changes(this.#films(this.#shown.best), before));
  }

  /** Opens the history in the page's address, if there is one. */
  #openShared() {
    const text = takeShared();
    if (text === undefined) return;
    clearProblem("link");
    const mine = this.#keeping.aside ?? this.#viewer.films.length;
    try {
      this.#viewer.open(decoded(text));
    } catch (error) {
      showProblem(
        "link",
        "The shared history could not be opened",
        `${reason(error)}. The link was cut or changed, or it is for another model. Your history is unchanged.`,
        [["Continue without it", () => clearProblem("link")]],
      );
      return;
    }
    const films = this.#viewer.films.length;
    if (mine > 0) this.#askWhose(films, mine);
    else void this.#keeping.save();
    element("status").textContent = `A shared history of ${counted(films)}.`;
    this.#show();
  }

  /** @param {number} films @param {number} mine */
  #askWhose(films, mine) {
    this.#keeping.pause(mine);
    const decide = (/** @type {() => Promise<unknown>} */ call) => () => {
      clearProblem("shared");
      void call();
      element("pick").focus();
    };
    showProblem(
      "shared",
      `A shared history of ${counted(films)} is open`,
      `Yours of ${counted(mine)} is still saved in this browser.`,
      [
        ["Back to mine", decide(() => this.#keeping.goBack())],
        ["Replace mine with it", decide(() => this.#replaceSaved())],
      ],
    );
  }

  /** Saves the viewer's history in place of the saved one, and takes back the questions about that. */
  #replaceSaved() {
    clearProblem("shared");
    clearProblem("saved");
    return this.#keeping.replace();
  }

  /** @param {Film} film */
  #pick(film) {
    const before = this.#films(this.#shown.best);
    this.#viewer.append(film.id);
    this.#second?.follow(this.#viewer.films);
    const after = this.#films(this.#shown.best);
    const moves = before.length === 0 ? undefined : changes(after, before);
    const time = microseconds(this.#shown.times.at(-1) ?? 0);
    const more = moves === undefined ? "" : ` ${news(moves)}.`;
    this.#changed(`${titleOf(film)} appended and all films ranked in ${time}.${more}`, moves);
  }

  /** @param {Film} film */
  #explain(film) {
    const reasons = this.#shown.why(film.id).map(({ item, drop }) => {
      return `${titleOf(this.#titles.of(item))} by ${drop.toFixed(2)}`;
    });
    const text =
      reasons.length === 0
        ? "No single film in your history raises its score."
        : `Without these its score would fall: ${reasons.join(", ")}.`;
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
    this.#changed(`${titleOf(film)} forgotten, as if you had never picked it.`);
  }

  #askBeforeReset() {
    const sure = /** @type {HTMLDialogElement} */ (element("sure"));
    element("reset").addEventListener("click", () => sure.showModal());
    sure.addEventListener("close", () => {
      if (sure.returnValue !== "yes") return;
      sure.returnValue = "";
      this.#viewer.reset();
      void this.#replaceSaved();
      element("status").textContent = "Your history is deleted.";
      this.#show();
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
    this.#second?.follow(films);
    const started = films.length > 0;
    const ranked = this.#rows(this.#shown.best);
    document.body.classList.toggle("fresh", !started);
    element("pick-title").textContent = headline(started, ranked.length > 0);
    element("score-label").hidden = ranked.length === 0;
    const popular = this.#titles.films.slice(0, POPULAR).map((film) => ({ film }));
    const rows = ranked.length > 0 ? ranked : popular;
    const why = films.length > 1;
    this.#best.show(rows.map((row, rank) => ({ ...row, change: moves?.[rank], why })));
    if (this.#second) this.#choice?.compare(this.#viewer.best, this.#second.best);
    this.#history.show(films.map((id) => this.#titles.of(id)));
    this.#search.show(new Set(films));
    /** @type {HTMLButtonElement} */ (element("undo")).disabled = undoable === 0;
    /** @type {HTMLButtonElement} */ (element("reset")).disabled = !started;
    /** @type {HTMLButtonElement} */ (element("share")).disabled = !started;
    showNumbers(this.#shown);
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

  /** @param {Recommendation[]} best */
  #films(best) {
    return best.map(({ item }) => this.#titles.of(item));
  }
}

/** The heading of the list. @param {boolean} started @param {boolean} ranked */
function headline(started, ranked) {
  if (started) return "Recommended next";
  return ranked ? "Recommended before your first pick" : "Popular films";
}

/** @param {number} films */
function counted(films) {
  return films === 1 ? "one film" : `${films} films`;
}

/** @param {unknown} error */
function reason(error) {
  return error instanceof Error ? error.message : String(error);
}

/** Reports unhandled errors, such as a crashed engine. @param {unknown} error */
function tellMistake(error) {
  showProblem("model", "Something went wrong", `${reason(error)}. Your saved history is unchanged.`, [
    ["Reload the page", () => location.reload()],
  ]);
}

async function main() {
  addEventListener("error", ({ error }) => tellMistake(error));
  addEventListener("unhandledrejection", ({ reason }) => tellMistake(reason));
  const storage = Storage.open();
  storage.catch(() => {}); // reported by Keeping
  let page;
  try {
    const { model, titles } = await loadAll();
    page = new Page(model, titles);
    await page.start(storage);
    element("parts").hidden = false;
  } catch (error) {
    showProblem("model", "The model could not be loaded", `${reason(error)}. Your history is unchanged.`, [
      ["Clear caches and reload", () => void clearAndReload()],
    ]);
    return;
  } finally {
    element("loading").remove();
  }
  await page.compare();
  await workOffline(
    (text) => (element("offline").textContent = text),
    () =>
      showProblem("newer", "A newer version of this page is available", "Your history is kept.", [
        ["Use it now", () => location.reload()],
      ]),
  );
}

await main();
