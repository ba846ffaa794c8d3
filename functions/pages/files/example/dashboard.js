/** The dashboard: a project's figures, graph, status report and search, shown while a user is signed in. */

import { login } from "../shotgrid-login.js";
import { formatDay, mondayOf, plusDays, today } from "./dates.js";
import { $, fill, fillSelect, node, withNoun } from "./dom.js";
import { clearGraph, readDueTasks, showDueTasks } from "./graph.js";
import { lateTaskFilters, listenToReport, readReport, resetReport, showFilters, showReport } from "./report.js";
import { listenToSearch, stopSearch } from "./search.js";
import { count, emptyIfForbidden, errorMessage, searchAll } from "./site.js";

/** @typedef {import("./site.js").Condition} Condition */
/** @typedef {import("./site.js").Row} Row */
/**
 * @typedef {object} Project  The data of a project that all parts of the dashboard use.
 * @property {string} name
 * @property {Condition} filter
 * @property {Map<string, Row>} statuses  All statuses of the site, by code.
 * @property {(task: Row) => boolean} isOpen
 * @property {Condition[]} open  `isOpen` as a filter.
 * @property {Row[]} sequences
 * @property {string[]} shotStatuses  The status codes that the project's shots use.
 * @property {number} shots  The number of shots.
 * @property {Row[]} steps  The steps that the tasks of shots use, in the site's order.
 */

const REFRESH_INTERVAL = 60_000; // milliseconds

// The API does not show which statuses mean "finished". These are ShotGrid's default codes; add the codes of your site.
const CLOSED = ["apr", "clsd", "cmpt", "dlvr", "fin", "na", "omt"];

const main = $("main");
let loading = new AbortController();
let loadedAt = 0;
/** @type {Project | null} */
let project = null;

login.addEventListener("signedin", start);
login.addEventListener("signedout", clear);
login.addEventListener("sessionended", clear);
addEventListener("hashchange", () => login.user && loadProject());
addEventListener("online", refresh);
document.addEventListener("visibilitychange", () => Date.now() - loadedAt >= REFRESH_INTERVAL && refresh());
setInterval(refresh, REFRESH_INTERVAL);
if (login.user) start();

function start() {
  clear();
  main.append($("#dashboard-template").content.cloneNode(true));
  $("#project-choice").append($("#project-template").content.cloneNode(true));
  $("#project").addEventListener("change", () => (location.hash = `project=${$("#project").value}`));
  $("#trouble button").addEventListener("click", () => run(load, main));
  listenToReport(() => run(reloadReport, $("#report")));
  listenToSearch(() => project);
  loadProject();
}

/** Removes all production data from the page. */
function clear() {
  loading.abort();
  stopSearch();
  clearGraph();
  project = null;
  main.replaceChildren();
  main.removeAttribute("aria-busy");
  delete main.dataset.state;
  $("#project-choice").replaceChildren();
}

function loadProject() {
  project = null;
  main.dataset.state = "loading";
  resetReport();
  $("#search").value = "";
  $("#search").dispatchEvent(new Event("input"));
  run(load, main);
}

/** Reloads all data in the background. This also keeps the session from ending when idle. */
function refresh() {
  if (login.user && !document.hidden && !main.ariaBusy) run(load);
}

/** Runs one action at a time: a new action aborts the current one. */
async function run(
  /** @type {(signal: AbortSignal) => Promise<string | void>} */ action, // may return a problem to show
  /** @type {HTMLElement | null} */ busy = null,
) {
  loading.abort();
  const { signal } = (loading = new AbortController());
  if (busy) busy.ariaBusy = "true";
  try {
    const problem = await action(signal);
    if (!signal.aborted) showProblem(problem ?? "");
  } catch (error) {
    if (signal.aborted) return;
    loading.abort(); // the requests that ran in parallel with the failed request
    if (!project) main.dataset.state = "failed";
    const since = project ? ` The data on this page was read at ${new Date(loadedAt).toLocaleTimeString()}.` : "";
    showProblem(errorMessage(error) + since);
  } finally {
    if (loading.signal === signal) for (const element of [main, ...main.children]) element.ariaBusy = null;
  }
}

