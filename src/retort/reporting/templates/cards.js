// Run cards, made from the data in the page when one is asked for.
const known = JSON.parse($("#data").textContent);
const byStage = new Map();
for (const [id, { stage }] of Object.entries(known.runs)) byStage.set(stage, [...(byStage.get(stage) ?? []), id]);
const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const digits = (value) => {
  if (value === null) return "–";
  const size = Math.abs(value);
  return size && (size < 1e-3 || size >= 1e6) ? value.toExponential(1) : String(Number(value.toPrecision(4)));
};
// As Python writes durations on this page.
const clock = (seconds) => {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  if (whole < 60) return `${seconds.toFixed(1)} s`;
  return hours ? `${hours}:${two(minutes)}:${two(rest)} h` : `${minutes}:${two(rest)} min`;
};
const isCard = (id) => id in known.runs || Boolean(listOf(id));
const cardFor = (id) => (id in known.runs ? runCard(id) : listOf(id) ? listCard(id) : null);

function listOf(id) {
  return id ? document.getElementById(id)?.closest("details.runs") ?? null : null;
}

function pairs(entries, className = "pairs") {
  return element("dl", { class: className }, entries.map(([name, value]) =>
    className === "costs" ? element("div", {}, element("dt", {}, name), element("dd", {}, value))
      : [element("dt", {}, name), element("dd", {}, value)]));
}

function grid(headings, rows, right = () => false, className = null) {
  const side = (index) => ({ class: right(index) ? "right" : null });
  return element("div", { class: "wide", tabindex: "0" }, element("table", { class: className },
    element("thead", {}, element("tr", {}, headings.map((text, i) => element("th", { scope: "col", ...side(i) }, text)))),
    element("tbody", {}, rows.map((row) =>
      element("tr", {}, row.map((text, i) => element("td", side(i), text)))))));
}

