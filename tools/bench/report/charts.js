// The two charts, and the legend that they share.
"use strict";

// As many as there are colours; only shapes that can be filled.
const SYMBOLS = [
  "circle",
  "diamond",
  "square",
  "triangle",
  "star",
  "wye",
  "cross",
  "hexagon",
  "diamond2",
];

// Colours are in the style sheet, where dark mode has its own.
function seriesColor(index) {
  // Beyond the palette colours return, though not those of the first two.
  const last = SYMBOLS.length - 2;
  return `var(--series-${index < 2 ? index : 2 + ((index - 2) % last)})`;
}

// The project's own comes first and keeps its colour, the baseline is grey.
function seriesOf(report, baseline) {
  let next = 2;
  return new Map(
    report.allocators.map(({ name }) => {
      const index = name === "myonly" ? 0 : name === baseline ? 1 : next++;
      return [
        name,
        {
          name,
          color: seriesColor(index),
          symbol: SYMBOLS[index % SYMBOLS.length],
        },
      ];
    }),
  );
}

function scalesOf(series) {
  const all = [...series.values()];
  const domain = all.map(({ name }) => name);
  return {
    color: { domain, range: all.map(({ color }) => color) },
    symbol: { domain, range: all.map(({ symbol }) => symbol) },
  };
}

function drawLegend(list, series) {
  const scales = scalesOf(series);
  list.replaceChildren(
    ...[...series.values()].map(({ name }) => {
      const item = document.createElement("li");
      const mark = Plot.plot({
        ...scales,
        width: 16,
        height: 16,
        margin: 0,
        axis: null,
        x: { domain: [0, 1], axis: null },
        y: { domain: [0, 1], axis: null },
        marks: [
          Plot.dot([name], {
            x: () => 0.5,
            y: () => 0.5,
            symbol: (d) => d,
            fill: (d) => d,
            r: 5,
          }),
        ],
      });
      mark.setAttribute("aria-hidden", "true");
      item.append(mark, document.createTextNode(name));
      return item;
    }),
  );
}

// Ticks of a log scale that don't run into each other in a narrow range.
function ratioTicks(values) {
  const [low, high] = d3.extent([...values, 1]);
  const below = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
  const above = [1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000];
  const all = [...below, 1, ...above];
  const inside = all.filter((tick) => tick >= low && tick <= high);
  const wide = Math.log(high / low);
  // At most some seven of a chart's width: keep 1 and what is far enough.
  return inside
    .sort((a, b) => Math.abs(Math.log(a)) - Math.abs(Math.log(b)))
    .reduce(
      (kept, tick) =>
        kept.some((other) => Math.abs(Math.log(tick / other)) < wide / 9)
          ? kept
          : [...kept, tick],
      [],
    )
    .sort(d3.ascending);
}

function ratioScale(values, label) {
  return {
    type: "log",
    label,
    domain: paddedDomain(values),
    ticks: ratioTicks(values),
    tickFormat: (tick) => String(tick),
    grid: true,
  };
}

// A little room beside the outermost marks, and 1.0 always in sight.
function paddedDomain(values) {
  const [low, high] = d3.extent([...values, 1]);
  const room = Math.max(1.03, (high / low) ** 0.04);
  return [low / room, high * room];
}

