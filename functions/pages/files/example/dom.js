/** Creates and changes elements with DOM calls, because the page's security policy forbids HTML in strings. */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function node(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}

/** Finds an element of the page. @returns {any} */
export function $(/** @type {string} */ selector) {
  return document.querySelector(selector);
}

/** Replaces an element's children only if they differ, so that selection and focus are kept. */
export function fill(/** @type {Element} */ element, /** @type {(Node | string)[]} */ ...children) {
  const next = /** @type {Element} */ (element.cloneNode(false));
  next.append(...children);
  if (!next.isEqualNode(element)) element.replaceChildren(...next.childNodes);
}

/** Fills a select with `[value, text]` options. Keeps the chosen option if it is still in the list. */
export function fillSelect(/** @type {HTMLSelectElement} */ select, /** @type {string[][]} */ options) {
  const chosen = select.value;
  fill(select, ...options.map(([value, text]) => node("option", { value }, text)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

/**
 * Shows a status by its name and in its colour.
 * @param {import("./site.js").Row | undefined} status
 * @param {string | null} code  The row's status code, shown if the site does not list the status.
 */
export function statusChip(status, code) {
  return withColour(node("span", { class: "chip" }, status?.name ?? code ?? "None"), status?.bg_color);
}

/** Passes a colour of the site, written `r,g,b`, to the style sheet as `--colour`. */
export function withColour(/** @type {HTMLElement} */ element, /** @type {string | undefined | null} */ colour) {
  if (colour) element.style.setProperty("--colour", `rgb(${colour})`);
  return element;
}

/** Returns a number with its noun, such as `1 day` or `2 days`. */
export function withNoun(/** @type {number} */ number, /** @type {string} */ noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
}
