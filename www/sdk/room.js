// A room, and this client's place there. It turns what a FerriteClient tells into handles that stay, and what is wanted
// of them into what the client is asked for.

import init, { FerriteClient } from "../ferrite_client.js";
import { asLossy, packed } from "./data.js";
import { describe } from "./describe.js";
import { Emitter } from "./emitter.js";
import { LocalTrack } from "./local_track.js";
import { Participant } from "./participant.js";
import { Playback } from "./playback.js";
import { Publication } from "./publication.js";
import { Rpc, TOPIC } from "./rpc.js";
import { Transfers } from "./transfers.js";

const OUTSIDE = Object.freeze({ phase: "idle", link: "idle" });
const PRIORITIES = ["high", "medium", "low", "very-low"];
// While a window is drawn larger, the server need not hear of every step.
const RESIZE_MS = 100;

export class Room extends Emitter {
  #options;
  #client = null;
  // What ends the way to a client.
  #entering = null;
  #status = OUTSIDE;
  #id;
  #own;
  #participants = new Map();
  #publications = new Map();
  #tracks = new Map();
  #speaking = { participants: [] };
  #quality = { shown: [], arrives: {} };
  #rpc = new Rpc(async (text, to) => this.#inside().say(text, { topic: TOPIC, to: [to] }));
  #transfers = new Transfers((bytes) => this.#inside().send(bytes), (file) => this.emit("file", file));
  #playback = new Playback((isBlocked) => this.emit("playbackBlocked", isBlocked));
  #watched;
  #timer = null;
  #isDue = false;
  // Nothing is seen of a page at the back.
  #turn = () => this.#want();

  constructor(options = {}) {
    super();
    const { stereo = false } = options;
    this.#options = { describe: (connection, sent) => describe(connection, sent, stereo), ...options };
  }

