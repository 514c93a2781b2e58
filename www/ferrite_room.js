// <ferrite-room server="https://call.example.com/" room="kitchen" name="Ada" token="…">: the page of a room in a
// frame of any page whose origin the server allows (--allowed-origins).
//
// Attributes: `room` (required), `server` (default: where this file came from; in a bundle, say it), `name` and
// `token`. When one changes, the page is opened anew: whoever is in the room leaves it.

const home = import.meta.url;

class FerriteRoom extends HTMLElement {
  static observedAttributes = ["server", "room", "name", "token"];

  #frame = document.createElement("iframe");
  #due = false;

  constructor() {
    super();
    this.#frame.allow = ["camera", "microphone", "display-capture", "autoplay", "fullscreen", "clipboard-write", "picture-in-picture", "web-share"]
      .map((feature) => `${feature} *`)
      .join("; ");
    this.#frame.style.cssText = "display: block; border: 0; inline-size: 100%; block-size: 100%";
    const style = document.createElement("style");
    style.textContent = ":host { display: block; block-size: 30rem } :host([hidden]) { display: none }";
    this.attachShadow({ mode: "open" }).append(style, this.#frame);
  }

  connectedCallback() {
    this.#show();
  }

  attributeChangedCallback() {
    this.#show();
  }

  // Several attributes may change in one go.
  #show() {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      if (!this.isConnected) return;
      const url = this.#url();
      this.#frame.title = url ? `Room ${this.getAttribute("room")}` : "";
      if (url) this.#frame.src = url;
      else this.#frame.removeAttribute("src");
    });
  }

  #url() {
    const room = this.getAttribute("room");
    if (!room) return null;
    const url = new URL(`r/${encodeURIComponent(room)}`, new URL(this.getAttribute("server") ?? "./", home));
    for (const key of ["name", "token"]) {
      if (this.hasAttribute(key)) url.searchParams.set(key, this.getAttribute(key));
    }
    return url.href;
  }
}

if (!customElements.get("ferrite-room")) customElements.define("ferrite-room", FerriteRoom);

export { FerriteRoom };
