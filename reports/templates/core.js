// What the page shows, and how numbers, times and bytes are read.
const data = JSON.parse($("#data").textContent);
const songs = data.songs;

function detailOf(index) {
  const found = document.getElementById("d" + index);
  return found ? JSON.parse(found.textContent) : null;
}

// Values come rounded; only the number of decimals is fixed here.
function show(measure, value) {
  let text = Math.abs(value).toFixed(measure.digits);
  if (Math.abs(value) >= 10000) text = text.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return (value < 0 && Number(text) !== 0 ? "\u2212" : "") + text + measure.suffix;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const rest = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? minutes + ":" + rest : Math.floor(minutes / 60) + ":" + String(minutes % 60).padStart(2, "0") + ":" + rest;
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function outside(measure, value) {
  if (measure.direction !== "target" || !measure.good) return 0;
  const [low, high] = measure.good;
  return Math.max(low === null ? 0 : low - value, high === null ? 0 : value - high, 0);
}
