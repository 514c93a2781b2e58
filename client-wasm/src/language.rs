//! The language of the page. English is in the code and in `www`; another one is a list of what to say instead,
//! `www/words.LANGUAGE.json`. What is not in it is said in English.

use std::cell::RefCell;

use crate::sorted::Map;

/// What to say instead of what.
pub(crate) type Words = Map<String, String>;

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
    put(&say(english), parts)
}

fn put(sentence: &str, parts: &[&str]) -> String {
    let mut pieces = sentence.split("{}");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    let mut parts = parts.iter();
    for piece in pieces {
        filled.push_str(parts.next().copied().unwrap_or_default());
        filled.push_str(piece);
    }
    filled
}

/// Says a sentence of the server's, in which something is in each hole already: `www/causes.LANGUAGE.json` has them by
/// the code that came with it, and what may be in a hole where that is no name or number.
pub(crate) fn retell(code: &str, english: &str) -> String {
    let known = |text: &str| translation(&format!("{code}: {text}"));
    let told = WORDS.with_borrow(|words| {
        words.iter().find_map(|(key, said)| {
            let template = key.strip_prefix(code)?.strip_prefix(": ")?;
            Some((said.clone(), taken(template, english)?))
        })
    });
    let Some((sentence, parts)) = told else {
        return english.to_owned();
    };
    let parts: Vec<_> = parts
        .iter()
        .map(|part| known(part).unwrap_or_else(|| (*part).to_owned()))
        .collect();
    put(
        &sentence,
        &parts.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

/// What is in the holes of a sentence, if it is this one.
fn taken<'a>(template: &str, sentence: &'a str) -> Option<Vec<&'a str>> {
    let Some((begin, rest)) = template.split_once("{}") else {
        return (template == sentence).then(Vec::new);
    };
    let mut left = sentence.strip_prefix(begin)?;
    let mut parts = Vec::new();
    let pieces: Vec<_> = rest.split("{}").collect();
    let (last, between) = pieces.split_last()?;
    for piece in between {
        let (part, after) = left.split_once(piece)?;
        parts.push(part);
        left = after;
    }
    parts.push(left.strip_suffix(last)?);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use ferrite_protocol::Cause;

    use super::*;

    #[test]
    fn says_what_it_learned_and_else_english() {
        let words = [("{} left".to_owned(), "{} ist gegangen".to_owned())];
        assert_eq!(fill("{} left", &["Ada"]), "Ada left");
        learn(words.into_iter().collect());
        assert_eq!(fill("{} left", &["{}"]), "{} ist gegangen");
        assert_eq!(say("Chat"), "Chat");
        assert_eq!(fill("{} of {}, {}", &["1", "2"]), "1 of 2, ");
    }

    #[test]
    fn what_the_server_said_is_said_anew_with_its_facts() {
        let german = include_str!("../../www/causes.de.json");
        learn(serde_json::from_str(german).unwrap());
        let server = "Your UDP never arrived at the server, and your browser tried no TCP: it looks like a firewall at your end or at the server's drops it; let UDP port 3478 through, or allow the browser TCP or a relay.";
        let said = retell("udpBlocked", server);
        assert!(
            said.starts_with("Ihr UDP kam nie") && said.contains("UDP-Port 3478 durch"),
            "{said}"
        );
        let server = "Neither your UDP nor your TCP arrived at the server's media port: it looks like a firewall at your end or at the server's drops both; let UDP and TCP port 7 through to the server.";
        let said = retell("nothingArrives", server);
        assert!(
            said.contains("noch Ihr TCP kam") && said.contains("UDP- und TCP-Port 7 zum"),
            "{said}"
        );
        // What a later server says is said as it is, and so is what has another's code.
        assert_eq!(retell("udpBlocked", "No UDP: {}."), "No UDP: {}.");
        assert_eq!(retell("noPeer", server), server);
    }

    /// What the server says of causes, by their codes: every string of the code that says it.
    fn causes() -> BTreeMap<&'static str, BTreeSet<String>> {
        let source = include_str!("../../shared/src/diagnosis/cause.rs");
        let (_, source) = source.split_once("fn sentence(").unwrap();
        let (arms, rest) = source.split_once("    fn answers_lost").unwrap();
        let (answers, rest) = rest.split_once("    fn large_datagrams_lost").unwrap();
        let (large, rest) = rest.split_once("\nfn nothing_arrives").unwrap();
        let (nothing, failure) = rest.split_once("\nfn failure").unwrap();
        let elsewhere = [
            ("AnswersLost", answers),
            ("LargeDatagramsLost", large),
            ("NothingArrives", nothing),
            ("HandshakeFailed", failure),
        ];
        let arms = arms.split("            Self::").skip(1);
        let arms = arms.map(|arm| (arm.split([' ', '(']).next().unwrap(), arm));
        let mut causes = BTreeMap::<_, BTreeSet<_>>::new();
        for (name, code) in arms.chain(elsewhere) {
            let cause = Cause::ALL
                .iter()
                .find(|cause| format!("{cause:?}") == name)
                .unwrap();
            let strings = code.split('"').skip(1).step_by(2).map(with_holes);
            causes.entry(cause.name()).or_default().extend(strings);
        }
        causes
    }

    /// `{port}` is a hole, too.
    fn with_holes(string: &str) -> String {
        let mut pieces = string.split('{');
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |text, piece| {
            text + "{}" + piece.split_once('}').unwrap().1
        })
    }

    #[test]
    fn german_has_a_sentence_for_every_cause() {
        let german = include_str!("../../www/causes.de.json");
        let mut german: Words = serde_json::from_str(german).unwrap();
        let causes = causes();
        for cause in Cause::ALL {
            let strings = causes.get(cause.name()).into_iter().flatten();
            let sentences = strings
                .clone()
                .filter(|it| it.ends_with(['.', '?']))
                .count();
            assert!(sentences > 0, "nothing is said of {cause:?}");
            for english in strings {
                let key = format!("{}: {english}", cause.name());
                let is_a_name = ["UDP", "TCP"].contains(&english.as_str());
                let said = german.remove(&key);
                assert!(said.is_some() || is_a_name, "no German for {key:?}");
                let holes = |text: &str| text.matches("{}").count();
                let same = said.is_none_or(|said| holes(&said) == holes(english));
                assert!(same, "{key}");
            }
        }
        let unused: Vec<_> = german.keys().collect();
        assert!(unused.is_empty(), "nobody says {unused:#?}");
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

    /// What `words.rs` says, and the files below it: every string of it but those for programs.
    fn sentences() -> Vec<String> {
        let source = include_str!("words.rs");
        let source = source.split("#[cfg(test)]").next().unwrap();
        let source = [source, include_str!("words/leaving.rs")].concat();
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
        for (english, german) in german.iter() {
            let holes = |text: &str| text.matches("{}").count();
            assert_eq!(holes(english), holes(german), "{english}");
        }
    }
}
