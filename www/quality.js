// The panel that says how well a call does: loaded when somebody opens it. It owns the last two minutes and what is drawn
// of them; what the numbers are is in quality_numbers.js. The page's program is asked by the dialog's event `ask`, and
// answers with `told`.

import { read } from "./quality_numbers.js";

const EACH_MS = 1000;
const SECONDS = 120;
const SVG = "http://www.w3.org/2000/svg";

const dialog = document.getElementById("quality");
const body = document.getElementById("quality-body");
const news = document.getElementById("quality-news");

let say;
let panel = null;
let timer = null;
// Of each second, the newest last.
let history = [];
let connection = null;
let before = null;
let latest = null;

export async function open(words) {
  say = words;
  await styled();
  panel ??= build();
  news.textContent = "";
  dialog.showModal();
  document.getElementById("quality-title").focus();
  timer ??= setInterval(ask, EACH_MS);
  ask();
}

const ask = () => dialog.dispatchEvent(new Event("ask"));

// Out of the room there is nothing to show, and what was is of another call.
function forget() {
  clearInterval(timer);
  [timer, history, connection, before, latest] = [null, [], null, null, null];
  dialog.close();
}

async function note({ detail: insight }) {
  if (!insight.room) return forget();
  if (!insight.connection) return;
  const report = await insight.connection.getStats();
  if (timer === null) return;
  // Another one counts anew.
  latest = read(report, insight.connection === connection ? before : null, insight);
  [connection, before] = [insight.connection, report];
  history.push({ at: Date.now(), ...latest.all });
  history = history.filter(({ at }) => at > Date.now() - SECONDS * 1000);
  if (dialog.open) show();
}

// What is seen.

function build() {
  dialog.addEventListener("told", note);
  document.getElementById("quality-copy").addEventListener("click", copy);
  const summary = element("dl", { className: "quality-summary" });
  const charts = element("div", { className: "quality-charts" });
  const rates = chart(say("Bitrate"), [["received", say("Received")], ["sent", say("Sent")]], rate);
  const trips = chart(say("Round trip"), [["roundTrip", say("To the server and back")]], trip);
  charts.append(rates.figure, trips.figure);
  // On a phone its rows are no table to the browser any more; to who hears them they are.
  const table = element("table", { role: "table" });
  const head = element("tr");
  const columns = [
    say("Who"), say("Bitrate"), say("Size"), say("Frames"), say("Loss"), say("Round trip"), say("Codec"), say("Layer"), say("What limits it"),
  ];
  for (const text of columns) head.append(element("th", { textContent: text, scope: "col" }));
  const rows = element("tbody", { id: "quality-rows", role: "rowgroup" });
  table.append(element("caption", { textContent: say("What everybody sends and what comes"), className: "visually-hidden" }), element("thead"), rows);
  table.tHead.append(head);
  const scroll = element("div", { className: "quality-table", tabIndex: 0, role: "region" });
  scroll.ariaLabel = say("What everybody sends and what comes");
  scroll.append(table);
  body.append(summary, charts, scroll);
  return { summary, charts: [rates, trips], rows, columns };
}

function show() {
  facts();
  for (const it of panel.charts) it.draw();
  const known = new Map([...panel.rows.children].map((row) => [row.dataset.publication, row]));
  for (const it of latest.rows) {
    const row = known.get(it.id) ?? line(it.id);
    known.delete(it.id);
    cells(it).forEach((text, at) => put(row.cells[at], text));
    panel.rows.append(row);
  }
  for (const gone of known.values()) gone.remove();
}

function facts() {
  const { all } = latest;
  const wanted = [
    [say("Your way carries"), rate(all.carries)],
    [say("Could be sent"), rate(all.available)],
    [say("Loss"), share(all.loss)],
    [say("Round trip"), trip(all.roundTrip)],
    [say("Path"), all.path ? `${all.path.protocol.toUpperCase()}${all.path.kind === "relay" ? `, ${say("over a relay")}` : ""}` : "–"],
  ];
  wanted.forEach(([name, value], at) => {
    const fact = panel.summary.children[at] ?? panel.summary.appendChild(element("div"));
    if (!fact.firstChild) fact.append(element("dt"), element("dd"));
    put(fact.firstChild, name);
    put(fact.lastChild, value);
  });
}

function line(id) {
  const row = element("tr", { role: "row" });
  row.dataset.publication = id;
  panel.columns.forEach((name, at) => {
    const cell = at === 0 ? element("th", { role: "rowheader", scope: "row", dir: "auto" }) : element("td", { role: "cell" });
    // On a phone a row is a card, and says what its numbers are.
    cell.dataset.name = name;
    row.append(cell);
  });
  return row;
}

function cells(it) {
  const layer = it.layer === null ? layers(it) : [say("full"), say("half"), say("quarter")][it.layer] ?? `${it.layer}`;
  return [
    `${it.isOwn ? say("You") : it.name ?? say("Guest")} · ${source(it.source)}`,
    rate(it.bitrate),
    it.size ? it.size.join(" × ") : "–",
    it.framesPerSecond === null ? "–" : number(it.framesPerSecond),
    share(it.loss),
    trip(it.roundTrip),
    it.codec ?? "–",
    layer,
    why(it.why),
  ];
}

const layers = ({ isOwn, layers }) => (isOwn && layers > 1 ? `${layers}` : "–");

const source = (name) => ({
  camera: say("Camera"),
  microphone: say("Microphone"),
  screen: say("Screen"),
  screenAudio: say("Sound of the screen"),
})[name] ?? name;

