// The list of songs: filter, sort, pages of 50, one row each; a row opens into player, lyrics and scores.
const PAGE = 50;
const list = $("#list");
const body = $("tbody", list);
const headlines = data.measures.map((m, k) => (m.headline ? k : -1)).filter((k) => k >= 0).slice(0, 4);
if (!headlines.length) headlines.push(...data.measures.slice(0, 3).keys());
const withTakes = songs.some((song) => song.k !== songs[0].k);
const withEdits = songs.some((song) => song.c);
const inputs = { text: $("#f-text"), system: $("#f-system"), language: $("#f-language"), tag: $("#f-tag"), status: $("#f-status") };
const view = { sort: headlines.length ? String(headlines[0]) : "id", down: true, page: 0, rows: [], open: new Set() };
view.down = worstIsHigh(view.sort);

function worstIsHigh(key) {
  return /^\d+$/.test(key) && data.measures[Number(key)].direction !== "higher";
}

const haystacks = new Map();
function haystack(index) {
  if (!haystacks.has(index)) {
    const song = songs[index];
    const reasons = Object.values(song.m || {}).map(([status, reason]) => status + " " + reason);
    haystacks.set(index, [song.id, data.languages[song.l], song.l, data.descriptions[song.d], ...song.t, song.x || "", ...reasons].join("\n").toLowerCase());
  }
  return haystacks.get(index);
}

function valueOf(name) {
  return inputs[name] ? inputs[name].value : "";
}

// A metric that does not apply to a song leaves no gap in it.
function lacks(song) {
  return Object.values(song.m || {}).some(([label]) => label !== "not applicable");
}

function matches(index) {
  const song = songs[index];
  const status = valueOf("status");
  if (valueOf("system") && String(song.s) !== valueOf("system")) return false;
  if (valueOf("language") && song.l !== valueOf("language")) return false;
  if (valueOf("tag") && !song.t.includes(valueOf("tag"))) return false;
  if (status === "ok" && (song.x !== undefined || lacks(song))) return false;
  if (status === "failed" && song.x === undefined) return false;
  if (status === "missing" && !lacks(song) && song.x === undefined) return false;
  const words = valueOf("text").toLowerCase().split(/\s+/).filter(Boolean);
  return !words.length || words.every((word) => haystack(index).includes(word));
}

function arrange() {
  const key = view.sort;
  const sign = view.down ? -1 : 1;
  const found = songs.map((_, index) => index).filter(matches);
  if (key === "id") found.sort((a, b) => sign * collator.compare(songs[a].id, songs[b].id));
  else if (key === "language") found.sort((a, b) => sign * collator.compare(data.languages[songs[a].l], data.languages[songs[b].l]) || a - b);
  else if (key === "length") found.sort((a, b) => sign * collator.compare(songs[a].n, songs[b].n) || a - b);
  else {
    const m = Number(key);
    const measure = data.measures[m];
    const target = measure.direction === "target" && measure.good;
    // Songs without the value come last in either direction: they are neither best nor worst.
    found.sort((a, b) => {
      const x = songs[a].v[m];
      const y = songs[b].v[m];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      return (target ? sign * (outside(measure, x) - outside(measure, y)) : 0) || sign * (x - y) || a - b;
    });
  }
  view.rows = found;
}

function columns() {
  const shown = [...headlines];
  if (/^\d+$/.test(view.sort) && !shown.includes(Number(view.sort))) shown.push(Number(view.sort));
  return shown;
}

function drawHead() {
  const cell = (key, label, className) => el("th", { scope: "col", class: className, "aria-sort": view.sort === key ? (view.down ? "descending" : "ascending") : "none" },
    el("button", { type: "button", "data-key": key, onclick: () => sortBy(key) }, label));
  const cells = [cell("id", "Song", "title"), cell("language", "Language", "")];
  if (withEdits) cells.push(el("th", { scope: "col", class: "edit" }, "Words"));
  for (const m of columns()) cells.push(cell(String(m), data.measures[m].title, "value"));
  cells.push(cell("length", "Length", "value"));
  $("thead", list).replaceChildren(el("tr", {}, ...cells));
}

