/** The status report: a page of shots with their tasks by pipeline step. */

import { daysBetween, today, written } from "./dates.js";
import { $, chip, choices, coloured, counted, fill, node } from "./dom.js";
import { count, search, searchAll } from "./site.js";

/** @typedef {import("./dashboard.js").Project} Project */
/** @typedef {import("./site.js").Condition} Condition */
/** @typedef {import("./site.js").Row} Row */
/** @typedef {{number: number, total: number, shots: Row[], tasks: Map<number, Row[]>}} Page  Tasks by their shot's id. */

const PAGE_SIZE = 25;

let page = 1;

/** @returns {Promise<Page>} */
export async function readReport(/** @type {Project} */ project, /** @type {AbortSignal} */ signal) {
  /** @type {Condition[]} */
  const filters = [project.filter];
  if ($("#sequence").value) filters.push(["sg_sequence", "is", { type: "Sequence", id: Number($("#sequence").value) }]);
  if ($("#status").value) filters.push(["sg_status_list", "is", $("#status").value]);
  if ($("#late-only").checked) {
    // By way of the tasks: two conditions on a shot's `tasks` would be met by two different ones of them.
    const { groups = [] } = await count("tasks", lateTasks(project), ["entity"], signal);
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

export function lateTasks(/** @type {Project} */ project) {
  return /** @type {Condition[]} */ ([project.filter, ...project.open, ["due_date", "less_than", today()]]);
}

async function readTasks(/** @type {Row[]} */ shots, /** @type {AbortSignal} */ signal) {
  /** @type {Map<number, Row[]>} */
  const tasks = new Map(shots.map(({ id }) => [id, []]));
  if (!shots.length) return tasks;
  const ofShots = /** @type {Condition} */ (["entity", "in", shots.map(({ id }) => ({ type: "Shot", id }))]);
  const fields = ["content", "sg_status_list", "step", "due_date", "entity"];
  const rows = await searchAll("tasks", [ofShots], { fields, sort: "due_date" }, signal);
  for (const task of rows) tasks.get(task.entity.id)?.push(task);
  return tasks;
}

/** Calls back when another page or other shots are wanted. */
export function listenToReport(/** @type {() => void} */ changed) {
  const turn = (/** @type {number} */ to) => {
    page = to;
    changed();
  };
  $("#report form").addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
  $("#report form").addEventListener("change", () => turn(1));
  $("#all-shots").addEventListener("click", () => {
    $("#report form").reset();
    $("#sequence").focus();
    turn(1);
  });
  for (const [selector, by] of /** @type {[string, number][]} */ ([["#previous", -1], ["#next", 1]])) {
    $(selector).addEventListener("click", (/** @type {Event} */ { currentTarget }) => {
      const { ariaDisabled } = /** @type {HTMLElement} */ (currentTarget);
      if (ariaDisabled !== "true") turn(page + by);
    });
  }
}

/** Shows all shots of another project, from the first. */
export function resetReport() {
  page = 1;
  $("#report form").reset();
}

export function showChoices(/** @type {Project} */ project) {
  choices($("#sequence"), [["", "All"], ...project.sequences.map(({ id, code }) => [String(id), code])]);
  const used = project.shotStatuses.map((code) => [code, project.statuses.get(code)?.name ?? code]);
  choices($("#status"), [["", "All"], ...used]);
}

export function showReport(/** @type {Project} */ project, /** @type {Page} */ { number, total, shots, tasks }) {
  page = number;
  const filtered = $("#sequence").value || $("#status").value || $("#late-only").checked;
  const first = (number - 1) * PAGE_SIZE + 1;
  const last = first + shots.length - 1;
  $("#report .nothing").hidden = shots.length > 0;
  fill($("#report .nothing p"), filtered ? "No shots match these filters." : "This project has no shots yet.");
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
    ...project.steps.map((step) => coloured(heading(step.code, "step"), step.color)),
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
    cell("Status", chip(project.statuses.get(shot.sg_status_list), shot.sg_status_list)),
    ...project.steps.map((step) => {
      const ofStep = tasks.filter((task) => (task.step?.id ?? 0) === step.id);
      return cell(step.code, ...stepTasks(project, ofStep));
    }),
    cell("Next due", due ? written(due) : "–", ...(late ? [node("strong", { class: "late" }, "Late")] : [])),
  );
}

/** @returns {(Node | string)[]} */
function stepTasks(/** @type {Project} */ project, /** @type {Row[]} */ tasks) {
  if (!tasks.length) return ["–"];
  return tasks.map((task) => {
    const status = chip(project.statuses.get(task.sg_status_list), task.sg_status_list);
    const late = task.due_date && project.isOpen(task) ? daysBetween(task.due_date, today()) : 0;
    const words = late > 0 ? [node("strong", { class: "late" }, `${counted(late, "day")} late`)] : [];
    const title = `${task.content}, ${task.due_date ? `due ${written(task.due_date)}` : "no due date"}`;
    return node("div", { title }, status, ...words);
  });
}

function heading(/** @type {string} */ title, kind = "") {
  return node("th", { role: "columnheader", scope: "col", class: kind }, title);
}

/** A cell that says what it is of, for where the table is shown as cards. */
function cell(/** @type {string} */ label, /** @type {(Node | string)[]} */ ...children) {
  return node("td", { role: "cell", "data-label": label }, ...children);
}
