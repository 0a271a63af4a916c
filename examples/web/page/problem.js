// Shows errors and decisions, with the possible actions.

import { element } from "./dom.js";

/** @typedef {"model" | "saved" | "link" | "shared" | "newer"} Kind */

const place = element("problems");

/**
 * Shows a problem, replacing one of the same kind.
 * @param {Kind} kind
 * @param {string} title
 * @param {string} text
 * @param {[label: string, call: () => void][]} actions
 */
export function showProblem(kind, title, text, actions) {
  clearProblem(kind);
  const problem = document.createElement("div");
  problem.className = `problem ${kind}`;
  const buttons = document.createElement("div");
  buttons.className = "actions";
  buttons.append(...actions.map(([label, call]) => button(label, call)));
  problem.append(tagged("h2", title), tagged("p", text), buttons);
  place.append(problem);
}

/** @param {Kind} kind */
export function clearProblem(kind) {
  place.querySelector(`.${kind}`)?.remove();
}

/** @param {string} tag @param {string} text */
function tagged(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

/** @param {string} label @param {() => void} call */
function button(label, call) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", call);
  return made;
}
