// Loads the client and starts the page. What can be said even if the client cannot run is said here.
import init, { startApp, startRoom } from "./ferrite_client.js";

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

try {
  await init();
  if (document.body.dataset.page === "room") startRoom();
  else startApp();
} catch (error) {
  fail(error, "The app could not be loaded. The server may be away, or this browser too old.");
}
