//! The grammar of a session description (RFC 8866), as far as an answerer needs it: the text cut
//! into a session part and media sections, each with its attributes.
//!
//! It knows lines, not their meaning. Everything is borrowed from the text.

use super::agreed::SdpError;

/// The largest offer read, in bytes. A section of Chromium's with every codec takes about 7 kB.
pub const MAX_OFFER_BYTES: usize = 1024 * 1024;
/// The most media sections in an offer.
pub const MAX_SECTIONS: usize = 128;
/// The longest line, in bytes.
pub const MAX_LINE_BYTES: usize = 4096;
/// The most attributes in one section, its candidates among them.
pub const MAX_ATTRIBUTES: usize = 1024;
/// The most formats (payload types) in one `m=` line; RTP has 128.
pub const MAX_FORMATS: usize = 128;

/// A session description in pieces.
#[derive(Debug, Default)]
pub(super) struct Description<'a> {
    /// The session id of the `o=` line (RFC 8866 §5.2).
    pub(super) session_id: Option<&'a str>,
    /// The attributes in front of the first `m=` line.
    pub(super) attributes: Attributes<'a>,
    /// The media sections in their order.
    pub(super) media: Vec<Media<'a>>,
}

/// One `m=` line and the attributes below it.
#[derive(Debug)]
pub(super) struct Media<'a> {
    /// `audio`, `video`, `application`, …
    pub(super) kind: &'a str,
    /// The port; 0 refuses or stops the section (RFC 3264 §5.1).
    pub(super) port: u16,
    /// `UDP/TLS/RTP/SAVPF`, …
    pub(super) protocol: &'a str,
    /// The formats: payload types, or whatever the protocol has.
    pub(super) formats: Vec<&'a str>,
    /// The attributes of the section.
    pub(super) attributes: Attributes<'a>,
}

/// The `a=` lines of one part, in their order.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    /// Whether there is an attribute of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value of the first attribute of this name; empty for a flag.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// The values of all attributes of this name.
    pub(super) fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        let named = move |&&(key, _): &&(&'a str, &'a str)| key == name;
        self.0.iter().filter(named).map(|&(_, value)| value)
    }

    fn push(&mut self, line: &'a str) -> Result<(), &'static str> {
        if self.0.len() == MAX_ATTRIBUTES {
            return Err("is one attribute too many for its section");
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        self.0.push((name, value.trim()));
        Ok(())
    }
}

impl<'a> Description<'a> {
    /// Cuts the text into its pieces.
    pub(super) fn parse(text: &'a str) -> Result<Self, SdpError> {
        if text.len() > MAX_OFFER_BYTES {
            return Err(SdpError(format!(
                "the offer has {} bytes; at most {MAX_OFFER_BYTES} are read",
                text.len()
            )));
        }
        if !text.starts_with("v=0") {
            return Err(SdpError(
                "the offer does not start with \"v=0\": it is not SDP".into(),
            ));
        }
        let mut description = Description::default();
        for (index, line) in text.lines().enumerate() {
            description
                .take(line.trim_end())
                .map_err(|why| SdpError(format!("line {} of the offer {why}", index + 1)))?;
        }
        Ok(description)
    }

    fn take(&mut self, line: &'a str) -> Result<(), &'static str> {
        if line.len() > MAX_LINE_BYTES {
            return Err("is too long");
        }
        // What is mirrored into the answer must not be able to end a line there. All else, tabs and
        // other control characters among it, is text (RFC 8866 §9, byte-string).
        if line.contains(['\r', '\0']) {
            return Err("holds a carriage return or a NUL");
        }
        if line.is_empty() {
            return Ok(());
        }
        let (letter, rest) = line.split_once('=').ok_or("has no \"=\"")?;
        match letter {
            "m" if self.media.len() == MAX_SECTIONS => Err("is one media section too many"),
            "m" => {
                self.media.push(Media::parse(rest)?);
                Ok(())
            }
            "a" => self.current().push(rest),
            "o" => {
                self.session_id = rest.split(' ').nth(1);
                Ok(())
            }
            // The others say nothing that an answer over ICE depends on (RFC 9429 §5.8).
            letter if letter.len() == 1 => Ok(()),
            _ => Err("does not start with one letter and \"=\""),
        }
    }

    fn current(&mut self) -> &mut Attributes<'a> {
        match self.media.last_mut() {
            Some(media) => &mut media.attributes,
            None => &mut self.attributes,
        }
    }
}

impl<'a> Media<'a> {
    fn parse(line: &'a str) -> Result<Self, &'static str> {
        if !line.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return Err("is an m= line with more than ASCII in it");
        }
        let mut words = line.split_ascii_whitespace();
        let mut word = || words.next().ok_or("is a short m= line");
        let (kind, port, protocol) = (word()?, word()?, word()?);
        let formats: Vec<_> = words.take(MAX_FORMATS + 1).collect();
        match formats.len() {
            0 => return Err("is an m= line without a format"),
            n if n > MAX_FORMATS => return Err("is an m= line with too many formats"),
            _ => {}
        }
        // "49170/2" asks for two ports (RFC 8866 §5.14), which BUNDLE makes one.
        let port = port.split('/').next().unwrap_or_default();
        Ok(Media {
            kind,
            port: port
                .parse()
                .map_err(|_| "is an m= line whose port is no number")?,
            protocol,
            formats,
            attributes: Attributes::default(),
        })
    }
}
