// The list of prompts: biggest losses first, pages of 50; a row opens into both songs as A and B.
const PAGE = 50;
const list = $("#list");
const body = $("tbody", list);
const inputs = { text: $("#f-text"), language: $("#f-language") };
const view = { metric: 0, order: "losses", page: 0, rows: [], open: new Map(), widest: 1 };
const votes = new Map();
const known = new Set();

function match() {
  return data.duels[duel];
}

const haystacks = new Map();
function haystack(p) {
  if (!haystacks.has(p)) {
    const prompt = data.prompts[p];
    haystacks.set(p, [prompt.p, prompt.l, data.languages[prompt.l], prompt.d, ...prompt.t, ...prompt.y.flatMap(([label, lines]) => [label, ...lines])].join("\n").toLowerCase());
  }
  return haystacks.get(p);
}

function valueOf(name) {
  return inputs[name] ? inputs[name].value : "";
}

function arrange() {
  const rows = match().rows;
  const words = valueOf("text").toLowerCase().split(/\s+/).filter(Boolean);
  const language = valueOf("language");
  const found = [];
  for (let row = 0; row < rows.length; row++) {
    const prompt = data.prompts[rows[row].p];
    if (language && prompt.l !== language) continue;
    if (words.length && !words.every((word) => haystack(rows[row].p).includes(word))) continue;
    found.push(row);
  }
  view.widest = 0;
  if (match().measures.length) {
    const key = new Map(found.map((row) => [row, lossOf(view.metric, row)]));
    for (const loss of key.values()) view.widest = Math.max(view.widest, Math.abs(loss || 0));
    const order = view.order === "size" || (!match().measures[view.metric].sign && view.order !== "suite") ? "size" : view.order;
    if (order !== "suite") {
      const rank = (loss) => (order === "losses" ? -loss : order === "wins" ? loss : -Math.abs(loss));
      found.sort((a, b) => {
        const x = key.get(a);
        const y = key.get(b);
        if (x === null || y === null) return (x === null) - (y === null) || a - b;
        return rank(x) - rank(y) || a - b;
      });
    }
  }
  view.rows = found;
}

function render(fromStart) {
  if (fromStart) view.page = 0;
  arrange();
  const measure = match().measures[view.metric];
  $("thead", list).replaceChildren(el("tr", {}, ...[["Prompt", "title"], ["Language", ""], ["Candidate", "value"], ["Opponent", "value"], ["Difference", "value"], ["", "pull"]].map(([label, name]) =>
    el("th", { scope: "col", class: name }, label))));
  drawPage(measure);
}

function drawPage(measure = match().measures[view.metric]) {
  const total = view.rows.length;
  const pages = Math.max(1, Math.ceil(total / PAGE));
  view.page = Math.min(view.page, pages - 1);
  const shown = view.rows.slice(view.page * PAGE, (view.page + 1) * PAGE);
  for (const row of [...view.open.keys()]) if (!shown.includes(row)) shut(row);
  const nodes = [];
  for (const row of shown) {
    nodes.push(rowOf(row, measure));
    if (view.open.has(row)) nodes.push(view.open.get(row).node);
  }
  body.replaceChildren(...nodes);
  const all = match().rows.length;
  $("#count").textContent = (total === all ? "" : total.toLocaleString("en") + " of ") + all.toLocaleString("en") + (all === 1 ? " prompt" : " prompts");
  $("#clear").hidden = total === all;
  $("#none").hidden = total > 0;
  list.hidden = total === 0;
  $("#pager").hidden = pages < 2;
  $("#page").textContent = (view.page * PAGE + 1).toLocaleString("en") + "\u2013" + Math.min(total, (view.page + 1) * PAGE).toLocaleString("en") + " of " + total.toLocaleString("en");
  $("#prev").disabled = view.page === 0;
  $("#next").disabled = view.page >= pages - 1;
}

function difference(measure, amount) {
  const suffix = measure.suffix.trim() === "%" ? "\u00a0points" : measure.suffix;
  const text = show({ digits: measure.digits, suffix }, amount);
  return amount > 0 ? "+" + text : text;
}

