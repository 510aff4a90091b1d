// Every prompt as a dot: opponent across, candidate up; the diagonal is a tie. Drawn when its metric is opened.
let duel = 0;
const clouds = new Map();

function valuesOf(m) {
  return data.duels[duel].values[m];
}

// Positive is worse for the candidate; null if a side is missing.
function lossOf(m, row) {
  const [ours, theirs] = valuesOf(m);
  if (ours[row] === null || theirs[row] === null) return null;
  return (ours[row] - theirs[row]) * (data.duels[duel].measures[m].sign || 1);
}

function toneOf(m, row) {
  const loss = lossOf(m, row);
  if (!loss) return "same";
  if (!data.duels[duel].measures[m].sign) return "different";
  return loss > 0 ? "worse" : "better";
}

function makeCloud(box, m) {
  const [ours, theirs] = valuesOf(m);
  const points = data.duels[duel].rows.map((_, row) => row).filter((row) => ours[row] !== null && theirs[row] !== null);
  if (!points.length) return;
  box.hidden = false;
  const canvas = el("canvas", { role: "img", "aria-label": "Prompts as dots: opponent across, candidate up" });
  const text = el("p", { class: "fine point" }, "Point at a dot for its prompt; click to hear it.");
  const counts = { better: 0, worse: 0, same: 0, different: 0 };
  for (const row of points) counts[toneOf(m, row)]++;
  const measure = data.duels[duel].measures[m];
  const told = measure.sign ? counts.better + " prompts better, " + counts.worse + " worse, " + counts.same + " equal." : counts.different + " prompts differ, " + counts.same + " are equal.";
  box.replaceChildren(canvas, el("div", {},
    el("p", {}, told),
    el("p", { class: "fine" }, "Across: opponent. Up: candidate. On the line both are equal" + (measure.sign > 0 ? "; below it the candidate is better." : measure.sign < 0 ? "; above it the candidate is better." : ".") + (measure.distance ? " Values are distances from the wanted range." : "")),
    text));
  let low = Infinity;
  let high = -Infinity;
  for (const row of points) {
    low = Math.min(low, ours[row], theirs[row]);
    high = Math.max(high, ours[row], theirs[row]);
  }
  if (high - low < 1e-12) { low -= 1; high += 1; }
  const pad = (high - low) * 0.05;
  const cloud = { canvas, points, low: low - pad, high: high + pad, m, at: duel, ends: [low, high] };
  const place = (value) => ((value - cloud.low) / (cloud.high - cloud.low)) * canvas.clientWidth;
  const nearest = (event) => {
    const edge = canvas.getBoundingClientRect();
    const x = event.clientX - edge.left;
    const y = canvas.clientWidth - (event.clientY - edge.top);
    let best = null;
    let least = 18 * 18;
    for (const row of points) {
      const d = (place(theirs[row]) - x) ** 2 + (place(ours[row]) - y) ** 2;
      if (d < least) { least = d; best = row; }
    }
    return best;
  };
  canvas.addEventListener("pointermove", (event) => {
    const row = nearest(event);
    drawCloud(cloud, row);
    if (row === null) return;
    const prompt = data.prompts[data.duels[duel].rows[row].p];
    text.replaceChildren(el("b", {}, prompt.p), el("br"), "candidate " + show(measure, ours[row]) + ", opponent " + show(measure, theirs[row]));
  });
  canvas.addEventListener("pointerleave", () => drawCloud(cloud, null));
  canvas.addEventListener("click", (event) => {
    const row = nearest(event);
    if (row !== null) openPrompt(row, m);
  });
  clouds.set(box, cloud);
  drawCloud(cloud, null);
}

function drawCloud(cloud, marked) {
  const { canvas, points, m } = cloud;
  const ratio = Math.min(2, devicePixelRatio || 1);
  const size = canvas.clientWidth;
  if (!size) return;
  canvas.width = canvas.height = Math.round(size * ratio);
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  const place = (value) => ((value - cloud.low) / (cloud.high - cloud.low)) * size;
  ctx.strokeStyle = tone("--edge");
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(0, size);
  ctx.lineTo(size, 0);
  ctx.stroke();
  const [ours, theirs] = valuesOf(m);
  const inks = { better: tone("--ins"), worse: tone("--del"), same: tone("--soft"), different: tone("--accent") };
  const radius = points.length > 2000 ? 1.6 : points.length > 300 ? 2.4 : 3.6;
  ctx.globalAlpha = points.length > 2000 ? 0.45 : 0.7;
  for (const row of points) {
    ctx.fillStyle = inks[toneOf(m, row)];
    ctx.beginPath();
    ctx.arc(place(theirs[row]), size - place(ours[row]), radius, 0, 7);
    ctx.fill();
  }
  ctx.globalAlpha = 1;
  ctx.fillStyle = tone("--soft");
  ctx.font = "11px system-ui, sans-serif";
  const measure = data.duels[duel].measures[m];
  ctx.textAlign = "left";
  ctx.fillText(show(measure, cloud.ends[0]), 6, size - 6);
  ctx.textAlign = "right";
  ctx.fillText(show(measure, cloud.ends[1]), size - 6, 14);
  if (marked !== null) {
    ctx.strokeStyle = tone("--ink");
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.arc(place(theirs[marked]), size - place(ours[marked]), radius + 4, 0, 7);
    ctx.stroke();
  }
}
