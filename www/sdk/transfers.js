// Files on their way: joins the rules to a room's data channel, a clock, files and streams.

import { asName, heard, isTopic, offerIn, packed, said, TOPIC_BYTES, unpacked } from "./data.js";
import { Emitter } from "./emitter.js";
import { Receiving, Sending, WINDOW_BYTES } from "./files.js";

const TOPIC = "file";
const TICK_MS = 500;
// Those that go on, and the offers of one participant that wait.
const TRANSFERS = 64;
const OFFERS = 8;
const HELD_BYTES = 256 * 1024;
// What may be on its way here of all files together: a server keeps 4 MiB for who is away or slow, and what is asked for
// again is there twice.
const COMING_BYTES = 2 * WINDOW_BYTES;
// Why a transfer is refused that there is no handle for.
const REFUSED = 1;
const STOPPED = 2;

// What both kinds of handles have.
class Transfer extends Emitter {
  #finish;

  // `wake` hears that there is something to say.
  constructor(end, participant, wake) {
    super();
    this.participant = participant;
    this.done = new Promise((resolve, reject) => (this.#finish = { resolve, reject }));
    // Nobody has to wait for it.
    this.done.catch(() => {});
    Object.defineProperties(this, { end: { value: end }, wake: { value: wake } });
  }

  get name() { return this.end.name; }
  get topic() { return this.end.topic; }
  get size() { return this.end.size; }
  get received() { return this.end.received; }
  get state() { return this.end.state; }
  get isOver() { return this.end.isOver; }

  cancel() { this.stop(this.end.state === "offered" && this.end instanceof Receiving ? "refused" : "stopped"); }

  // The rest is for the room, and not for users.

  stop(reason) {
    this.end.cancel(reason);
    this.settle();
    this.wake();
  }

  // Tells what became of it.
  settle() {
    if (!this.end.isOver || !this.#finish) return;
    const error = this.state === "complete" ? null : new FileError(this.state);
    if (error) this.#finish.reject(error);
    else this.#finish.resolve();
    this.#finish = null;
    this.over(error);
    this.emit("over", this.state);
    this.finish();
  }

  over() {}

  note(before) {
    if (this.received !== before) this.emit("progress", { received: this.received, size: this.size });
    this.settle();
  }
}

export class FileError extends Error {
  name = "FileError";

  constructor(code) {
    super(`the file did not come: ${code}`);
    this.code = code;
  }
}

export class OutgoingFile extends Transfer {
  constructor(file, ...about) {
    super(...about);
    this.file = file;
  }
}

export class IncomingFile extends Transfer {
  #controller = null;
  #isClosed = false;

  accept() {
    if (this.state !== "offered") throw new DOMException("it was answered before", "InvalidStateError");
    const stream = new ReadableStream({
      start: (controller) => { this.#controller = controller; },
      pull: () => this.#use(),
      cancel: () => this.cancel(),
    }, new ByteLengthQueuingStrategy({ highWaterMark: HELD_BYTES }));
    this.end.accept(performance.now());
    this.wake();
    return stream;
  }

  // All of it into a stream, which is closed when all was compared, and aborted where that does not come. The sender is
  // told that it is here when the stream was closed.
  async saveTo(stream) {
    let all = null;
    try {
      all = this.accept();
      this.end.isHeld = true;
      await all.pipeTo(stream, { preventCancel: true });
    } catch (error) {
      // Who answered before goes on with that.
      if (all) this.stop("failed");
      stream.abort?.(error).catch(() => {});
      throw error;
    }
    this.end.kept();
    this.settle();
    this.wake();
    // It may have been stopped here while the stream was closed.
    await this.done;
  }

  // The rest is for the room, and not for users.

  take(bytes) {
    this.#controller.enqueue(bytes.slice());
    this.#use();
  }

  settle() {
    if (this.end.isCompared) this.#close();
    super.settle();
  }

  over(error) {
    if (error) this.#controller?.error(error);
  }

  #close() {
    if (!this.#isClosed) this.#controller.close();
    this.#isClosed = true;
  }

  // What is held here waits for a reader, and the sender with it.
  #use() {
    this.end.used(this.received - (HELD_BYTES - this.#controller.desiredSize), performance.now());
    this.wake();
  }
}

export class Transfers {
  #send;
  #all = new Map();
  // What is refused without a handle, until that is said.
  #refused = new Map();
  #isOpen = false;
  #isPumping = false;
  #timer = null;
  #told;

  // `send` resolves when the channel took a message; `told` hears of files that are offered, and says whether anybody
  // listens.
  constructor(send, told) {
    this.#send = send;
    this.#told = told;
  }

  offer(file, { name, topic }, participant) {
    if (!isTopic(topic)) throw new RangeError(`a topic has at most ${TOPIC_BYTES} bytes`);
    // What others offer does not count before it is wanted.
    const isOn = (it) => it.state === "active" || (it.state === "offered" && it instanceof OutgoingFile);
    if ([...this.#all.values()].filter(isOn).length >= TRANSFERS) throw new FileError("full");
    const id = new DataView(crypto.getRandomValues(new Uint8Array(8)).buffer).getBigUint64(0);
    const end = new Sending(id, file.size, asName(name), topic);
    end.since = performance.now();
    return this.#add(new OutgoingFile(file, end, participant, () => this.#pump()), participant.id, id);
  }

  hear(buffer, people) {
    const message = unpacked(buffer);
    const news = message?.topic === TOPIC && heard(message.payload);
    if (!news) return message;
    const transfer = this.#all.get(key(message.from, news.id));
    const participant = people.get(message.from);
    if (transfer) this.#hearOf(transfer, news);
    else if (news.what === "offer" && participant) this.#offered(participant, news);
    else if (news.what !== "cancel" && news.what !== "verified" && participant) this.#refuse(participant.id, news.id, STOPPED);
    return null;
  }

  // What was on its way on the channel before comes on this one, or may be lost.
  opened(resumed) {
    this.#isOpen = true;
    for (const { end } of this.#all.values()) {
      if (resumed) end.resumed(performance.now());
      else end.reconnected(performance.now());
    }
    this.#pump();
  }

  closed() { this.#isOpen = false; }

  // Nothing goes on with who left.
  gone(participant) {
    for (const [at, transfer] of this.#all) {
      if (participant !== undefined && transfer.participant.id !== participant) continue;
      transfer.end.cancelled([2]);
      transfer.settle();
      this.#all.delete(at);
    }
    if (participant === undefined) this.#refused.clear();
    this.#wind();
  }

  #offered(participant, { id, number, rest }) {
    const theirs = [...this.#all.values()].filter((it) => it.participant === participant && it.state === "offered");
    // Whoever offers more will say it again.
    if (theirs.length >= OFFERS || this.#all.size >= 4 * TRANSFERS) return;
    const offer = offerIn(rest);
    if (!offer) return this.#refuse(participant.id, id, REFUSED);
    const end = new Receiving(id, number, offer.name, offer.topic);
    const transfer = this.#add(new IncomingFile(end, participant, () => this.#pump()), participant.id, id);
    if (!this.#told(transfer)) transfer.cancel();
  }

  #add(transfer, who, id) {
    // What is over is known for a while: who asks for it is told so.
    for (const [at, it] of this.#all) if (it.isOver && this.#all.size >= TRANSFERS) this.#all.delete(at);
    this.#all.set(key(who, id), transfer);
    this.#wind();
    this.#pump();
    return transfer;
  }

  #hearOf(transfer, news) {
    const before = transfer.received;
    const fresh = transfer.end.hear(news, performance.now());
    if (fresh) transfer.take(fresh);
    transfer.note(before);
    this.#wind();
    this.#pump();
  }

  // Who is not told for now asks again.
  #refuse(to, id, reason) {
    if (this.#refused.size < TRANSFERS) this.#refused.set(key(to, id), packed(TOPIC, said("cancel", id, undefined, [reason]), [to]));
    this.#pump();
  }

  // One message after the other, a round of all transfers at a time: the channel says when it takes more.
  async #pump() {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      for (let isBusy = true; isBusy && this.#isOpen;) {
        isBusy = await this.#sayRefused();
        for (const transfer of [...this.#all.values()]) isBusy = (await this.#step(transfer)) || isBusy;
      }
    } catch {
      // The channel is closed: what was not sent is said again when there is another.
    } finally {
      this.#isPumping = false;
    }
  }

  async #sayRefused() {
    for (const [at, message] of this.#refused) {
      if (!this.#isOpen) return false;
      this.#refused.delete(at);
      await this.#send(message);
      return true;
    }
    return false;
  }

  async #step(transfer) {
    const now = performance.now();
    const step = this.#isOpen && transfer.end.step(this.#room(transfer.end, now), now);
    if (!step) return false;
    if (step instanceof Uint8Array) await this.#send(packed(TOPIC, step, [transfer.participant.id]));
    else await piece(transfer, step);
    return true;
  }

  // What may come of a file beside the others.
  #room(end, now) {
    const others = [...this.#all.values()].filter((it) => it instanceof IncomingFile && it.end !== end);
    return others.reduce((room, it) => room - it.end.underWay(now), COMING_BYTES);
  }

  #wind() {
    const isNeeded = [...this.#all.values()].some((it) => !it.isOver);
    if (isNeeded) {
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
      return;
    }
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick() {
    // Without a channel nothing can be missed.
    if (!this.#isOpen) return;
    for (const { end } of this.#all.values()) end.tick(performance.now());
    this.#pump();
    this.#wind();
  }
}

const key = (who, id) => `${id} ${who}`;

async function piece(transfer, { from, to }) {
  try {
    transfer.end.read(from, new Uint8Array(await transfer.file.slice(from, to).arrayBuffer()));
  } catch {
    transfer.stop("failed");
  }
}
