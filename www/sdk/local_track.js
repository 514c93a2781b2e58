// A track that this client publishes, from the moment it says so until it stops: also while it is in no room.

import { chosen, encodings } from "./encodings.js";
import { capabilities } from "./describe.js";
import { applied, DeviceError, openDevices } from "./devices.js";

export class LocalTrack {
  #room;
  #track;
  #sent;
  #isMuted = false;
  #isOver = false;

  constructor(room, track, options) {
    this.#room = room;
    this.options = options;
    this.#use(track);
    this.#sent = sent(options, track, room);
  }

  get key() { return this.options.key; }
  get kind() { return this.#track.kind; }
  get track() { return this.#track; }
  get isOver() { return this.#isOver; }

  // As others see it, once they do.
  get publication() {
    const own = this.#room.localParticipant;
    return own?.publications.get(`${own.id}/${this.key}`);
  }

  // From the moment that this client says so. Whoever may can mute what others publish.
  get muted() { return (this.publication && this.#room.isMuted(this.key)) ?? this.#isMuted; }

  mute() { this.#mute(true); }
  unmute() { this.#mute(false); }

  // Others go on seeing the same publication. Whoever replaces a track has the old one to stop.
  replace(track) {
    this.#check();
    if (track.kind !== this.kind) throw new TypeError(`a track of ${track.kind} for one of ${this.kind}`);
    this.#use(track);
    this.#room.carry(this);
  }

  // Another camera or microphone. Keeps the old one where that cannot be had.
  async setDevice(deviceId) {
    this.#check();
    const wish = { ...this.#track.getConstraints(), deviceId: { exact: deviceId } };
    const stream = await openDevices({ [this.kind]: wish });
    const [track] = stream.getTracks();
    if (this.#isOver) {
      track.stop();
      this.#check();
    }
    const old = this.#track;
    this.replace(track);
    old.stop();
  }

  // Whether the browser blurs the background of a camera's picture; undefined where it cannot, or does nothing else
  // (W3C mediacapture-extensions).
  get backgroundBlur() {
    const choice = this.#track.getCapabilities?.().backgroundBlur ?? [];
    return choice.includes(true) && choice.includes(false) ? this.#track.getSettings().backgroundBlur : undefined;
  }

  // Another device is asked for the same, as far as it can.
  async setBackgroundBlur(backgroundBlur) {
    this.#check();
    if (this.backgroundBlur === undefined) throw new DeviceError("unfit", { message: "it does not blur", constraint: "backgroundBlur" });
    await applied(this.#track, { backgroundBlur });
  }

  async getStats() {
    if (!this.publication) throw new DOMException("nobody sees it yet", "InvalidStateError");
    return this.publication.getStats();
  }

  // Publishes it no more; the track goes on running.
  unpublish() {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#room.drop(this);
  }

  stop() {
    this.unpublish();
    this.#track.stop();
  }

  #use(track) {
    this.#track = track;
    if (this.options.contentHint !== undefined) track.contentHint = this.options.contentHint;
  }

  #mute(isMuted) {
    this.#check();
    this.#isMuted = isMuted;
    this.#room.mute(this.key, isMuted);
  }

  #check() {
    if (this.#isOver) throw new DOMException("it is published no more", "InvalidStateError");
  }

  // The rest is the room's, and not for users.

  // How the client is to publish it: the same for another track in its place.
  get sent() { return this.#sent; }
}

function sent({ key, source, label, codecs, stereo, dtx, red, ...options }, track, { codec }) {
  const { width = 0, height = 0 } = track.getSettings();
  const said = { source: source ?? "camera", kind: track.kind, size: Math.max(width, height) };
  const first = chosen(codecs ?? [codec].filter(Boolean), capabilities("video"));
  return { key, source, label, codecs, stereo, dtx, red, encodings: encodings(options, { ...said, codec: first }) };
}
