// Small help with elements.

/**
 * The element of an id, which the page has.
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
 * Sets the text of a part of a row; parts are told by their class.
 * @param {Element} row
 * @param {string} name
 * @param {string} text
 */
export function write(row, name, text) {
  const part = row.querySelector(`.${name}`);
  if (part !== null && part.textContent !== text) part.textContent = text;
}

/**
 * Makes a list this long. Rows that stay are the same elements, so the focus stays too.
 * @param {HTMLElement} list
 * @param {number} length
 * @param {string} template
 */
export function resize(list, length, template) {
  while (list.children.length > length) list.lastElementChild?.remove();
  while (list.children.length < length) list.append(rowOf(template));
}