function sortBy(key) {
  view.down = view.sort === key ? !view.down : worstIsHigh(key);
  view.sort = key;
  if ($("#f-sort").querySelector('option[value="' + key + '"]')) $("#f-sort").value = key;
  render(true);
  const again = $('thead button[data-key="' + key + '"]', list);
  if (again && document.activeElement === document.body) again.focus();
}

function render(fromStart) {
  if (fromStart) view.page = 0;
  arrange();
  drawHead();
  drawPage();
}

function drawPage() {
  for (const player of [...players.values()]) if (!view.open.has(player.index)) player.close();
  const total = view.rows.length;
  const pages = Math.max(1, Math.ceil(total / PAGE));
  view.page = Math.min(view.page, pages - 1);
  const shown = view.rows.slice(view.page * PAGE, (view.page + 1) * PAGE);
  for (const index of [...view.open]) if (!shown.includes(index)) shut(index);
  const kept = new Map($$("tr.detail", body).map((row) => [Number(row.dataset.i), row]));
  const nodes = [];
  for (const index of shown) {
    nodes.push(rowOf(index));
    if (view.open.has(index)) nodes.push(kept.get(index) || detailRow(index));
  }
  body.replaceChildren(...nodes);
  for (const row of $$("tr.detail > td", body)) row.colSpan = 4 + columns().length;
  const failed = view.rows.reduce((n, index) => n + (songs[index].x !== undefined), 0);
  const all = songs.length;
  $("#count").textContent = (total === all ? all.toLocaleString("en") : total.toLocaleString("en") + " of " + all.toLocaleString("en")) + (all === 1 ? " song" : " songs") + (failed ? ", " + failed.toLocaleString("en") + " failed" : "");
  $("#clear").hidden = total === all;
  $("#none").hidden = total > 0;
  list.hidden = total === 0;
  $("#none").textContent = all ? "No song fits these filters." : "This run has no songs yet.";
  $("#pager").hidden = pages < 2;
  $("#page").textContent = (view.page * PAGE + 1).toLocaleString("en") + "\u2013" + Math.min(total, (view.page + 1) * PAGE).toLocaleString("en") + " of " + total.toLocaleString("en");
  $("#prev").disabled = view.page === 0;
  $("#next").disabled = view.page >= pages - 1;
}

function rowOf(index) {
  const song = songs[index];
  const open = view.open.has(index);
  const name = song.p + (withTakes ? " \u00b7 take " + song.k : "");
  const button = el("button", { class: "open", type: "button", "aria-expanded": String(open) },
    el("span", {}, el("b", {}, name), data.systems.length > 1 ? el("span", { class: "who s" + (song.s % 6) }, el("span", { class: "swatch" }), " " + data.systems[song.s]) : null),
    el("span", { class: "sub" + (song.x === undefined ? "" : " why"), dir: "auto" }, song.x === undefined ? data.descriptions[song.d].slice(0, 300) : "Failed: " + song.x.slice(0, 300)));
  const cells = [el("td", { class: "title" }, button), el("td", {}, data.languages[song.l])];
  if (withEdits) cells.push(el("td", { class: "edit" }, song.c ? edits(song.c) : null));
  for (const m of columns()) cells.push(scoreCell(song, m));
  cells.push(el("td", { class: "value", "data-label": "" }, song.n));
  return el("tr", { class: "song" + (open ? " on" : ""), "data-i": index }, ...cells);
}

function scoreCell(song, m) {
  const measure = data.measures[m];
  const value = song.v[m];
  if (value !== null) return el("td", { class: "value", "data-label": measure.title }, show(measure, value));
  const [status, reason] = stateOf(song, m);
  return el("td", { class: "value none", "data-label": measure.title, title: reason }, status);
}

function stateOf(song, m) {
  if (song.m && song.m[m]) return song.m[m];
  return song.x === undefined ? ["not evaluated", "This song has no line for this metric."] : ["failed", song.x];
}

function edits([hits, substituted, missing, added]) {
  const total = hits + substituted + missing + added || 1;
  const label = hits + " heard, " + substituted + " substituted, " + missing + " missing, " + added + " added";
  let left = 0;
  const bars = [["h", hits], ["sx", substituted], ["dx", missing], ["ix", added]].map(([name, n]) => {
    const bar = svg("rect", { class: name, x: (100 * left) / total + "%", width: (100 * n) / total + "%", height: "100%" });
    left += n;
    return bar;
  });
  return svg("svg", { class: "edits", role: "img", "aria-label": label }, svg("title", {}, label), ...bars);
}

