//! Which DTLS records may reach the library: a peer's handshake has a budget, and what would harm the
//! library's handshake is kept from it. Looks at record and handshake headers, decrypts nothing.
//!
//! The library keeps every handshake fragment and every record that comes before its keys, and puts
//! fragments together recursively: without a budget, whoever may send datagrams decides how much
//! memory and how much stack that takes.

use bytes::BytesMut;
use ferrite_protocol::diagnosis::Gap;

/// Handshake fragments taken in the life of one peer. A handshake takes about ten, and repeats some
/// when datagrams are lost. It is also how deep the library's reassembly may recurse.
pub const MAX_FRAGMENTS: usize = 200;

/// Bytes of handshake taken in the life of one peer. Ours are 3 kB without losses.
pub const MAX_BYTES: usize = 64 * 1024;

/// Record types (RFC 6347 §4.3.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
/// Handshake messages.
pub const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// The record header: type, version, epoch, sequence number, length.
pub const RECORD_HEADER: usize = 13;
/// The handshake header: type, length, message sequence, fragment offset and length.
pub const HANDSHAKE_HEADER: usize = 12;

/// A part of a handshake message: the message's number, the part's place and length, and the length of the whole.
type Fragment = (u16, u32, u32, u32);

/// What is left of a peer's budget, and what came already.
#[derive(Default)]
pub struct Gate {
    fragments: usize,
    bytes: usize,
    /// Fragments that came in plaintext.
    seen: Vec<Fragment>,
    /// Records under the keys that came before it was done.
    sealed: usize,
    /// The handshake is forgotten, and so is which records came up to this one.
    settled: Option<u64>,
}

impl Gate {
    /// The records of a datagram that may pass. `connected` is whether the handshake is done.
    pub fn admit(&mut self, datagram: &[u8], connected: bool) -> BytesMut {
        let mut admitted = BytesMut::with_capacity(datagram.len());
        for record in Records(datagram) {
            if self.admits(&record, connected) {
                admitted.extend_from_slice(record.bytes);
            }
        }
        admitted
    }

    /// From now on only data and alerts pass, and only those after this record.
    pub fn settle(&mut self, newest: u64) {
        self.settled = Some(newest);
        self.seen = Vec::new();
    }

    /// How much came that had not come before: it grows while the handshake goes on.
    pub fn progress(&self) -> usize {
        self.seen.len() + self.sealed
    }

    /// The longest part that is missing of the first message that is not whole, if one is not.
    pub fn gap(&self) -> Option<Gap> {
        let first_missing = |&(message, _, _, length): &Fragment| {
            let missing = self.longest_gap(message, length);
            (missing > 0).then_some((message, Gap { length, missing }))
        };
        let gaps = self.seen.iter().filter_map(first_missing);
        gaps.min_by_key(|(message, _)| *message).map(|(_, gap)| gap)
    }

    fn longest_gap(&self, message: u16, length: u32) -> u32 {
        let parts = self.seen.iter().filter(|part| part.0 == message);
        let mut parts: Vec<_> = parts.map(|part| (part.1, part.1 + part.2)).collect();
        parts.sort_unstable();
        let (mut end, mut longest) = (0, 0);
        for (from, to) in parts.into_iter().chain([(length, length)]) {
            longest = longest.max(from.saturating_sub(end));
            end = end.max(to);
        }
        longest
    }

    /// Whether [`Self::settle`] was called.
    pub fn is_settled(&self) -> bool {
        self.settled.is_some()
    }

    fn admits(&mut self, record: &Record<'_>, connected: bool) -> bool {
        if let Some(newest) = self.settled {
            return record.is_protected() && record.number > newest;
        }
        // The library takes the whole datagram for broken (RFC 6347 §4.1.2.7).
        if record.body.is_empty() {
            return false;
        }
        match (record.kind, record.epoch) {
            (HANDSHAKE, 0) => self.admits_plaintext(record.body),
            // The epoch's only handshake message is a Finished. What else is inside cannot be seen,
            // so each counts for as many fragments as could be.
            (HANDSHAKE, 1) => {
                self.sealed += 1;
                self.charge(record.body.len() / HANDSHAKE_HEADER, record.bytes)
            }
            (CHANGE_CIPHER_SPEC, 0) => record.body == [1] && self.charge(1, record.bytes),
            (ALERT, 0) => ends_handshake(record.body) && !connected,
            // Before the handshake is done the library keeps them for later.
            (ALERT | APPLICATION_DATA, 1) => connected || self.charge(1, record.bytes),
            _ => false,
        }
    }

