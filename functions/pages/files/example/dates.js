/**
 * Days as the site writes them, `YYYY-MM-DD`. They belong to no time zone, so all that is done with them is done in
 * UTC; only which day today is depends on where the reader is.
 */

const DAY = 24 * 3600 * 1000; // milliseconds
const SHORT = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const LONG = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

export function today() {
  const now = new Date();
  return iso(Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()));
}

export function plusDays(/** @type {string} */ day, /** @type {number} */ days) {
  return iso(Date.parse(day) + days * DAY);
}

export function daysBetween(/** @type {string} */ from, /** @type {string} */ to) {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY);
}

export function mondayOf(/** @type {string} */ day) {
  return plusDays(day, -((new Date(day).getUTCDay() + 6) % 7));
}

/** The day as people write it, with its year where that is not this one. */
export function written(/** @type {string} */ day) {
  return (day.slice(0, 4) === today().slice(0, 4) ? SHORT : LONG).format(Date.parse(day));
}

function iso(/** @type {number} */ time) {
  return new Date(time).toISOString().slice(0, 10);
}
