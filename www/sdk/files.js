// The rules of both ends of a file's way, without a room, a clock or a file: PROTOCOL.md, "Files". What is to be done comes
// out of `step`; time comes in, in milliseconds.

import { heard, offered, said } from "./data.js";
import { Sha256 } from "./sha256.js";

const CHUNK_BYTES = 48 * 1024;
export const WINDOW_BYTES = 1024 * 1024;
const REPORT_BYTES = WINDOW_BYTES / 4;
const PATIENCE_MS = 10_000;
const REASONS = ["", "refused", "stopped", "failed", "different"];

// What both ends have: how far it is, and what is to be said.
class End {
  state = "offered";
  received = 0;
  messages = [];
  since = 0;

  constructor(id, size, name, topic = "") {
    this.id = id;
    this.size = size;
    this.name = name;
    this.topic = topic;
  }

  get isOver() { return this.state !== "offered" && this.state !== "active"; }

  // The channel is back, and goes on with what was under way.
  resumed(now) { this.since = now; }

  // One answer to a question is enough, however often that was asked: nothing piles up.
  say(what, number, rest) {
    const message = said(what, this.id, number, rest);
    if (what !== "chunk") this.messages = this.messages.filter(([kind]) => kind !== message[0]);
    this.messages.push(message);
  }

  cancel(reason) {
    if (this.isOver) return;
    this.messages = [];
    this.state = reason;
    this.say("cancel", undefined, [REASONS.indexOf(reason)]);
  }

  cancelled(rest) {
    if (this.isOver) return;
    this.messages = [];
    this.state = REASONS[rest[0]] || "stopped";
  }
}

export class Sending extends End {
  #position = 0;
  #reading = null;
  #hash = new Sha256();
  #hashed = 0;
  #sum = null;
  #isAllSaid = false;

  constructor(...about) {
    super(...about);
    this.offer();
  }

  reconnected() { this.offer(); }

  // Also for who has got no answer for long.
  offer() {
    if (this.isOver) return;
    this.messages = [];
    this.say("offer", this.size, offered(this.name, this.topic));
  }

