//! How the value of a setting is read from text and shown again.

use crate::origin::{Period, PeriodError};
use crate::trace::Share;
use heck_core::id::Name;
use heck_core::settings::Scoping;
use heck_core::time::Span;
use ipnet::IpNet;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// A value of a setting. A file, a variable and a flag all give it as text.
pub(crate) trait Value {
    /// Takes these texts: none or one, except for lists. Says what is allowed if they are no value of this kind.
    fn read(&mut self, texts: &[String]) -> Result<(), String>;
    /// The value as TOML; none when it is unset.
    fn show(&self) -> Option<String>;
    /// Whether several texts make one value.
    fn is_list(&self) -> bool {
        false
    }
    /// Whether the flag alone says something.
    fn is_switch(&self) -> bool {
        false
    }
}

pub(crate) fn one(texts: &[String]) -> Result<&str, String> {
    match texts {
        [text] => Ok(text.trim()),
        _ => Err(format!("one value is allowed, not {}", texts.len())),
    }
}

/// A value that one text makes.
pub(crate) trait Scalar: Sized {
    /// Reads it, or says what is allowed.
    fn parse(text: &str) -> Result<Self, String>;
    /// As TOML.
    fn to_toml(&self) -> String;
    /// Whether a flag of this kind needs no value.
    const IS_SWITCH: bool = false;
}

/// Implements [`Value`] for scalars; a blanket implementation would clash with those of options and lists.
macro_rules! values {
    ($($kind:ty),*) => {$(
        impl Value for $kind {
            fn read(&mut self, texts: &[String]) -> Result<(), String> {
                *self = <$kind>::parse($crate::settings::value::one(texts)?)?;
                Ok(())
            }
            fn show(&self) -> Option<String> {
                Some(self.to_toml())
            }
            fn is_switch(&self) -> bool {
                <$kind>::IS_SWITCH
            }
        }
    )*};
}

impl<T: Scalar> Value for Option<T> {
    fn read(&mut self, texts: &[String]) -> Result<(), String> {
        let text = one(texts)?;
        *self = if text.is_empty() { None } else { Some(T::parse(text)?) };
        Ok(())
    }

    fn show(&self) -> Option<String> {
        self.as_ref().map(Scalar::to_toml)
    }
}

impl<T: Scalar> Value for Vec<T> {
    fn read(&mut self, texts: &[String]) -> Result<(), String> {
        let parts = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
        *self = parts.filter(|part| !part.is_empty()).map(T::parse).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn show(&self) -> Option<String> {
        let items: Vec<String> = self.iter().map(Scalar::to_toml).collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn is_list(&self) -> bool {
        true
    }
}

/// A text in quotes, as TOML wants it.
fn quoted(text: impl Display) -> String {
    toml::Value::String(text.to_string()).to_string()
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl Scalar for $kind {
            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("a whole number up to {} is allowed", <$kind>::MAX))
            }
            fn to_toml(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers!(u8, u16, u32, usize);
values!(
    u8, u16, u32, usize, bool, String, Name, PathBuf, SocketAddr, Span, Duration, Bytes, HostPort, Ports,
    IpNet, Scoping, Share
);

impl Scalar for Share {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|()| "a number from 0 to 1 is allowed".to_owned())
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Scalar for bool {
    const IS_SWITCH: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "`true` or `false` is allowed".to_owned())
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

/// Ports from the first to the last, both included: `80`, or `8000-8999`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ports(pub RangeInclusive<u16>);

impl Scalar for Ports {
    fn parse(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(Self(first..=last)),
            _ => Err("ports from 1 to 65535 are allowed, as `80` or `8000-8999`".to_owned()),
        }
    }

    fn to_toml(&self) -> String {
        let (first, last) = (self.0.start(), self.0.end());
        if first == last { quoted(first) } else { quoted(format_args!("{first}-{last}")) }
    }
}

impl Scalar for IpNet {
    fn parse(text: &str) -> Result<Self, String> {
        let net = text.parse().or_else(|_| text.parse().map(|ip: IpAddr| Self::from(ip)));
        net.map_err(|_| "networks are allowed, as `10.0.0.0/8`, `fd00::/8` or `192.0.2.7`".to_owned())
    }

    fn to_toml(&self) -> String {
        quoted(self)
    }
}

impl Scalar for Name {
    fn parse(text: &str) -> Result<Self, String> {
        Self::new(text).map_err(|error| error.to_string())
    }

    fn to_toml(&self) -> String {
        quoted(self)
    }
}

impl Scalar for String {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("a text is allowed".to_owned()) } else { Ok(text.to_owned()) }
    }

    fn to_toml(&self) -> String {
        quoted(self)
    }
}

impl Scalar for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("a path is allowed".to_owned()) } else { Ok(text.into()) }
    }

    fn to_toml(&self) -> String {
        quoted(self.display())
    }
}

impl Scalar for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            "an IP address and a port are allowed, as `127.0.0.1:7400` or `[::1]:7400`".to_owned()
        })
    }

    fn to_toml(&self) -> String {
        quoted(self)
    }
}

