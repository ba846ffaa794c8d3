/** The dashboard: a project's figures, graph, status report and search, while somebody is signed in. */

import { login } from "../shotgrid-login.js";
import { mondayOf, plusDays, today, written } from "./dates.js";
import { $, choices, counted, fill, node } from "./dom.js";
import { clearGraph, readDue, showDue } from "./graph.js";
import { lateTasks, listenToReport, readReport, resetReport, showChoices, showReport } from "./report.js";
import { listenToSearch, stopSearch } from "./search.js";
import { count, noneIfForbidden, searchAll, words } from "./site.js";

/** @typedef {import("./site.js").Condition} Condition */
/** @typedef {import("./site.js").Row} Row */
/**
 * @typedef {object} Project  What all parts of the dashboard need to know of a project.
 * @property {string} name
 * @property {Condition} filter
 * @property {Map<string, Row>} statuses  The site's, by code.
 * @property {(task: Row) => boolean} isOpen
 * @property {Condition[]} open  The same as a filter.
 * @property {Row[]} sequences
 * @property {string[]} shotStatuses  The codes that shots have.
 * @property {number} shots
 * @property {Row[]} steps  Those that shots have tasks of, in the site's order.
 */

const REFRESH = 60_000; // milliseconds

// A site does not say which of its statuses mean that nothing is left to do. These do as ShotGrid ships; add your own.
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
document.addEventListener("visibilitychange", () => Date.now() - loadedAt >= REFRESH && refresh());
setInterval(refresh, REFRESH);
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

/** Leaves nothing of a production in the page. */
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

/** Reads everything anew, unseen, which also keeps the session in use. */
function refresh() {
  if (login.user && !document.hidden && !main.ariaBusy) run(load);
}

/** Does one thing at a time: a newer one takes the place of what is under way. */
async function run(
  /** @type {(signal: AbortSignal) => Promise<string | void>} */ what, // the words are a problem to tell
  /** @type {HTMLElement | null} */ busy = null,
) {
  loading.abort();
  const { signal } = (loading = new AbortController());
  if (busy) busy.ariaBusy = "true";
  try {
    const problem = await what(signal);
    if (!signal.aborted) complain(problem ?? "");
  } catch (error) {
    if (signal.aborted) return;
    loading.abort(); // the requests beside the one that failed
    if (!project) main.dataset.state = "failed";
    const since = project ? ` What you see was read at ${new Date(loadedAt).toLocaleTimeString()}.` : "";
    complain(words(error) + since);
  } finally {
    if (loading.signal === signal) for (const one of [main, ...main.children]) one.ariaBusy = null;
  }
}

async function load(/** @type {AbortSignal} */ signal) {
  const [projects, statuses, steps] = await Promise.all([
    searchAll("projects", [], { fields: ["name"], sort: "name" }, signal),
    searchAll("statuses", [], { fields: ["code", "name", "bg_color"] }, signal).catch(noneIfForbidden),
    searchAll("steps", [], { fields: ["code", "color"], sort: "list_order" }, signal).catch(noneIfForbidden),
  ]);
  if (signal.aborted) return;
  choices($("#project"), projects.map(({ id, name }) => [String(id), name]));
  const wanted = Number(new URLSearchParams(location.hash.slice(1)).get("project"));
  const chosen = projects.find(({ id }) => id === wanted) ?? projects[0];
  if (!chosen) {
    project = null;
    main.dataset.state = "failed";
    return "There is no project on this site that you can see.";
  }
  $("#project").value = String(chosen.id);

  const read = await readProject(chosen, statuses, steps, signal);
  const [figures, due, report] = await Promise.all([
    readFigures(read, signal),
    readDue(read.filter, read.statuses, signal),
    readReport(read, signal),
  ]);
  if (signal.aborted) return;
  if (!project) $("#news").textContent = `${read.name} is loaded.`;
  project = read;
  loadedAt = Date.now();
  main.dataset.state = "ready"; // first, as the graph measures its place
  showFigures(figures);
  showDue(due);
  showChoices(read);
  showReport(read, report);
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
async function readFigures(/** @type {Project} */ read, /** @type {AbortSignal} */ signal) {
  const sunday = plusDays(mondayOf(today()), 6);
  const [all, open, late, week] = await Promise.all([
    count("tasks", [read.filter], [], signal),
    count("tasks", [read.filter, ...read.open], [], signal),
    count("tasks", lateTasks(read), ["entity"], signal),
    count("tasks", [read.filter, ...read.open, ["due_date", "between", [today(), sunday]]], [], signal),
  ]);
  const shots = late.groups?.filter(({ group_value }) => group_value?.type === "Shot").length ?? 0;
  return {
    shots: [read.shots, `in ${counted(read.sequences.length, "sequence")}`],
    open: [open.summaries.id, `of ${all.summaries.id}`],
    late: [late.summaries.id, `in ${counted(shots, "shot")}`],
    week: [week.summaries.id, `until ${written(sunday)}`],
  };
}

function showFigures(/** @type {Record<string, [number, string]>} */ figures) {
  for (const [name, [number, note]] of Object.entries(figures)) {
    const place = $(`[data-figure="${name}"]`);
    fill(place, node("span", { class: "number" }, number.toLocaleString()), node("span", { class: "note" }, note));
    place.classList.toggle("some", number > 0);
  }
}

async function reloadReport(/** @type {AbortSignal} */ signal) {
  const shown = project;
  if (!shown) return;
  const report = await readReport(shown, signal);
  if (signal.aborted) return;
  showReport(shown, report);
  if ($("#report").getBoundingClientRect().top < 0) $("#report").scrollIntoView();
}

function complain(/** @type {string} */ text) {
  const problem = $("#trouble");
  if (!text && problem.contains(document.activeElement)) main.focus();
  problem.hidden = !text;
  fill(problem.querySelector("p"), text);
}
