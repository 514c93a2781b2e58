//! Where the addresses of the web are in what somebody wrote. Knows no page.

const BRACKETS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];
const SCHEMES: [&str; 2] = ["https://", "http://"];

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Words.
    Plain(&'a str),
    /// An address, as it was written. It begins with a scheme of the web, and so runs nothing.
    Link(&'a str),
}

/// The parts of a text, in their order: together they are all of it.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut plain, mut at) = (0, 0);
    while let Some(next) = text[at..].chars().next() {
        let is_inside = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let link = (!is_inside).then(|| link(&text[at..]));
        let Some(link) = link.flatten() else {
            at += next.len_utf8();
            continue;
        };
        if plain < at {
            parts.push(Part::Plain(&text[plain..at]));
        }
        parts.push(Part::Link(link));
        at += link.len();
        plain = at;
    }
    if plain < text.len() {
        parts.push(Part::Plain(&text[plain..]));
    }
    parts
}

/// The address that a text begins with. What ends a sentence, or closes what was opened before it, is no part of it.
fn link(text: &str) -> Option<&str> {
    let is_scheme = |scheme: &&str| {
        let begins = text.get(..scheme.len());
        begins.is_some_and(|begins| begins.eq_ignore_ascii_case(scheme))
    };
    let scheme = SCHEMES.into_iter().find(is_scheme)?;
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c);
    let mut link = &text[..text.find(ends).unwrap_or(text.len())];
    // Counted once, whatever is taken off: others write what is read here.
    let unopened = |(opens, closes): (char, char)| {
        let closed = link.matches(closes).count();
        closed.saturating_sub(link.matches(opens).count())
    };
    let mut unopened = BRACKETS.map(unopened);
    while let Some(last) = link.chars().next_back() {
        let bracket = BRACKETS.iter().position(|(_, closes)| *closes == last);
        match bracket.map(|at| &mut unopened[at]) {
            Some(0) => break,
            Some(count) => *count -= 1,
            None if ".,;:!?'…»”“’".contains(last) => {}
            None => break,
        }
        link = &link[..link.len() - last.len_utf8()];
    }
    (link.len() > scheme.len()).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Vec<&str> {
        let links = parts(text).into_iter();
        let links = links.filter_map(|part| match part {
            Part::Link(link) => Some(link),
            Part::Plain(_) => None,
        });
        links.collect()
    }

    #[test]
    fn addresses_end_where_the_sentence_goes_on() {
        for (text, expected) in [
            ("no address", &[] as &[&str]),
            ("https://a.example", &["https://a.example"]),
            (
                "see https://a.example/b?c=d#e.",
                &["https://a.example/b?c=d#e"],
            ),
            ("(http://a.example/b_(c))", &["http://a.example/b_(c)"]),
            ("[a](https://a.example), b", &["https://a.example"]),
            ("{http://a.example/b(c).)]}", &["http://a.example/b(c)"]),
            ("„https://a.example/ä“ ja", &["https://a.example/ä"]),
            ("Https://a.example!?", &["Https://a.example"]),
            (
                "<https://a.example>\nhttp://b.example:80/",
                &["https://a.example", "http://b.example:80/"],
            ),
            ("http:// https://. xhttps://a.example", &[]),
            ("javascript:alert(1) ftp://a.example", &[]),
        ] {
            assert_eq!(links(text), expected, "{text}");
        }
    }

    #[test]
    fn all_of_a_text_is_there_and_only_the_web_is_linked() {
        const PIECES: [&str; 8] = ["https://", "http://", "a", "ä", " ", ").", "(", "\u{202e}"];
        let texts = (0..PIECES.len().pow(5)).map(|number| {
            let digits = (0..5).map(|digit| number / PIECES.len().pow(digit) % PIECES.len());
            digits.map(|at| PIECES[at]).collect::<String>()
        });
        for text in texts {
            let mut whole = String::new();
            for part in parts(&text) {
                let (Part::Plain(piece) | Part::Link(piece)) = part;
                let is_link = part == Part::Link(piece);
                assert!(!is_link || SCHEMES.iter().any(|scheme| piece.starts_with(scheme)));
                assert!(!piece.is_empty());
                whole.push_str(piece);
            }
            assert_eq!(whole, text);
        }
    }
}
