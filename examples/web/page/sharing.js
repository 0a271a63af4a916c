// The history as a link: the engine's snapshot, in the fragment of the page's address. Browsers do not
// send the fragment to the server.

import { element } from "./dom.js";

const NAME = "#history=";

/**
 * The snapshot in the address, or undefined. It is removed from the address, so that a reload does not
 * restore it again over later picks.
 * @returns {string | undefined}
 */
export function takeShared() {
  if (!location.hash.startsWith(NAME)) return undefined;
  const text = location.hash.slice(NAME.length);
  history.replaceState(null, "", location.pathname + location.search);
  return text;
}

/** Decodes a shared snapshot. @param {string} text base64url @returns {Uint8Array<ArrayBuffer>} */
export function decoded(text) {
  const wrong = text.search(/[^\w-]/);
  if (wrong >= 0) {
    throw new Error(`found "${text[wrong]}" at character ${wrong}, expected only A-Z, a-z, 0-9, "-" and "_"`);
  }
  if (text.length % 4 === 1) throw new Error("the end of the link is missing");
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** The address of the page with a snapshot. @param {Uint8Array} snapshot */
export function linkTo(snapshot) {
  const binary = Array.from(snapshot, (byte) => String.fromCharCode(byte)).join("");
  const text = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return location.origin + location.pathname + location.search + NAME + text;
}

/** The dialog with the link. */
export class ShareDialog {
  #dialog = /** @type {HTMLDialogElement} */ (element("link"));
  #address = /** @type {HTMLInputElement} */ (element("link-address"));

  constructor() {
    element("copy").addEventListener("click", () => void this.#copy());
  }

  /** @param {Uint8Array} snapshot @param {number} films */
  show(snapshot, films) {
    const link = linkTo(snapshot);
    const count = films === 1 ? "the film" : `the ${films} films`;
    element("link-text").textContent =
      `The link contains your state, ${snapshot.length.toLocaleString("en")} bytes. Anyone who has it can see ` +
      `${count} that you picked. It is ${link.length.toLocaleString("en")} characters long, and some messengers ` +
      "truncate it.";
    element("link-copied").textContent = "";
    this.#address.value = link;
    this.#dialog.showModal();
    this.#address.select();
  }

  async #copy() {
    this.#address.select();
    try {
      await navigator.clipboard.writeText(this.#address.value);
      element("link-copied").textContent = "Copied.";
    } catch {
      element("link-copied").textContent = "This browser does not allow copying: copy the selected link yourself.";
    }
  }
}
