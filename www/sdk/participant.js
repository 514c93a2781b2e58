// Somebody in a room. The same object as long as they are there under the same id, over cuts of their connection and of
// ours.

import { Emitter } from "./emitter.js";

export class Participant extends Emitter {
  #told;
  #publications = new Map();
  #isOver = false;
  #departure;
  #isSpeaking = false;
  #connectionQuality = "good";

  constructor(told, isLocal) {
    super();
    this.#told = told;
    this.isLocal = isLocal;
  }

  get id() { return this.#told.id; }
  get name() { return this.#told.name; }
  get metadata() { return this.#told.metadata; }
  get state() { return this.#told.state; }
  get publications() { return this.#publications; }
  get isOver() { return this.#isOver; }
  get departure() { return this.#departure; }
  get isSpeaking() { return this.#isSpeaking; }
  get connectionQuality() { return this.state === "reconnecting" ? "lost" : this.#connectionQuality; }

  // What they publish from there, if they do.
  from(source) {
    return [...this.#publications.values()].find((it) => it.source === source);
  }

  // The rest is the room's, and not for users.

  change(told) {
    this.#told = told;
    this.emit("participantChanged", this);
  }

  published(publication) {
    this.#publications.set(publication.id, publication);
    this.emit("published", publication);
  }

  unpublished(publication) {
    this.#publications.delete(publication.id);
    publication.end();
    this.emit("unpublished", publication);
  }

  speak(isSpeaking) {
    if (this.#isSpeaking === isSpeaking) return;
    this.#isSpeaking = isSpeaking;
    this.emit("speaking", isSpeaking);
  }

  rate(connectionQuality) {
    if (this.#connectionQuality === connectionQuality) return;
    this.#connectionQuality = connectionQuality;
    this.emit("quality", this.connectionQuality);
  }

  end(departure) {
    this.#isOver = true;
    this.#departure = departure;
    this.emit("participantLeft", this);
    this.finish();
  }
}
