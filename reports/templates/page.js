// Keys, links to songs, printing; then the first drawing.
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target.closest("input, select, textarea")) { if (event.key === "Escape") target.blur(); return; }
  if (event.key === "/") { $("#f-text").focus(); event.preventDefault(); return; }
  const slider = target.closest(".track");
  const player = slider ? slider.parentNode.player : current;
  if (event.key === " " && player && !target.closest("button, summary, a")) { player.toggle(); event.preventDefault(); return; }
  if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && player && !target.closest("button.w, .scroll")) {
    player.seek(player.position() + (event.key === "ArrowRight" ? 2 : -2));
    event.preventDefault();
    return;
  }
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && target.closest("#list")) {
    const buttons = $$("button.open", body);
    const row = target.closest("tr");
    const own = $("button.open", row.classList.contains("detail") ? row.previousSibling : row);
    const next = buttons[buttons.indexOf(own) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) { next.focus(); event.preventDefault(); }
  }
});

function followLink() {
  const match = /^#song=(.+)$/.exec(location.hash);
  if (!match) return false;
  let id;
  try { id = decodeURIComponent(match[1]); } catch { return false; }
  const index = songs.findIndex((song) => song.id === id);
  if (index >= 0) reveal(index);
  return index >= 0;
}

addEventListener("hashchange", followLink);
addEventListener("beforeprint", () => { for (const details of $$("details.box")) details.open = true; });

render(true);
if (!followLink()) {
  const first = view.rows.slice(0, PAGE).find((index) => songs[index].x === undefined);
  if (first !== undefined) toggleSong(first, true);
}
