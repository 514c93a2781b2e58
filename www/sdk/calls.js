// The rules of calling another participant's methods, without a room or a clock: PROTOCOL.md, "Calling methods". Each call
// is said once, and may come more than once; it runs once. What is to be done comes out; time comes in, in milliseconds.

const TEXT_BYTES = 16 * 1024;
const METHOD_BYTES = 64;
// Of this client's calls, and of those that run here for one participant.
const PENDING = 64;
const RUNNING = 32;
// Of one caller so many of the latest calls are known apart; what is older has run.
const WINDOW = 256;
// A participant has one caller for each time it entered the room.
const CALLERS = 8;

export class RpcError extends Error {
  name = "RpcError";

  constructor(code, message = code) {
    super(message);
    this.code = code;
  }
}

const bytes = (text) => new TextEncoder().encode(text).length;
const isShort = (text, limit) => typeof text === "string" && text !== "" && bytes(text) <= limit;

export class Calls {
  #by;
  #last = 0;
  // What this client waits for, by number.
  #pending = new Map();
  // What runs here, by who called, and as what. What was stopped counts until it has ended.
  #running = new Map();
  // Which calls came, by participant and caller.
  #seen = new Map();

  // `by` tells this caller from all others.
  constructor(by) {
    this.#by = by;
  }

  // The number of a call, and what is to be said to whom it goes.
  call(to, method, payload, now, within) {
    if (!isShort(method, METHOD_BYTES)) throw new TypeError(`a method has a name of 1 to ${METHOD_BYTES} bytes`);
    if (this.#pending.size >= PENDING) throw new RpcError("full", `${PENDING} calls wait already`);
    const number = this.#last + 1;
    const text = JSON.stringify({ call: number, by: this.#by, method, payload, within });
    if (bytes(text) > TEXT_BYTES) throw new RpcError("tooLarge", `a call has at most ${TEXT_BYTES} bytes`);
    this.#last = number;
    this.#pending.set(number, { to, due: now + within });
    return { number, text };
  }

  // Nobody waits for it any more: what is to be said to whom it went.
  abandon(number) {
    const call = this.#pending.get(number);
    if (!this.#pending.delete(number)) return null;
    return { to: call.to, text: JSON.stringify({ cancel: number, by: this.#by }) };
  }

  // What follows from what somebody said: { settle, payload | error }, { run, method, payload }, { stop }, { say } or nothing.
  hear(from, text, now) {
    const said = parse(text);
    if (!said || !isShort(said.by, METHOD_BYTES)) return null;
    if (isNumber(said.call)) return this.#called(from, said, now);
    if (isNumber(said.cancel)) return this.#stop(key(from, said.by, said.cancel));
    const number = said.result ?? said.error;
    if (said.by !== this.#by || this.#pending.get(number)?.to !== from) return null;
    this.#pending.delete(number);
    if (said.result !== undefined) return { settle: number, payload: said.payload };
    return { settle: number, error: new RpcError(String(said.code), String(said.message)) };
  }

  // What is to be said of what ran, unless it was stopped.
  answer(run, outcome) {
    const running = this.#running.get(run);
    if (!this.#running.delete(run)) return null;
    const { from, by, number, isStopped } = running;
    if (isStopped) return null;
    const text = JSON.stringify({ result: number, by, payload: outcome.payload });
    if (outcome.error) return failure(from, by, number, outcome.error);
    if (bytes(text) <= TEXT_BYTES) return { to: from, text };
    return failure(from, by, number, new RpcError("tooLarge", `a result has at most ${TEXT_BYTES} bytes`));
  }

  // Somebody is gone, and with them what they were to do, and what was to be done for them.
  gone(participant) {
    this.#seen.delete(participant);
    const theirs = [...this.#pending].filter(([, { to }]) => to === participant).map(([number]) => number);
    const stopped = [...this.#running].filter(([, { from }]) => from === participant).map(([run]) => this.#stop(run));
    return [...theirs.map((number) => this.#fail(number, "gone", "they left the room")), ...stopped.filter(Boolean)];
  }

  // What takes too long.
  expire(now) {
    const late = (calls) => [...calls].filter(([, { due }]) => due <= now).map(([it]) => it);
    return [
      ...late(this.#pending).map((number) => this.#fail(number, "timeout", "no answer in time")),
      ...late(this.#running).map((run) => this.#stop(run)),
    ];
  }

  // When something takes too long next.
  get due() {
    const all = [...this.#pending.values(), ...this.#running.values()];
    return all.reduce((soonest, { due }) => Math.min(soonest, due), Infinity);
  }

  #called(from, { call: number, by, method, payload, within }, now) {
    const run = key(from, by, number);
    if (!isShort(method, METHOD_BYTES) || !isWait(within) || this.#running.has(run)) return null;
    if (!this.#isNew(from, by, number)) return null;
    const theirs = [...this.#running.values()].filter((it) => it.from === from);
    if (theirs.length >= RUNNING) {
      return { say: failure(from, by, number, new RpcError("full", `${RUNNING} calls run already`)) };
    }
    this.#running.set(run, { from, by, number, due: now + within });
    return { run, method, payload };
  }

  // Numbers grow. What is so old that nobody knows any more has run.
  #isNew(from, by, number) {
    const callers = this.#seen.get(from) ?? new Map();
    this.#seen.set(from, callers);
    const seen = callers.get(by) ?? { highest: 0, numbers: new Set() };
    if (seen.numbers.has(number) || number <= seen.highest - WINDOW) return false;
    seen.numbers.add(number);
    seen.highest = Math.max(seen.highest, number);
    if (seen.numbers.size > WINDOW) {
      for (const old of seen.numbers) if (old <= seen.highest - WINDOW) seen.numbers.delete(old);
    }
    callers.set(by, seen);
    if (callers.size > CALLERS) callers.delete(callers.keys().next().value);
    return true;
  }

  #fail(number, code, words) {
    this.#pending.delete(number);
    return { settle: number, error: new RpcError(code, words) };
  }

  #stop(run) {
    const running = this.#running.get(run);
    if (!running || running.isStopped) return null;
    running.isStopped = true;
    running.due = Infinity;
    return { stop: run };
  }
}

const isWait = (within) => Number.isFinite(within) && within >= 0;

const isNumber = (number) => Number.isSafeInteger(number) && number > 0;

const key = (from, by, number) => JSON.stringify([from, by, number]);

const failure = (to, by, number, { code, message }) => {
  // What somebody threw may be long.
  const text = JSON.stringify({ error: number, by, code: `${code}`.slice(0, 64), message: `${message}`.slice(0, 512) });
  return { to, text };
};

function parse(text) {
  try {
    const said = JSON.parse(text);
    return typeof said === "object" ? said : null;
  } catch {
    return null;
  }
}
