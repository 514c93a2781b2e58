//! From what people write to values, and back: one way for flags, variables and the file.
//!
//! It owns what a refusal says of a value. Where the value was written is for others to say.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::origin::AllowedOrigin;

/// What a setting holds: one thing, one or nothing, or several.
pub(super) trait Value: Sized {
    /// Whether a flag may be given again.
    const SEVERAL: bool = false;
    /// Whether tables of the file are values, too. They are read as JSON.
    const TABLES: bool = false;

    fn read(texts: &[&str]) -> Result<Self, String>;

    /// As it would be written; `None` if it holds nothing.
    fn show(&self) -> Option<String>;
}

/// One thing that is written as one text.
pub(super) trait Single: Sized {
    /// The error says what to write instead.
    fn parse(text: &str) -> Result<Self, String>;

    fn show(&self) -> String;
}

fn parse<T: Single>(text: &str) -> Result<T, String> {
    T::parse(text).map_err(|hint| format!("{hint}, not {text:?}"))
}

impl<T: Single> Value for T {
    fn read(texts: &[&str]) -> Result<Self, String> {
        match texts {
            [text] => parse(text),
            _ => Err(format!("{} values: give one", texts.len())),
        }
    }

    fn show(&self) -> Option<String> {
        Some(Single::show(self))
    }
}

impl<T: Single> Value for Option<T> {
    fn read(texts: &[&str]) -> Result<Self, String> {
        T::read(texts).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().map(Single::show)
    }
}

/// Written one by one, or with commas.
impl<T: Single> Value for Vec<T> {
    const SEVERAL: bool = true;

    fn read(texts: &[&str]) -> Result<Self, String> {
        let texts = texts.iter().flat_map(|text| text.split(','));
        let texts = texts.map(str::trim).filter(|text| !text.is_empty());
        texts.map(parse).collect()
    }

    fn show(&self) -> Option<String> {
        let all: Vec<_> = self.iter().map(Single::show).collect();
        (!all.is_empty()).then(|| all.join(","))
    }
}

macro_rules! number {
    ($($type:ty),+) => {
        $(impl Single for $type {
            fn parse(text: &str) -> Result<Self, String> {
                let hint = || format!("give a whole number from 0 to {}", Self::MAX);
                text.parse().map_err(|_| hint())
            }

            fn show(&self) -> String {
                self.to_string()
            }
        })+
    };
}

number!(u16, u32, usize);

impl Single for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Single for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Single for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        const HINT: &str = "give an address and a port, such as 0.0.0.0:8080 or [::]:8080";
        text.parse().map_err(|_| HINT.to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Single for IpAddr {
    fn parse(text: &str) -> Result<Self, String> {
        const HINT: &str = "give an address such as 203.0.113.7 or 2001:db8::7";
        text.parse().map_err(|_| HINT.to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A network, or one address as a network of its own.
impl Single for IpNet {
    fn parse(text: &str) -> Result<Self, String> {
        const HINT: &str = "give an address such as 127.0.0.1, or a network such as 172.16.0.0/12";
        let address = |text: &str| Some(IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()));
        let network = text.parse().ok().or_else(|| address(text));
        // What is compared with it is canonical: it would match nothing.
        let network = network.filter(|network| network.addr() == network.addr().to_canonical());
        network.ok_or_else(|| HINT.to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Single for AllowedOrigin {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse::<Self>().map_err(str::to_owned)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// `30s`, `500ms`, `2m`, `1h`.
impl Single for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        const HINT: &str = "give a time with its unit, such as 30s, 500ms, 2m or 1h";
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u32 = number.parse().map_err(|_| HINT)?;
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return Err(HINT.to_owned()),
        };
        Ok(unit * number)
    }

    fn show(&self) -> String {
        let (whole, milliseconds) = (self.as_secs(), self.subsec_millis());
        match (whole, milliseconds) {
            (1.., 0) if whole.is_multiple_of(3600) => format!("{}h", whole / 3600),
            (1.., 0) if whole.is_multiple_of(60) => format!("{}m", whole / 60),
            (_, 0) => format!("{whole}s"),
            _ => format!("{}ms", self.as_millis()),
        }
    }
}

/// For a time in a declaration.
pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A rule for numbers and times: no less than the one, no more than the other.
pub(super) fn within<T: Single + PartialOrd>(
    least: T,
    most: T,
) -> impl Fn(&T) -> Result<(), String> {
    move |value| match *value < least || *value > most {
        true => Err(format!("give {} to {}", least.show(), most.show())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for text in ["0s", "500ms", "30s", "90s", "2m", "1h", "1500ms"] {
            assert_eq!(Single::show(&Duration::parse(text).unwrap()), text);
        }
        for text in ["", "s", "30", "30 s", "-1s", "1d", "99999999999s"] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_is_an_address_or_has_a_prefix() {
        let read = |text| IpNet::parse(text).map(|network| Single::show(&network));
        assert_eq!(read("127.0.0.1").unwrap(), "127.0.0.1/32");
        assert_eq!(read("::ffff:127.0.0.1").unwrap(), "127.0.0.1/32");
        assert_eq!(read("2001:db8::/32").unwrap(), "2001:db8::/32");
        for text in [
            "",
            "proxy",
            "10.0.0.0/33",
            "::/129",
            "10/8",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_has_one_value_or_several() {
        let read = |texts: &[&str]| Vec::<u16>::read(texts);
        assert_eq!(read(&["1"]).unwrap(), [1]);
        assert_eq!(read(&["1, 2", "3"]).unwrap(), [1, 2, 3]);
        assert!(read(&[""]).unwrap().is_empty());
        assert!(read(&["1,x"]).unwrap_err().contains("\"x\""));
        assert!(u16::read(&["1", "2"]).is_err());
    }
}
