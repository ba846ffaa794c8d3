/** The search for shots, tasks and people. */

import { formatDay } from "./dates.js";
import { $, node, statusChip } from "./dom.js";
import { errorMessage, search } from "./site.js";

/** @typedef {import("./dashboard.js").Project} Project */
/** @typedef {import("./site.js").Row} Row */
/** @typedef {import("./site.js").Filters} Filters */

const TYPING_PAUSE = 250; // milliseconds without a key press before the search starts
const MAX_ROWS = 8; // shown of each type

let running = new AbortController();

/** @param {() => Project | null} project  Returns the project that the page shows. */
export function listenToSearch(project) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const field = $("#search");
  const restart = (delay = TYPING_PAUSE) => {
    clearTimeout(timer);
    stopSearch();
    timer = setTimeout(() => runSearch(project(), field.value.trim()), field.value.trim() ? delay : 0);
  };
  field.addEventListener("input", () => restart());
  field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter") restart(0);
    if (event.key !== "Escape" || !field.value) return;
    event.preventDefault();
    field.value = "";
    restart();
  });
}

export function stopSearch() {
  running.abort();
}

async function runSearch(/** @type {Project | null} */ project, /** @type {string} */ text) {
  stopSearch();
  const { signal } = (running = new AbortController());
  if (!$("#search")) return; // the user has signed out
  if (!project || !text) return showMatches("", []);
  try {
    const groups = await readMatches(project, text, signal);
    if (signal.aborted) return;
    const matches = groups.reduce((sum, [, rows]) => sum + rows.length, 0);
    const more = groups.some(([, rows]) => rows.length > MAX_ROWS);
    if (!matches) return showMatches(`Nothing matches “${text}”.`, []);
    showMatches(more ? "Only the first matches are shown." : matches === 1 ? "1 match" : `${matches} matches`, groups);
  } catch (error) {
    if (!signal.aborted) showMatches(`${errorMessage(error)} Press Enter to search again.`, []);
  }
}

/**
 * Reads one row more of each type than is shown, to find out whether there are more.
 * @returns {Promise<[string, HTMLElement[]][]>}
 */
async function readMatches(
  /** @type {Project} */ project,
  /** @type {string} */ text,
  /** @type {AbortSignal} */ signal,
) {
  /** @returns {Filters} */
  const anyContains = (/** @type {string[]} */ ...fields) => ({
    logical_operator: "or",
    conditions: fields.map((field) => [field, "contains", text]),
  });
  /** @returns {Filters} */
  const inProject = (/** @type {Filters} */ filter) => ({
    logical_operator: "and",
    conditions: [project.filter, filter],
  });
  const page = { size: MAX_ROWS + 1, number: 1 };
  const shotFields = ["code", "description", "sg_status_list"];
  const taskFields = ["content", "entity", "sg_status_list", "due_date"];
  const shotFilter = inProject(anyContains("code", "description"));
  const taskFilter = inProject(anyContains("content", "entity.Shot.code"));
  const [shots, tasks, people] = await Promise.all([
    search("shots", shotFilter, { fields: shotFields, sort: "code", page }, signal),
    search("tasks", taskFilter, { fields: taskFields, sort: "due_date", page }, signal),
    search("human_users", anyContains("name", "login"), { fields: ["name", "email"], sort: "name", page }, signal),
  ]);
  const status = (/** @type {Row} */ row) => statusChip(project.statuses.get(row.sg_status_list), row.sg_status_list);
  const due = (/** @type {Row} */ { due_date }) => due_date && `Due ${formatDay(due_date)}`;
  return [
    ["Shots", shots.map((shot) => listItem(shot.code, shot.description, status(shot)))],
    ["Tasks", tasks.map((task) => listItem(`${task.entity?.name ?? ""} ${task.content}`, due(task), status(task)))],
    ["People", people.map((user) => listItem(user.name, user.email))],
  ];
}

function showMatches(/** @type {string} */ status, /** @type {[string, HTMLElement[]][]} */ groups) {
  $("#search-status").textContent = status;
  $("#search-results").replaceChildren(
    ...groups.filter(([, rows]) => rows.length).map(([title, rows]) =>
      node("section", {}, node("h3", {}, title), node("ul", {}, ...rows.slice(0, MAX_ROWS))),
    ),
  );
}

function listItem(/** @type {string} */ name, /** @type {string | null} */ details, /** @type {Node[]} */ ...end) {
  const description = node("span", { class: "description" }, details ?? "");
  return node("li", {}, node("span", { class: "code" }, name), description, ...end);
}
