// Curves, drawn as SVG: one for each line, a point for each day of the month.
const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 208, LEFT = 64, RIGHT = 12, TOP = 12, BOTTOM = 26;

function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** The least of 1, 2, 5, 10, 20, … that is not less. */
export function round(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

/**
 * `lines` are `{name, values}`, the first of which lies on top, with a value for each of `days`; `show` writes a value,
 * and `width` are the pixels that there are.
 */
export function chart(title, days, lines, show, width) {
  const top = round(Math.max(1e-6, ...lines.flatMap(({ values }) => values)));
  const x = (day) => LEFT + ((width - LEFT - RIGHT) * day) / Math.max(1, days.length - 1);
  const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * value) / top;
  const drawn = element("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": title });
  for (const share of [0, 0.5, 1]) {
    const at = y(top * share);
    drawn.append(
      element("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }),
      element("text", { x: LEFT - 8, y: at + 4, "text-anchor": "end" }, show(top * share)),
    );
  }
  const every = Math.max(1, Math.ceil((days.length * 56) / (width - LEFT - RIGHT)));
  days.forEach((day, n) => {
    if (n % every === 0) drawn.append(element("text", { x: x(n), y: HEIGHT - 6, "text-anchor": "middle" }, day));
  });
  for (const { name, values } of lines.toReversed()) {
    const path = values.map((value, day) => `${day ? "L" : "M"}${x(day).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    const last = values.length - 1;
    drawn.append(
      element("path", { class: `line-${name}`, d: path }),
      element("circle", { class: `line-${name}`, cx: x(last), cy: y(values[last]), r: 4 }),
    );
  }
  return drawn;
}
