// A card has an address of its own (#run-...): opening one is a step in the history, closing it a step back.
const card = $("#card");
const zoom = $("#zoom");

function top(title, ...below) {
  const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => close.closest("dialog").close());
  return element("div", { class: "top" },
    element("div", {}, element("h2", { id: "card-title", tabindex: "-1", autofocus: "" }, title), below), close);
}

function show(id) {
  const view = cardFor(id);
  if (!view) {
    if (card.open) {
      card.dataset.quiet = "";
      card.close();
    }
    return;
  }
  card.replaceChildren(...view);
  if (!card.open) card.showModal();
  card.scrollTop = 0;
  $("#card-title", card).focus({ preventScroll: true });
}

// A page inside another one (a Snakemake report) has no addresses of its own.
const addressed = /^(file|https?):$/.test(location.protocol);
const route = () => show(decodeURIComponent(location.hash.slice(1)));

function go(hash) {
  if (!addressed) return show(hash.slice(1));
  history.pushState({ depth: (history.state?.depth ?? 0) + 1 }, "", hash);
  return route();
}

card.addEventListener("close", () => {
  const quiet = "quiet" in card.dataset;
  delete card.dataset.quiet;
  if (quiet || !addressed) return;
  const depth = history.state?.depth ?? 0;
  if (depth) history.go(-depth);
  else history.replaceState(null, "", location.pathname + location.search);
});
for (const dialog of [card, zoom]) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
addEventListener("popstate", route);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (!isCard(link.hash.slice(1))) return;
  event.preventDefault();
  go(link.hash);
});

// Figures as large as one likes.
function enlarge(image) {
  const large = element("img", { src: image.src, alt: image.alt });
  let factor = 1;
  const resize = (change) => {
    factor = Math.min(8, Math.max(1, factor * change));
    large.style.width = `${factor * 100}%`;
  };
  const button = (text, label, change) => {
    const made = element("button", { type: "button", "aria-label": label }, text);
    made.addEventListener("click", () => resize(change));
    return made;
  };
  const close = element("button", { type: "button" }, "Close");
  close.addEventListener("click", () => zoom.close());
  const save = element("a", { href: image.src, download: `${image.closest("section").id}.svg` }, "Save as SVG");
  zoom.replaceChildren(
    element("div", { class: "top" }, element("div", { class: "bar-of-buttons" },
      button("+", "Larger", 1.5), button("−", "Smaller", 1 / 1.5), button("Fit", "Fit the window", 1 / 8), save, close)),
    element("div", { class: "view", tabindex: "0" }, large));
  zoom.onkeydown = (event) => {
    if (event.key === "+" || event.key === "=") resize(1.5);
    if (event.key === "-") resize(1 / 1.5);
  };
  resize(innerWidth < 700 ? 2.2 : 1);
  zoom.showModal();
}
for (const image of $$("figure .plate img")) {
  image.classList.add("zoomable");
  image.addEventListener("click", () => enlarge(image));
  const button = element("button", { type: "button" }, "Enlarge");
  button.addEventListener("click", () => enlarge(image));
  image.closest("figure").prepend(element("div", { class: "bar-of-buttons" }, button));
}