function detailRow(index) {
  const song = songs[index];
  const detail = detailOf(index);
  const cell = el("td", { colspan: 4 + columns().length });
  if (song.x !== undefined) cell.append(el("p", { class: "state" }, "This song failed: " + song.x));
  const player = makePlayer(index, detail);
  if (song.a.length) cell.append(player.root);
  cell.append(el("div", { class: "both" }, makeLyrics(song, detail, player), sideOf(song)));
  return el("tr", { class: "detail", "data-i": index }, cell);
}

function sideOf(song) {
  // What matters first: headline values, then whatever is out of its wanted range; the rest on request.
  const first = el("dl", {});
  const others = el("dl", {});
  let n = 0;
  data.measures.forEach((measure, m) => {
    const value = song.v[m];
    const off = value !== null && outside(measure, value) > 0;
    const list = columns().includes(m) || measure.headline || off || data.measures.length <= 12 ? first : others;
    if (list === others) n++;
    list.append(el("dt", { title: measure.better }, measure.title));
    if (value !== null) list.append(el("dd", { class: off ? "off" : "", title: off ? measure.better : null }, show(measure, value)));
    else { const [status, reason] = stateOf(song, m); list.append(el("dd", { class: "none", title: reason }, status)); }
  });
  const reasons = [...new Set(Object.values(song.m || {}).map(([status, reason]) => status + ": " + reason))];
  const facts = el("dl", {}, ...song.f.flatMap(([label, value]) => [el("dt", {}, label), el("dd", {}, value)]));
  const side = el("aside", { class: "side", "aria-label": "Scores and facts" }, el("h4", {}, "Asked for"), el("p", { dir: "auto" }, data.descriptions[song.d] || "\u2014"));
  if (data.measures.length) side.append(el("h4", {}, "Scores"), first);
  if (n) side.append(el("details", {}, el("summary", {}, n + " more scores"), others));
  if (reasons.length) side.append(el("h4", {}, "Why values are missing"), ...reasons.map((reason) => el("p", { class: "muted" }, reason)));
  side.append(el("details", {}, el("summary", {}, "Recording"), facts));
  return side;
}

function shut(index) {
  view.open.delete(index);
  const player = players.get(index);
  if (player) player.close();
}

function toggleSong(index, open = !view.open.has(index)) {
  const row = $('tr.song[data-i="' + index + '"]', body);
  if (!row || open === view.open.has(index)) return;
  row.classList.toggle("on", open);
  $(".open", row).setAttribute("aria-expanded", String(open));
  if (open) { view.open.add(index); row.after(detailRow(index)); players.get(index).draw(); }
  else { row.nextSibling.remove(); shut(index); }
}

function reveal(index) {
  if (!view.rows.includes(index)) { clearFilters(); }
  const page = Math.floor(view.rows.indexOf(index) / PAGE);
  if (page !== view.page) { view.page = page; drawPage(); }
  toggleSong(index, true);
  const row = $('tr.song[data-i="' + index + '"]', body);
  row.scrollIntoView({ block: "start" });
  $(".open", row).focus({ preventScroll: true });
}

function clearFilters() {
  for (const input of Object.values(inputs)) if (input) input.value = "";
  render(true);
}

function turn(step) {
  view.page += step;
  drawPage();
  $("#songs").scrollIntoView();
}

body.addEventListener("click", (event) => {
  const row = event.target.closest("tr.song");
  if (!row) return;
  const index = Number(row.dataset.i);
  toggleSong(index);
  if (view.open.has(index)) current = players.get(index);
  if (view.open.has(index)) history.replaceState(null, "", "#song=" + encodeURIComponent(songs[index].id));
});
let typing = 0;
for (const input of Object.values(inputs)) {
  if (input) input.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => render(true), input.type === "search" ? 120 : 0); });
}
$("#tools").addEventListener("submit", (event) => event.preventDefault());
$("#f-sort").addEventListener("change", (event) => { view.sort = event.target.value; view.down = worstIsHigh(view.sort); render(true); });
$("#clear").addEventListener("click", clearFilters);
$("#prev").addEventListener("click", () => turn(-1));
$("#next").addEventListener("click", () => turn(1));
