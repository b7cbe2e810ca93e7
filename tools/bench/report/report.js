// Puts the report onto the page and draws it anew when a choice is made.
//
// The choices are in the page's address, as #kind=threads&measure=rss&
// sort=rss&direction=descending, so that a view can be sent and kept.
"use strict";

const byId = (id) => document.getElementById(id);

// What the address says, with what is unknown replaced by what is usual.
function readChoices(report) {
  const asked = new URLSearchParams(location.hash.slice(1));
  const among = (name, values, usual) =>
    values.includes(asked.get(name)) ? asked.get(name) : usual;
  return {
    kind: among("kind", kindsOf(report), "all"),
    measure: among("measure", ["time", "cpu", "rss", "faults"], "time"),
    sort: {
      column: among(
        "sort",
        COLUMNS.map(({ id }) => id),
        "workload",
      ),
      direction: among("direction", ["descending"], "ascending"),
    },
  };
}

function kindsOf(report) {
  return [...new Set(report.workloads.map(({ kind }) => kind))];
}

function writeChoices({ kind, measure, sort }) {
  const { column, direction } = sort;
  const choices = { kind, measure, sort: column, direction };
  history.replaceState(null, "", `#${new URLSearchParams(choices)}`);
}

function fillSelect(select, entries) {
  select.replaceChildren(
    ...entries.map(([value, label]) => new Option(label, value)),
  );
}

function fillList(list, pairs) {
  list.replaceChildren(
    ...pairs.flatMap(([term, description]) => {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = description;
      return [dt, dd];
    }),
  );
}

function machineLine({ machine, options }) {
  const memory = formatNumber(machine.memory_bytes / 2 ** 30);
  return (
    `${machine.cpu}, ${machine.cores} cores, ${memory} GiB, Linux ` +
    `${machine.kernel}; ${options.rounds} rounds; ${dateText(machine.date)}`
  );
}

function dateText(date) {
  const parsed = new Date(date);
  if (Number.isNaN(parsed.getTime())) return String(date);
  return `${parsed.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

function drawSummary({ summary }) {
  byId("summary-note").textContent =
    "Geometric means of myonly over each peer; below 1 myonly is ahead.";
  byId("summary").replaceChildren(...(summary ?? []).map(summaryCard));
}

function summaryCard({ peer, time_ratio, rss_ratio, workloads }) {
  const card = document.createElement("li");
  const title = document.createElement("h3");
  title.textContent = `against ${peer}`;
  const figures = document.createElement("dl");
  fillList(figures, [
    ["Time", ratioInWords(time_ratio, "less", "more")],
    ["Peak RSS", ratioInWords(rss_ratio, "less", "more")],
  ]);
  for (const [index, ratio] of [time_ratio, rss_ratio].entries()) {
    const side = ratio > 1 ? "behind" : "ahead";
    const same = Math.abs(ratio - 1) < 0.005;
    figures.querySelectorAll("dd")[index].className = same ? "" : side;
  }
  const count = document.createElement("p");
  count.textContent = `${workloads} workloads`;
  card.append(title, figures, count);
  return card;
}

function ratioInWords(ratio, less, more) {
  if (!Number.isFinite(ratio)) return "–";
  return `${ratio.toFixed(2)} (${inWords(ratio, less, more)})`;
}

function drawSetting({ machine, options, allocators, workloads }) {
  const words = (name) => name.replaceAll("_", " ");
  const pairs = Object.entries({ ...machine, ...options });
  fillList(
    byId("setting"),
    pairs.map(([name, value]) => [words(name), String(value)]),
  );
  fillList(
    byId("allocators"),
    allocators.map(({ name, path, environment }) => {
      const settings = Object.entries(environment ?? {});
      const shown = settings.map(([key, value]) => `${key}=${value}`);
      return [name, [path || "the system's", ...shown].join(" ")];
    }),
  );
  fillList(
    byId("workloads"),
    workloads.map(({ name, description }) => [name, description]),
  );
}

// Cells that no chart can show are named below the first one.
function drawMissing(cells) {
  const failed = cells.filter((cell) => !cell.ok);
  const groups = d3.groups(
    failed,
    (cell) => cell.workload,
    (cell) => cell.status,
  );
  const texts = groups.flatMap(([workload, byStatus]) =>
    byStatus.map(([status, own]) => {
      const names = own.map((cell) => cell.allocator).join(", ");
      return `${workload} with ${names}: ${status}`;
    }),
  );
  byId("missing").replaceChildren(
    ...texts.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }),
  );
}

function drawCharts(report, choices, cells, baseline) {
  const series = seriesOf(report, baseline);
  const width = Math.min(960, byId("ratios").clientWidth || 640);
  const { measure } = choices;
  const shared = { baseline, measure, width };
  byId("ratios-title").textContent =
    `${MEASURES[measure].label} of each workload, over ${baseline}'s`;
  drawLegend(byId("legend"), series);
  drawChart(byId("ratios"), ratios(cells, baseline, measure), (rows) =>
    drawRatios(byId("ratios"), rows, series, shared),
  );
  drawChart(byId("tradeoff"), tradeoffs(cells, baseline), (rows) =>
    drawTradeoff(byId("tradeoff"), rows, series, shared),
  );
}

// A chart of nothing would be an error; words are better.
function drawChart(element, rows, draw) {
  if (rows.length > 0) draw(rows);
  else element.textContent = "Nothing to compare here.";
}

function draw(report) {
  const choices = readChoices(report);
  const cells = report.cells.filter(
    ({ kind }) => choices.kind === "all" || kind === choices.kind,
  );
  byId("kind").value = choices.kind;
  byId("measure").value = choices.measure;
  drawMissing(cells);
  drawDetails(byId("details"), cells);
  drawHead(byId("figures"), choices.sort, (column) => {
    const again = choices.sort.column === column;
    const ascending = again && choices.sort.direction === "ascending";
    const direction = ascending ? "descending" : "ascending";
    writeChoices({ ...choices, sort: { column, direction } });
    draw(report);
  });
  drawBody(byId("figures"), cells, choices.sort);
  drawCharts(report, choices, cells, baselineOf(report));
}

function start() {
  const report = readReport();
  byId("machine-line").textContent = machineLine(report);
  const { cpu, date } = report.machine;
  document.title += `, ${cpu}, ${dateText(date)}`;
  drawSummary(report);
  drawSetting(report);
  fillSelect(byId("kind"), [
    ["all", "All"],
    ...kindsOf(report).map((kind) => [kind, KIND_NAMES[kind] ?? kind]),
  ]);
  fillSelect(
    byId("measure"),
    ["time", "cpu", "rss", "faults"].map((id) => [id, MEASURES[id].label]),
  );
  for (const name of ["kind", "measure"]) {
    byId(name).addEventListener("change", (event) => {
      writeChoices({ ...readChoices(report), [name]: event.target.value });
      draw(report);
    });
  }
  draw(report);
  redrawOnChange(report);
}

function redrawOnChange(report) {
  window.addEventListener("hashchange", () => {
    // Links to parts of the page use the hash as well.
    if (location.hash.includes("=")) draw(report);
  });
  let width = byId("ratios").clientWidth;
  new ResizeObserver(() => {
    if (byId("ratios").clientWidth === width) return;
    width = byId("ratios").clientWidth;
    draw(report);
  }).observe(byId("ratios"));
}

start();
