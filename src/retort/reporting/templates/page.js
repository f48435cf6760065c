// Small things that every part of the page uses. Text goes in as text, never as markup.
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children.flat(Infinity).filter((child) => child !== null));
  return node;
}
const element = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const drawn = (name, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

// The contents say which part is in view.
const places = $$(".contents a").map((link) => [link, $(link.getAttribute("href"))]);
function showPlace() {
  let here = places[0][0];
  for (const [link, target] of places) {
    if (target.id !== "top" && target.getBoundingClientRect().top < innerHeight * 0.35) here = link;
  }
  for (const [link] of places) {
    if (link !== here) link.removeAttribute("aria-current");
    else if (!link.hasAttribute("aria-current")) {
      link.setAttribute("aria-current", "true");
      const bar = $(".contents");
      if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = link.offsetLeft - bar.clientWidth / 3;
    }
  }
}
addEventListener("scroll", showPlace, { passive: true });
showPlace();

// On paper everything is open.
let opened = [];
addEventListener("beforeprint", () => {
  opened = $$("details:not([open])");
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});

// Claims by verdict.
for (const section of $$(".claims")) {
  const buttons = $$(".filters button", section);
  const choose = (verdict) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
    for (const row of $$("tbody tr:not(.group)", section)) row.hidden = verdict !== null && row.dataset.verdict !== verdict;
    for (const body of $$("tbody", section)) {
      $(".group", body).hidden = $$("tr:not(.group)", body).every((row) => row.hidden);
    }
    const idle = $(".toggle input", section);
    if (verdict === "not run" && idle) idle.checked = true;
  };
  for (const button of buttons) button.hidden = false;
  for (const button of buttons) {
    button.addEventListener("click", () =>
      choose(button.getAttribute("aria-pressed") === "true" ? null : button.dataset.verdict));
  }
  for (const link of $$(".strip a[data-verdict]")) {
    if (link.hash === `#${section.id}`) link.addEventListener("click", () => choose(link.dataset.verdict));
  }
}