async function load(/** @type {AbortSignal} */ signal) {
  const [projects, statuses, steps] = await Promise.all([
    searchAll("projects", [], { fields: ["name"], sort: "name" }, signal),
    searchAll("statuses", [], { fields: ["code", "name", "bg_color"] }, signal).catch(emptyIfForbidden),
    searchAll("steps", [], { fields: ["code", "color"], sort: "list_order" }, signal).catch(emptyIfForbidden),
  ]);
  if (signal.aborted) return;
  fillSelect($("#project"), projects.map(({ id, name }) => [String(id), name]));
  const wantedId = Number(new URLSearchParams(location.hash.slice(1)).get("project"));
  const chosen = projects.find(({ id }) => id === wantedId) ?? projects[0];
  if (!chosen) {
    project = null;
    main.dataset.state = "failed";
    return "There is no project on this site that you can see.";
  }
  $("#project").value = String(chosen.id);

  const newProject = await readProject(chosen, statuses, steps, signal);
  const [figures, due, report] = await Promise.all([
    readFigures(newProject, signal),
    readDueTasks(newProject.filter, newProject.statuses, signal),
    readReport(newProject, signal),
  ]);
  if (signal.aborted) return;
  if (!project) $("#load-status").textContent = `${newProject.name} is loaded.`;
  project = newProject;
  loadedAt = Date.now();
  main.dataset.state = "ready"; // before the graph, which measures its container
  showFigures(figures);
  showDueTasks(due);
  showFilters(newProject);
  showReport(newProject, report);
}

/** @returns {Promise<Project>} */
async function readProject(
  /** @type {Row} */ { id, name },
  /** @type {Row[]} */ statuses,
  /** @type {Row[]} */ steps,
  /** @type {AbortSignal} */ signal,
) {
  /** @type {Condition} */
  const filter = ["project", "is", { type: "Project", id }];
  const [sequences, byStatus, byStep] = await Promise.all([
    searchAll("sequences", [filter], { fields: ["code"], sort: "code" }, signal),
    count("shots", [filter], ["sg_status_list"], signal),
    count("tasks", [filter, ["entity", "type_is", "Shot"]], ["step"], signal),
  ]);
  const closed = CLOSED.filter((code) => statuses.some((status) => status.code === code));
  const used = new Set(byStep.groups?.map(({ group_value }) => group_value?.id ?? 0));
  return {
    name,
    filter,
    statuses: new Map(statuses.map((status) => [status.code, status])),
    isOpen: (task) => !closed.includes(task.sg_status_list),
    open: closed.length ? [["sg_status_list", "not_in", closed]] : [],
    sequences,
    shotStatuses: (byStatus.groups ?? []).map(({ group_value }) => group_value).filter(Boolean),
    shots: byStatus.summaries.id,
    steps: [...steps, { type: "Step", id: 0, code: "No step" }].filter((step) => used.has(step.id)),
  };
}

/** @returns {Promise<Record<string, [number, string]>>} */
async function readFigures(/** @type {Project} */ newProject, /** @type {AbortSignal} */ signal) {
  const sunday = plusDays(mondayOf(today()), 6);
  const [all, open, late, week] = await Promise.all([
    count("tasks", [newProject.filter], [], signal),
    count("tasks", [newProject.filter, ...newProject.open], [], signal),
    count("tasks", lateTaskFilters(newProject), ["entity"], signal),
    count("tasks", [newProject.filter, ...newProject.open, ["due_date", "between", [today(), sunday]]], [], signal),
  ]);
  const shots = late.groups?.filter(({ group_value }) => group_value?.type === "Shot").length ?? 0;
  return {
    shots: [newProject.shots, `in ${withNoun(newProject.sequences.length, "sequence")}`],
    open: [open.summaries.id, `of ${all.summaries.id}`],
    late: [late.summaries.id, `in ${withNoun(shots, "shot")}`],
    week: [week.summaries.id, `until ${formatDay(sunday)}`],
  };
}

function showFigures(/** @type {Record<string, [number, string]>} */ figures) {
  for (const [name, [number, note]] of Object.entries(figures)) {
    const element = $(`[data-figure="${name}"]`);
    fill(element, node("span", { class: "number" }, number.toLocaleString()), node("span", { class: "note" }, note));
    element.classList.toggle("not-zero", number > 0);
  }
}

async function reloadReport(/** @type {AbortSignal} */ signal) {
  const current = project;
  if (!current) return;
  const report = await readReport(current, signal);
  if (signal.aborted) return;
  showReport(current, report);
  if ($("#report").getBoundingClientRect().top < 0) $("#report").scrollIntoView();
}

function showProblem(/** @type {string} */ text) {
  const problem = $("#trouble");
  if (!text && problem.contains(document.activeElement)) main.focus(); // the focused button disappears
  problem.hidden = !text;
  fill(problem.querySelector("p"), text);
}
