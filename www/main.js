// Loads the client and starts the page. What can be said even if the client cannot run is said here.
import { brand } from "./brand.js";
import init, { startEcho, startFront, startRoom } from "./ferrite_client.js";

const crash = document.getElementById("crash");
document.getElementById("reload").addEventListener("click", () => location.reload());

function fail(error, words) {
  console.error(error);
  if (words) document.getElementById("crash-text").textContent = words;
  if (!crash.open) crash.showModal();
}

// A panic stops the client for good: its hook logs the details, and this shows it.
const stopped = (error) => error instanceof WebAssembly.RuntimeError;
addEventListener("error", (event) => stopped(event.error) && fail(event.error));
addEventListener("unhandledrejection", (event) => stopped(event.reason) && fail(event.reason));

// The words of a language are loaded for those who read it: what was chosen by hand, else the browser's.
const LANGUAGES = ["en", "de"];

function language() {
  try {
    const chosen = localStorage.getItem("ferrite.language");
    if (LANGUAGES.includes(chosen)) return chosen;
  } catch {
    // Some browsers keep nothing.
  }
  const known = navigator.languages.map((name) => name.split("-")[0]).find((name) => LANGUAGES.includes(name));
  return known ?? "en";
}

// Those of the page, and what the server says is wrong with a call.
async function words(language) {
  if (language === "en") return "{}";
  const load = async (name) => {
    const answer = await fetch(new URL(`${name}.${language}.json`, import.meta.url));
    return answer.ok ? answer.json() : {};
  };
  const [words, causes] = await Promise.all([load("words"), load("causes")]);
  if (Object.keys(words).length > 0) document.documentElement.lang = language;
  return JSON.stringify({ ...causes, ...words });
}

// What is for few is loaded when they want to see it: how well a call does, and which ways there are to the server.
function opens(id, module, words) {
  const known = JSON.parse(words);
  const say = (english) => known[english] ?? english;
  document.getElementById(id)?.addEventListener("click", async () => {
    try {
      await (await import(module)).open(say);
    } catch (error) {
      console.error(error);
    }
  });
}

const start = { front: startFront, echo: startEcho, room: startRoom };

try {
  const [spoken] = await Promise.all([words(language()), init(), brand()]);
  start[document.body.dataset.page](spoken);
  opens("quality-open", "./quality.js", spoken);
  opens("connection-open", "./connection.js", spoken);
} catch (error) {
  fail(error, "The app could not be loaded. The server may be away, or this browser too old.");
}