    fn admits_plaintext(&mut self, body: &[u8]) -> bool {
        let Some(fragments) = fragments(body) else {
            return false;
        };
        // A repetition says nothing new to the library, but stops its timer: where our answer was
        // lost, the answer would never be sent again. Only the first message's is of use: it asks
        // for a HelloVerifyRequest again, which has no timer (RFC 6347 §4.2.4).
        let begun = self.seen.iter().any(|&(message, ..)| message > 0);
        let is_new = |fragment: &Fragment| !self.seen.contains(fragment);
        if !fragments.iter().any(|f| is_new(f) || (f.0 == 0 && !begun)) {
            return false;
        }
        if !self.charge(fragments.len(), body) {
            return false;
        }
        for fragment in fragments {
            if !self.seen.contains(&fragment) {
                self.seen.push(fragment);
            }
        }
        true
    }

    fn charge(&mut self, fragments: usize, bytes: &[u8]) -> bool {
        self.fragments = self.fragments.saturating_add(fragments);
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.fragments <= MAX_FRAGMENTS && self.bytes <= MAX_BYTES
    }
}

/// Whether an alert is fatal or a goodbye. The library takes all others for the same, even a warning
/// (RFC 5246 §7.2.2) and what is no alert at all.
fn ends_handshake(alert: &[u8]) -> bool {
    matches!(alert, [2, _] | [1, 0])
}

/// The fragments of a plaintext handshake record. `None` where they are not what they say, or where
/// one that is not whole is followed by another, which the library would take for a part of it.
fn fragments(mut body: &[u8]) -> Option<Vec<Fragment>> {
    let mut fragments = Vec::new();
    while !body.is_empty() {
        let (header, rest) = body.split_first_chunk::<HANDSHAKE_HEADER>()?;
        let [_, l0, l1, l2, m0, m1, o0, o1, o2, n0, n1, n2] = *header;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        let offset = u32::from_be_bytes([0, o0, o1, o2]);
        let fragment = u32::from_be_bytes([0, n0, n1, n2]);
        if offset + fragment > length {
            return None;
        }
        let (_, after) = rest.split_at_checked(fragment as usize)?;
        if fragment < length && !after.is_empty() {
            return None;
        }
        fragments.push((u16::from_be_bytes([m0, m1]), offset, fragment, length));
        body = after;
    }
    Some(fragments)
}

/// The number of a datagram's only record, if it is data or an alert under the keys. Of several, one
/// may be forged.
pub fn only_protected(datagram: &[u8]) -> Option<u64> {
    let mut records = Records(datagram);
    let record = records.next().filter(Record::is_protected)?;
    records.next().is_none().then_some(record.number)
}

/// A record of a datagram.
pub struct Record<'a> {
    /// Its content's type.
    pub kind: u8,
    /// Which keys it is under.
    pub epoch: u16,
    /// Its number, within the epoch.
    pub number: u64,
    /// What is in it.
    pub body: &'a [u8],
    /// Header and body.
    pub bytes: &'a [u8],
}

impl Record<'_> {
    fn is_protected(&self) -> bool {
        matches!((self.kind, self.epoch), (ALERT | APPLICATION_DATA, 1))
    }
}

/// Iterates over the records of a datagram; a cut-off one ends it.
pub struct Records<'a>(pub &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let header: &[u8; RECORD_HEADER] = self.0.first_chunk()?;
        let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let (bytes, rest) = self.0.split_at_checked(RECORD_HEADER + len)?;
        self.0 = rest;
        Some(Record {
            kind: header[0],
            epoch: u16::from_be_bytes([header[3], header[4]]),
            number: number(header),
            body: &bytes[RECORD_HEADER..],
            bytes,
        })
    }
}

