// Tables of a report: a click on a head sorts, and the rows of a long table fold away.
// The page holds everything without this script.
"use strict";

const SHOWN = 15;  // rows of a long table
const NUMBER = /^[+-]?\d[\d,]*(\.\d+)?( to .*)?$/;

// What a cell is sorted by; null, which comes last, where it says nothing.
function key(row, column) {
  const order = row.cells[column].dataset.order;
  if (order !== undefined) return parseFloat(order);
  const text = row.cells[column].textContent.trim();
  if (!text || text === "n/a" || text === "-") return null;
  return NUMBER.test(text) ? parseFloat(text.replaceAll(",", "")) : text;
}

function compare(a, b, order) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return order * (typeof a === "number" ? a - b : a.localeCompare(b));
}

// The first click puts the largest number first, or the first text of the alphabet.
function sort(table, head) {
  const body = table.tBodies[0];
  const column = head.cellIndex;
  const keyed = [...body.rows].map((row) => [key(row, column), row]);
  const isText = keyed.some(([value]) => typeof value === "string");
  const first = isText ? "ascending" : "descending";
  const second = isText ? "descending" : "ascending";
  const order = head.getAttribute("aria-sort") === first ? second : first;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  keyed.sort((a, b) => compare(a[0], b[0], order === "ascending" ? 1 : -1));
  body.append(...keyed.map(([, row]) => row));
  table.dispatchEvent(new Event("sorted"));
}

function makeSortable(table) {
  for (const head of table.tHead.rows[0].cells) {
    if (!head.textContent.trim()) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head));
    head.append(button);
  }
}

function fold(frame, table) {
  const body = table.tBodies[0];
  if (body.rows.length <= SHOWN + 3) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "more";
  let isFolded = true;
  const apply = () => {
    [...body.rows].forEach((row, place) => { row.hidden = isFolded && place >= SHOWN; });
    const all = `show all ${body.rows.length} rows`;
    button.textContent = isFolded ? all : `show the first ${SHOWN} rows`;
    button.setAttribute("aria-expanded", String(!isFolded));
  };
  button.addEventListener("click", () => { isFolded = !isFolded; apply(); });
  table.addEventListener("sorted", apply);
  frame.after(button);
  apply();
}

for (const frame of document.querySelectorAll(".wide")) {
  const table = frame.querySelector("table");
  if (table.querySelector("td.heat")) continue;  // a matrix, whose order has a meaning
  makeSortable(table);
  if (frame.classList.contains("tall")) fold(frame, table);
}
