// Events in the manner of the platform's: by name, with a signal that ends a listener.

// So many wait for a loop that is slow; beyond these the oldest are dropped.
const WAITING = 1000;

export class Emitter {
  #listeners = new Map();
  // What ends the loops over events.
  #loops = new Set();
  #isFinished = false;

  on(event, listener, { signal, once = false } = {}) {
    if (signal?.aborted) return this;
    this.off(event, listener);
    const stop = () => this.off(event, listener);
    const listeners = this.#listeners.get(event) ?? new Map();
    listeners.set(listener, { once, forget: () => signal?.removeEventListener("abort", stop) });
    this.#listeners.set(event, listeners);
    signal?.addEventListener("abort", stop, { once: true });
    return this;
  }

  once(event, listener, options) {
    return this.on(event, listener, { ...options, once: true });
  }

  off(event, listener) {
    const listeners = this.#listeners.get(event);
    listeners?.get(listener)?.forget();
    listeners?.delete(listener);
    if (listeners?.size === 0) this.#listeners.delete(event);
    return this;
  }

  // Each event of a kind, for `for await`.
  events(event, { signal } = {}) {
    const waiting = new Waiting();
    const hear = (detail) => waiting.push(detail);
    const end = () => {
      this.off(event, hear);
      this.#loops.delete(end);
      signal?.removeEventListener("abort", end);
      waiting.end();
    };
    this.on(event, hear);
    this.#loops.add(end);
    signal?.addEventListener("abort", end);
    if (signal?.aborted || this.#isFinished) end();
    return {
      next: () => waiting.next(),
      return: async () => (end(), OVER),
      [Symbol.asyncIterator]() { return this; },
    };
  }

  // The next two are not for users. Nothing more comes.
  finish() {
    this.#isFinished = true;
    for (const end of [...this.#loops]) end();
  }

  // What a listener throws is reported, and keeps nothing from the others.
  // Says whether anybody listens.
  emit(event, detail) {
    const isHeard = this.#listeners.has(event);
    for (const [listener, { once }] of [...(this.#listeners.get(event) ?? [])]) {
      if (once) this.off(event, listener);
      try {
        listener(detail);
      } catch (error) {
        reportError(error);
      }
    }
    return isHeard;
  }
}

const OVER = Object.freeze({ value: undefined, done: true });

class Waiting {
  #items = [];
  #isOver = false;
  #wake = [];

  push(item) {
    if (this.#items.push(item) > WAITING) this.#items.shift();
    this.#wake.shift()?.();
  }

  end() {
    this.#isOver = true;
    for (const wake of this.#wake.splice(0)) wake();
  }

  async next() {
    while (this.#items.length === 0 && !this.#isOver) await new Promise((wake) => this.#wake.push(wake));
    return this.#items.length === 0 ? OVER : { value: this.#items.shift(), done: false };
  }
}
