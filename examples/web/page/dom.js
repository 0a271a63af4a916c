// Helpers for elements.

/**
 * The element with this id, which must exist.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function element(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/** The first row of a template. @param {string} id @returns {HTMLLIElement} */
export function rowOf(id) {
  const { content } = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  return /** @type {HTMLLIElement} */ (content.firstElementChild?.cloneNode(true));
}

/**
 * Sets the text of a row's part, found by its class.
 * @param {Element} row
 * @param {string} name
 * @param {string} text
 */
export function write(row, name, text) {
  const part = row.querySelector(`.${name}`);
  if (part !== null && part.textContent !== text) part.textContent = text;
}

/**
 * Resizes a list. Remaining rows stay the same elements, so they keep the focus.
 * @param {HTMLElement} list
 * @param {number} length
 * @param {string} template
 */
export function resize(list, length, template) {
  while (list.children.length > length) list.lastElementChild?.remove();
  while (list.children.length < length) list.append(rowOf(template));
}
