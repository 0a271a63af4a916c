// Recommendations in the browser or in Node: see README.md and index.d.ts.

export { Model } from "./model.js";
export { Session } from "./session.js";
export { RecgrelaError } from "./shared.js";
