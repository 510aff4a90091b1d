// Opponents as tabs, metrics by verdict, keys and links; then the first drawing.
function chooseDuel(index) {
  for (const row of [...view.open.keys()]) shut(row);
  duel = index;
  for (const node of $$(".duel")) node.hidden = Number(node.dataset.duel) !== duel;
  for (const tab of $$(".rivals button")) tab.setAttribute("aria-selected", String(Number(tab.dataset.duel) === duel));
  const measures = match().measures;
  const before = $("#f-metric").value && $("#f-metric").selectedOptions[0].textContent;
  $("#f-metric").replaceChildren(...measures.map((measure, m) => el("option", { value: m }, measure.title)));
  const kept = measures.findIndex((measure) => measure.title === before);
  const first = measures.findIndex((measure) => measure.headline);
  view.metric = kept >= 0 ? kept : Math.max(0, first);
  $("#f-metric").value = String(view.metric);
  countVotes();
  render(true);
  for (const details of $$(".duel:not([hidden]) details.metric[open]")) openMetric(details);
}

function openMetric(details) {
  const box = $(".cloud", details);
  if (details.open && !clouds.has(box)) makeCloud(box, Number(details.dataset.m));
}

for (const details of $$("details.metric")) details.addEventListener("toggle", () => openMetric(details));
for (const tab of $$(".rivals button")) tab.addEventListener("click", () => chooseDuel(Number(tab.dataset.duel)));
for (const group of $$(".choose")) {
  group.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    for (const other of $$("button", group)) other.setAttribute("aria-pressed", String(other === button));
    for (const box of $$(".forest", group.parentNode)) {
      for (const metric of $$(".metric", box)) metric.hidden = Boolean(button.dataset.tone) && metric.dataset.tone !== button.dataset.tone;
      box.hidden = !$(".metric:not([hidden])", box);
    }
  });
}

function redrawClouds() {
  for (const cloud of clouds.values()) if (cloud.at === duel) drawCloud(cloud, null);
}
addEventListener("themechange", redrawClouds);
addEventListener("resize", () => requestAnimationFrame(redrawClouds));

// The seat that is heard, and the other one of its row.
function switchTo(letter) {
  const row = (current && current.root.closest("tr.detail")) || $("tr.detail", body);
  const wanted = row && $('.seat[data-seat="' + letter + '"] .player', row);
  if (!wanted) return;
  const next = wanted.player;
  if (current && current !== next && current.root.closest("tr.detail") === row && current.position()) next.seek(current.position());
  next.start();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target.closest("input, select, textarea")) { if (event.key === "Escape") target.blur(); return; }
  if (event.key === "/") { $("#f-text").focus(); event.preventDefault(); return; }
  if (event.key === "a" || event.key === "b") { switchTo(event.key.toUpperCase()); return; }
  const slider = target.closest(".track");
  const player = slider ? slider.parentNode.player : current;
  if (event.key === " " && player && !target.closest("button, summary, a")) { player.toggle(); event.preventDefault(); return; }
  if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && player && !target.closest(".scroll")) {
    player.seek(player.position() + (event.key === "ArrowRight" ? 2 : -2));
    event.preventDefault();
  }
});

function followLink() {
  const found = /^#prompt=(.+)$/.exec(location.hash);
  if (!found) return false;
  let id;
  try { id = decodeURIComponent(found[1]); } catch { return false; }
  const row = match().rows.findIndex((pair) => data.prompts[pair.p].p === id);
  if (row >= 0) openPrompt(row);
  return row >= 0;
}
addEventListener("hashchange", followLink);
addEventListener("beforeprint", () => { for (const details of $$("details.box")) details.open = true; });

chooseDuel(0);
if (!followLink() && view.rows.length) toggleRow(view.rows[0], true);
