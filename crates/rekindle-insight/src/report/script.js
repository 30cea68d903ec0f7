"use strict";
// Sorts a table by the column whose heading is pressed; the numbers are in data-value. Works with the keyboard, since headings are buttons.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th"), table = heading.closest("table"), body = table.tBodies[0];
    const place = heading.cellIndex;
    const up = heading.getAttribute("aria-sort") === "descending" || (!heading.hasAttribute("aria-sort") && place === 0);
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[place].dataset.value ?? row.cells[place].textContent;
    const apart = (a, b) => {
      const [x, y] = [value(a), value(b)], [m, n] = [parseFloat(x), parseFloat(y)];
      if (place === 0 || (Number.isNaN(m) && Number.isNaN(n))) return x.localeCompare(y);
      if (Number.isNaN(m) || Number.isNaN(n)) return Number.isNaN(m) === up ? -1 : 1;
      return m - n;
    };
    const rows = [...body.rows].sort((a, b) => (up ? 1 : -1) * apart(a, b));
    body.append(...rows);
  });
}
