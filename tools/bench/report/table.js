// The table of figures, sorted by a click, a key or the page's address.
"use strict";

const COLUMNS = [
  { id: "workload", label: "Workload" },
  { id: "allocator", label: "Allocator" },
  ...Object.entries(MEASURES).map(([id, { label, unit }]) => ({
    id,
    label: unit ? `${label}, ${unit}` : label,
    measure: id,
  })),
];

function drawHead(table, sort, onSort) {
  const row = document.createElement("tr");
  for (const { id, label, measure } of COLUMNS) {
    const head = document.createElement("th");
    head.scope = "col";
    head.className = measure ? "number" : "";
    const sorted = sort.column === id;
    head.setAttribute("aria-sort", sorted ? sort.direction : "none");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.column = id;
    button.textContent = label;
    button.addEventListener("click", () => onSort(id));
    head.append(button);
    row.append(head);
  }
  // Focus stays on the button that was pressed, though it is a new one.
  const focused = document.activeElement?.dataset?.column;
  table.tHead.replaceChildren(row);
  if (focused) row.querySelector(`[data-column="${focused}"]`)?.focus();
}

// Cells without a figure are last in both directions.
function sortCells(cells, { column, direction }) {
  const { measure } = COLUMNS.find(({ id }) => id === column);
  const key = measure
    ? (cell) => figure(cell, measure)?.middle
    : (cell) => cell[column];
  const order = direction === "ascending" ? d3.ascending : d3.descending;
  return cells
    .map((cell) => ({ cell, value: key(cell) }))
    .sort((a, b) => {
      const absent = (a.value === undefined) - (b.value === undefined);
      return absent || order(a.value, b.value) || 0;
    })
    .map(({ cell }) => cell);
}

function drawBody(table, cells, sort) {
  table.tBodies[0].replaceChildren(...sortCells(cells, sort).map(drawRow));
}

function drawRow(cell) {
  const row = document.createElement("tr");
  row.className = cell.allocator === "myonly" ? "own" : "";
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = cell.workload;
  row.append(head, textCell(cell.allocator));
  const measures = COLUMNS.filter(({ measure }) => measure);
  if (!cell.ok) {
    const status = textCell(cell.status);
    status.colSpan = measures.length;
    status.className = "failed";
    row.append(status);
    return row;
  }
  row.append(...measures.map(({ measure }) => drawFigure(cell, measure)));
  return row;
}

function textCell(text) {
  const cell = document.createElement("td");
  cell.textContent = text;
  return cell;
}

function drawFigure(cell, measure) {
  const value = figure(cell, measure);
  const element = textCell(value ? formatNumber(value.middle) : "–");
  element.className = "number";
  if (value) {
    const spread = document.createElement("small");
    const ends = [value.low, value.high];
    spread.textContent = ends.map(formatNumber).join(" – ");
    element.append(spread);
  } else {
    element.setAttribute("aria-label", "not counted");
  }
  return element;
}

// What some workloads print beside the usual figures: a table for each.
function drawDetails(section, cells) {
  const telling = cells.filter(
    (cell) => Object.keys(cell.details ?? {}).length,
  );
  const groups = d3.groups(telling, (cell) => cell.workload);
  section.replaceChildren(
    ...groups.flatMap(([workload, own]) => {
      const title = document.createElement("h2");
      title.textContent = `More of ${workload}`;
      const scroller = document.createElement("div");
      scroller.className = "scroller";
      scroller.tabIndex = 0;
      scroller.setAttribute("role", "region");
      scroller.setAttribute("aria-label", title.textContent);
      scroller.append(detailsTable(own));
      return [title, scroller];
    }),
  );
}

function detailsTable(cells) {
  const names = [
    ...new Set(cells.flatMap((cell) => Object.keys(cell.details))),
  ];
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const name of ["Allocator", ...names]) {
    const element = document.createElement("th");
    element.scope = "col";
    element.className = name === "Allocator" ? "plain" : "plain number";
    element.textContent = name.replaceAll("_", " ");
    head.append(element);
  }
  const body = table.createTBody();
  for (const cell of cells) {
    const row = body.insertRow();
    const first = document.createElement("th");
    first.scope = "row";
    first.textContent = cell.allocator;
    row.append(first);
    for (const name of names) {
      const value = cell.details[name];
      const element = textCell(
        Number.isFinite(value) ? formatNumber(value) : String(value ?? "–"),
      );
      element.className = "number";
      row.append(element);
    }
  }
  return table;
}
