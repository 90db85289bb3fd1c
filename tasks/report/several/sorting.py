"""The script of a page with tables that sort by a column; without it they stay as they are."""

SORTING = """
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const key = (row, column) => row.cells[column].dataset.order ?? row.cells[column].textContent;
  const isNumber = (row, column) => row.cells[column].dataset.order !== undefined;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.onclick = () => {
      const rows = [...body.rows];
      const numbers = rows.some(row => isNumber(row, column));
      const falls = head.ariaSort ? head.ariaSort === "ascending" : numbers;
      for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
      head.ariaSort = falls ? "descending" : "ascending";
      const compare = (a, b) => numbers
        ? key(a, column) - key(b, column)
        : key(a, column).localeCompare(key(b, column));
      const unknown = rows.filter(row => numbers && !isNumber(row, column));
      const known = rows.filter(row => !unknown.includes(row)).sort(compare);
      if (falls) known.reverse();
      body.append(...known, ...unknown);
    };
  });
}
"""
