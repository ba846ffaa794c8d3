/** The graph: the number of tasks due in each week, by status. */

import { formatDay, mondayOf, plusDays, today } from "./dates.js";
import { $, fill, node, withColour } from "./dom.js";
import { count } from "./site.js";

/** @typedef {import("./site.js").Condition} Condition */
/** @typedef {import("./site.js").Row} Row */
/** @typedef {{status: Row, counts: number[]}} Series  One count for each week. */
/** @typedef {{weeks: string[], series: Series[]}} DueTasks  A week is identified by its Monday. */

const WEEKS_BACK = 12;
const WEEKS_AHEAD = 16;

/** @type {any} */
let chart = null;
/** @type {DueTasks} */
let shown = { weeks: [], series: [] };

/**
 * Counts a project's tasks by day and status, and adds up the days of each week. The site can group by week too, but
 * the first day and the names of its weeks are not documented.
 * @returns {Promise<DueTasks>}
 */
export async function readDueTasks(
  /** @type {Condition} */ projectFilter,
  /** @type {Map<string, Row>} */ statuses,
  /** @type {AbortSignal} */ signal,
) {
  const monday = mondayOf(today());
  const span = [plusDays(monday, -7 * WEEKS_BACK), plusDays(monday, 7 * WEEKS_AHEAD + 6)];
  /** @type {Condition[]} */
  const filters = [projectFilter, ["due_date", "between", span]];
  const { groups = [] } = await count("tasks", filters, ["due_date", "sg_status_list"], signal);
  /** @type {Map<string, Map<string, number>>} */
  const countsByStatus = new Map(); // by status code, then by week
  for (const day of groups) {
    const week = mondayOf(day.group_value);
    for (const { group_value, summaries } of day.groups ?? []) {
      const code = group_value ?? "";
      const byWeek = countsByStatus.get(code) ?? new Map();
      countsByStatus.set(code, byWeek.set(week, (byWeek.get(week) ?? 0) + summaries.id));
    }
  }
  const mondays = groups.map((day) => mondayOf(day.group_value)).sort();
  /** @type {string[]} */
  const weeks = [];
  const last = mondays[mondays.length - 1];
  for (let week = mondays[0]; week && week <= last; week = plusDays(week, 7)) weeks.push(week);
  const codes = [...new Set([...statuses.keys(), ...countsByStatus.keys()])].filter((code) => countsByStatus.has(code));
  const series = codes.map((code) => ({
    status: statuses.get(code) ?? { type: "Status", id: 0, code, name: code || "No status" },
    counts: weeks.map((week) => countsByStatus.get(code)?.get(week) ?? 0),
  }));
  return { weeks, series };
}

export function showDueTasks(/** @type {DueTasks} */ due) {
  if (chart && JSON.stringify(due) === JSON.stringify(shown)) return;
  shown = due;
  $("#graph .empty").hidden = due.weeks.length > 0;
  $("#graph .drawing").hidden = due.weeks.length === 0;
  fill($("#graph .legend"), ...due.series.map(({ status }) =>
    node("li", {}, withColour(node("span", { class: "swatch" }), status.bg_color), status.name),
  ));
  const titles = ["Week of", ...due.series.map(({ status }) => status.name), "All"];
  fill($("#graph thead"), node("tr", {}, ...titles.map((title) => node("th", { scope: "col" }, title))));
  fill($("#graph tbody"), ...due.weeks.map((week, index) => {
    const numbers = [...due.series.map(({ counts }) => counts[index]), weekTotal(due, index)];
    const cells = numbers.map((number) => node("td", {}, String(number)));
    return node("tr", {}, node("th", { scope: "row" }, formatDay(week)), ...cells);
  }));
  $("#graph canvas").setAttribute("aria-label", summary(due));
  draw();
}

export function clearGraph() {
  chart?.destroy();
  chart = null;
  shown = { weeks: [], series: [] };
}

// The canvas copies its colours from the style sheet, which has light and dark colours.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart && draw());

function draw() {
  const { Chart } = /** @type {any} */ (globalThis);
  const canvas = $("#graph canvas");
  const { color, fontFamily, borderTopColor } = getComputedStyle(canvas.parentElement);
  const swatches = [...document.querySelectorAll("#graph .swatch")];
  const thisWeek = mondayOf(today());
  const data = {
    labels: shown.weeks.map((week) => (week === thisWeek ? "This week" : formatDay(week))),
    datasets: shown.series.map(({ status, counts }, index) => {
      const { backgroundColor } = getComputedStyle(swatches[index]);
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
      legend: { display: false }, // the page has its own legend, as text
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

/** Sorts a week's statuses in the tooltip as in its bar, from top to bottom. */
function topFirst(/** @type {{datasetIndex: number}} */ a, /** @type {{datasetIndex: number}} */ b) {
  return b.datasetIndex - a.datasetIndex;
}

function weekTotal(/** @type {DueTasks} */ due, /** @type {number} */ index) {
  return due.series.reduce((sum, { counts }) => sum + counts[index], 0);
}

function summary(/** @type {DueTasks} */ due) {
  if (!due.weeks.length) return "No tasks";
  const totals = due.weeks.map((_, index) => weekTotal(due, index));
  const most = Math.max(...totals);
  const byStatus = due.series.map(({ status, counts }) => {
    return `${status.name} ${counts.reduce((sum, number) => sum + number, 0)}`;
  });
  const [first, last] = [due.weeks[0], due.weeks[due.weeks.length - 1]].map(formatDay);
  const busiest = formatDay(due.weeks[totals.indexOf(most)]);
  return (
    `Bars of the tasks due in each week from ${first} to ${last}. ` +
    `By status: ${byStatus.join(", ")}. Most are due in the week of ${busiest}: ${most}.`
  );
}
