//! The language of the page. English is in the code and in `www`; another one is a list of what to say instead,
//! `www/words.LANGUAGE.json`. What is not in it is said in English.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// What to say instead of what.
pub(crate) type Words = BTreeMap<String, String>;

thread_local! {
    // The page has one language, and all that speak are where no argument gets to.
    static WORDS: RefCell<Words> = const { RefCell::new(Words::new()) };
}

/// Speaks with these words from now on.
pub(crate) fn learn(words: Words) {
    WORDS.with_borrow_mut(|known| *known = words);
}

/// What to say for this in the page's language, where there is something else to say.
pub(crate) fn translation(english: &str) -> Option<String> {
    WORDS.with_borrow(|known| known.get(english).cloned())
}

/// Says this in the page's language.
pub(crate) fn say(english: &str) -> String {
    translation(english).unwrap_or_else(|| english.to_owned())
}

/// Says this with something in each `{}`, in order.
pub(crate) fn fill(english: &str, parts: &[&str]) -> String {
    let sentence = say(english);
    let mut pieces = sentence.split("{}");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    let mut parts = parts.iter();
    for piece in pieces {
        filled.push_str(parts.next().copied().unwrap_or_default());
        filled.push_str(piece);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_learned_and_else_english() {
        let words = [("{} left".to_owned(), "{} ist gegangen".to_owned())];
        assert_eq!(fill("{} left", &["Ada"]), "Ada left");
        learn(Words::from(words));
        assert_eq!(fill("{} left", &["{}"]), "{} ist gegangen");
        assert_eq!(say("Chat"), "Chat");
        assert_eq!(fill("{} of {}, {}", &["1", "2"]), "1 of 2, ");
    }

    /// Names of codecs, of languages and of this program, and what is only holes, are the same everywhere.
    const SAME: [&str; 9] = [
        "AV1", "VP8", "VP9", "Deutsch", "Ferrite", "{}.", "{}: {}", "{}: {}.", "ltr",
    ];

    /// The texts of a page, and what its elements say to a screen reader.
    fn texts_of(page: &str) -> Vec<String> {
        let body = &page[page.find("<body").unwrap()..];
        let mut texts = Vec::new();
        for piece in body.split('<') {
            let (tag, text) = piece.split_once('>').unwrap_or(("", ""));
            texts.push(text.trim().to_owned());
            for name in ["aria-label=\"", "placeholder=\"", "title=\""] {
                let value = tag.split(&format!(" {name}")).nth(1);
                texts.extend(value.and_then(|it| it.split('"').next()).map(str::to_owned));
            }
        }
        texts
    }

    /// What `words.rs` says: every string of it but those for programs.
    fn sentences() -> Vec<String> {
        let source = include_str!("words.rs");
        let source = source.split("#[cfg(test)]").next().unwrap();
        let mut sentences = Vec::new();
        for how in ["say(", "fill(", "&str ="] {
            for call in source.split(how).skip(1) {
                let string = call.trim_start().strip_prefix('"');
                sentences.extend(
                    string
                        .and_then(|it| it.split('"').next())
                        .map(str::to_owned),
                );
            }
        }
        sentences
    }

    /// What is said where it is needed first.
    fn later() -> Vec<String> {
        let sources = [
            include_str!("../../www/quality.js"),
            include_str!("../../www/connection.js"),
        ];
        let calls = sources
            .iter()
            .flat_map(|source| source.split("say(\"").skip(1));
        let sentences = calls.filter_map(|it| it.split('"').next());
        sentences.map(str::to_owned).collect()
    }

    #[test]
    fn german_has_a_word_for_everything() {
        let german: Words = serde_json::from_str(include_str!("../../www/words.de.json")).unwrap();
        let pages = [
            include_str!("../../www/index.html"),
            include_str!("../../www/echo.html"),
            include_str!("../../www/room.html"),
        ];
        let pages = pages.iter().flat_map(|page| texts_of(page));
        let has_words =
            |text: &String| text.chars().filter(|it| it.is_ascii_alphabetic()).count() > 1;
        let spoken = pages.chain(sentences()).chain(later()).filter(has_words);
        let spoken: BTreeMap<_, _> = spoken.map(|it| (it, ())).collect();
        assert!(spoken.len() > 150, "found only {} texts", spoken.len());
        let is_said = |text: &str| german.contains_key(text) || SAME.contains(&text);
        let missing: Vec<_> = spoken.keys().filter(|it| !is_said(it)).collect();
        assert!(missing.is_empty(), "no German for {missing:#?}");
        let unused: Vec<_> = german
            .keys()
            .filter(|it| !spoken.contains_key(*it))
            .collect();
        assert!(unused.is_empty(), "nobody says {unused:#?}");
        for (english, german) in &german {
            let holes = |text: &str| text.matches("{}").count();
            assert_eq!(holes(english), holes(german), "{english}");
        }
    }
}
