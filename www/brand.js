// What whoever runs the server calls it and how it looks: brand.json beside this file, which the directory of
// --www may replace. All of it may be left out.
//
// { "name": "Acme Talk",
//   "logo": "acme.svg",
//   "colours": { "light": { "accent": "#0b5fa6", "on-accent": "#ffffff" }, "dark": { "accent": "#7fc1ff" } },
//   "links": [{ "text": "Imprint", "href": "https://acme.example/imprint" }] }
//
// A colour is a variable of style.css without its dashes. An address is relative to this file.

const at = (address) => new URL(address, import.meta.url).href;

export async function brand() {
  try {
    const answer = await fetch(at("brand.json"));
    if (answer.ok) wear(await answer.json());
  } catch (error) {
    // The page works without.
    console.warn("brand.json cannot be read", error);
  }
}

function wear({ name, logo, colours = {}, links = [] }) {
  if (name) {
    document.title = document.title.replace("Ferrite", () => name);
    for (const place of document.querySelectorAll(".product")) place.textContent = name;
  }
  if (logo) for (const old of document.querySelectorAll(".logo")) old.replaceWith(picture(logo));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => {
    const [worn, other] = dark.matches ? [colours.dark, colours.light] : [colours.light, colours.dark];
    for (const key of Object.keys(other ?? {})) document.documentElement.style.removeProperty(`--${key}`);
    for (const [key, value] of Object.entries(worn ?? {})) document.documentElement.style.setProperty(`--${key}`, value);
  };
  dark.addEventListener("change", paint);
  paint();
  for (const foot of document.querySelectorAll(".foot")) {
    for (const { text, href } of links) foot.append(" ", link(text, href));
  }
}

function picture(address) {
  const image = new Image();
  image.className = "logo";
  image.alt = "";
  image.src = at(address);
  return image;
}

function link(text, address) {
  const anchor = document.createElement("a");
  anchor.textContent = text;
  anchor.href = at(address);
  return anchor;
}
