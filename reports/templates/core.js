// Small helpers. Data becomes text nodes and attributes only; no string from a run is ever parsed as markup.
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
