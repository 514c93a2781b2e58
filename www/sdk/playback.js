// Which elements the browser keeps from playing, as it does with sound until the user does something. Knows elements only.

export class Playback {
  #blocked = new Set();
  #tell;
  // It plays all the same: whoever has the element had it play.
  #plays = ({ currentTarget }) => this.#note(currentTarget, false);

  constructor(tell) {
    this.#tell = tell;
  }

  get isBlocked() { return this.#blocked.size > 0; }

  // Whether it may, a browser says at once (HTML, "play()"); what it waits for besides is data.
  play(element) {
    element.play().catch(() => {});
    this.#note(element, element.paused);
  }

  // From within what the user does.
  start() {
    for (const element of [...this.#blocked]) this.play(element);
    if (this.isBlocked) throw new DOMException("nobody has clicked: call it when somebody does", "NotAllowedError");
  }

  // Nothing is to be played there any more.
  forget(element) {
    this.#note(element, false);
  }

  #note(element, isBlocked) {
    const was = this.isBlocked;
    if (isBlocked) {
      this.#blocked.add(element);
      element.addEventListener("playing", this.#plays);
    } else if (this.#blocked.delete(element)) {
      element.removeEventListener("playing", this.#plays);
    }
    if (was !== this.isBlocked) this.#tell(this.isBlocked);
  }
}