function rowOf(row, measure) {
  const prompt = data.prompts[match().rows[row].p];
  const open = view.open.has(row);
  const button = el("button", { class: "open", type: "button", "aria-expanded": String(open) },
    el("b", {}, prompt.p), el("span", { class: "sub", dir: "auto" }, prompt.d.slice(0, 300)));
  const cells = [el("td", { class: "title" }, button), el("td", {}, data.languages[prompt.l])];
  if (measure) {
    const [ours, theirs] = valuesOf(view.metric).map((column) => column[row]);
    const cell = (label, value) => el("td", { class: "value" + (value === null ? " none" : ""), "data-label": label }, value === null ? "\u2014" : show(measure, value));
    cells.push(cell("candidate", ours), cell("opponent", theirs));
    const loss = lossOf(view.metric, row);
    cells.push(el("td", { class: "value", "data-label": "" }, el("span", { class: "move" }, loss === null ? "\u2014" : difference(measure, ours - theirs))));
    cells.push(el("td", { class: "pull" }, loss === null || !view.widest ? null : pull(measure, loss)));
  }
  return el("tr", { class: "song " + (measure ? toneOf(view.metric, row) : "same") + (open ? " on" : ""), "data-i": row }, ...cells);
}

// Right is better, as in every plot of this page.
function pull(measure, loss) {
  const share = (50 * (measure.sign ? -loss : loss)) / view.widest;
  return svg("svg", { "aria-hidden": "true" }, svg("line", { x1: "50%", x2: "50%", y1: "0", y2: "100%" }),
    svg("rect", { x: Math.min(50, 50 + share) + "%", width: Math.abs(share) + "%", y: "1", height: "8", rx: "1" }));
}

function detailRow(row) {
  const entry = { node: null, songs: [], seats: [], take: 0 };
  const cell = el("td", { colspan: 6 });
  entry.node = el("tr", { class: "detail", "data-i": row }, cell);
  view.open.set(row, entry);
  fillDetail(row, entry, cell);
  return entry.node;
}

function fillDetail(row, entry, cell) {
  for (const index of entry.songs) if (players.has(index)) players.get(index).close();
  const pair = match().rows[row];
  const prompt = data.prompts[pair.p];
  const sides = pair.x ? [["b", pair.b], ["c", pair.c]] : [["c", pair.c], ["b", pair.b]];
  const takes = Math.min(pair.b.length, pair.c.length);
  entry.songs = [];
  entry.seats = sides.map(([side, found], k) => seat("AB"[k], side, found[Math.min(entry.take, found.length - 1)], entry));
  const hidden = !known.has(duel + ":" + row);
  const duo = el("div", { class: "duo" + (hidden ? " blind" : "") }, ...entry.seats.map((one) => one.node));
  const choice = takes < 2 ? null : el("div", { class: "switch", role: "group", "aria-label": "Take" }, ...Array.from({ length: takes }, (_, k) =>
    el("button", { type: "button", "aria-pressed": String(k === entry.take), onclick: () => { entry.take = k; fillDetail(row, entry, cell); drawPlayers(entry); } }, "take " + (k + 1))));
  cell.replaceChildren(duo, askOf(row, entry, duo, pair, choice), el("div", { class: "below" }, lyricsOf(prompt), sideOf(row)));
  if (!hidden) unmask(row, entry, duo);
}

function seat(letter, side, index, entry) {
  const name = el("span", {});
  const node = el("div", { class: "seat", "data-seat": letter }, el("h4", {}, letter, name));
  if (index === undefined) node.append(el("p", { class: "state" }, "There is no song for this prompt."));
  else if (songs[index].x !== undefined) node.append(el("p", { class: "state" }, "This song failed: " + songs[index].x));
  else if (!songs[index].a.some(([, link]) => link)) node.append(el("p", { class: "state" }, "The audio of this song is not there."));
  else {
    const player = makePlayer(index, detailOf(index));
    $(".play", player.root).setAttribute("aria-label", "Play " + letter);
    node.append(player.root);
    entry.songs.push(index);
  }
  return { node, name, side, index };
}

function askOf(row, entry, duo, pair, choice) {
  const key = duel + ":" + row;
  const options = [["A", entry.seats[0].side], ["=", "="], ["B", entry.seats[1].side]];
  const words = { A: "A is better", "=": "No preference", B: "B is better" };
  const buttons = options.map(([letter, side]) => el("button", { type: "button", "aria-pressed": String(votes.get(key) === side), onclick: () => {
    votes.set(key, side);
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(options[k][1] === side)));
    unmask(row, entry, duo);
    countVotes();
  } }, words[letter]));
  const ask = el("button", { class: "link", type: "button", onclick: () => { unmask(row, entry, duo); ask.hidden = true; } }, "Show which is which");
  ask.hidden = known.has(key);
  return el("div", { class: "ask" }, ...(entry.songs.length > 1 ? buttons : []), ask, choice);
}

