/** Makes elements: the page's security policy lets no text become markup. */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** Finds what stands in the page. @returns {any} */
export function $(/** @type {string} */ selector) {
  return document.querySelector(selector);
}

/** Replaces an element's children, unless they are the same: what is selected or focused stays so. */
export function fill(/** @type {Element} */ element, /** @type {(Node | string)[]} */ ...children) {
  const next = /** @type {Element} */ (element.cloneNode(false));
  next.append(...children);
  if (!next.isEqualNode(element)) element.replaceChildren(...next.childNodes);
}

/** Fills a select with `[value, text]`, and keeps what is chosen if it is still there. */
export function choices(/** @type {HTMLSelectElement} */ select, /** @type {string[][]} */ options) {
  const chosen = select.value;
  fill(select, ...options.map(([value, text]) => node("option", { value }, text)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

/**
 * A status by its name and in its colour.
 * @param {import("./site.js").Row | undefined} status
 * @param {string | null} code  What a row has, for a status that the site does not list.
 */
export function chip(status, code) {
  return coloured(node("span", { class: "chip" }, status?.name ?? code ?? "None"), status?.bg_color);
}

/** Gives the style sheet a colour of the site's, which are written `r,g,b`. */
export function coloured(/** @type {HTMLElement} */ element, /** @type {string | undefined | null} */ colour) {
  if (colour) element.style.setProperty("--colour", `rgb(${colour})`);
  return element;
}

/** Says a number of things, such as `1 day` and `2 days`. */
export function counted(/** @type {number} */ number, /** @type {string} */ thing) {
  return `${number.toLocaleString()} ${thing}${number === 1 ? "" : "s"}`;
}
