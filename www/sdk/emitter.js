// Events in the manner of the platform's: by name, with a signal that ends a listener.

export class Emitter {
  #listeners = new Map();

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

  // Not for users. What a listener throws is reported, and keeps nothing from the others.
  emit(event, detail) {
    for (const [listener, { once }] of [...(this.#listeners.get(event) ?? [])]) {
      if (once) this.off(event, listener);
      try {
        listener(detail);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
