// One player a song: the mix and its stems share the position; the picture is also the seek bar.
const players = new Map();
let current = null;

const MAPS = {
  light: [[255, 255, 255], [226, 232, 245], [150, 174, 224], [66, 98, 190], [24, 30, 82]],
  dark: [[25, 27, 31], [38, 40, 92], [112, 62, 140], [222, 116, 96], [255, 226, 160]],
};

const probe = el("span", { hidden: true });
document.body.append(probe);

function tone(name) {
  probe.style.color = "var(" + name + ")";
  return getComputedStyle(probe).color;
}

function colours() {
  const stops = MAPS[theme()];
  const table = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    // The lowest 20 of 80 dB are the noise of the picture.
    const at = Math.min(1, Math.max(0, (i / 255 - 0.25) / 0.75)) ** 1.25 * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) table[3 * i + c] = stops[k][c] + (stops[k + 1][c] - stops[k][c]) * (at - k);
  }
  return table;
}

function makePlayer(index, detail) {
  const song = songs[index];
  const tracks = song.a.map(([label, link], k) => ({ label, link: (detail && detail.audio && detail.audio[k]) || link }));
  const overview = detail && detail.overview;
  const state = { index, tracks, track: 0, audio: null, marks: [], onTime: null, wanted: null };
  const first = tracks.findIndex((track) => track.link);
  state.track = Math.max(0, first);
  const play = el("button", { class: "play", type: "button", "aria-label": "Play", disabled: first < 0 }, icon());
  const now = el("b", {}, "0:00");
  const length = el("span", {}, overview ? clock(overview.duration_s) : song.n);
  const file = el("a", { class: "file", download: true, hidden: first < 0 }, "Audio file");
  const buttons = tracks.map((track, k) =>
    el("button", { type: "button", "aria-pressed": "false", disabled: !track.link, title: track.link ? null : "This file is not there",
      onclick: () => choose(k) }, track.label));
  const canvas = overview ? el("canvas", { role: "presentation" }) : null;
  const head = el("div", { class: "head", hidden: true });
  const past = el("div", { class: "past" });
  const track = el("div", { class: "track" + (canvas ? "" : " bare"), role: "slider", tabindex: first < 0 ? null : "0", "aria-label": "Position",
    "aria-valuemin": "0", "aria-valuenow": "0", "aria-valuetext": "0:00" }, canvas || past, head);
  const root = el("div", { class: "player" },
    el("div", { class: "controls" }, play, el("span", { class: "time" }, now, " / ", length),
      buttons.length > 1 ? el("div", { class: "switch", role: "group", "aria-label": "Mix or stem" }, ...buttons) : null, file),
    track);
  state.root = root;

  function duration() {
    const known = state.audio && Number.isFinite(state.audio.duration) ? state.audio.duration : 0;
    return known || (overview && overview.duration_s) || 0;
  }

  function element() {
    if (state.audio) return state.audio;
    const audio = el("audio", { preload: "metadata" });
    state.audio = audio;
    for (const name of ["timeupdate", "seeked", "loadedmetadata"]) audio.addEventListener(name, paint);
    audio.addEventListener("play", () => { root.classList.add("playing"); play.setAttribute("aria-label", "Pause"); tick(); });
    audio.addEventListener("pause", () => { root.classList.remove("playing"); play.setAttribute("aria-label", "Play"); });
    audio.addEventListener("error", () => {
      if (!audio.getAttribute("src") || root.querySelector(".state")) return;
      root.append(el("p", { class: "state" }, "The audio file cannot be played. It is expected beside this report, in the folder audio."));
    });
    root.append(audio);
    load();
    return audio;
  }

  function load() {
    const link = tracks[state.track].link;
    state.audio.setAttribute("src", link);
    mark();
  }

  function mark() {
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === state.track)));
    if (tracks[state.track] && tracks[state.track].link) file.setAttribute("href", tracks[state.track].link);
  }

  function choose(k) {
    if (k === state.track || !tracks[k].link) return;
    const audio = element();
    const at = state.wanted === null ? audio.currentTime : state.wanted;
    const playing = !audio.paused;
    state.track = k;
    load();
    seek(at);
    if (playing) start();
  }

  function seek(seconds) {
    if (first < 0) return;
    const audio = element();
    const at = Math.max(0, Math.min(seconds, duration() ? duration() - 0.01 : seconds));
    if (audio.readyState > 0) { audio.currentTime = at; paint(); return; }
    const waiting = state.wanted !== null;
    state.wanted = at;
    if (!waiting) audio.addEventListener("loadedmetadata", () => { audio.currentTime = state.wanted; state.wanted = null; paint(); }, { once: true });
    audio.load();
  }

  function start() {
    if (first < 0) return;
    for (const other of players.values()) if (other !== state && other.audio) other.audio.pause();
    current = state;
    element().play().catch(() => {});
  }

  function toggle() {
    if (state.audio && !state.audio.paused) state.audio.pause();
    else start();
  }

  function tick() {
    paint();
    if (state.audio && !state.audio.paused) requestAnimationFrame(tick);
  }

  function paint() {
    const at = state.wanted === null ? state.audio.currentTime : state.wanted;
    const share = duration() ? Math.min(1, at / duration()) * 100 : 0;
    head.hidden = false;
    head.style.left = share + "%";
    past.style.width = share + "%";
    now.textContent = clock(at);
    track.setAttribute("aria-valuemax", String(Math.round(duration())));
    track.setAttribute("aria-valuenow", String(Math.round(at)));
    track.setAttribute("aria-valuetext", clock(at));
    if (duration()) length.textContent = clock(duration());
    if (state.onTime) state.onTime(at);
  }

  function toPointer(event) {
    const box = track.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * duration());
  }

  play.addEventListener("click", toggle);
  track.addEventListener("pointerdown", (event) => {
    if (first < 0 || event.button !== 0) return;
    element();
    current = state;
    toPointer(event);
    const move = (moved) => toPointer(moved);
    track.addEventListener("pointermove", move);
    track.setPointerCapture(event.pointerId);
    const stop = () => track.removeEventListener("pointermove", move);
    track.addEventListener("pointerup", stop, { once: true });
    track.addEventListener("pointercancel", stop, { once: true });
  });

  mark();
  Object.assign(state, { seek, start, toggle, duration, draw: () => canvas && draw(canvas, overview, state.marks),
    position: () => (state.audio ? (state.wanted === null ? state.audio.currentTime : state.wanted) : 0),
    close: () => { if (state.audio) { state.audio.pause(); state.audio.removeAttribute("src"); } watcher.unobserve(root); players.delete(index);
      if (current === state) current = null; } });
  players.set(index, state);
  root.player = state;
  watcher.observe(root);
  return state;
}