/// 48 bits after the epoch's 16.
fn number(header: &[u8; RECORD_HEADER]) -> u64 {
    let [_, _, _, _, _, n0, n1, n2, n3, n4, n5, _, _] = *header;
    u64::from_be_bytes([0, 0, n0, n1, n2, n3, n4, n5])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(message: u16, length: u32, offset: u32, len: u32) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend(&length.to_be_bytes()[1..]);
        bytes.extend(message.to_be_bytes());
        bytes.extend(&offset.to_be_bytes()[1..]);
        bytes.extend(&len.to_be_bytes()[1..]);
        bytes.resize(HANDSHAKE_HEADER + len as usize, 7);
        bytes
    }

    fn record(kind: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
        numbered(kind, epoch, 0, body)
    }

    fn numbered(kind: u8, epoch: u16, number: u64, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, 254, 253];
        bytes.extend(epoch.to_be_bytes());
        bytes.extend(&number.to_be_bytes()[2..]);
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn passes(gate: &mut Gate, datagram: &[u8], connected: bool) -> bool {
        gate.admit(datagram, connected) == datagram
    }

    #[test]
    fn fragments_have_a_budget_however_they_are_packed() {
        let single = |at| record(HANDSHAKE, 0, &fragment(0, 2000, at, 1));
        let mut gate = Gate::default();
        let taken = (0..1000).filter(|&at| passes(&mut gate, &single(at), false));
        assert_eq!(taken.count(), MAX_FRAGMENTS);
        let mut gate = Gate::default();
        let many: Vec<u8> = (0..300).flat_map(|m| fragment(m, 1, 0, 1)).collect();
        assert!(!passes(&mut gate, &record(HANDSHAKE, 0, &many), false));
        let sealed = record(HANDSHAKE, 1, &[0; 12 * MAX_FRAGMENTS + 12]);
        assert!(!passes(&mut Gate::default(), &sealed, true));
        let finished = record(HANDSHAKE, 1, &[0; 48]);
        assert!(passes(&mut Gate::default(), &finished, false));
    }

    #[test]
    fn bytes_have_a_budget_until_the_handshake_is_done() {
        let mut gate = Gate::default();
        let data = record(APPLICATION_DATA, 1, &[0; 1200]);
        let taken = (0..1000).filter(|_| passes(&mut gate, &data, false));
        assert!((40..=60).contains(&taken.count()));
        assert!(
            passes(&mut gate, &data, true),
            "a spent budget holds up data"
        );
    }

    #[test]
    fn repetitions_pass_only_for_the_first_message_and_only_at_first() {
        let hello = record(HANDSHAKE, 0, &fragment(0, 100, 0, 100));
        let with_cookie = record(HANDSHAKE, 0, &fragment(1, 120, 0, 120));
        let mut gate = Gate::default();
        assert!(passes(&mut gate, &hello, false));
        assert!(passes(&mut gate, &hello, false));
        assert!(passes(&mut gate, &with_cookie, false));
        assert!(!passes(&mut gate, &with_cookie, false));
        assert!(!passes(&mut gate, &hello, false));
    }

    #[test]
    fn once_the_handshake_is_forgotten_only_newer_data_and_alerts_pass() {
        let mut gate = Gate::default();
        gate.settle(0x1_0000_0007);
        let numbers = [7, 0x1_0000_0007, 0x1_0000_0008, 0xFFFF_FFFF_FFFF];
        for kind in [APPLICATION_DATA, ALERT] {
            let data = |number| numbered(kind, 1, number, b"data");
            let passed = numbers.map(|number| passes(&mut gate, &data(number), true));
            assert_eq!(passed, [false, false, true, true]);
        }
        let finished = numbered(HANDSHAKE, 1, 1 << 40, &[0; 48]);
        assert!(!passes(&mut gate, &finished, true));
    }

    #[test]
    fn only_a_record_that_is_alone_is_as_new_as_it_says() {
        let data = |number| numbered(APPLICATION_DATA, 1, number, b"data");
        assert_eq!(only_protected(&data(5)), Some(5));
        assert_eq!(only_protected(&[data(5), data(6)].concat()), None);
        assert_eq!(only_protected(&record(HANDSHAKE, 1, &[0; 48])), None);
    }

    #[test]
    fn what_is_missing_of_a_message_is_known() {
        let mut gate = Gate::default();
        assert_eq!(gate.gap(), None);
        let pass = |gate: &mut Gate, at, len| {
            passes(
                gate,
                &record(HANDSHAKE, 0, &fragment(0, 1400, at, len)),
                false,
            )
        };
        assert!(pass(&mut gate, 1200, 200));
        let gap = |missing| {
            Some(Gap {
                length: 1400,
                missing,
            })
        };
        assert_eq!((gate.gap(), gate.progress()), (gap(1200), 1));
        // It comes again, as long as the rest does not.
        assert!(pass(&mut gate, 1200, 200));
        assert_eq!((gate.gap(), gate.progress()), (gap(1200), 1));
        assert!(pass(&mut gate, 100, 500));
        assert_eq!(gate.gap(), gap(600));
        assert!(pass(&mut gate, 0, 1300));
        assert_eq!((gate.gap(), gate.progress()), (None, 3));
    }

    #[test]
    fn what_no_handshake_has_is_left_out() {
        let hello = record(HANDSHAKE, 0, &fragment(0, 100, 0, 100));
        for stray in [
            record(APPLICATION_DATA, 0, b"forged"),
            record(HANDSHAKE, 2, &[0; 40]),
            record(CHANGE_CIPHER_SPEC, 0, &[2]),
            record(63, 0, &[]),
            record(HANDSHAKE, 0, &fragment(0, 10, 8, 8)),
            record(HANDSHAKE, 0, &[1; 5]),
            record(
                HANDSHAKE,
                0,
                &[fragment(0, 10, 0, 5), fragment(1, 9, 0, 9)].concat(),
            ),
        ] {
            let both = [&stray[..], &hello].concat();
            let mut gate = Gate::default();
            assert_eq!(gate.admit(&both, false), &hello[..], "{stray:?}");
        }
        let mut gate = Gate::default();
        let cut_off = [&hello[..], &hello[..20]].concat();
        assert_eq!(gate.admit(&cut_off, false), &hello[..]);
    }
}
