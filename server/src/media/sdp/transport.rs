//! The transport an offer asks for: ICE credentials (RFC 8839), the certificate's digests
//! (RFC 8122) and the DTLS role (RFC 8842).
//!
//! There is one transport for all sections. It does no ICE and no DTLS.

use super::agreed::{Agreed, DtlsRole, Fingerprint, HashAlgorithm, SdpError, Section, refuse};
use super::description::Attributes;
use super::offer::{Offer, Offered};

/// What the offer says of its end of the transport.
#[derive(Debug)]
pub(super) struct Transport {
    /// ICE user name fragment.
    pub(super) ice_ufrag: String,
    /// ICE password.
    pub(super) ice_pwd: String,
    /// Usable digests, at least one.
    pub(super) fingerprints: Vec<Fingerprint>,
    /// This end's role.
    pub(super) dtls_role: DtlsRole,
}

/// Looks an attribute up where a section's transport keeps it: in the section, or for all of them
/// in front.
struct Lookup<'o, 'a> {
    session: &'o Attributes<'a>,
    tagged: &'o Attributes<'a>,
}

impl<'a> Lookup<'_, 'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        self.tagged.value(name).or(self.session.value(name))
    }

    fn values(&self, name: &str) -> Vec<&'a str> {
        let own: Vec<_> = self.tagged.values(name).collect();
        match own.is_empty() {
            true => self.session.values(name).collect(),
            false => own,
        }
    }
}

impl Transport {
    /// Reads the transport of `tagged`, the section that speaks for all (RFC 9143 §7.3.1).
    pub(super) fn of(
        offer: &Offer<'_>,
        tagged: &Offered<'_>,
        previous: Option<&Agreed>,
    ) -> Result<Self, SdpError> {
        let lookup = Lookup {
            session: &offer.session,
            tagged: &tagged.media.attributes,
        };
        if offer.session.has("ice-lite") {
            return refuse(
                "the offer says a=ice-lite, and so does this server: one end must run ICE in full",
            );
        }
        let fingerprints = fingerprints(&lookup)?;
        let previous = previous.filter(|before| same_association(before, &fingerprints));
        Ok(Transport {
            ice_ufrag: credential(&lookup, "ice-ufrag", 4)?,
            ice_pwd: credential(&lookup, "ice-pwd", 22)?,
            dtls_role: dtls_role(lookup.value("setup"), previous.map(|s| s.dtls_role))?,
            fingerprints,
        })
    }

    /// The transport of an offer that leaves no section to carry one.
    pub(super) fn unchanged(previous: &Agreed) -> Self {
        Transport {
            ice_ufrag: previous.ice_ufrag.clone(),
            ice_pwd: previous.ice_pwd.clone(),
            fingerprints: previous.fingerprints.clone(),
            dtls_role: previous.dtls_role,
        }
    }
}

/// RFC 8839 §5.4 bounds the lengths. Only what would break a STUN user name is refused beyond that.
fn credential(lookup: &Lookup<'_, '_>, name: &str, shortest: usize) -> Result<String, SdpError> {
    let Some(value) = lookup.value(name) else {
        return refuse(format!("the offer has no a={name}: this server needs ICE"));
    };
    let sound = value.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    if !sound || !(shortest..=256).contains(&value.len()) {
        return refuse(format!(
            "the offer's a={name} is not {shortest} to 256 letters, digits, \"+\" and \"/\""
        ));
    }
    Ok(value.to_owned())
}

fn fingerprints(lookup: &Lookup<'_, '_>) -> Result<Vec<Fingerprint>, SdpError> {
    let offered = lookup.values("fingerprint");
    if offered.is_empty() && lookup.tagged.has("crypto") {
        return refuse(
            "the offer brings SDES keys (a=crypto) and no a=fingerprint: this server encrypts with DTLS-SRTP only",
        );
    }
    if offered.is_empty() {
        return refuse("the offer has no a=fingerprint: this server encrypts with DTLS-SRTP only");
    }
    let usable: Vec<_> = offered.into_iter().filter_map(fingerprint).collect();
    if usable.is_empty() {
        return refuse(
            "no a=fingerprint of the offer is a well-formed sha-256, sha-384 or sha-512",
        );
    }
    Ok(usable)
}

/// Older hash functions count as absent (RFC 8122 §5).
fn fingerprint(value: &str) -> Option<Fingerprint> {
    let (name, digest) = value.split_once(' ')?;
    let (algorithm, bytes) = match name.to_ascii_lowercase().as_str() {
        "sha-256" => (HashAlgorithm::Sha256, 32),
        "sha-384" => (HashAlgorithm::Sha384, 48),
        "sha-512" => (HashAlgorithm::Sha512, 64),
        _ => return None,
    };
    let digest = digest.trim().split(':').map(hex_byte);
    let digest = digest.collect::<Option<Vec<u8>>>()?;
    (digest.len() == bytes).then_some(Fingerprint { algorithm, digest })
}

fn hex_byte(text: &str) -> Option<u8> {
    let two_digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_hexdigit());
    two_digits.then(|| u8::from_str_radix(text, 16).ok())?
}

/// Whether the DTLS association goes on: something still carried it, and no digest says that the
/// certificate changed (RFC 8842 §4).
fn same_association(before: &Agreed, now: &[Fingerprint]) -> bool {
    let carried = |section: &Section| !matches!(section, Section::Rejected { .. });
    let known = |fingerprint: &Fingerprint| now.contains(fingerprint);
    before.sections.iter().any(carried) && before.fingerprints.iter().any(known)
}

/// Roles stay for as long as the DTLS association does (RFC 8842 §5.3); `before` is its role.
fn dtls_role(setup: Option<&str>, before: Option<DtlsRole>) -> Result<DtlsRole, SdpError> {
    let asked = match setup {
        // Who answers begins (RFC 5763 §5): a round trip less, and nobody asks for a cookie.
        Some("actpass") => return Ok(before.unwrap_or(DtlsRole::Client)),
        // Absent means active (RFC 4145 §4).
        Some("active") | None => DtlsRole::Server,
        Some("passive") => DtlsRole::Client,
        Some("holdconn") => {
            return refuse("the offer says a=setup:holdconn, which leaves nothing to connect");
        }
        Some(_) => return refuse("the offer's a=setup is none of actpass, active and passive"),
    };
    if before.is_some_and(|before| before != asked) {
        return refuse("the offer's a=setup changes the DTLS roles agreed on before");
    }
    Ok(asked)
}
