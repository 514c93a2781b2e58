// Methods that participants call of each other: joins the rules to a room, a clock and whoever waits.

import { Calls, RpcError } from "./calls.js";

export const TOPIC = "rpc";
const TIMEOUT_MS = 10_000;
// What `setTimeout` can wait.
const LONGEST_MS = 2 ** 31 - 1;

export class Rpc {
  #say;
  #calls = fresh();
  #methods = new Map();
  // Who waits, by number.
  #waiting = new Map();
  // What ends a method that runs.
  #running = new Map();
  #timer = null;

  // `say` takes a text and whom it is for, and says when the server took it.
  constructor(say) {
    this.#say = say;
  }

  async call(to, method, payload, { timeout = TIMEOUT_MS, signal } = {}) {
    signal?.throwIfAborted();
    if (!Number.isFinite(timeout)) throw new TypeError("a timeout is a finite number of milliseconds");
    const within = Math.min(Math.max(0, timeout), LONGEST_MS);
    // Those of this time in the room; another numbers its calls anew.
    const [calls, waiting] = [this.#calls, this.#waiting];
    const { number, text } = calls.call(to, method, payload, performance.now(), within);
    this.#wind();
    const abort = () => {
      const cancel = calls.abandon(number);
      if (cancel) this.#tell(cancel);
      waiting.get(number)?.reject(signal.reason);
    };
    signal?.addEventListener("abort", abort);
    try {
      return await new Promise((resolve, reject) => {
        waiting.set(number, { resolve, reject });
        this.#say(text, to).catch((error) => {
          calls.abandon(number);
          reject(error);
        });
      });
    } finally {
      signal?.removeEventListener("abort", abort);
      waiting.delete(number);
      this.#wind();
    }
  }

  handle(method, handler, { signal } = {}) {
    if (this.#methods.has(method)) throw new DOMException(`${method} has a handler`, "InvalidStateError");
    if (signal?.aborted) return;
    this.#methods.set(method, handler);
    signal?.addEventListener("abort", () => this.#methods.delete(method), { once: true });
  }

  hear(from, text, participant) {
    this.#act(this.#calls.hear(from, text, performance.now()), participant);
    this.#wind();
  }

  gone(id) {
    for (const action of this.#calls.gone(id)) this.#act(action);
    this.#wind();
  }

  // The room is left, or entered anew as somebody else: nobody answers what was asked, and nobody waits for what runs.
  end(words) {
    for (const { reject } of this.#waiting.values()) reject(new RpcError("interrupted", words));
    for (const running of this.#running.values()) running.abort();
    this.#calls = fresh();
    this.#waiting = new Map();
    this.#running = new Map();
    this.#wind();
  }

  #act(action, participant) {
    if (!action) return;
    if (action.say) this.#tell(action.say);
    if (action.run) this.#run(action, participant);
    if (action.stop) this.#running.get(action.stop)?.abort();
    const waiting = this.#waiting.get(action.settle);
    if (action.error) waiting?.reject(action.error);
    else waiting?.resolve(action.payload);
  }

  async #run({ run, method, payload }, participant) {
    const [calls, running, ending] = [this.#calls, this.#running, new AbortController()];
    running.set(run, ending);
    const outcome = {};
    try {
      const handler = this.#methods.get(method);
      if (!handler) throw new RpcError("unknownMethod", `there is no method ${method}`);
      outcome.payload = await handler(payload, { participant, signal: ending.signal });
      // What is no JSON is known before it is said.
      JSON.stringify(outcome.payload);
    } catch (error) {
      outcome.error = told(error, ending.signal);
      delete outcome.payload;
    }
    running.delete(run);
    const answer = calls.answer(run, outcome);
    if (answer) this.#tell(answer);
    this.#wind();
  }

  // Whoever does not get it has waited long enough at some time.
  #tell({ to, text }) {
    this.#say(text, to).catch((error) => console.warn("Ferrite: not answered", error));
  }

  #wind() {
    clearTimeout(this.#timer);
    const wait = this.#calls.due - performance.now();
    this.#timer = wait === Infinity ? null : setTimeout(() => this.#expire(), Math.min(Math.max(0, wait), LONGEST_MS));
  }

  #expire() {
    for (const action of this.#calls.expire(performance.now())) this.#act(action);
    this.#wind();
  }
}

const fresh = () => new Calls([...crypto.getRandomValues(new Uint8Array(12))].map((it) => it.toString(36)).join(""));

// What somebody else learns of what was thrown here: no more than it says for them.
function told(error, signal) {
  if (error instanceof RpcError) return error;
  if (!signal.aborted) reportError(error);
  return new RpcError("failed", "the method failed");
}
