// The page of whoever looks after the relays: signs in with the secretKey, and shows and changes what the REST API has.
import { Refused, call, get, isSignedIn, post, remove, signIn, signOut } from "./api.js";
import { chart } from "./chart.js";
import { language, speak, t } from "./words.js";

const PROJECT = "v2/turn/project";
const REFRESH = 5000;

const $ = (id) => document.getElementById(id);
const show = (element, is) => { element.hidden = !is; };

function make(name, its = {}, ...children) {
  const { data, ...rest } = its;
  const made = Object.assign(document.createElement(name), rest);
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

const button = (text, act, its = {}) => make("button", { type: "button", className: "button", textContent: text, onclick: () => run(act), ...its });

// Numbers as the language writes them.
const number = (digits) => new Intl.NumberFormat(language, { maximumSignificantDigits: digits });
function bytes(amount) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, amount)) / 3)));
  return `${number(3).format(amount / 1000 ** power)} ${units[power]}`;
}
const gigabytes = (amount) => bytes(Math.round(amount * 1e9));
const time = (text) => new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "medium" }).format(new Date(text));
function span(seconds) {
  if (seconds === null) return t("ever");
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, length] = units.find(([, length]) => seconds % length === 0);
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(seconds / length);
}

// What goes wrong is said; a key that is wrong is asked for again.
function trouble(text) {
  $("trouble-text").textContent = text;
  show($("trouble"), Boolean(text));
}

async function run(act) {
  trouble("");
  try {
    await act();
  } catch (error) {
    const isRefused = error instanceof Refused;
    if (isRefused && error.status === 401 && isSignedIn()) leave();
    trouble(isRefused ? t(error.message) : t("The server cannot be reached."));
    if (!isRefused) console.error(error);
  }
}

const say = (text) => { $("said").textContent = text; };

function pages(place, { previous, next }) {
  const turn = (text, act) => button(t(text), act ?? (() => {}), { disabled: !act });
  place.replaceChildren(...(previous || next ? [turn("Newer", previous), turn("Older", next)] : []));
}

// Usage.
const LINES = { all: "All", sessions: "Sessions of this server", "shared-secret": "Time-limited credentials" };

/** What a line is called, or a credential: that is its owner's word, and said in no other language. */
const nameOfUser = (line, called) => Object.hasOwn(LINES, line) ? t(LINES[line]) : called;

/** Every day from the first of the month to today, and what was relayed on each. */
function month(days, now = new Date()) {
  const known = new Map(days.map((day) => [day.date, day]));
  const dates = Array.from({ length: now.getUTCDate() }, (_, n) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), n + 1)).toISOString().slice(0, 10));
  const value = (name, day) => name === "all" ? day?.usageInGB : day?.lines.find(({ label }) => label === name)?.usageInGB;
  const lines = Object.keys(LINES).map((name) => ({ name, values: dates.map((date) => value(name, known.get(date)) ?? 0) }));
  const short = new Intl.DateTimeFormat(language, { day: "numeric", month: "numeric", timeZone: "UTC" });
  return { dates: dates.map((date) => short.format(new Date(date))), lines };
}

// Draws the curves as wide as there is room.
let draw = () => {};
new ResizeObserver(() => draw()).observe($("days"));

async function showUsage() {
  const [{ usageInGB }, days] = await Promise.all([get("v1/turn/current_usage"), get("v1/turn/current_usage_by_date")]);
  $("total").textContent = gigabytes(usageInGB);
  const { dates, lines } = month(days);
  const title = t("What was relayed on each day of this month: {} in all", gigabytes(usageInGB));
  draw = () => $("days").replaceChildren(chart(title, dates, lines, gigabytes, $("days").clientWidth));
  draw();
  const legend = ([name, text]) => make("span", { className: `line-${name}` }, make("span", { className: "swatch" }), make("b", { textContent: t(text) }));
  $("legend").replaceChildren(...Object.entries(LINES).map(legend));
}

let userPage = 1;

async function showUsers(page = userPage) {
  const { data, has_more } = await get(`v2/turn/current_usage_by_user?page=${page}`);
  userPage = page;
  const most = Math.max(1e-9, ...data.map(({ usageInGB }) => usageInGB));
  const bar = ({ label, username, usageInGB }) => {
    const called = nameOfUser(username, label ?? username);
    return make("li", {},
      make("span", { className: "name", textContent: called, title: username }),
      make("span", { className: "amount", textContent: gigabytes(usageInGB) }),
      make("progress", { max: most, value: usageInGB, ariaLabel: called }));
  };
  $("users").replaceChildren(...data.map(bar));
  show($("no-users"), data.length === 0);
  pages($("user-pages"), { previous: page > 1 && (() => showUsers(page - 1)), next: has_more && (() => showUsers(page + 1)) });
}

// Credentials.
let projects = [];
let credentialPage = 1;
let label = null;

const nameOf = (id) => projects.find(({ _id }) => _id === id)?.projectName ?? id ?? "";

