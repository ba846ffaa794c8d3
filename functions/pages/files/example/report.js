/** The status report: one page of shots, with their tasks by pipeline step. */

import { daysBetween, formatDay, today } from "./dates.js";
import { $, fill, fillSelect, node, statusChip, withColour, withNoun } from "./dom.js";
import { count, search, searchAll } from "./site.js";

/** @typedef {import("./dashboard.js").Project} Project */
/** @typedef {import("./site.js").Condition} Condition */
/** @typedef {import("./site.js").Row} Row */
/** @typedef {{number: number, total: number, shots: Row[], tasks: Map<number, Row[]>}} Page  Tasks by shot id. */

const PAGE_SIZE = 25;

let page = 1;

/** @returns {Promise<Page>} */
export async function readReport(/** @type {Project} */ project, /** @type {AbortSignal} */ signal) {
  /** @type {Condition[]} */
  const filters = [project.filter];
  if ($("#sequence").value) filters.push(["sg_sequence", "is", { type: "Sequence", id: Number($("#sequence").value) }]);
  if ($("#status").value) filters.push(["sg_status_list", "is", $("#status").value]);
  if ($("#late-only").checked) {
    // Search tasks, not shots: two conditions on a shot's `tasks` could be met by two different tasks.
    const { groups = [] } = await count("tasks", lateTaskFilters(project), ["entity"], signal);
    const ids = groups.flatMap(({ group_value }) => (group_value?.type === "Shot" ? [group_value.id] : []));
    if (!ids.length) return { number: 1, total: 0, shots: [], tasks: new Map() };
    filters.push(["id", "in", ids]);
  }
  const total = (await count("shots", filters, [], signal)).summaries.id;
  const number = Math.max(1, Math.min(page, Math.ceil(total / PAGE_SIZE)));
  const fields = ["code", "description", "sg_status_list", "sg_sequence"];
  const shots = await search("shots", filters, { fields, sort: "code", page: { size: PAGE_SIZE, number } }, signal);
  return { number, total, shots, tasks: await readTasks(shots, signal) };
}

export function lateTaskFilters(/** @type {Project} */ project) {
  return /** @type {Condition[]} */ ([project.filter, ...project.open, ["due_date", "less_than", today()]]);
}

async function readTasks(/** @type {Row[]} */ shots, /** @type {AbortSignal} */ signal) {
  /** @type {Map<number, Row[]>} */
  const tasks = new Map(shots.map(({ id }) => [id, []]));
  if (!shots.length) return tasks;
  const shotFilter = /** @type {Condition} */ (["entity", "in", shots.map(({ id }) => ({ type: "Shot", id }))]);
  const fields = ["content", "sg_status_list", "step", "due_date", "entity"];
  const rows = await searchAll("tasks", [shotFilter], { fields, sort: "due_date" }, signal);
  for (const task of rows) tasks.get(task.entity.id)?.push(task);
  return tasks;
}

/** Calls back when the user selects another page or other filters. */
export function listenToReport(/** @type {() => void} */ onChange) {
  const goTo = (/** @type {number} */ number) => {
    page = number;
    onChange();
  };
  $("#report form").addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
  $("#report form").addEventListener("change", () => goTo(1));
  $("#all-shots").addEventListener("click", () => {
    $("#report form").reset();
    $("#sequence").focus();
    goTo(1);
  });
  for (const [selector, offset] of /** @type {[string, number][]} */ ([["#previous", -1], ["#next", 1]])) {
    $(selector).addEventListener("click", (/** @type {Event} */ { currentTarget }) => {
      const { ariaDisabled } = /** @type {HTMLElement} */ (currentTarget);
      if (ariaDisabled !== "true") goTo(page + offset);
    });
  }
}

/** Goes back to page 1 and clears the filters, for another project. */
export function resetReport() {
  page = 1;
  $("#report form").reset();
}

export function showFilters(/** @type {Project} */ project) {
  fillSelect($("#sequence"), [["", "All"], ...project.sequences.map(({ id, code }) => [String(id), code])]);
  const used = project.shotStatuses.map((code) => [code, project.statuses.get(code)?.name ?? code]);
  fillSelect($("#status"), [["", "All"], ...used]);
}

export function showReport(/** @type {Project} */ project, /** @type {Page} */ { number, total, shots, tasks }) {
  page = number;
  const filtered = $("#sequence").value || $("#status").value || $("#late-only").checked;
  const first = (number - 1) * PAGE_SIZE + 1;
  const last = first + shots.length - 1;
  $("#report .empty").hidden = shots.length > 0;
  fill($("#report .empty p"), filtered ? "No shots match these filters." : "This project has no shots yet.");
  $("#all-shots").hidden = !filtered;
  $("#report .scroll").hidden = shots.length === 0;
  $("#report .filters").hidden = shots.length === 0 && !filtered;
  $("#report nav").hidden = shots.length === 0;
  fill($("#range"), shots.length ? `${first}–${last} of ${total}` : "");
  $("#previous").hidden = $("#next").hidden = total <= PAGE_SIZE;
  $("#previous").ariaDisabled = String(number === 1);
  $("#next").ariaDisabled = String(last >= total);
  fill($("#report thead"), node("tr", { role: "row" },
    ...["Shot", "Sequence", "Status"].map((title) => heading(title)),
    ...project.steps.map((step) => withColour(heading(step.code, "step"), step.color)),
    heading("Next due"),
  ));
  fill($("#report tbody"), ...shots.map((shot) => shotRow(project, shot, tasks.get(shot.id) ?? [])));
}

function shotRow(/** @type {Project} */ project, /** @type {Row} */ shot, /** @type {Row[]} */ tasks) {
  const due = tasks.filter((task) => task.due_date && project.isOpen(task)).map((task) => task.due_date).sort()[0];
  const late = due && due < today();
  return node("tr", { role: "row", class: late ? "is-late" : "" },
    node("th", { role: "rowheader", scope: "row" },
      node("span", { class: "code" }, shot.code),
      node("span", { class: "description", title: shot.description ?? "" }, shot.description ?? ""),
    ),
    cell("Sequence", shot.sg_sequence?.name ?? "–"),
    cell("Status", statusChip(project.statuses.get(shot.sg_status_list), shot.sg_status_list)),
    ...project.steps.map((step) => {
      const tasksOfStep = tasks.filter((task) => (task.step?.id ?? 0) === step.id);
      return cell(step.code, ...stepTasks(project, tasksOfStep));
    }),
    cell("Next due", due ? formatDay(due) : "–", ...(late ? [node("strong", { class: "late" }, "Late")] : [])),
  );
}

/** @returns {(Node | string)[]} */
function stepTasks(/** @type {Project} */ project, /** @type {Row[]} */ tasks) {
  if (!tasks.length) return ["–"];
  return tasks.map((task) => {
    const status = statusChip(project.statuses.get(task.sg_status_list), task.sg_status_list);
    const late = task.due_date && project.isOpen(task) ? daysBetween(task.due_date, today()) : 0;
    const lateness = late > 0 ? [node("strong", { class: "late" }, `${withNoun(late, "day")} late`)] : [];
    const title = `${task.content}, ${task.due_date ? `due ${formatDay(task.due_date)}` : "no due date"}`;
    return node("div", { title }, status, ...lateness);
  });
}

function heading(/** @type {string} */ title, kind = "") {
  return node("th", { role: "columnheader", scope: "col", class: kind }, title);
}

/** A cell with its label, which is visible when a narrow page shows the table as cards. */
function cell(/** @type {string} */ label, /** @type {(Node | string)[]} */ ...children) {
  return node("td", { role: "cell", "data-label": label }, ...children);
}