// One small plot: its range is written on it; a quantity that falls a hundredfold gets a logarithmic scale.
function curve(title, steps, values, domain = null) {
  const points = steps.map((step, i) => [step, values[i]]).filter(([, value]) => value !== null);
  if (!points.length) return null;
  const all = points.map(([, value]) => value);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const [low, high] = domain ?? [least, most];
  const logarithmic = !domain && low > 0 && high / low > 100;
  const scale = logarithmic ? Math.log : (value) => value;
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const x = (step) => 2 + (196 * (step - first)) / (last - first || 1);
  const y = (value) => 58 - (52 * (scale(value) - scale(low))) / (scale(high) - scale(low) || 1);
  const path = points.map(([step, value], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const label = `${title}: from ${digits(all[0])} to ${digits(all.at(-1))}, range ${digits(least)} to ${digits(most)}`;
  const dots = points.length < 12 ? points.map(([step, value]) => drawn("circle", { cx: x(step), cy: y(value), r: 2 })) : [];
  return element("figure", {},
    element("figcaption", {}, element("span", {}, title, logarithmic ? element("small", {}, " log") : null), element("small", {}, digits(all.at(-1)))),
    drawn("svg", { viewBox: "0 2 200 60", role: "img", "aria-label": label },
      drawn("line", { x1: 0, x2: 200, y1: 60, y2: 60 }), drawn("path", { d: path }), dots),
    element("p", {}, element("span", {}, `step ${first}–${last}`),
      element("span", {}, `${digits(least)} – ${digits(most)}`)));
}

function stageLink(stage) {
  const id = byStage.get(stage)?.[0];
  return id ? element("a", { href: `#${id}` }, stage) : stage;
}

function termTable(stage) {
  const used = known.term_columns.map((_, i) => stage.terms.some((term) => term[i] !== ""));
  const keep = (row) => row.filter((_, i) => used[i]);
  return grid(keep(known.term_columns), stage.terms.map(keep), () => false, "terms");
}

function usersOf(id) {
  const lists = $$(`details.runs a[data-run="${CSS.escape(id)}"]`).map((link) => link.closest("details.runs"));
  return [...new Set(lists)].map((list) => $("summary", list).firstChild.textContent.trim()).join("; ");
}

function siblings(id) {
  const run = known.runs[id];
  if (!run.name) return null;
  return element("nav", { class: "bar-of-buttons", "aria-label": "Other runs of this stage" },
    byStage.get(run.stage).map((other) =>
      element("a", { href: `#${other}`, "aria-current": other === id ? "true" : null }, known.runs[other].name)));
}

function curvesOf(run) {
  const { step, loss, parts } = run.log;
  const named = Object.entries(parts);
  const plots = [curve("loss", step, loss)];
  if (named.length > 1) plots.push(...named.map(([name, values]) => curve(name.replace(/^\d+-/, ""), step, values)));
  (run.evaluations.metrics ?? []).forEach((name, i) => {
    const rows = run.evaluations.rows;
    plots.push(curve(`dev ${name}`, rows.map((row) => row[0]), rows.map((row) => row[1 + i]), [rows.some((row) => row[1 + i] < 0) ? -100 : 0, 100]));
  });
  for (const [name, values] of Object.entries(run.evaluations.losses ?? {})) {
    plots.push(curve(`dev ${name}`, run.evaluations.rows.map((row) => row[0]), values));
  }
  const shown = plots.filter((plot) => plot !== null);
  return shown.length ? [element("h3", {}, "Curves"), element("div", { class: "curves" }, shown)] : [];
}

function evaluationsOf(run) {
  const { metrics = [], rows = [] } = run.evaluations;
  if (!rows.length) return [];
  const names = { all: "all of dev", select: "selecting half", report: "reporting half" };
  const headings = known.splits.flatMap((split) => metrics.map((name) => `${name}, ${names[split]}`));
  const shown = rows.map((row) => row.map((value, i) => (i && value !== null ? value.toFixed(1) : digits(value))));
  return [element("h3", {}, "Evaluations"), grid(["step", ...headings], shown, () => true)];
}

function copyButton(text) {
  if (!navigator.clipboard) return null;
  const button = element("button", { type: "button" }, "Copy");
  button.addEventListener("click", () => navigator.clipboard.writeText(text).then(
    () => { button.textContent = "Copied"; },
    () => { button.textContent = "Not allowed here: select it and copy"; }));
  return element("div", { class: "bar-of-buttons" }, button);
}

function runCard(id) {
  const run = known.runs[id];
  const stage = known.stages[run.stage];
  const origin = run.origin.map(([name, value]) => [known.texts[name], known.texts[value]]).filter(([, value]) => value);
  const again = known.texts[run.again];
  const [seconds, steps, tokens, speed] = run.cost;
  const best = Object.entries(run.best).map(([name, value]) => [`best ${name}`, value.toFixed(1)]);
  const folder = `../stages/${run.stage}${run.name ? `/tasks/${run.name}` : ""}`;
  const inputs = run.inputs.map(([path, digest]) => [known.texts[path], element("code", {}, known.texts[digest])]);
  return [
    top(run.name ? `${run.name}, ${usersOf(id)}` : "Pretraining", element("p", {}, run.stage), siblings(id)),
    element("div", { class: "inner" },
      pairs([...best, ["time", clock(seconds)],
        ...(run.processor === null ? [] : [["processor time", clock(run.processor)]]),
        ["steps", numbers.format(steps)], ["tokens", numbers.format(tokens)],
        ["tokens/s", speed === null ? "–" : numbers.format(speed)],
        ...Object.entries(run.memory).map(([where, value]) => [`${where} MiB`, numbers.format(value)])], "costs"),
      curvesOf(run),
      element("h3", {}, "Objective"), termTable(stage),
      element("h3", {}, "Stage"),
      pairs([...stage.parents.map(([role, name]) => [role, stageLink(name)]), ...stage.facts,
        ...origin.filter(([name]) => name === "Training")]),
      evaluationsOf(run),
      element("h3", {}, "Origin"),
      pairs([["Started", run.time[0]], ["Finished", run.time[1]],
        ...origin.filter(([name]) => name !== "Training")]),
      inputs.length ? [element("h3", {}, "Inputs (SHA-256)"), grid(["file", "hash"], inputs)] : [],
      again ? [element("h3", {}, "Run it again"), element("pre", {}, again), copyButton(again)] : [],
      element("p", {}, element("a", { href: `${folder}/card.json` }, "card.json"), " holds all of it.")),
  ];
}

function listCard(id) {
  const target = document.getElementById(id);
  const details = listOf(id);
  const table = $("table", details).cloneNode(true);
  for (const body of table.tBodies) if (target !== details && body.id !== id) body.hidden = true;
  for (const node of $$("[id]", table)) node.removeAttribute("id");
  const title = $("summary", details).firstChild.textContent.trim();
  const all = target === details ? null : element("p", {}, element("a", { href: `#${details.id}` }, "All tasks"));
  return [
    top(title, element("p", {}, "The runs behind this score; each leads to its card.")),
    element("div", { class: "inner" }, all, element("div", { class: "wide", tabindex: "0" }, table)),
  ];
}

for (const link of $$("a[data-run]")) link.href = `#${link.dataset.run}`;
route();
