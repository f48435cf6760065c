// Tables sort by their headings: numbers first from the top, words from A; the third press restores the order.
const SIZES = { K: 1e3, M: 1e6, B: 1e9 };

function numberIn(text) {
  const found = text.replace(/\u2212/g, "-").replace(/,(?=\d{3})/g, "").match(/[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?/i);
  if (!found) return null;
  const after = text.replace(/,(?=\d{3})/g, "").slice(found.index + found[0].length);
  const unit = after.match(/^\s?([KMB])\b/);
  return Number(found[0]) * (unit ? SIZES[unit[1]] : 1);
}

function compare(a, b, numeric, sign) {
  if (numeric) {
    const [x, y] = [numberIn(a), numberIn(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (x - y);
  }
  if (!a || !b) return !a - !b;
  return sign * a.localeCompare(b, "en", { numeric: true, sensitivity: "base" });
}

function arrange(table, homes, state) {
  const { column, sign, numeric, mixed } = state;
  const text = (row) => row.cells[column].textContent.trim();
  const sorted = (rows) =>
    sign === 0 ? rows : [...rows].sort((a, b) => compare(text(a), text(b), numeric, sign));
  const together = mixed && sign !== 0;
  table.classList.toggle("mixed", together);
  if (together) {
    homes[0].body.append(...sorted(homes.flatMap((home) => home.rows)));
  } else {
    for (const { body, rows } of homes) body.append(...sorted(rows));
  }
  $$("thead th", table).forEach((heading, index) => {
    const button = $("button", heading);
    if (!button) return;
    const order = index !== column || sign === 0 ? "none" : sign > 0 ? "ascending" : "descending";
    heading.setAttribute("aria-sort", order);
  });
}

for (const table of $$("table.sortable")) {
  const homes = [...table.tBodies].map((body) => ({ body, rows: $$("tr:not(.group)", body) }));
  const state = { column: -1, sign: 0, numeric: false, mixed: false };
  $$("thead th", table).forEach((heading, column) => {
    if ("fixed" in heading.dataset) return;
    const button = element("button", { type: "button" }, heading.textContent);
    heading.replaceChildren(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const numeric = heading.classList.contains("right");
      const first = numeric ? -1 : 1;
      const next = { [first]: -first, [-first]: 0, 0: first };
      state.sign = state.column === column ? next[state.sign] : first;
      Object.assign(state, { column, numeric });
      arrange(table, homes, state);
    });
  });
  const tools = table.parentElement.previousElementSibling;
  if (homes.length > 1 && tools?.classList.contains("tools")) {
    const box = element("input", { type: "checkbox" });
    tools.append(element("label", {}, box, " Sort across groups"));
    box.addEventListener("change", () => {
      state.mixed = box.checked;
      arrange(table, homes, state);
    });
  }
}
