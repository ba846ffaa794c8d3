/** Reads the ShotGrid site's REST API as whoever is signed in. */

import { LoginError, login } from "../shotgrid-login.js";

/** @typedef {[path: string, relation: string, value: unknown]} Condition */
/** @typedef {{logical_operator: "and" | "or", conditions: (Condition | Filters)[]}} Filters */
/** @typedef {{type: string, id: number, [field: string]: any}} Row  A link's value is its `{type, id, name}`. */
/** @typedef {{group_value: any, summaries: {id: number}, groups?: Group[]}} Group */

// The content type says how filters are written: as a list of conditions that all hold, or as groups of and and or.
const LIST = "application/vnd+shotgun.api3_array+json";
const GROUPS = "application/vnd+shotgun.api3_hash+json";

const PAGE_SIZE = 500;
const TIMEOUT = 30_000; // milliseconds

/** An answer of the site that is not the data asked for. */
class SiteError extends Error {
  constructor(/** @type {number} */ status) {
    super(`The site answered ${status}.`);
    this.status = status;
  }
}

/** Reads one page of rows. @returns {Promise<Row[]>} */
export async function search(
  /** @type {string} */ type,
  /** @type {Condition[] | Filters} */ filters,
  /** @type {{fields: string[], sort?: string, page?: {size: number, number: number}}} */ what,
  /** @type {AbortSignal} */ signal,
) {
  const { data } = await ask(`${type}/_search`, { filters, ...what }, signal);
  return data.map(flat);
}

/** Reads all rows, page by page. A site names a next page even after the last, so a page that is not full ends it. */
export async function searchAll(
  /** @type {string} */ type,
  /** @type {Condition[]} */ filters,
  /** @type {{fields: string[], sort?: string}} */ what,
  /** @type {AbortSignal} */ signal,
) {
  const rows = [];
  for (let number = 1; ; number++) {
    const page = await search(type, filters, { ...what, page: { size: PAGE_SIZE, number } }, signal);
    rows.push(...page);
    if (page.length < PAGE_SIZE) return rows;
  }
}

/** Counts rows, in all and by the values of fields: a level of groups for each. @returns {Promise<Group>} */
export async function count(
  /** @type {string} */ type,
  /** @type {Condition[]} */ filters,
  /** @type {string[]} */ by,
  /** @type {AbortSignal} */ signal,
) {
  const grouping = by.map((field) => ({ field, type: "exact", direction: "asc" }));
  const summary_fields = [{ field: "id", type: "record_count" }];
  const asked = grouping.length ? { filters, summary_fields, grouping } : { filters, summary_fields };
  return (await ask(`${type}/_summarize`, asked, signal)).data;
}

/** Does without rows that the person may not see. @returns {Row[]} */
export function noneIfForbidden(/** @type {unknown} */ error) {
  if (error instanceof SiteError && error.status === 403) return [];
  throw error;
}

/** Says in words what went wrong. */
export function words(/** @type {unknown} */ error) {
  if (!navigator.onLine) return "You are offline. This page goes on by itself once the network is back.";
  const status = error instanceof SiteError || error instanceof LoginError ? error.status : 0;
  if (status === 401 || status === 403) return "Your ShotGrid account is not allowed to read this.";
  if (status === 429) return "ShotGrid is asked too much at the moment. Try again in a minute.";
  if (status >= 500) return "ShotGrid does not answer at the moment.";
  const odd = status || error instanceof SyntaxError || error instanceof RangeError;
  if (odd) return "ShotGrid gave an answer that this page does not understand.";
  return "ShotGrid cannot be reached.";
}

/** @returns {Promise<any>} */
async function ask(
  /** @type {string} */ path,
  /** @type {{filters: unknown}} */ asked,
  /** @type {AbortSignal} */ signal,
) {
  const response = await login.fetch(`${login.site}/api/v1/entity/${path}`, {
    method: "POST",
    headers: { accept: "application/json", "content-type": Array.isArray(asked.filters) ? LIST : GROUPS },
    body: JSON.stringify(asked),
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
  });
  if (!response.ok) throw new SiteError(response.status);
  return response.json();
}

/** @returns {Row} */
function flat(/** @type {any} */ { type, id, attributes, relationships }) {
  const links = Object.entries(relationships ?? {}).map(([name, link]) => [name, link.data]);
  return { type, id, ...attributes, ...Object.fromEntries(links) };
}