const why = (code) => ({
  muted: say("muted"),
  paused: say("not looked at"),
  unseen: say("not looked at"),
  bandwidth: say("Your connection is weak"),
  download: say("Your connection is weak"),
  upload: say("Their connection is weak"),
  interrupted: say("Nothing comes from them at the moment"),
  noPublisher: say("Nothing comes from them at the moment"),
  codec: say("This browser cannot play the video codec that they send."),
  notAllowed: say("You may not see this: your token does not let you."),
  cpu: say("This device is busy"),
})[code] ?? "–";

// A curve each for some of the numbers, told apart by their dashes as well.
function chart(title, curves, write) {
  const figure = element("figure");
  const caption = element("figcaption");
  const name = element("b", { textContent: title });
  caption.append(name);
  const picture = drawing("svg", { viewBox: `0 0 ${SECONDS} 40`, preserveAspectRatio: "none", role: "img" });
  for (const y of [0.5, 20, 39.5]) picture.append(drawing("line", { class: "grid", x1: 0, x2: SECONDS, y1: y, y2: y }));
  const lines = curves.map(([key, text], at) => {
    const path = drawing("path", { class: `curve curve-${at}` });
    const legend = element("span", { className: `legend legend-${at}` });
    picture.append(path);
    caption.append(legend);
    return { key, text, path, legend };
  });
  const top = element("span", { className: "top" });
  const times = element("p", { className: "times" });
  times.append(element("span", { textContent: say("two minutes ago") }), element("span", { textContent: say("now") }));
  figure.append(caption, top, picture, times);
  const draw = () => {
    const most = ceiling(Math.max(...history.flatMap((it) => curves.map(([key]) => it[key] ?? 0))));
    put(top, write(most));
    for (const { key, text, path, legend } of lines) {
      put(legend, `${text} ${write(history.at(-1)[key])}`);
      path.setAttribute("d", curve(key, most));
    }
    picture.setAttribute("aria-label", [title, ...curves.map(([key, text]) => `${text}: ${range(key, write)}`)].join(". "));
  };
  return { figure, draw };
}

// A step where a second is missing.
function curve(key, most) {
  const now = Date.now();
  let last = null;
  return history.map((it) => {
    if (it[key] === null) return (last = null, "");
    const [x, y] = [SECONDS - (now - it.at) / 1000, 39.5 - (it[key] / most) * 39];
    const pen = last !== null && it.at - last < 3 * EACH_MS ? "L" : "M";
    last = it.at;
    return `${pen}${x.toFixed(2)} ${y.toFixed(2)}`;
  }).join("");
}

// 1, 2 or 5 with noughts: the edge does not move with every number.
function ceiling(number) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(number, 1)));
  return [1, 2, 5, 10].map((it) => it * unit).find((it) => it >= number);
}

function range(key, write) {
  const known = history.map((it) => it[key]).filter((it) => it !== null);
  return known.length > 0 ? `${write(Math.min(...known))} – ${write(Math.max(...known))}` : "–";
}

// The report.

async function copy() {
  try {
    await navigator.clipboard.writeText(report());
    news.textContent = say("The report is copied.");
  } catch {
    news.textContent = say("This browser does not let the page copy.");
  }
}

// In English and plain numbers, for whoever is to find out what was wrong.
function report() {
  const table = (rows) => rows.map((row) => row.map((it) => it ?? "-").join("\t")).join("\n");
  const rows = (latest?.rows ?? []).map((it) => [
    it.isOwn ? "own" : it.name, it.source, it.bitrate?.toFixed(0), it.size?.join("x"), it.framesPerSecond, it.loss?.toFixed(4),
    it.roundTrip?.toFixed(1), it.codec, it.layer, it.why,
  ]);
  const seconds = history.map((it) => [
    new Date(it.at).toISOString(), it.received?.toFixed(0), it.sent?.toFixed(0), it.carries, it.loss?.toFixed(4), it.roundTrip?.toFixed(1),
  ]);
  return [
    `Ferrite call report, ${new Date().toISOString()}`,
    `browser: ${navigator.userAgent}`,
    `path: ${latest?.all.path ? Object.values(latest.all.path).join(" ") : "-"}`,
    "",
    table([["who", "source", "bit/s", "size", "frames/s", "loss", "round trip ms", "codec", "layer", "why"], ...rows]),
    "",
    table([["time", "received bit/s", "sent bit/s", "way carries bit/s", "loss", "round trip ms"], ...seconds]),
  ].join("\n");
}

// Numbers for people.

const number = (value, options) => value.toLocaleString(document.documentElement.lang || undefined, options);

function rate(bits) {
  if (bits === null) return "–";
  if (bits < 1e6) return `${number(bits / 1e3, { maximumFractionDigits: 0 })} kbit/s`;
  return `${number(bits / 1e6, { maximumFractionDigits: 1 })} Mbit/s`;
}

const trip = (milliseconds) => (milliseconds === null ? "–" : `${number(milliseconds, { maximumFractionDigits: 0 })} ms`);

const share = (part) => (part === null ? "–" : number(part, { style: "percent", maximumFractionDigits: 1 }));

// Elements.

const element = (name, members = {}) => Object.assign(document.createElement(name), members);

function drawing(name, attributes) {
  const drawn = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) drawn.setAttribute(key, value);
  return drawn;
}

function put(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function styled() {
  const href = new URL("quality.css", import.meta.url).href;
  if (document.querySelector(`link[href="${href}"]`)) return null;
  return new Promise((resolve, reject) => {
    document.head.append(element("link", { rel: "stylesheet", href, onload: resolve, onerror: reject }));
  });
}
