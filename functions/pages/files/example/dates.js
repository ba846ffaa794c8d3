/**
 * Days in the site's format, `YYYY-MM-DD`. A day has no time zone, so all calculations use UTC. Only `today` depends on
 * the user's time zone.
 */

const DAY = 24 * 3600 * 1000; // milliseconds
const SHORT = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const LONG = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

export function today() {
  const now = new Date();
  return toIso(Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()));
}

export function plusDays(/** @type {string} */ day, /** @type {number} */ days) {
  return toIso(Date.parse(day) + days * DAY);
}

export function daysBetween(/** @type {string} */ from, /** @type {string} */ to) {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY);
}

export function mondayOf(/** @type {string} */ day) {
  return plusDays(day, -((new Date(day).getUTCDay() + 6) % 7));
}

/** Formats a day for the page. The year is shown only if it is not the current year. */
export function formatDay(/** @type {string} */ day) {
  return (day.slice(0, 4) === today().slice(0, 4) ? SHORT : LONG).format(Date.parse(day));
}

function toIso(/** @type {number} */ time) {
  return new Date(time).toISOString().slice(0, 10);
}