// A band for each workload; in it, a line for each allocator.
function drawRatios(figureElement, rows, series, { baseline, measure, width }) {
  const workloads = [...new Set(rows.map((row) => row.workload))];
  const names = [...series.keys()];
  const band = Math.max(26, names.length * 7 + 8);
  const place = new Map(workloads.map((name, index) => [name, index]));
  const line = (row) =>
    place.get(row.workload) +
    (names.indexOf(row.allocator) + 1.5) / (names.length + 2);
  const values = rows.flatMap((row) => [row.low, row.high]);
  const label = `${MEASURES[measure].label} ÷ ${baseline}'s →`;
  const chart = Plot.plot({
    ...scalesOf(series),
    width,
    height: workloads.length * band + 76,
    marginLeft: Math.min(
      d3.max(workloads, (name) => name.length) * 7 + 16,
      width * 0.4,
    ),
    marginTop: 34,
    marginBottom: 42,
    ariaLabel: `Ratios of each workload against ${baseline}`,
    ariaDescription: "The table of figures holds what this chart shows.",
    x: { ...ratioScale(values, label), axis: "both" },
    y: { axis: null, domain: [workloads.length, 0] },
    marks: [
      Plot.ruleY(d3.range(workloads.length + 1), { strokeOpacity: 0.12 }),
      Plot.text(workloads, {
        y: (name) => place.get(name) + 0.5,
        frameAnchor: "left",
        textAnchor: "end",
        dx: -8,
        text: (name) => name,
      }),
      Plot.ruleX([1], { strokeWidth: 1.5 }),
      Plot.ruleY(rows, {
        y: line,
        x1: "low",
        x2: "high",
        stroke: "allocator",
        strokeWidth: 1.5,
        className: "quartiles",
      }),
      Plot.dot(rows, {
        x: "ratio",
        y: line,
        r: (row) => (row.allocator === "myonly" ? 5 : 3.5),
        fill: "allocator",
        symbol: "allocator",
        title: ratioText,
        className: "medians",
        tip: true,
      }),
    ],
    r: { type: "identity" },
  });
  figureElement.replaceChildren(chart);
}

function ratioText(row) {
  const number = d3.format(".3f");
  return (
    `${row.allocator}, ${row.workload}: ${number(row.ratio)}\n` +
    `quartiles ${number(row.low)} to ${number(row.high)}`
  );
}

function drawTradeoff(figureElement, rows, series, { baseline, width }) {
  const means = meanTradeoffs(rows);
  const text = (row) =>
    `${row.allocator}, ${row.workload ?? `mean of ${row.workloads}`}\n` +
    `time ${row.time.toFixed(3)}, peak RSS ${row.rss.toFixed(3)}`;
  const shared = {
    x: "time",
    y: "rss",
    symbol: "allocator",
    title: text,
    tip: true,
  };
  const times = rows.map((row) => row.time);
  const sizes = rows.map((row) => row.rss);
  const chart = Plot.plot({
    ...scalesOf(series),
    width,
    height: Math.max(320, Math.min(520, width * 0.6)),
    marginLeft: 48,
    marginTop: 30,
    marginBottom: 42,
    ariaLabel: `Time against memory, both over ${baseline}'s`,
    ariaDescription: "The table of figures holds what this chart shows.",
    x: ratioScale(times, `Wall time ÷ ${baseline}'s →`),
    y: ratioScale(sizes, `↑ Peak RSS ÷ ${baseline}'s`),
    marks: [
      Plot.ruleX([1], { strokeWidth: 1.5 }),
      Plot.ruleY([1], { strokeWidth: 1.5 }),
      Plot.dot(rows, {
        ...shared,
        r: 3.5,
        fill: "allocator",
        fillOpacity: 0.45,
        className: "workloads",
      }),
      Plot.dot(means, {
        ...shared,
        r: 9,
        fill: "allocator",
        stroke: "var(--page)",
        strokeWidth: 1.5,
        className: "means",
      }),
      nameMeans(means, 0, -16),
      nameMeans(means, 1, 18),
    ],
  });
  figureElement.replaceChildren(chart);
}

// Every second name is below its mark, as neighbours would overlap.
function nameMeans(means, parity, dy) {
  const sorted = d3.sort(means, (row) => row.time);
  return Plot.text(
    sorted.filter((_, index) => index % 2 === parity),
    {
      x: "time",
      y: "rss",
      text: "allocator",
      dy,
      fontWeight: "bold",
      stroke: "var(--page)",
      strokeWidth: 4,
      fill: "currentColor",
    },
  );
}
