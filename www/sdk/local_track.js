// A track that this client publishes, from the moment it says so until it stops: also while it is in no room.

export class LocalTrack {
  #room;
  #track;
  #isMuted = false;
  #isOver = false;

  constructor(room, track, options) {
    this.#room = room;
    this.#track = track;
    this.options = options;
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

  // Whoever may can mute what others publish.
  get muted() { return this.publication?.muted ?? this.#isMuted; }

  mute() { this.#mute(true); }
  unmute() { this.#mute(false); }

  // Others go on seeing the same publication. Whoever replaces a track has the old one to stop.
  replace(track) {
    this.#check();
    if (track.kind !== this.kind) throw new TypeError(`a track of ${track.kind} for one of ${this.kind}`);
    this.#track = track;
    this.#room.carry(this);
  }

  // Another camera or microphone. Rejects as getUserMedia does, and keeps the old one then.
  async setDevice(deviceId) {
    this.#check();
    const wish = { ...this.#track.getConstraints(), deviceId: { exact: deviceId } };
    const stream = await navigator.mediaDevices.getUserMedia({ [this.kind]: wish });
    const [track] = stream.getTracks();
    if (this.#isOver) {
      track.stop();
      this.#check();
    }
    const old = this.#track;
    this.replace(track);
    old.stop();
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

  #mute(isMuted) {
    this.#check();
    this.#isMuted = isMuted;
    this.#room.mute(this.key, isMuted);
  }

  #check() {
    if (this.#isOver) throw new DOMException("it is published no more", "InvalidStateError");
  }
}
