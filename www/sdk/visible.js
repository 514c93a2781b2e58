// How large elements are seen, in pixels of the screen: nothing of what is scrolled away, hidden, or in a page at the back.

export class Visible {
  #elements = new Map();
  #changed;
  #size = new ResizeObserver((entries) => this.#note(entries));
  #sight = new IntersectionObserver((entries) => this.#note(entries));

  constructor(changed) {
    this.#changed = changed;
  }

  add(element) {
    // Until the browser says otherwise it is seen as it is.
    this.#elements.set(element, true);
    this.#size.observe(element);
    this.#sight.observe(element);
  }

  delete(element) {
    this.#elements.delete(element);
    this.#size.unobserve(element);
    this.#sight.unobserve(element);
  }

  // The largest that is seen, or null.
  get size() {
    if (document.hidden) return null;
    let largest = null;
    for (const [element, isSeen] of this.#elements) {
      const [width, height] = [element.clientWidth, element.clientHeight].map((it) => it * devicePixelRatio);
      if (isSeen && width * height > (largest ? largest.width * largest.height : 0)) largest = { width, height };
    }
    return largest;
  }

  #note(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting !== undefined && this.#elements.has(target)) this.#elements.set(target, isIntersecting);
    }
    this.#changed();
  }
}
