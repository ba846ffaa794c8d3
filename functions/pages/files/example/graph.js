/** The graph: how many tasks are due in each week, by status. */

import { mondayOf, plusDays, today, written } from "./dates.js";
import { $, coloured, fill, node } from "./dom.js";
import { count } from "./site.js";

/** @typedef {import("./site.js").Condition} Condition */
/** @typedef {import("./site.js").Row} Row */
/** @typedef {{status: Row, counts: number[]}} Series  A count for each week. */
/** @typedef {{weeks: string[], series: Series[]}} Due  Weeks go by their Monday. */

const WEEKS_BACK = 12;
const WEEKS_AHEAD = 16;

/** @type {any} */
let chart = null;
/** @type {Due} */
let shown = { weeks: [], series: [] };

/**
 * Counts a project's tasks by day and status, and adds up the days of a week: a site groups by week as well, but
 * where its weeks begin and what it calls them is not documented.
 * @returns {Promise<Due>}
 */
export async function readDue(
  /** @type {Condition} */ ofProject,
  /** @type {Map<string, Row>} */ statuses,
  /** @type {AbortSignal} */ signal,
) {
  const monday = mondayOf(today());
  const span = [plusDays(monday, -7 * WEEKS_BACK), plusDays(monday, 7 * WEEKS_AHEAD + 6)];
  /** @type {Condition[]} */
  const filters = [ofProject, ["due_date", "between", span]];
  const { groups = [] } = await count("tasks", filters, ["due_date", "sg_status_list"], signal);
  /** @type {Map<string, Map<string, number>>} */
  const counted = new Map(); // by status and week
  for (const day of groups) {
    const week = mondayOf(day.group_value);
    for (const { group_value, summaries } of day.groups ?? []) {
      const code = group_value ?? "";
      const byWeek = counted.get(code) ?? new Map();
      counted.set(code, byWeek.set(week, (byWeek.get(week) ?? 0) + summaries.id));
    }
  }
  const ends = groups.map((day) => mondayOf(day.group_value)).sort();
  /** @type {string[]} */
  const weeks = [];
  for (let week = ends[0]; week && week <= ends[ends.length - 1]; week = plusDays(week, 7)) weeks.push(week);
  const order = [...new Set([...statuses.keys(), ...counted.keys()])].filter((code) => counted.has(code));
  const series = order.map((code) => ({
    status: statuses.get(code) ?? { type: "Status", id: 0, code, name: code || "No status" },
    counts: weeks.map((week) => counted.get(code)?.get(week) ?? 0),
  }));
  return { weeks, series };
}

export function showDue(/** @type {Due} */ due) {
  if (chart && JSON.stringify(due) === JSON.stringify(shown)) return;
  shown = due;
  $("#graph .nothing").hidden = due.weeks.length > 0;
  $("#graph .drawing").hidden = due.weeks.length === 0;
  fill($("#graph .legend"), ...due.series.map(({ status }) =>
    node("li", {}, coloured(node("span", { class: "swatch" }), status.bg_color), status.name),
  ));
  const titles = ["Week of", ...due.series.map(({ status }) => status.name), "All"];
  fill($("#graph thead"), node("tr", {}, ...titles.map((title) => node("th", { scope: "col" }, title))));
  fill($("#graph tbody"), ...due.weeks.map((week, at) => {
    const numbers = [...due.series.map(({ counts }) => counts[at]), total(due, at)];
    return node("tr", {}, node("th", { scope: "row" }, written(week)), ...numbers.map((one) => node("td", {}, String(one))));
  }));
  $("#graph canvas").setAttribute("aria-label", summary(due));
  draw();
}

export function clearGraph() {
  chart?.destroy();
  chart = null;
  shown = { weeks: [], series: [] };
}

// The canvas takes its colours from the style sheet, which knows whether the page is light or dark.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart && draw());

function draw() {
  const { Chart } = /** @type {any} */ (globalThis);
  const canvas = $("#graph canvas");
  const { color, fontFamily, borderTopColor } = getComputedStyle(canvas.parentElement);
  const swatches = [...document.querySelectorAll("#graph .swatch")];
  const thisWeek = mondayOf(today());
  const data = {
    labels: shown.weeks.map((week) => (week === thisWeek ? "This week" : written(week))),
    datasets: shown.series.map(({ status, counts }, at) => {
      const { backgroundColor } = getComputedStyle(swatches[at]);
      return { label: status.name, data: counts, backgroundColor, hoverBackgroundColor: backgroundColor };
    }),
  };
  const tick = { color, font: { family: fontFamily, size: 12 } };
  const options = {
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    datasets: { bar: { barPercentage: 0.9, categoryPercentage: 0.86, maxBarThickness: 56, borderRadius: 2 } },
    plugins: {
      legend: { display: false }, // the page has its own, as text
      tooltip: {
        backgroundColor: "#10141b",
        boxPadding: 4,
        filter: (/** @type {any} */ item) => item.raw > 0,
        itemSort: topFirst,
        padding: 10,
      },
    },
    scales: {
      x: {
        stacked: true,
        grid: { display: false },
        border: { color: borderTopColor },
        ticks: { ...tick, maxRotation: 0, autoSkipPadding: 12 },
      },
      y: {
        stacked: true,
        grid: { color: borderTopColor },
        border: { display: false },
        ticks: { ...tick, precision: 0, maxTicksLimit: 6 },
      },
    },
  };
  if (chart) {
    Object.assign(chart, { data, options });
    chart.update("none");
  } else {
    chart = new Chart(canvas, { type: "bar", data, options });
  }
}

/** Lists a week's statuses as its bar shows them. */
function topFirst(/** @type {{datasetIndex: number}} */ one, /** @type {{datasetIndex: number}} */ other) {
  return other.datasetIndex - one.datasetIndex;
}

function total(/** @type {Due} */ due, /** @type {number} */ at) {
  return due.series.reduce((sum, { counts }) => sum + counts[at], 0);
}

function summary(/** @type {Due} */ due) {
  if (!due.weeks.length) return "No tasks";
  const totals = due.weeks.map((_, at) => total(due, at));
  const most = Math.max(...totals);
  const byStatus = due.series.map(({ status, counts }) => `${status.name} ${counts.reduce((sum, one) => sum + one, 0)}`);
  return (
    `Bars of the tasks due in each week from ${written(due.weeks[0])} to ${written(due.weeks[due.weeks.length - 1])}. ` +
    `By status: ${byStatus.join(", ")}. Most are due in the week of ${written(due.weeks[totals.indexOf(most)])}: ${most}.`
  );
}