  get id() { return this.#id; }
  get status() { return this.#status; }
  get state() { return this.#status.phase; }
  get participants() { return this.#participants; }
  get localParticipant() { return this.#participants.get(this.#own); }
  get localTracks() { return this.#tracks; }
  get quality() { return this.#quality; }
  get isPlaybackBlocked() { return this.#playback.isBlocked; }
  get activeSpeaker() { return this.#participants.get(this.#speaking.active); }
  get speakers() {
    return this.#speaking.participants.map((id) => this.#participants.get(id)).filter(Boolean);
  }

  async connect({ signal, ...join }) {
    signal?.throwIfAborted();
    if (this.#client || this.#entering) throw new DOMException("in a room, or on the way into one", "InvalidStateError");
    const entering = (this.#entering = new AbortController());
    const leave = () => this.leave();
    signal?.addEventListener("abort", leave, { once: true });
    let client;
    try {
      await init();
      entering.signal.throwIfAborted();
      client = this.#client = new FerriteClient(this.#options);
      this.#entering = null;
      this.#begin(client);
      await client.join(join);
    } catch (error) {
      if (this.#entering === entering) this.#entering = null;
      if (client) this.#finish(client);
      throw signal?.aborted ? signal.reason : error;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  // Resolves when all that was there is told to be gone. Tracks go on running, and are published in the next room.
  async leave() {
    this.#entering?.abort(new DOMException("this client left", "AbortError"));
    this.#entering = null;
    const client = this.#client;
    if (!client) return;
    const isOver = this.#id && new Promise((resolve) => this.once("left", resolve));
    client.close();
    await isOver;
    this.#finish(client);
  }

  publish(track, options = {}) {
    const key = options.key ?? (track.kind === "audio" ? "mic" : "cam");
    // What is there stays where the new one cannot be.
    const local = new LocalTrack(this, track, { ...options, key });
    this.#tracks.get(key)?.unpublish();
    this.carry(local);
    this.#tracks.set(key, local);
    return local;
  }

  // Plays what the browser kept back, where it is called while the user does something.
  async startPlayback() { this.#playback.start(); }

  say(text, { to, ...options } = {}) {
    return this.#inside().say(text, { ...options, to: to?.map((it) => it.id ?? it) });
  }

  // Resolves when the browser took it, which it does not while too much waits to leave. What is not reliable does not wait.
  async sendBytes(data, { to, topic = "", reliable = true } = {}) {
    const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
    const message = packed(topic, bytes, to?.map((it) => it.id ?? it));
    if (reliable) await this.#inside().send(message);
    else this.#inside().sendLossy(asLossy(message));
  }

  // A file on its way to somebody.
  sendFile(file, { to, name = file.name ?? "file", topic = "", signal }) {
    signal?.throwIfAborted();
    this.#inside();
    const participant = this.#participants.get(to.id ?? to);
    if (!participant || participant.isLocal) throw new DOMException("a file goes to somebody else in the room", "NotFoundError");
    const sent = this.#transfers.offer(file, { name, topic }, participant);
    const stop = () => sent.cancel();
    signal?.addEventListener("abort", stop);
    sent.once("over", () => signal?.removeEventListener("abort", stop));
    return sent;
  }

  // Has somebody do something, and resolves with what came of it.
  call(participant, method, payload, options) {
    return this.#rpc.call(participant.id ?? participant, method, payload, options);
  }

  // What others may have this client do.
  handle(method, handler, options) {
    this.#rpc.handle(method, handler, options);
  }

  stats() {
    return this.#inside().stats();
  }

  kick(participant, reason) {
    return this.#inside().kick(participant.id ?? participant, reason);
  }

  mutePublication(publication, reason) {
    return this.#inside().mutePublication(publication.id ?? publication, reason);
  }

  end(reason) {
    return this.#inside().endRoom(reason);
  }

  // The next five are for LocalTrack.

  get codec() { return this.#options.codec; }

  carry(local) {
    this.#client?.publishTrack(local.track, local.sent);
    local.publication?.show(local.track);
  }

  mute(key, isMuted) {
    if (isMuted) this.#client?.mute(key);
    else this.#client?.unmute(key);
  }

  isMuted(key) { return this.#client?.isMuted(key); }

  drop(local) {
    this.#tracks.delete(local.key);
    this.#client?.unpublishTrack(local.key);
  }

  #inside() {
    if (this.#client) return this.#client;
    throw new DOMException("in no room", "InvalidStateError");
  }

  #begin(client) {
    document.addEventListener("visibilitychange", this.#turn);
    for (const [event, note] of Object.entries(this.#notes(client))) client.on(event, note);
    for (const local of this.#tracks.values()) {
      this.carry(local);
      if (local.muted) client.mute(local.key);
    }
  }

  #finish(client) {
    if (this.#client !== client) return;
    this.#client = null;
    document.removeEventListener("visibilitychange", this.#turn);
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#watched = undefined;
    this.#rpc.end("this client left the room");
    this.#transfers.closed();
    this.#transfers.gone();
    client.close();
    client.free();
    this.#change(OUTSIDE);
  }

  #notes(client) {
    const at = ({ id }) => this.#participants.get(id);
    const of = ({ id }) => this.#publications.get(id);
    return {
      status: (status) => client === this.#client && this.#change(status),
      joined: ({ id, own }) => {
        if (this.#own) {
          this.#rpc.end("this client came back as another participant");
          this.#transfers.gone();
        }
        this.#id = id;
        this.#own = own;
        this.#watched = undefined;
        this.#want();
      },
      participantJoined: (told) => this.#meet(told),
      participantChanged: (told) => {
        at(told)?.change(told);
        this.emit("participantChanged", at(told));
      },
      participantLeft: (told) => {
        const participant = at(told);
        this.#participants.delete(told.id);
        // Outside nobody else is there either.
        if (client.room) this.#rpc.gone(told.id);
        this.#transfers.gone(told.id);
        participant?.end(told.cause);
        this.emit("participantLeft", participant);
      },
      published: (told) => this.#see(told),
      publicationChanged: (told) => {
        of(told)?.change(told);
        this.emit("publicationChanged", of(told));
      },
      unpublished: (told) => {
        const publication = of(told);
        this.#publications.delete(told.id);
        publication?.participant.unpublished(publication);
        this.#want();
        this.emit("unpublished", publication);
      },
      shown: ({ publication: id, track, idle }) => {
        const publication = of({ id });
        publication?.show(track, idle);
        if (publication) this.emit("shown", publication);
      },
      speaking: (speaking) => this.#hear(speaking),
      quality: (quality) => this.#rate(quality),
      said: (message) => this.#read(message),
      channelOpen: ({ resumed }) => this.#transfers.opened(resumed),
      channelClose: () => this.#transfers.closed(),
      message: (data) => this.#take(data),
      complaint: (words) => this.emit("complaint", words),
      muted: ({ publication, reason }) => {
        this.emit("muted", { publication: of({ id: publication }), reason });
      },
      left: (why) => {
        this.#id = this.#own = undefined;
        this.#finish(client);
        this.emit("left", why);
      },
    };
  }

  #change(status) {
    const before = this.#status;
    this.#status = status;
    if (before !== status) this.emit("status", status);
  }

  #meet(told) {
    const participant = new Participant(told, told.id === this.#own);
    this.#participants.set(told.id, participant);
    this.emit("participantJoined", participant);
  }

  #see(told) {
    const participant = this.#participants.get(told.participant);
    if (!participant) return;
    const isWanted = this.#options.subscribe ?? true;
    const publication = new Publication(participant, told, isWanted, {
      wants: (when) => this.#want(when),
      connection: () => this.#client?.peerConnection,
      playback: this.#playback,
    });
    this.#publications.set(told.id, publication);
    const local = participant.isLocal && this.#tracks.get(publication.key);
    if (local) publication.show(local.track);
    participant.published(publication);
    this.emit("published", publication);
    this.#want();
  }

  #read(message) {
    const participant = this.#participants.get(message.from);
    if (message.topic !== TOPIC) return this.emit("said", { ...message, participant });
    // What one says comes back, too.
    if (participant && message.to?.includes(this.#own)) this.#rpc.hear(message.from, message.text, participant);
  }

  // Bytes of others: of a file, or for whoever listens.
  #take(data) {
    const message = typeof data !== "string" && this.#transfers.hear(data, this.#participants);
    if (!message) return;
    const { from, payload, ...about } = message;
    this.emit("bytes", { ...about, from, participant: this.#participants.get(from), data: payload });
  }

  #hear(speaking) {
    this.#speaking = speaking;
    for (const [id, participant] of this.#participants) participant.speak(speaking.participants.includes(id));
    this.emit("speaking", this.speakers);
  }

  #rate(quality) {
    this.#quality = quality;
    const limits = new Map();
    for (const { publication: id, ...shown } of quality.shown) {
      const publication = this.#publications.get(id);
      publication?.rate(shown);
      // A way that is too narrow is that of who is at its end.
      const whose = ["download", "cpu"].includes(shown.limit) ? this.localParticipant : publication?.participant;
      if (whose && shown.limit) limits.set(whose, limits.get(whose) === "lost" ? "lost" : grade(shown.limit));
    }
    for (const participant of this.#participants.values()) participant.rate(limits.get(participant) ?? "good");
    this.emit("quality", quality);
  }

  // The pictures that are wanted may be others than before.
  #want(when) {
    if (when === "later") {
      this.#timer ??= setTimeout(() => this.#watch(), RESIZE_MS);
    } else if (!this.#isDue) {
      this.#isDue = true;
      queueMicrotask(() => this.#watch());
    }
  }

  #watch() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#isDue = false;
    if (!this.#client || !this.#own) return;
    const views = [...this.#publications.values()].map((it) => it.view).filter(Boolean);
    views.sort((one, other) => one.paused - other.paused || rank(one) - rank(other));
    const wanted = JSON.stringify(views);
    if (wanted === this.#watched) return;
    this.#watched = wanted;
    this.#client.watch(views);
  }
}

const rank = ({ priority }) => PRIORITIES.indexOf(priority);

const grade = (limit) => (limit === "interrupted" ? "lost" : "poor");
