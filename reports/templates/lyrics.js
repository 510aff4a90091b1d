// The lyric view: what was to be sung, and beneath it what was heard instead.
const OP_TITLES = { h: "heard as written", s: "substituted", d: "missing", i: "added" };

function makeLyrics(song, detail, player) {
  const box = el("div", { class: "lyrics" });
  const transcripts = detail ? detail.transcripts : [];
  if (!transcripts.length) return plainLyrics(box, song, detail);
  const body = el("div", {});
  const buttons = transcripts.map((transcript, k) =>
    el("button", { type: "button", "aria-pressed": "false", title: data.measures[transcript.metric].title, onclick: () => choose(k) }, transcript.label));
  const legend = el("div", { class: "legend" },
    transcripts.length > 1 ? el("div", { class: "switch", role: "group", "aria-label": "Transcript of" }, ...buttons) : el("span", {}, "Transcript of: " + transcripts[0].label),
    el("span", { class: "w s" }, el("span", { class: "ref" }, "written"), el("span", { class: "heard" }, "heard")),
    el("span", { class: "w d" }, el("span", { class: "ref" }, "missing")),
    el("span", { class: "w i" }, el("span", { class: "heard" }, "added")));
  box.append(legend, body);
  let shown = null;

  function choose(k) {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === k)));
    shown = drawTranscript(transcripts[k], song, player);
    body.replaceChildren(shown.node);
    player.marks = shown.marks;
    player.draw();
    player.onTime = shown.follow;
    shown.follow(player.position());
  }
  choose(0);
  return box;
}

function plainLyrics(box, song, detail) {
  const lyrics = detail && detail.lyrics ? detail.lyrics : [];
  if (!detail) box.append(el("p", { class: "state" }, "The lyrics of this song are not in this page: the run is large, and only the worst songs are kept whole."));
  else if (!lyrics.length) box.append(el("p", { class: "muted" }, "This prompt has no lyrics."));
  else box.append(el("p", { class: "muted" }, "No transcript: these are the lyrics as given."));
  box.classList.add("plainlyrics");
  for (const [label, lines] of lyrics) {
    box.append(el("div", { class: "part" }, el("h4", {}, label), ...lines.map((line) => el("p", { class: "line", lang: song.l, dir: "auto" }, line))));
  }
  return box;
}

function drawTranscript(transcript, song, player) {
  const node = el("div", { class: transcript.spaced ? "" : "dense" });
  const words = [];
  const marks = [];
  let last = 0;
  for (const flag of transcript.flags) node.append(el("p", { class: "state" }, "Flagged: " + flag));
  for (const section of transcript.sections) {
    const part = el("div", { class: "part" }, el("h4", {}, el("span", {}, section.label || "lyrics"), el("span", { class: "tally" }, section.counts)));
    for (const line of section.lines) {
      const row = el("p", { class: "line", lang: song.l, dir: "auto" });
      for (const token of line) {
        const [op, , , start] = token;
        // A missing word has no time of its own; it is looked for where the singing had got to.
        if (start !== null) last = start;
        const word = wordOf(token, last, words.length);
        words.push({ node: word, start, end: token[4], at: last });
        if (op !== "h") marks.push([op, last]);
        if (transcript.spaced && row.childNodes.length) row.append(" ");
        row.append(word);
      }
      part.append(row);
    }
    node.append(part);
  }
  if (transcript.decoding) node.append(el("p", { class: "fine" }, "Recogniser: " + transcript.decoding));
  if (transcript.transcript) {
    node.append(el("details", { class: "whole" }, el("summary", {}, "Whole transcript"), el("p", { lang: song.l, dir: "auto" }, transcript.transcript)));
  }
  const timed = words.filter((word) => word.start !== null).sort((a, b) => a.start - b.start);
  let lit = null;

  function follow(at) {
    let low = 0;
    let high = timed.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (timed[middle].start <= at + 0.02) low = middle + 1;
      else high = middle;
    }
    const found = low ? timed[low - 1] : null;
    const next = found && at > 0 && at <= (found.end === null ? found.start + 1 : found.end) + 0.25 ? found.node : null;
    if (next === lit) return;
    if (lit) lit.classList.remove("now");
    if (next) next.classList.add("now");
    lit = next;
  }

  function move(from, step) {
    const to = words[from + step];
    if (!to) return;
    words[from].node.tabIndex = -1;
    to.node.tabIndex = 0;
    to.node.focus();
  }

  node.addEventListener("click", (event) => {
    const word = event.target.closest("button.w");
    if (!word) return;
    player.seek(words[Number(word.dataset.w)].at);
    player.start();
  });
  node.addEventListener("keydown", (event) => {
    const word = event.target.closest("button.w");
    if (!word || (event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return;
    const forward = (event.key === "ArrowRight") !== (getComputedStyle(word.parentNode).direction === "rtl");
    move(Number(word.dataset.w), forward ? 1 : -1);
    event.preventDefault();
    event.stopPropagation();
  });
  if (words.length) words[0].node.tabIndex = 0;
  return { node, marks, follow };
}

function wordOf([op, reference, heard, , , backing], at, place) {
  const parts = [];
  if (op !== "i") parts.push(el("span", { class: "ref" }, reference));
  if (op === "s" || op === "i") parts.push(el("span", { class: "heard" }, heard || reference));
  const title = OP_TITLES[op] + (op === "s" ? ": " + reference + " \u2192 " + heard : "") + " \u00b7 " + clock(at) + (backing ? " \u00b7 backing vocals" : "");
  return el("button", { type: "button", class: "w " + op + (backing ? " backing" : ""), tabindex: "-1", "data-w": place, title }, ...parts);
}
