// What somebody publishes, this client included, and how it is shown here. Knows its participant, and tells the room what
// is wanted of it.

import { Emitter } from "./emitter.js";
import { Meter } from "./meter.js";
import { Visible } from "./visible.js";

export class Publication extends Emitter {
  #told;
  #wants;
  #connection;
  #playback;
  #meter = new Meter();
  #isOver = false;
  #isSubscribed;
  #isPaused = false;
  #size = null;
  #priority = "low";
  #track = null;
  #idle;
  #quality;
  #elements = new Set();
  // Those of them that were not muted before.
  #muted = new Set();
  #visible = new Visible(() => this.#wants("later"));

  // `wants` hears that something else is wanted of it; `connection` gives the peer connection of the moment; `playback` has
  // elements play.
  constructor(participant, told, isSubscribed, { wants, connection, playback }) {
    super();
    this.participant = participant;
    this.#told = told;
    this.#isSubscribed = isSubscribed;
    this.#wants = wants;
    this.#connection = connection;
    this.#playback = playback;
  }

  get id() { return this.#told.id; }
  get key() { return this.id.slice(this.participant.id.length + 1); }
  get kind() { return this.#told.kind; }
  get source() { return this.#told.source; }
  get label() { return this.#told.label; }
  get muted() { return this.#told.muted; }
  get width() { return this.#told.width; }
  get height() { return this.#told.height; }
  get track() { return this.#track; }
  get idle() { return this.#idle; }
  get quality() { return this.#quality; }
  get isOver() { return this.#isOver; }
  get isSubscribed() { return this.#isSubscribed; }
  get isPaused() { return this.#isPaused; }

  get priority() { return this.#priority; }
  set priority(priority) {
    this.#priority = priority;
    this.#wants();
  }

  // What is wanted instead of the size it is seen in; null for that.
  get size() { return this.#size; }
  set size(size) {
    this.#size = size;
    this.#wants();
  }

  subscribe() { this.#subscribe(true); }
  unsubscribe() { this.#subscribe(false); }
  pause() { this.#pause(true); }
  resume() { this.#pause(false); }

  async getStats() {
    const connection = !this.#isOver && this.#connection();
    if (!connection) throw new DOMException("there is no call that it is in", "InvalidStateError");
    return this.#meter.read(connection, this);
  }

  attach(element = document.createElement(this.kind)) {
    if (this.#isOver) throw new DOMException("nothing comes of what is published no more", "InvalidStateError");
    this.#elements.add(element);
    element.autoplay = true;
    element.playsInline = true;
    // Chromium plays what has no sound without a click only where it is muted.
    if ((this.participant.isLocal || this.kind === "video") && !element.muted) {
      this.#muted.add(element);
      element.muted = true;
    }
    if (this.kind === "video") this.#visible.add(element);
    this.#play(element);
    this.#wants();
    return element;
  }

  detach(element) {
    for (const gone of element ? [element] : [...this.#elements]) {
      if (!this.#elements.delete(gone)) continue;
      this.#visible.delete(gone);
      gone.srcObject = null;
      if (this.#muted.delete(gone)) gone.muted = false;
      this.#playback.forget(gone);
    }
    if (!this.#isOver) this.#wants();
  }

  #subscribe(isSubscribed) {
    this.#isSubscribed = isSubscribed;
    this.#hear();
    this.#wants();
  }

  #pause(isPaused) {
    this.#isPaused = isPaused;
    this.#hear();
    this.#wants();
  }

  // The server chooses the sound that comes: what is not wanted of it is silent here.
  #hear() {
    if (this.kind === "audio" && this.#track && !this.participant.isLocal) {
      this.#track.enabled = this.#isSubscribed && !this.#isPaused;
    }
  }

  #play(element) {
    const [shown] = element.srcObject?.getTracks?.() ?? [];
    if (shown === (this.#track ?? undefined)) return;
    element.srcObject = this.#track && new MediaStream([this.#track]);
    if (this.#track) this.#playback.play(element);
    else this.#playback.forget(element);
  }

  // The rest is the room's, and not for users.

  // Its place among the pictures that are wanted, or nothing.
  get view() {
    if (this.kind !== "video" || this.participant.isLocal || !this.#isSubscribed || this.#isOver) return null;
    const seen = this.#size ?? (this.#elements.size > 0 ? this.#visible.size : {});
    const view = { publication: this.id, priority: this.#priority, paused: this.#isPaused || seen === null };
    return { ...view, width: seen?.width, height: seen?.height };
  }

  change(told) {
    this.#told = told;
    this.emit("publicationChanged", this);
  }

  show(track, idle) {
    this.#track = track;
    this.#idle = idle;
    this.#hear();
    for (const element of this.#elements) this.#play(element);
    this.emit("shown", this);
  }

  rate(quality) {
    this.#quality = quality;
  }

  end() {
    this.#isOver = true;
    this.#track = null;
    this.detach();
    this.emit("unpublished", this);
    this.finish();
  }
}