function cell(name, content, its = {}) {
  return make("td", { data: { name: t(name) }, ...its }, content);
}

/** Whether its project's quota has switched it off: it cannot be enabled then. */
const isUsedUp = ({ enabled, project }) => !enabled && projects.some(({ _id, disabled }) => _id === project && disabled);

function state(credential) {
  const { enabled, expired, expiryInSeconds } = credential;
  if (expired) return ["expired", t("expired")];
  if (isUsedUp(credential)) return ["used-up", t("quota used up")];
  return enabled ? ["good", t("good for {}", span(expiryInSeconds))] : ["disabled", t("disabled")];
}

function credentialRow(credential) {
  const { username, apiKey } = credential;
  const [name, text] = state(credential);
  const called = credential.label ?? username;
  const named = (what) => ({ ariaLabel: `${what}: ${called}` });
  const change = (what, done) => async () => {
    await post(`v1/turn/credential/${what}`, { username });
    say(t(done, called));
    await showCredentials();
  };
  const actions = make("span", { className: "choices" });
  if (name === "good") actions.append(
    button(t("Copy"), () => copy(apiKey), { ...named(t("Copy")), data: { act: "copy" } }));
  if (name === "good" || name === "used-up") actions.append(
    button(t("Disable"), change("disable", "{} is disabled."), { ...named(t("Disable")), data: { act: "disable" } }));
  if (name === "disabled") actions.append(
    button(t("Enable"), change("enable", "{} is enabled."), { ...named(t("Enable")), data: { act: "enable" } }));
  actions.append(button(t("Delete"), () => deleteCredential(username, called), { ...named(t("Delete")), data: { act: "delete" } }));
  return make("tr", { data: { username, state: name } },
    cell("Label", credential.label ?? "–"),
    cell("User name", make("code", { textContent: username })),
    cell("Project", nameOf(credential.project) || "–"),
    cell("State", text, { className: "state" }),
    make("td", { className: "actions" }, actions));
}

async function showCredentials(page = credentialPage) {
  const query = new URLSearchParams({ page });
  if (label) query.set("label", label);
  if ($("search-all").checked) query.set("all", "true");
  const { data, pagination } = await get(`v2/turn/credentials?${query}`);
  // The last of a page was deleted.
  if (data.length === 0 && page > 1) return showCredentials(page - 1);
  credentialPage = page;
  $("credential-rows").replaceChildren(...data.map(credentialRow));
  show($("no-credentials"), data.length === 0);
  show($("credential-table"), data.length > 0);
  const { next_page, prev_page } = pagination;
  pages($("credential-pages"), { previous: prev_page && (() => showCredentials(prev_page)), next: next_page && (() => showCredentials(next_page)) });
}

async function createCredential() {
  const [typed, expiry, project] = ["label", "expiry", "project"].map((id) => $(id).value);
  const wanted = { label: typed.trim() || null, expiryInSeconds: expiry ? Number(expiry) : null };
  await post(project ? `${PROJECT}/${project}/credential` : "v1/turn/credential", wanted);
  say(t("A credential is made."));
  $("label").value = "";
  await showCredentials(1);
}

/** Shows what is to be handed out, and copies it. */
async function handOut(title, value, purpose) {
  $("out-title").textContent = title;
  $("out-text").value = JSON.stringify(value, null, 2);
  $("out").showModal();
  $("out-text").setSelectionRange(0, 0);
  $("out-text").scrollTop = 0;
  try {
    await navigator.clipboard.writeText($("out-text").value);
    $("out-state").textContent = `${t("It is in the clipboard.")} ${purpose}`;
  } catch {
    // Not every page may write there.
    $("out-state").textContent = `${t("Copy it from here.")} ${purpose}`;
    $("out-text").select();
  }
}

async function copy(apiKey) {
  const servers = await call("GET", "v1/turn/credentials", undefined, apiKey);
  await handOut("iceServers", servers, t("It goes into RTCConfiguration.iceServers."));
}

async function isSure(text) {
  $("sure-text").textContent = text;
  $("sure").returnValue = "";
  $("sure").showModal();
  await new Promise((resolve) => $("sure").addEventListener("close", resolve, { once: true }));
  return $("sure").returnValue === "yes";
}

async function deleteCredential(username, called) {
  if (!await isSure(t("{} opens no relay any more, and its relays end.", called))) return;
  await remove("v1/turn/credential", { username });
  say(t("{} is deleted.", called));
  await showCredentials();
}

// Projects.
function quota({ quotaInBytes, usageInBytes, projectName }) {
  if (!quotaInBytes) return [];
  const state = usageInBytes >= quotaInBytes ? "full" : "";
  return [make("progress", { max: quotaInBytes, value: Math.min(usageInBytes, quotaInBytes), ariaLabel: t("Quota of {}", projectName), data: { state } })];
}

