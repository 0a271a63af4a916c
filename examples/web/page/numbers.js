// Shows measurements: times of events and the size of the state.

import { element } from "./dom.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

/** The clock's resolution in milliseconds, which browsers reduce on purpose. */
const STEP = clockStep();

/** @param {Viewer} viewer */
export function showNumbers(viewer) {
  const { times } = viewer;
  const last = times.at(-1);
  element("last").textContent = last === undefined ? "–" : microseconds(last);
  element("median").textContent = times.length === 0 ? "–" : microseconds(median(times));
  element("state").textContent = `${(viewer.stateBytes / 1024).toFixed(1)} KiB`;
  element("events").textContent = viewer.films.length.toLocaleString("en");
}

/** Formats a time; below the clock's resolution it is only a bound. @param {number} milliseconds */
export function microseconds(milliseconds) {
  const shown = Math.round(milliseconds * 1000).toLocaleString("en");
  return milliseconds < STEP / 2 ? `< ${Math.round(STEP * 1000)} µs` : `${shown} µs`;
}

/** @param {number[]} values at least one */
function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

function clockStep() {
  const start = performance.now();
  let now = start;
  while (now === start) now = performance.now();
  return now - start;
}
