// What the report's JSON says, in the form that charts and table take.
"use strict";

// Each gives the middle and the quartiles of a cell in `unit`, or null.
const MEASURES = {
  time: { label: "Wall time", unit: "ms", key: "wall_seconds", scale: 1e3 },
  cpu: { label: "CPU time", unit: "ms", key: "cpu_seconds", scale: 1e3 },
  rss: {
    label: "Peak RSS",
    unit: "MiB",
    key: "peak_rss_bytes",
    scale: 1 / 2 ** 20,
  },
  faults: { label: "Page faults", unit: "", key: "page_faults", scale: 1 },
  operation: {
    label: "Time per operation",
    unit: "ns",
    key: "wall_seconds",
    scale: 1e9,
    perOperation: true,
  },
};

const KIND_NAMES = {
  single: "One thread",
  threads: "Threads",
  arenas: "Arenas",
  latency: "Latency",
  memory: "What is left",
  sizes: "Size by size",
  program: "Real programs",
};

function readReport() {
  const report = JSON.parse(document.getElementById("data").textContent);
  if (report.version !== 1) {
    throw new Error(`figures of version ${report.version}, not 1`);
  }
  const workloads = new Map(report.workloads.map((w) => [w.name, w]));
  for (const cell of report.cells) {
    cell.kind = workloads.get(cell.workload)?.kind ?? "";
    cell.ok = cell.status === "ok";
  }
  return report;
}

function figure(cell, measure) {
  const { key, scale, perOperation } = MEASURES[measure];
  if (!cell.ok || !Number.isFinite(cell.median?.[key])) return null;
  const operations = perOperation ? cell.median.operations : 1;
  if (!operations) return null;
  const factor = scale / operations;
  const middle = cell.median[key];
  return {
    middle: middle * factor,
    low: (cell.low_quartile?.[key] ?? middle) * factor,
    high: (cell.high_quartile?.[key] ?? middle) * factor,
  };
}

// Ratios are over the system's allocator, or the first where it took no part.
function baselineOf(report) {
  const names = report.allocators.map((allocator) => allocator.name);
  return names.includes("glibc") ? "glibc" : names[0];
}

// A row for each cell that can be put over the baseline's of its workload.
function ratios(cells, baseline, measure) {
  const bases = new Map(
    cells
      .filter((cell) => cell.allocator === baseline)
      .map((cell) => [cell.workload, figure(cell, measure)?.middle]),
  );
  return cells.flatMap((cell) => {
    const base = bases.get(cell.workload);
    const own = figure(cell, measure);
    if (!base || !own?.middle) return [];
    return {
      workload: cell.workload,
      allocator: cell.allocator,
      ratio: own.middle / base,
      low: own.low / base,
      high: own.high / base,
    };
  });
}

// Time and memory of each cell over the baseline's.
function tradeoffs(cells, baseline) {
  const memory = new Map(
    ratios(cells, baseline, "rss").map((row) => [
      `${row.workload}\n${row.allocator}`,
      row.ratio,
    ]),
  );
  return ratios(cells, baseline, "time").flatMap((row) => {
    const rss = memory.get(`${row.workload}\n${row.allocator}`);
    return rss === undefined ? [] : { ...row, time: row.ratio, rss };
  });
}

function geometricMean(values) {
  return Math.exp(d3.mean(values, Math.log));
}

function meanTradeoffs(rows) {
  return d3
    .groups(rows, (row) => row.allocator)
    .map(([allocator, own]) => ({
      allocator,
      workloads: own.length,
      time: geometricMean(own.map((row) => row.time)),
      rss: geometricMean(own.map((row) => row.rss)),
    }));
}

// Three digits that count, whatever the size.
function formatNumber(value) {
  if (value >= 100) return d3.format(",.0f")(value);
  return d3.format(value >= 10 ? ".1f" : value >= 1 ? ".2f" : ".3f")(value);
}

// "3 % less" for 0.97.
function inWords(ratio, less, more) {
  const percent = Math.abs(ratio - 1) * 100;
  if (percent < 0.5) return "the same";
  return `${d3.format(".0f")(percent)} % ${ratio < 1 ? less : more}`;
}
