"use strict";

const body = document.querySelector("#runs tbody");
const keys = [...document.querySelectorAll("#runs th[data-key]")].map((head) => head.dataset.key);
const views = [];

// The charts. Their parameters are bound to the page's controls; none may leave the page.
for (const [id, chart] of Object.entries(JSON.parse(document.getElementById("charts").textContent))) {
  const actions = { export: true, source: false, compiled: false, editor: false };
  vegaEmbed("#" + id, chart, { renderer: "svg", actions }).then(
    ({ view }) => views.push(view),
    (error) => { document.getElementById(id).textContent = String(error); throw error; },
  );
}

function value(row, key) {
  const cell = row.cells[keys.indexOf(key)];
  if (cell === undefined) return undefined;
  return cell.dataset.number === undefined ? cell.textContent : Number(cell.dataset.number);
}

// Sorting: the first click is ascending; what has no value stays below.
for (const head of document.querySelectorAll("#runs th[data-key]")) {
  head.querySelector("button").addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of head.parentNode.children) {
      if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    }
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const ranked = [...body.rows].map((row) => [value(row, head.dataset.key), row]);
    ranked.sort(([one], [other]) => order(one, other, sign));
    body.append(...ranked.map(([, row]) => row));
  });
}

function order(one, other, sign) {
  const kinds = [one, other].map((each) => (typeof each === "number" ? 0 : each === "–" ? 2 : 1));
  if (kinds[0] !== kinds[1]) return kinds[0] - kinds[1];
  return sign * (kinds[0] === 0 ? one - other : one.localeCompare(other));
}

// Filtering: every term must hold; a term is text, or key=value, key>number, key<number.
const filter = document.getElementById("filter");
filter.addEventListener("input", () => {
  const terms = filter.value.split(/\s+/).filter(Boolean);
  const shown = [];
  for (const row of body.rows) {
    row.hidden = !terms.every((term) => holds(row, term));
    if (!row.hidden) shown.push(row.id.slice("run-".length));
  }
  document.getElementById("matching").textContent = `${shown.length} of ${body.rows.length} runs`;
  for (const view of views) {
    if (view.getState().signals.shown !== undefined) {
      view.signal("shown", terms.length ? shown : null).runAsync();
    }
  }
});

function holds(row, term) {
  const [, key, sign, wanted] = /^([^=<>]+)([=<>])(.+)$/.exec(term) ?? [];
  if (key === undefined || !keys.includes(key)) {
    return row.textContent.toLowerCase().includes(term.toLowerCase());
  }
  const found = value(row, key);
  const text = row.cells[keys.indexOf(key)].textContent;
  if (sign === "=") return text === wanted || (wanted !== "" && found === Number(wanted));
  return typeof found === "number" && (sign === ">" ? found > Number(wanted) : found < Number(wanted));
}
