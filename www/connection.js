// The test of the connection: loaded when somebody asks for it. It owns the table and what is said of it; how a way is tried
// is in connection_ways.js.

import { direct, mapping, nat, relayed, relays } from "./connection_ways.js";

const dialog = document.getElementById("connection");
const body = document.getElementById("connection-body");
const verdict = document.getElementById("connection-verdict");
const again = document.getElementById("connection-again");

let say;
let rows;
let running = [];

export function open(words) {
  if (!say) {
    say = words;
    // It keeps the focus while it waits.
    again.addEventListener("click", () => again.getAttribute("aria-disabled") === "true" || run());
    dialog.addEventListener("close", stop);
  }
  dialog.showModal();
  document.getElementById("connection-title").focus();
  return run();
}

function stop() {
  running.forEach((one) => one.close());
  running = [];
}

async function run() {
  stop();
  const mine = (running = []);
  again.setAttribute("aria-disabled", "true");
  build();
  verdict.dataset.verdict = "";
  verdict.textContent = say("Trying every way to the server…");
  const failed = ({ message }) => ({ kind: "away", sentence: said("browser", message) });
  const results = await tryAll(mine).catch(failed);
  if (mine !== running) return;
  stop();
  again.setAttribute("aria-disabled", "false");
  verdict.dataset.verdict = results.kind;
  verdict.textContent = results.sentence;
}

async function tryAll(mine) {
  const start = (name, id, one) => {
    mine.push(one);
    const row = add(name, id);
    return one.outcome().then((outcome) => (show(row, outcome), { name, ...outcome }));
  };
  const first = direct("udp");
  const udp = start(say("Direct, UDP"), "udp", first);
  const answered = await Promise.race([first.answered, first.outcome()]);
  if (answered !== first) return { kind: "away", sentence: said(answered.error, answered.words) };
  const { iceServers, offered } = first;
  const tcp = start(say("Direct, TCP"), "tcp", direct("tcp"));
  const urls = relays(iceServers, offered);
  const others = urls.map((url) => start(relayName(url), url, relayed(url)));
  if (!urls.some((url) => url.startsWith("turns:"))) {
    show(add(say("Relay, TLS"), "turns"), { error: "none" });
  }
  const mapped = mapping(iceServers, offered);
  mine.push(mapped.one);
  const [byUdp, byTcp, byRelays] = await Promise.all([udp, tcp, Promise.all(others), mapped.one.gathering]);
  const kind = nat(mapped, !byUdp.error);
  natIs(kind);
  return conclusion(byUdp, byTcp, byRelays.filter(({ error }) => !error), offered[0]?.port ?? "");
}

function conclusion(udp, tcp, relays, port) {
  if (!udp.error) return { kind: "good", sentence: say("Calls go directly and by UDP: there is no better way.") };
  if (!tcp.error) {
    return { kind: "fair", sentence: fill(say("UDP does not get through, TCP does: calls work, and stutter where packets get lost. Let UDP port {} out to the server, where that is yours to do."), port) };
  }
  if (relays.length > 0) {
    return { kind: "fair", sentence: fill(say("Nothing gets through directly: calls go by a relay ({}). Let UDP port {} out to the server, where that is yours to do."), relays[0].name, port) };
  }
  return { kind: "bad", sentence: fill(say("Nothing gets through: there is no call from this network. Let UDP or TCP port {} out to the server, or try another network."), port) };
}

// What is seen.

function build() {
  const table = element("table");
  const head = element("tr");
  for (const text of [say("Way"), say("Result"), say("Round trip"), say("From")]) {
    head.append(element("th", { textContent: text, scope: "col" }));
  }
  rows = element("tbody");
  table.append(element("caption", { textContent: say("Ways to the server"), className: "visually-hidden" }), element("thead"), rows);
  table.tHead.append(head);
  const facts = element("dl");
  const fact = element("div");
  fact.append(element("dt", { textContent: say("NAT") }), element("dd", { id: "connection-nat", textContent: "…" }));
  facts.append(fact);
  body.replaceChildren(table, facts);
}

function add(name, id) {
  const row = element("tr");
  row.dataset.way = id;
  row.append(element("th", { textContent: name, scope: "row" }), element("td", { textContent: "…" }), element("td", { textContent: "–" }), element("td", { textContent: "–" }));
  rows.append(row);
  return row;
}

function show(row, { error, ms, local, words }) {
  row.dataset.result = error ?? "ok";
  const [, result, trip, from] = row.cells;
  result.textContent = error ? said(error, words) : say("works");
  if (error) return;
  if (ms !== undefined) trip.textContent = fill(say("{} ms"), milliseconds(ms));
  from.textContent = kindOf(local);
}

function milliseconds(ms) {
  if (ms < 1) return "<1";
  return ms < 10 ? ms.toFixed(1) : ms.toFixed(0);
}

function relayName(url) {
  const [, scheme, host, transport] = /^(turns?):([^?]*)(?:\?transport=(\w+))?/.exec(url);
  if (scheme === "turns") return fill(say("Relay, TLS: {}"), host);
  return transport === "tcp" ? fill(say("Relay, TCP: {}"), host) : fill(say("Relay, UDP: {}"), host);
}

function said(error, words) {
  switch (error) {
    case "silent": return say("no answer");
    case "unreached": return say("the relay is not reached");
    case "credentials": return say("the relay refuses the credentials");
    case "none": return say("the server names none");
    case "refused": return fill(say("the server refuses: {}"), words);
    case "browser": return fill(say("the browser refuses: {}"), words);
    default: return say("The server does not answer.");
  }
}

// `RTCIceCandidateType`.
function kindOf(local) {
  switch (local) {
    case "host": return say("this device");
    case "srflx": return say("behind a NAT");
    // Over TCP always, and wherever the browser hides its own addresses.
    case "prflx": return say("as the server sees it");
    case "relay": return say("a relay");
    default: return "–";
  }
}

function natIs(kind) {
  const words = {
    none: say("none that UDP shows"),
    endpointIndependent: say("one address for all (endpoint-independent): the mild kind"),
    dependent: say("another address for each server (address-dependent): the strict kind"),
    some: say("there is one; one server alone, or hidden addresses, do not show its kind"),
    unknown: say("not known: UDP does not get through, or a server that was asked is silent"),
  };
  const place = document.getElementById("connection-nat");
  place.dataset.nat = kind;
  place.textContent = words[kind];
}

function fill(text, ...parts) {
  return parts.reduce((filled, part) => filled.replace("{}", () => part), text);
}

function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
