"use strict";

const dialog = document.getElementById("page");
const byData = (name, value) =>
  [...document.querySelectorAll(`[data-${name}]`)].find((each) => each.dataset[name] === value);

// What is packed (the pages of the ops, the drawing library) is unpacked when it is first wanted.
async function unpacked(element) {
  const bytes = Uint8Array.from(atob(element.textContent.trim()), (each) => each.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

// #op-softmax is the page of softmax, #op-softmax-2 a case on it; every other place is in this one.
async function route() {
  const place = decodeURIComponent(location.hash.slice(1));
  const packed = byData("page", /^op-(\w+)/.exec(place)?.[1] ?? "");
  if (packed) {
    if (dialog.dataset.shown !== packed.dataset.page) {
      dialog.innerHTML = await unpacked(packed);
      dialog.dataset.shown = packed.dataset.page;
    }
    if (!dialog.open) dialog.showModal();
    const target = document.getElementById(place);
    dialog.scrollTop = 0;
    if (target) target.scrollIntoView();
    mark(target);
    return;
  }
  if (dialog.open) dialog.close();
  const target = place && document.getElementById(place);
  if (!target) return;
  for (let each = target; each; each = each.parentElement) {
    if (each instanceof HTMLDetailsElement) each.open = true;
  }
  target.scrollIntoView();
}

function mark(target) {
  for (const each of dialog.querySelectorAll(".marked")) each.classList.remove("marked");
  target?.classList.add("marked");
}

// Closed by its button, by Escape or by a click beside it, the page leaves the reader where they were.
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
});
dialog.addEventListener("close", () => {
  if (location.hash.startsWith("#op-")) {
    const name = dialog.dataset.shown;
    history.pushState(null, "", location.pathname + location.search);
    byData("name", name)?.querySelector("a").focus({ preventScroll: true });
  }
});
addEventListener("hashchange", route);

// The filters.
const filters = document.querySelector(".filters");
function filter() {
  const asked = new FormData(filters);
  const [text, family, state] = ["text", "family", "state"].map((name) => asked.get(name));
  const engines = new Set(asked.getAll("engine"));
  let shown = 0;
  for (const table of document.querySelectorAll("[data-filtered]")) {
    for (const box of filters.querySelectorAll('[name="engine"]')) {
      table.classList.toggle(`without-e${box.value}`, !engines.has(box.value));
    }
    for (const body of table.tBodies) {
      let some = false;
      for (const row of body.querySelectorAll("[data-name]")) {
        const { name, family: own, states } = row.dataset;
        row.hidden =
          !`${name} ${own}`.toLowerCase().includes(text.trim().toLowerCase()) ||
          (family !== "" && family !== own) ||
          (state !== "" && !states.split(" ").includes(state));
        some ||= !row.hidden;
        shown += !row.hidden;
      }
      body.hidden = !some;
    }
  }
  const total = document.querySelectorAll("[data-name]").length;
  filters.querySelector("output").textContent = shown === total ? `${total} rows` : `${shown} of ${total} rows`;
}
filters.addEventListener("input", filter);
filters.addEventListener("submit", (event) => event.preventDefault());
filter();

// A table is sorted by the column whose head is clicked, and the other way by the next click.
for (const table of document.querySelectorAll("[data-sorted]")) {
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("button")?.parentElement;
    if (!head) return;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent;
    const unknown = (row) => value(row) === "–";
    const rows = [...table.tBodies[0].rows];
    const order = (a, b) => value(a).localeCompare(value(b), "en");
    const sized = (a, b) => Number(value(a)) - Number(value(b));
    const compare = rows.every((row) => unknown(row) || !Number.isNaN(Number(value(row)))) ? sized : order;
    rows.sort((a, b) => unknown(a) - unknown(b) || (down ? compare(b, a) : compare(a, b)));
    table.tBodies[0].append(...rows);
  });
}

// The figures: drawn when they come into sight, in the colours of the page, light or dark.
let library;
function drawingLibrary() {
  library ??= unpacked(document.getElementById("plotly")).then((text) => {
    const script = document.createElement("script");
    script.textContent = text;
    document.head.append(script);
  });
  return library;
}

async function draw(place) {
  await drawingLibrary();
  const style = getComputedStyle(document.documentElement);
  const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  figure.layout.font = {
    color: style.getPropertyValue("--ink").trim(),
    family: getComputedStyle(document.body).fontFamily,
    size: 12,
  };
  for (const [name, axis] of Object.entries(figure.layout)) {
    if (/^[xy]axis/.test(name)) axis.gridcolor = style.getPropertyValue("--rule").trim();
  }
  place.dataset.drawn = "";
  return Plotly.react(place, figure.data, figure.layout, { responsive: true, displayModeBar: false });
}

const sight = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting && target.dataset.drawn === undefined) draw(target);
    }
  },
  { rootMargin: "400px" },
);
const figures = document.querySelectorAll("[data-figure]");
for (const place of figures) sight.observe(place);
function drawAgain() {
  for (const place of figures) if (place.dataset.drawn !== undefined) draw(place);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);
addEventListener("beforeprint", () => {
  for (const place of figures) if (place.dataset.drawn !== undefined) Plotly.Plots.resize(place);
});

route();