function projectRow(project) {
  const { _id, projectName, quotaInBytes, usageInBytes, disabled } = project;
  const used = quotaInBytes ? t("{} of {}", bytes(usageInBytes), bytes(quotaInBytes)) : t("{}, no quota", bytes(usageInBytes));
  const about = make("span", { className: "about" },
    make("b", { textContent: projectName }),
    make("small", { textContent: disabled ? `${used} · ${t("switched off until the month is over")}` : used }));
  const keys = { _id, apiKey: project.apiKey, webhookSecret: project.webhookSecret };
  const named = (what) => ({ ariaLabel: `${what}: ${projectName}` });
  const actions = make("span", { className: "choices" },
    button(t("Keys"), () => handOut(t("Keys of {}", projectName), keys, t("The apiKey is the tenant's; webhooks are signed with the webhookSecret.")), named(t("Keys"))),
    button(t("Delete"), () => deleteProject(_id, projectName), named(t("Delete"))));
  return make("li", { data: { project: _id } }, about, actions, ...quota(project));
}

async function showProjects() {
  projects = await get("v2/turn/projects");
  $("project-rows").replaceChildren(...projects.map(projectRow));
  show($("no-projects"), projects.length === 0);
  const [none] = $("project").options, chosen = $("project").value;
  const option = ({ _id, projectName }) => make("option", { value: _id, textContent: projectName, selected: _id === chosen });
  $("project").replaceChildren(none, ...projects.map(option));
}

async function createProject() {
  const [projectName, amount, quotaExceededAction, webhookUrl] = ["name", "quota", "action", "webhook"].map((id) => $(`project-${id}`).value.trim());
  const quotaInBytes = amount ? Math.round(Number(amount.replace(",", ".")) * 1e9) : 0;
  await post(PROJECT, { projectName, quotaInBytes, quotaExceededAction, webhookUrl: webhookUrl || null });
  say(t("The project is made."));
  $("create-project").reset();
  await showProjects();
}

async function deleteProject(id, name) {
  if (!await isSure(t("{} and all of its credentials go, and its relays end.", name))) return;
  await remove(`${PROJECT}/${id}`);
  await showProjects();
  await showCredentials();
}

// Relays at the moment; of older ones the list stands still.
let before = null;

function allocationRow({ label, username, client, transport, relayed, created, usageInBytes, heldBackInBytes }) {
  return make("tr", {},
    cell("Label", nameOfUser(label, label ?? username)),
    cell("Client", client),
    cell("Over", transport.toUpperCase()),
    cell("Relayed address", relayed),
    cell("Since", time(created)),
    cell("Carried", bytes(usageInBytes), { className: "number" }),
    cell("Held back", bytes(heldBackInBytes), { className: "number" }));
}

async function showAllocations() {
  const { data, total, has_more } = await get(`v2/turn/allocations${before === null ? "" : `?before=${before}`}`);
  $("allocation-total").textContent = number(6).format(total);
  $("allocation-rows").replaceChildren(...data.map(allocationRow));
  show($("no-allocations"), data.length === 0);
  show($("allocation-table"), data.length > 0);
  const go = (id) => () => { before = id; return showAllocations(); };
  pages($("allocation-pages"), { previous: before !== null && go(null), next: has_more && go(data.at(-1).id) });
}

// What changes by itself is shown anew, unless somebody is about to press something in it.
function refresh() {
  if (document.hidden) return;
  const parts = { usage: [showUsage, showUsers], projects: [showProjects], allocations: [showAllocations] };
  const isUsed = ([id]) => $(id).contains(document.activeElement);
  const shown = Object.entries(parts).filter((part) => !isUsed(part)).flatMap(([, shows]) => shows);
  Promise.all(shown.map((show) => show())).catch(() => {
    // Whoever presses something is told.
  });
}

// In and out.
let refreshing;

async function enter() {
  show($("sign-in"), false);
  show($("desk"), true);
  show($("sign-out"), true);
  await showProjects();
  await Promise.all([showUsage(), showUsers(), showCredentials(1), showAllocations()]);
  refreshing ??= setInterval(refresh, REFRESH);
}

function leave() {
  signOut();
  clearInterval(refreshing);
  draw = () => {};
  refreshing = undefined;
  for (const rows of ["users", "credential-rows", "project-rows", "allocation-rows", "days"]) $(rows).replaceChildren();
  show($("desk"), false);
  show($("sign-out"), false);
  show($("sign-in"), true);
  $("key").focus();
}

function submits(form, act) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    run(act);
  });
}

submits("sign-in", () => {
  signIn($("key").value.trim());
  $("key").value = "";
  return enter();
});
submits("create", createCredential);
submits("create-project", createProject);
submits("search", () => {
  label = $("search-label").value.trim() || null;
  return showCredentials(1);
});
$("sign-out").addEventListener("click", () => { trouble(""); leave(); });

await speak($("language"));
if (isSignedIn()) await run(enter);
else show($("sign-in"), true);
