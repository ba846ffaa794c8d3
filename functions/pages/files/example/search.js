/** The search over shots, tasks and people. */

import { written } from "./dates.js";
import { $, chip, node } from "./dom.js";
import { search, words } from "./site.js";

/** @typedef {import("./dashboard.js").Project} Project */
/** @typedef {import("./site.js").Row} Row */
/** @typedef {import("./site.js").Filters} Filters */

const PAUSE = 250; // milliseconds without a key before the site is asked
const MOST = 8; // rows shown of a kind

let asked = new AbortController();

/** @param {() => Project | null} project  The one that is shown. */
export function listenToSearch(project) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let pause;
  const field = $("#search");
  const changed = (wait = PAUSE) => {
    clearTimeout(pause);
    stopSearch();
    pause = setTimeout(() => find(project(), field.value.trim()), field.value.trim() ? wait : 0);
  };
  field.addEventListener("input", () => changed());
  field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter") changed(0);
    if (event.key !== "Escape" || !field.value) return;
    event.preventDefault();
    field.value = "";
    changed();
  });
}

export function stopSearch() {
  asked.abort();
}

async function find(/** @type {Project | null} */ project, /** @type {string} */ text) {
  stopSearch();
  const { signal } = (asked = new AbortController());
  if (!$("#search")) return; // signed out meanwhile
  if (!project || !text) return show("", []);
  try {
    const groups = await read(project, text, signal);
    if (signal.aborted) return;
    const found = groups.reduce((sum, [, rows]) => sum + rows.length, 0);
    const more = groups.some(([, rows]) => rows.length > MOST);
    if (!found) return show(`Nothing matches “${text}”.`, []);
    show(more ? "Only the first matches are shown." : found === 1 ? "1 match" : `${found} matches`, groups);
  } catch (error) {
    if (!signal.aborted) show(`${words(error)} Press Enter to search again.`, []);
  }
}

/** Reads one row more than is shown, to know whether there are more. @returns {Promise<[string, HTMLElement[]][]>} */
async function read(/** @type {Project} */ project, /** @type {string} */ text, /** @type {AbortSignal} */ signal) {
  /** @returns {Filters} */
  const any = (/** @type {string[]} */ ...fields) => ({
    logical_operator: "or",
    conditions: fields.map((field) => [field, "contains", text]),
  });
  /** @returns {Filters} */
  const here = (/** @type {Filters} */ match) => ({ logical_operator: "and", conditions: [project.filter, match] });
  const page = { size: MOST + 1, number: 1 };
  const shotFields = ["code", "description", "sg_status_list"];
  const taskFields = ["content", "entity", "sg_status_list", "due_date"];
  const [shots, tasks, people] = await Promise.all([
    search("shots", here(any("code", "description")), { fields: shotFields, sort: "code", page }, signal),
    search("tasks", here(any("content", "entity.Shot.code")), { fields: taskFields, sort: "due_date", page }, signal),
    search("human_users", any("name", "login"), { fields: ["name", "email"], sort: "name", page }, signal),
  ]);
  const status = (/** @type {Row} */ row) => chip(project.statuses.get(row.sg_status_list), row.sg_status_list);
  const due = (/** @type {Row} */ { due_date }) => due_date && `Due ${written(due_date)}`;
  return [
    ["Shots", shots.map((shot) => item(shot.code, shot.description, status(shot)))],
    ["Tasks", tasks.map((task) => item(`${task.entity?.name ?? ""} ${task.content}`, due(task), status(task)))],
    ["People", people.map((person) => item(person.name, person.email))],
  ];
}

function show(/** @type {string} */ status, /** @type {[string, HTMLElement[]][]} */ groups) {
  $("#search-status").textContent = status;
  $("#search-results").replaceChildren(
    ...groups.filter(([, rows]) => rows.length).map(([title, rows]) =>
      node("section", {}, node("h3", {}, title), node("ul", {}, ...rows.slice(0, MOST))),
    ),
  );
}

function item(/** @type {string} */ name, /** @type {string | null} */ more, /** @type {Node[]} */ ...end) {
  return node("li", {}, node("span", { class: "code" }, name), node("span", { class: "description" }, more ?? ""), ...end);
}
