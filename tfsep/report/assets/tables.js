// Tables of tracks that sort by any column, and the choice of the measure that is shown.

function cellValue(row, column) {
  const cell = row.cells[column];
  return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.toLowerCase();
}

// Numbers fall first and names rise first; what has no score stays last.
function compareRows(column, order) {
  return (first, second) => {
    const [one, other] = [cellValue(first, column), cellValue(second, column)];
    if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
    const difference = typeof one === "string" ? one.localeCompare(other) : one - other;
    return order === "ascending" ? difference : -difference;
  };
}

function nextOrder(heading, isText) {
  const opposite = { ascending: "descending", descending: "ascending" };
  return opposite[heading.getAttribute("aria-sort")] ?? (isText ? "ascending" : "descending");
}

function sortTable(table, column) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const order = nextOrder(headings[column], typeof cellValue(rows[0], column) === "string");
  headings.forEach((heading, index) => heading.setAttribute("aria-sort", index === column ? order : "none"));
  body.append(...rows.sort(compareRows(column, order)));
}

function showMeasure(measure) {
  for (const part of document.querySelectorAll(".measure")) part.hidden = part.dataset.measure !== measure;
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => sortTable(table, column));
  });
}
for (const radio of document.querySelectorAll('input[name="measure"]')) {
  radio.addEventListener("change", () => showMeasure(radio.value));
}

// On a phone, where figures and tables show one target at a time.
function showTarget(part, target) {
  for (const element of part.querySelectorAll("[data-target]")) {
    element.classList.toggle("off", element.dataset.target !== target);
  }
}
for (const radio of document.querySelectorAll(".targets input")) {
  const part = radio.closest(".measure");
  radio.addEventListener("change", () => showTarget(part, radio.value));
  if (radio.checked) showTarget(part, radio.value);
}