function icon() {
  return svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { class: "go", d: "M4 2.2v11.6L13.5 8z" }), svg("path", { class: "pause", d: "M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z" }));
}

// Pictures are drawn when they come into view, and again when their size or the theme changes.
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) entry.target.player.draw();
}, { rootMargin: "200px" });

function redraw() {
  for (const player of players.values()) player.draw();
}

addEventListener("themechange", redraw);
let resizing = 0;
addEventListener("resize", () => { cancelAnimationFrame(resizing); resizing = requestAnimationFrame(redraw); });

const WAVE = 46;
const GAP = 4;
const LANE = 14;

function draw(canvas, overview, marks) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width || !height) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  ctx.fillStyle = tone("--sheet");
  ctx.fillRect(0, 0, width, height);
  drawWave(ctx, bytesOf(overview.peaks), width, tone("--soft"));
  const lane = marks.length ? LANE : 0;
  if (overview.spectrogram) drawSpectrogram(ctx, overview.spectrogram, width, WAVE + GAP, height - WAVE - GAP - lane);
  drawMarks(ctx, marks, width / (overview.duration_s || 1), height);
}

function drawWave(ctx, peaks, width, colour) {
  ctx.fillStyle = colour;
  const step = width / peaks.length;
  for (let i = 0; i < peaks.length; i++) {
    const h = Math.max(1, (peaks[i] / 255) * WAVE);
    ctx.fillRect(i * step, (WAVE - h) / 2, Math.max(0.6, step - 0.5), h);
  }
}

function drawSpectrogram(ctx, spectrogram, width, top, height) {
  const { n_frames: frames, n_mels: mels } = spectrogram;
  const levels = bytesOf(spectrogram.data);
  const table = colours();
  const small = document.createElement("canvas");
  small.width = frames;
  small.height = mels;
  const image = new ImageData(frames, mels);
  for (let x = 0; x < frames; x++) {
    for (let y = 0; y < mels; y++) {
      const level = levels[x * mels + y];
      const at = 4 * ((mels - 1 - y) * frames + x);
      image.data[at] = table[3 * level];
      image.data[at + 1] = table[3 * level + 1];
      image.data[at + 2] = table[3 * level + 2];
      image.data[at + 3] = 255;
    }
  }
  small.getContext("2d").putImageData(image, 0, 0);
  ctx.imageSmoothingEnabled = true;
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(small, 0, top, width, height);
}

// Where in time the words went wrong: a bar for a wrong word, an open box for a missing one, a cross for an added one.
function drawMarks(ctx, marks, perSecond, height) {
  const top = height - LANE + 3;
  const size = LANE - 6;
  ctx.lineWidth = 1.4;
  for (const [op, at] of marks) {
    const x = Math.round(at * perSecond) + 0.5;
    ctx.strokeStyle = ctx.fillStyle = tone(op === "s" ? "--sub" : op === "d" ? "--del" : "--ins");
    if (op === "s") ctx.fillRect(x - 1.2, top, 2.4, size);
    else if (op === "d") ctx.strokeRect(x - 2.5, top + 1.5, 5, size - 3);
    else { ctx.beginPath(); ctx.moveTo(x - 3, top + size / 2); ctx.lineTo(x + 3, top + size / 2); ctx.moveTo(x, top + 1); ctx.lineTo(x, top + size - 1); ctx.stroke(); }
  }
}