impl Scalar for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        Span::parse(text).map(|span| Self::from_micros(span.as_us()))
    }

    fn to_toml(&self) -> String {
        // Nothing here is longer than the half a million years that microseconds reach to.
        Span(u64::try_from(self.as_micros()).unwrap_or(u64::MAX)).to_toml()
    }
}

impl Scalar for Span {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(|Period(span)| span).map_err(|error: PeriodError| error.to_string())
    }

    fn to_toml(&self) -> String {
        quoted(Period(*self))
    }
}

/// A number of bytes, which may be written with a unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Bytes(pub u64);

const BYTE_UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl Scalar for Bytes {
    fn parse(text: &str) -> Result<Self, String> {
        let (digits, unit) = BYTE_UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), *unit)))
            .unwrap_or((text, 1));
        let bytes = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| "a number of bytes is allowed, as `65536` or `64MiB`".to_owned())
    }

    fn to_toml(&self) -> String {
        let whole = BYTE_UNITS.iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        whole.map_or(self.0.to_string(), |(name, unit)| quoted(format!("{}{name}", self.0 / unit)))
    }
}

/// A host, by name or address, and a port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HostPort(String);

impl HostPort {
    /// As it was written: `host:port`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A host and a port that a test writes down.
    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        Self::parse(text).expect("a test writes a host and a port")
    }

    /// Host and port.
    ///
    /// # Errors
    /// When it is an address, which is to be had as one.
    pub(crate) fn parts(&self) -> Result<(&str, u16), SocketAddr> {
        // What is no address was held to have a name and a port.
        let parts = || self.0.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match self.0.parse() {
            Ok(addr) => Err(addr),
            Err(_) => Ok(parts().unwrap_or((&self.0, 0))),
        }
    }
}

impl Scalar for HostPort {
    fn parse(text: &str) -> Result<Self, String> {
        let is_addr = text.parse::<SocketAddr>().is_ok();
        let is_named = text.rsplit_once(':').is_some_and(|(host, port)| {
            let is_name = !host.is_empty() && !host.contains(|c: char| c == ':' || c.is_whitespace());
            is_name && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if is_addr || is_named {
            Ok(Self(text.to_owned()))
        } else {
            Err("a host and a port are allowed, as `node-1.example:7400` or `[2001:db8::1]:7400`".to_owned())
        }
    }

    fn to_toml(&self) -> String {
        quoted(&self.0)
    }
}

/// Implements [`Scalar`] for a choice between words.
macro_rules! words {
    ($kind:ty { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $crate::settings::value::Scalar for $kind {
            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("one of {} is allowed", [$(concat!("`", $word, "`")),*].join(", "))),
                }
            }
            fn to_toml(&self) -> String {
                match self {
                    $(Self::$variant => concat!("\"", $word, "\"").to_owned(),)*
                }
            }
        }
    };
}

pub(crate) use {values, words};

words!(Scoping { Cluster = "cluster", Zones = "zones" });

#[cfg(test)]
mod tests {
    use super::*;

    fn reads<T: Scalar + PartialEq + std::fmt::Debug>(text: &str, value: &T) {
        assert_eq!(T::parse(text).as_ref(), Ok(value), "{text}");
        let shown = value.to_toml();
        assert_eq!(T::parse(shown.trim_matches('"')).as_ref(), Ok(value), "{shown}");
    }

    #[test]
    fn what_is_shown_reads_as_the_same() {
        reads("7", &7_u16);
        reads("64MiB", &Bytes(64 << 20));
        reads("65 KiB", &Bytes(65 << 10));
        reads("1025", &Bytes(1_025));
        reads("1.5h", &Duration::from_secs(5_400));
        reads("1500ms", &Span::from_ms(1_500));
        reads("[::1]:7400", &HostPort("[::1]:7400".into()));
        reads("edge:7400", &HostPort("edge:7400".into()));
        reads("zones", &Scoping::Zones);
    }

    #[test]
    fn what_is_no_value_of_its_kind_says_what_is() {
        assert_eq!(u8::parse("256"), Err("a whole number up to 255 is allowed".into()));
        assert!(Bytes::parse("99999999999GiB").is_err());
        assert!(Duration::parse("5").is_err());
        assert_eq!(Scoping::parse("all"), Err("one of `cluster`, `zones` is allowed".into()));
        for wrong in ["", "edge", "edge:", ":7400", "edge:0", "edge:70000", "a b:1", "::1:7400", "http://a:1"]
        {
            assert!(HostPort::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_take_commas_and_several_texts_and_an_empty_text_unsets() {
        let mut list: Vec<u16> = Vec::new();
        list.read(&["1, 2".into(), "3".into()]).unwrap();
        assert_eq!(list, [1, 2, 3]);
        assert_eq!(list.show().unwrap(), "[1, 2, 3]");
        list.read(&[String::new()]).unwrap();
        assert!(list.is_empty());
        let mut option = Some(3_u16);
        option.read(&[String::new()]).unwrap();
        assert_eq!(option.show(), None);
        assert!(option.read(&["1".into(), "2".into()]).is_err());
    }
}