function unmask(row, entry, duo) {
  known.add(duel + ":" + row);
  duo.classList.remove("blind");
  const prompt = data.prompts[match().rows[row].p];
  for (const one of entry.seats) {
    const ours = one.side === "c";
    one.node.classList.add(ours ? "s0" : "s1");
    const report = ours ? data.report : match().report;
    const link = report && one.index !== undefined ? report + "#song=" + encodeURIComponent((ours ? data.system : match().system) + "/" + prompt.p + ".take" + songs[one.index].k) : null;
    one.name.replaceChildren((ours ? "candidate, " + data.candidate : "opponent, " + match().name) + " ", link ? el("a", { href: link }, "in its report") : "");
  }
  const ask = $(".ask .link", entry.node || document);
  if (ask) ask.hidden = true;
}

function countVotes() {
  const tally = { c: 0, b: 0, "=": 0 };
  for (const [key, side] of votes) if (key.startsWith(duel + ":")) tally[side]++;
  const total = tally.c + tally.b + tally["="];
  $("#votes").textContent = total ? "Your votes: candidate " + tally.c + ", opponent " + tally.b + ", no preference " + tally["="] : "";
}

function lyricsOf(prompt) {
  const parts = prompt.y.map(([label, lines]) => el("div", { class: "part" }, el("h4", {}, el("span", {}, label)), ...lines.map((line) => el("p", { class: "line", dir: "auto" }, line))));
  return el("div", { class: "lyrics plainlyrics" }, ...(parts.length ? parts : [el("p", { class: "muted" }, "No lyrics are recorded.")]));
}

function sideOf(row) {
  const prompt = data.prompts[match().rows[row].p];
  const lines = match().measures.map((measure, m) => {
    const [ours, theirs] = valuesOf(m).map((column) => column[row]);
    if (ours === null && theirs === null) return null;
    const text = (value) => (value === null ? "\u2014" : show(measure, value));
    return el("tr", {}, el("th", { scope: "row" }, measure.title + (measure.distance ? ", off range" : "")), el("td", { class: "num" }, text(ours)), el("td", { class: "num" }, text(theirs)));
  }).filter(Boolean);
  const table = (rows) => el("table", {}, el("thead", {}, el("tr", {}, el("th", {}), el("th", { class: "num" }, "Candidate"), el("th", { class: "num" }, "Opponent"))), el("tbody", {}, ...rows));
  const first = lines.slice(0, 10);
  return el("aside", { class: "side" }, el("h4", {}, "Asked for"), el("p", { dir: "auto" }, prompt.d || "\u2014"),
    lines.length ? el("h4", {}, "Values of this prompt") : null, lines.length ? table(first) : null,
    lines.length > 10 ? el("details", {}, el("summary", {}, lines.length - 10 + " more"), table(lines.slice(10))) : null);
}

function drawPlayers(entry) {
  for (const index of entry.songs) players.get(index).draw();
}

function shut(row) {
  const entry = view.open.get(row);
  if (!entry) return;
  for (const index of entry.songs) if (players.has(index)) players.get(index).close();
  view.open.delete(row);
}

function toggleRow(row, open = !view.open.has(row)) {
  const node = $('tr.song[data-i="' + row + '"]', body);
  if (!node || open === view.open.has(row)) return;
  node.classList.toggle("on", open);
  $(".open", node).setAttribute("aria-expanded", String(open));
  if (open) { node.after(detailRow(row)); drawPlayers(view.open.get(row)); }
  else { node.nextSibling.remove(); shut(row); }
}

function openPrompt(row, m) {
  if (m !== undefined && m !== view.metric) { view.metric = m; $("#f-metric").value = String(m); render(true); }
  if (!view.rows.includes(row)) clearFilters();
  const page = Math.floor(view.rows.indexOf(row) / PAGE);
  if (page !== view.page) { view.page = page; drawPage(); }
  toggleRow(row, true);
  const node = $('tr.song[data-i="' + row + '"]', body);
  node.scrollIntoView({ block: "start" });
  $(".open", node).focus({ preventScroll: true });
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
  const node = event.target.closest("tr.song");
  if (!node) return;
  const row = Number(node.dataset.i);
  toggleRow(row);
  if (view.open.has(row)) history.replaceState(null, "", "#prompt=" + encodeURIComponent(data.prompts[match().rows[row].p].p));
});
let typing = 0;
for (const input of Object.values(inputs)) {
  if (input) input.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => render(true), input.type === "search" ? 120 : 0); });
}
$("#tools").addEventListener("submit", (event) => event.preventDefault());
$("#f-metric").addEventListener("change", (event) => { view.metric = Number(event.target.value); render(true); });
$("#f-order").addEventListener("change", (event) => { view.order = event.target.value; render(true); });
$("#clear").addEventListener("click", clearFilters);
$("#prev").addEventListener("click", () => turn(-1));
$("#next").addEventListener("click", () => turn(1));