  hear({ what, number, rest }, now) {
    this.since = now;
    if (what === "cancel") return this.cancelled(rest);
    // It may not have heard that.
    if (this.isOver && what === "accept" && this.state !== "complete") this.say("cancel", undefined, [REASONS.indexOf(this.state)]);
    if (this.isOver) return;
    if (what === "accept") this.#begin(Math.min(number, this.#hashed));
    if (what === "progress") this.received = Math.max(this.received, Math.min(number, this.#position));
    if (what === "verified" && this.#isAllSaid) [this.received, this.state] = [this.size, "complete"];
  }

  // A message to say, a piece to read ({ from, to }), or nothing.
  step() {
    const message = this.messages.shift();
    if (message) return message;
    if (this.state !== "active" || this.#reading !== null || this.#isAllSaid) return null;
    if (this.#position >= this.size) {
      this.#isAllSaid = true;
      return said("done", this.id, undefined, (this.#sum ??= this.#hash.finish()));
    }
    if (this.#position >= this.received + WINDOW_BYTES) return null;
    this.#reading = this.#position;
    return { from: this.#position, to: Math.min(this.size, this.#position + CHUNK_BYTES) };
  }

  // What was read; what is not wanted any more by then is dropped.
  read(from, bytes) {
    if (this.#reading !== from || this.isOver) return;
    this.#reading = null;
    // What is sent again was hashed before.
    this.#hash.update(bytes.subarray(this.#hashed - from));
    this.#position = from + bytes.length;
    this.#hashed = Math.max(this.#hashed, this.#position);
    this.say("chunk", from, bytes);
  }

  tick(now) {
    const isWaiting = this.state === "offered" || (this.state === "active" && this.#isAllSaid);
    if (!isWaiting || now - this.since < PATIENCE_MS) return;
    this.since = now;
    this.offer();
  }

  #begin(offset) {
    this.state = "active";
    this.messages = [];
    this.#position = this.received = offset;
    this.#reading = null;
    this.#isAllSaid = false;
  }
}

export class Receiving extends End {
  // So far its program has read, as far as that is known.
  #used = 0;
  // From here on the sender has a window.
  #reported = 0;
  // The rest is to be asked for when there is place.
  #isOwed = false;
  #hash = new Sha256();
  #sum = null;
  #hasAsked = false;
  // So far the sender was let.
  #granted = 0;
  // All of it is here, and is what was sent.
  isCompared = false;
  // It is not complete before it is `kept`.
  isHeld = false;
  // When something of the file last came, or the sender was last let go further. That it is asked again is neither.
  #moved = 0;

  // What may be on its way. Of a sender that sends nothing for long nothing is.
  underWay(now) {
    return this.state === "active" && now - this.#moved < PATIENCE_MS ? Math.max(0, this.#granted - this.received) : 0;
  }

  // The next message, unless more would be on its way then than there is room for. Nobody waits to say what lets nobody
  // go further.
  step(room = Infinity, now = 0) {
    const [message] = this.messages;
    if (!message) return null;
    const { number } = heard(message);
    if (number !== undefined) {
      const granted = Math.min(this.size, number + WINDOW_BYTES);
      if (granted > this.#granted) {
        if (granted - this.received > room) return null;
        this.#granted = granted;
        this.#moved = now;
      }
    }
    return this.messages.shift();
  }

  accept(now) {
    if (this.state !== "offered") return;
    this.state = "active";
    this.#ask(now);
  }

  // All of it was compared, and is where it is to stay.
  kept() {
    if (!this.isCompared || this.isOver) return;
    this.state = "complete";
    this.#repeat();
  }

  // Who stops it then is too late.
  cancelled(rest) {
    if (!this.isCompared) super.cancelled(rest);
  }

  // All that was on its way may come now.
  resumed(now) {
    super.resumed(now);
    this.#moved = now;
  }

  reconnected(now) {
    this.messages = [];
    if (this.state !== "active") return this.#repeat();
    if (this.isCompared) return;
    // It is all sent again from where this one asks for it.
    this.#moved = now;
    this.#ask(now);
  }

  // What is new of the file, if anything: it comes in order, and each byte once.
  hear({ what, number, rest }, now) {
    if (what === "cancel") this.cancelled(rest);
    else if (this.isOver) {
      // It may not have heard that.
      if (["offer", "chunk", "done"].includes(what)) this.#repeat();
    } else if (this.state === "offered") return null;
    else if (what === "chunk") return this.#take(number, rest, now);
    else if (what === "done") this.#compare(rest, now);
    else if (what === "offer") this.#ask(now);
    return null;
  }

  // So much of it is used up, and there is place for more.
  used(bytes, now) {
    if (this.state !== "active") return;
    this.#used = bytes;
    if (this.#isOwed) this.#ask(now);
    const isDue = bytes - this.#reported >= REPORT_BYTES || bytes === this.size;
    if (!isDue || bytes <= this.#reported) return;
    this.#reported = bytes;
    this.say("progress", bytes);
  }

  tick(now) {
    const isFull = this.received - this.#reported >= WINDOW_BYTES;
    if (this.state === "active" && !this.isCompared && !isFull && now - this.since >= PATIENCE_MS) this.#ask(now);
  }

  #ask(now) {
    this.#hasAsked = true;
    // Each time it is asked for there is a window from there on, which it has to be place for.
    this.#isOwed = this.received < this.size && this.received - this.#used >= WINDOW_BYTES;
    if (this.#isOwed) return;
    this.since = now;
    this.#reported = this.received;
    this.messages = [];
    this.say("accept", this.received);
  }

  #take(from, bytes, now) {
    // Something before it was lost. It is asked for once: what is on its way comes first.
    if (from > this.received) {
      if (!this.#hasAsked) this.#ask(now);
      return null;
    }
    const fresh = bytes.subarray(this.received - from);
    if (fresh.length === 0) return null;
    if (this.received + fresh.length > this.size) return this.cancel("different");
    // So much comes where one holds to the window, and each byte of it waits in memory.
    if (this.received + fresh.length - this.#used > 2 * WINDOW_BYTES + CHUNK_BYTES) return this.cancel("failed");
    this.#hash.update(fresh);
    this.received += fresh.length;
    this.#hasAsked = false;
    this.since = this.#moved = now;
    return fresh;
  }

  #compare(sum, now) {
    if (this.received < this.size) return this.#ask(now);
    this.#sum ??= this.#hash.finish();
    if (!this.#sum.every((byte, at) => byte === sum[at])) return this.cancel("different");
    this.isCompared = true;
    if (!this.isHeld) this.kept();
  }

  #repeat() {
    if (this.state === "complete") this.say("verified");
    else if (this.isOver) this.say("cancel", undefined, [REASONS.indexOf(this.state)]);
  }
}
