/** Reads data from the ShotGrid site's REST API as the signed-in user. */

import { LoginError, login } from "../shotgrid-login.js";

/** @typedef {[path: string, relation: string, value: unknown]} Condition */
/** @typedef {{logical_operator: "and" | "or", conditions: (Condition | Filters)[]}} Filters */
/** @typedef {{type: string, id: number, [field: string]: any}} Row  The value of a link is `{type, id, name}`. */
/** @typedef {{group_value: any, summaries: {id: number}, groups?: Group[]}} Group */

// The content type sets the format of `filters`: a list of conditions that must all match, or "and" and "or" groups.
const FILTER_LIST = "application/vnd+shotgun.api3_array+json";
const FILTER_GROUPS = "application/vnd+shotgun.api3_hash+json";

const PAGE_SIZE = 500;
const TIMEOUT = 30_000; // milliseconds

/** An error response of the site. */
class SiteError extends Error {
  constructor(/** @type {number} */ status) {
    super(`The site returned status ${status}.`);
    this.status = status;
  }
}

/** Reads one page of rows. @returns {Promise<Row[]>} */
export async function search(
  /** @type {string} */ type,
  /** @type {Condition[] | Filters} */ filters,
  /** @type {{fields: string[], sort?: string, page?: {size: number, number: number}}} */ options,
  /** @type {AbortSignal} */ signal,
) {
  const { data } = await post(`${type}/_search`, { filters, ...options }, signal);
  return data.map(flatten);
}

/**
 * Reads all rows, page by page. The site's response links to a next page even after the last page, so the first page
 * that is not full is the last.
 */
export async function searchAll(
  /** @type {string} */ type,
  /** @type {Condition[]} */ filters,
  /** @type {{fields: string[], sort?: string}} */ options,
  /** @type {AbortSignal} */ signal,
) {
  const rows = [];
  for (let number = 1; ; number++) {
    const page = await search(type, filters, { ...options, page: { size: PAGE_SIZE, number } }, signal);
    rows.push(...page);
    if (page.length < PAGE_SIZE) return rows;
  }
}

/** Counts rows in total, and grouped by fields: one level of groups for each field. @returns {Promise<Group>} */
export async function count(
  /** @type {string} */ type,
  /** @type {Condition[]} */ filters,
  /** @type {string[]} */ by,
  /** @type {AbortSignal} */ signal,
) {
  const grouping = by.map((field) => ({ field, type: "exact", direction: "asc" }));
  const summary_fields = [{ field: "id", type: "record_count" }];
  const body = grouping.length ? { filters, summary_fields, grouping } : { filters, summary_fields };
  return (await post(`${type}/_summarize`, body, signal)).data;
}

/** Returns no rows after a 403 response, for data that the user may not read. @returns {Row[]} */
export function emptyIfForbidden(/** @type {unknown} */ error) {
  if (error instanceof SiteError && error.status === 403) return [];
  throw error;
}

/** Returns the text that the page shows for an error. */
export function errorMessage(/** @type {unknown} */ error) {
  if (!navigator.onLine) return "You are offline. This page continues when the network is back.";
  const status = error instanceof SiteError || error instanceof LoginError ? error.status : 0;
  if (status === 401 || status === 403) return "Your ShotGrid account is not allowed to read this.";
  if (status === 429) return "ShotGrid receives too many requests at the moment. Try again in a minute.";
  if (status >= 500) return "ShotGrid does not respond at the moment.";
  const unexpected = status || error instanceof SyntaxError || error instanceof RangeError;
  if (unexpected) return "ShotGrid returned a response that this page does not understand.";
  return "ShotGrid cannot be reached.";
}

/** @returns {Promise<any>} */
async function post(
  /** @type {string} */ path,
  /** @type {{filters: unknown}} */ body,
  /** @type {AbortSignal} */ signal,
) {
  const response = await login.fetch(`${login.site}/api/v1/entity/${path}`, {
    method: "POST",
    headers: { accept: "application/json", "content-type": Array.isArray(body.filters) ? FILTER_LIST : FILTER_GROUPS },
    body: JSON.stringify(body),
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
  });
  if (!response.ok) throw new SiteError(response.status);
  return response.json();
}

/** Merges a row's attributes and links. @returns {Row} */
function flatten(/** @type {any} */ { type, id, attributes, relationships }) {
  const links = Object.entries(relationships ?? {}).map(([name, link]) => [name, link.data]);
  return { type, id, ...attributes, ...Object.fromEntries(links) };
}
