// The page's words: English as it is written, or another language's.
const LANGUAGES = { en: "English", de: "Deutsch" };
const CHOSEN = "ferrite.language";

let words = {};
export let language = "en";

/** A text in the page's language, with what is said in the place of `{}`. */
export const t = (text, ...said) => (Object.hasOwn(words, text) ? words[text] : text).replaceAll("{}", () => said.shift());

function chosen() {
  try {
    const kept = localStorage.getItem(CHOSEN);
    if (kept in LANGUAGES) return kept;
  } catch {
    // Some browsers keep nothing.
  }
  return navigator.languages.map((name) => name.split("-")[0]).find((name) => name in LANGUAGES) ?? "en";
}

/** Loads the language, and puts its words into what is written in the page. */
export async function speak(button) {
  language = chosen();
  if (language !== "en") {
    const answer = await fetch(new URL(`words.${language}.json`, import.meta.url));
    if (answer.ok) words = await answer.json();
    else language = "en";
  }
  document.documentElement.lang = language;
  const texts = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.data.trim();
    if (words[text]) texts.currentNode.data = texts.currentNode.data.replace(text, words[text]);
  }
  const other = Object.keys(LANGUAGES).find((name) => name !== language);
  Object.assign(button, { textContent: LANGUAGES[other], lang: other });
  button.addEventListener("click", () => {
    try {
      localStorage.setItem(CHOSEN, other);
    } catch {
      return;
    }
    location.reload();
  });
}
