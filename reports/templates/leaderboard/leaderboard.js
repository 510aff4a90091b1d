// Filters: rows by text, licence and origin, columns by licence, boards by protocol. Everything is in the page already.
const inputs = Object.fromEntries(["text", "board", "licence", "metric", "source"].map((name) => [name, $("#f-" + name)]));
const entries = $$(".entry").map((node) => ({
  node,
  text: node.textContent.toLowerCase(),
  licences: JSON.parse(node.dataset.licences),
  source: node.dataset.source,
}));
const table = $(".board-table") || $(".one");

function chosenOf(name) {
  return inputs[name] ? inputs[name].value : "";
}

function applyFilters() {
  const words = chosenOf("text").toLowerCase().split(/\s+/).filter(Boolean);
  const licence = chosenOf("licence");
  const source = chosenOf("source");
  for (const entry of entries) {
    entry.node.hidden = !(
      (!licence || entry.licences.includes(licence)) &&
      (!source || entry.source === source) &&
      words.every((word) => entry.text.includes(word))
    );
  }
  for (const body of $$("tbody")) {
    const nothing = $("tr.nothing", body);
    if (nothing) nothing.hidden = $$("tr.entry:not([hidden])", body).length > 0;
  }
  for (const board of $$(".board")) board.hidden = Boolean(chosenOf("board")) && board.dataset.board !== chosenOf("board");
  const metric = chosenOf("metric");
  for (const node of $$("[data-ml]")) node.hidden = Boolean(metric) && node.dataset.ml !== metric;
  const rows = $$(".board:not([hidden]) .board-table tr.entry, .one tr.entry");
  const shown = rows.filter((row) => !row.hidden).length;
  const filtered = Object.keys(inputs).some((name) => chosenOf(name));
  $("#count").textContent = filtered ? shown + " of " + entries.filter((entry) => entry.node.matches(".board-table tr, .one tr")).length + " systems" : "";
  $("#clear").hidden = !filtered;
}

if (table) {
  let typing = 0;
  for (const input of Object.values(inputs)) {
    if (input) input.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(applyFilters, input.type === "search" ? 120 : 0); });
  }
  $("#tools").addEventListener("submit", (event) => event.preventDefault());
  $("#clear").addEventListener("click", () => {
    for (const input of Object.values(inputs)) if (input) input.value = "";
    applyFilters();
  });
  applyFilters();  // the browser may have kept what was typed
}
addEventListener("beforeprint", () => { for (const details of $$("details.box")) details.open = true; });
