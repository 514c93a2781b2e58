//! What one notices of the others besides their tiles: who came and went, whose hand is up. Pure: it is told
//! who is there and what was said.

use ferrite_protocol::{DepartureCause, Participant, ParticipantId, RoomMessage};

use crate::words;

/// What is said about hands: [`UP`] or anything else.
pub(super) const HAND: &str = "hand";
pub(super) const UP: &str = "up";
const DOWN: &str = "down";
/// What is said about what one feels for a moment: an emoji.
pub(super) const REACTION: &str = "reaction";
/// A reaction is no letter.
const LONGEST_REACTION: usize = 16;

/// What is new.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Happened {
    Came(ParticipantId, String),
    Went(String, Option<DepartureCause>),
}

#[derive(Debug, Default)]
pub(super) struct Company {
    known: Vec<(ParticipantId, String)>,
    hands: Vec<ParticipantId>,
    /// Why those go who are about to.
    departures: Vec<(ParticipantId, DepartureCause)>,
    /// This client's own, which outlives what others know of it.
    own_hand: bool,
}

impl Company {
    /// Nobody is there any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Somebody is about to be gone.
    pub(super) fn departs(&mut self, who: ParticipantId, cause: DepartureCause) {
        self.departures.push((who, cause));
    }

    /// These are there now. Whoever comes into a room finds others there: they did not come.
    pub(super) fn meet(
        &mut self,
        people: &[Participant],
        own: Option<&ParticipantId>,
    ) -> Vec<Happened> {
        let is_there = |id: &ParticipantId| people.iter().any(|it| it.id == *id);
        let departures = std::mem::take(&mut self.departures);
        if own.is_none_or(|own| !is_there(own)) {
            return Vec::new();
        }
        let is_first = self.known.is_empty();
        let mut happened = Vec::new();
        for (id, name) in self.known.extract_if(.., |(id, _)| !is_there(id)) {
            let why = departures.iter().find(|(who, _)| *who == id);
            happened.push(Happened::Went(name, why.map(|(_, cause)| *cause)));
        }
        self.hands.retain(is_there);
        for person in people {
            let name = words::name(person).to_owned();
            match self.known.iter_mut().find(|(id, _)| *id == person.id) {
                Some((_, known)) => *known = name,
                None => {
                    if !is_first {
                        happened.push(Happened::Came(person.id.clone(), name.clone()));
                    }
                    self.known.push((person.id.clone(), name));
                }
            }
        }
        happened
    }

    /// Somebody said how their hand is.
    pub(super) fn hear_hand(&mut self, message: &RoomMessage) {
        self.hands.retain(|id| *id != message.from);
        if message.text == UP {
            self.hands.push(message.from.clone());
        }
    }

    /// Raises this client's own hand, or lowers it; says what others are to be told.
    pub(super) fn toggle_hand(&mut self) -> &'static str {
        self.own_hand = !self.own_hand;
        if self.own_hand { UP } else { DOWN }
    }

    pub(super) fn own_hand(&self) -> bool {
        self.own_hand
    }

    /// Whose hands are up, in the order in which they went up.
    pub(super) fn hands(&self) -> &[ParticipantId] {
        &self.hands
    }
}

/// What to show of a reaction; nothing of what is none.
pub(super) fn reaction(message: &RoomMessage) -> Option<&str> {
    let text = message.text.as_str();
    let is_one = text.len() <= LONGEST_REACTION && !text.chars().any(char::is_alphanumeric);
    (is_one && !text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str) -> Participant {
        Participant {
            name: Some(id.to_uppercase()),
            ..Participant::new(id.into())
        }
    }

    fn said(from: &str, text: &str) -> RoomMessage {
        RoomMessage {
            number: 1,
            from: from.into(),
            name: None,
            to: None,
            topic: HAND.to_owned(),
            at: 0,
            text: text.to_owned(),
        }
    }

    #[test]
    fn who_comes_and_goes_is_told_and_who_was_there_is_not() {
        let (mut company, me) = (Company::default(), "me".into());
        assert_eq!(company.meet(&[], Some(&me)), []);
        let first = company.meet(&[person("a"), person("me")], Some(&me));
        assert_eq!(first, []);
        let now = [person("me"), person("b")];
        let came = Happened::Came("b".into(), "B".to_owned());
        let expected = [Happened::Went("A".to_owned(), None), came];
        assert_eq!(company.meet(&now, Some(&me)), expected);
        assert_eq!(company.meet(&now, Some(&me)), []);
    }

    #[test]
    fn why_somebody_goes_is_told_once() {
        let (mut company, me) = (Company::default(), "me".into());
        company.meet(&[person("a"), person("me")], Some(&me));
        let went = |cause| [Happened::Went("A".to_owned(), cause)];
        company.departs("a".into(), DepartureCause::Lost);
        let lost = Some(DepartureCause::Lost);
        assert_eq!(company.meet(&[person("me")], Some(&me)), went(lost));
        company.meet(&[person("me"), person("a")], Some(&me));
        assert_eq!(company.meet(&[person("me")], Some(&me)), went(None));
    }

    #[test]
    fn hands_are_up_in_order_until_they_go_down_or_their_owner_goes() {
        let (mut company, me) = (Company::default(), "me".into());
        company.meet(&[person("a"), person("b"), person("me")], Some(&me));
        for (who, how) in [("b", UP), ("a", UP), ("b", UP)] {
            company.hear_hand(&said(who, how));
        }
        assert_eq!(company.hands(), ["a".into(), "b".into()]);
        company.hear_hand(&said("a", DOWN));
        assert_eq!(company.hands(), ["b".into()]);
        company.meet(&[person("me")], Some(&me));
        assert_eq!(company.hands(), []);
    }

    #[test]
    fn only_what_may_be_an_emoji_is_a_reaction() {
        assert_eq!(reaction(&said("a", "👍")), Some("👍"));
        assert_eq!(reaction(&said("a", "❤️")), Some("❤️"));
        for none in ["", " ", "yes", "👍👍👍👍👍👍", "1"] {
            assert_eq!(reaction(&said("a", none)), None, "{none:?}");
        }
    }
}
