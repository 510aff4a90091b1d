// Small helpers, dark and light, sortable tables: what every page has.
// Data becomes text nodes and attributes only; no string from a run is ever parsed as markup.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const SVG = "http://www.w3.org/2000/svg";

function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") node.setAttribute("class", value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const collator = new Intl.Collator("en", { numeric: true });

function theme() {
  return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  dispatchEvent(new Event("themechange"));
}

const dark = matchMedia("(prefers-color-scheme: dark)");
let chosen = null;
try { chosen = localStorage.getItem("evalkit-theme"); } catch { /* no storage for files in some browsers */ }
setTheme(chosen === "dark" || chosen === "light" ? chosen : dark.matches ? "dark" : "light");
dark.addEventListener("change", () => { if (!chosen) setTheme(dark.matches ? "dark" : "light"); });
$("#theme").addEventListener("click", () => {
  chosen = theme() === "dark" ? "light" : "dark";
  setTheme(chosen);
  try { localStorage.setItem("evalkit-theme", chosen); } catch { /* the choice lasts for this visit */ }
});

for (const table of $$("table.sortable")) {
  const heads = $$("thead th", table);
  heads.forEach((head, column) => {
    const button = $("button", head);
    if (!button) return;
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = $$("tbody tr", table).map((row, place) => [row, (row.children[column] || row).dataset.v || "", place]);
      const numeric = keyed.every(([, value]) => value === "" || !Number.isNaN(Number(value)));
      keyed.sort(([, a, i], [, b, j]) => {
        if (a === "" || b === "") return (a === "") - (b === "") || i - j;
        return (down ? -1 : 1) * (numeric ? Number(a) - Number(b) : collator.compare(a, b)) || i - j;
      });
      $("tbody", table).append(...keyed.map(([row]) => row));
    });
  });
}
