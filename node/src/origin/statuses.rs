//! Sets of HTTP statuses as people write them.

use heck_core::policy::{StatusSet, StatusSetError};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const FORM: &str = "one to four statuses from 100 to 599 or ranges of them, such as [\"200-299\", 301]";

/// Statuses that count as good, as a list of numbers and ranges: `["200-299", 301]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Statuses(pub StatusSet);

/// One element of the list, first and last included.
#[derive(Clone, Copy)]
struct Item(u16, u16);

impl Serialize for Statuses {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(None)?;
        for (first, last) in self.0.ranges() {
            if first == last {
                list.serialize_element(&first)?;
            } else {
                list.serialize_element(&format_args!("{first}-{last}"))?;
            }
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Statuses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(FORM)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Statuses, A::Error> {
                let mut ranges = Vec::new();
                while let Some(Item(first, last)) = list.next_element()? {
                    // One more than is allowed is enough to be refused.
                    if ranges.len() <= 4 {
                        ranges.push((first, last));
                    }
                }
                StatusSet::new(&ranges).map(Statuses).map_err(|error| match error {
                    StatusSetError::Count(count) => {
                        let count = if count > 4 { "more than four".to_owned() } else { count.to_string() };
                        A::Error::custom(format_args!("{count} statuses, allowed are {FORM}"))
                    }
                    StatusSetError::Range(first, last) => {
                        A::Error::custom(format_args!("\"{first}-{last}\" is no range, allowed are {FORM}"))
                    }
                })
            }
        }
        from.deserialize_seq(List)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct NumberOrRange;
        impl Visitor<'_> for NumberOrRange {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status such as 301, or a range such as \"200-299\"")
            }

            fn visit_u64<E: serde::de::Error>(self, status: u64) -> Result<Item, E> {
                let status = u16::try_from(status).unwrap_or(u16::MAX);
                Ok(Item(status, status))
            }

            fn visit_i64<E: serde::de::Error>(self, status: i64) -> Result<Item, E> {
                self.visit_u64(u64::try_from(status).unwrap_or(0))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Item, E> {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                let number = |text: &str| {
                    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                    is_number.then(|| text.parse().ok()).flatten()
                };
                match (number(first), number(last)) {
                    (Some(first), Some(last)) => Ok(Item(first, last)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }
        from.deserialize_any(NumberOrRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_numbers_and_ranges_in_one_list() {
        let text = r#"["200-299",301]"#;
        let set: Statuses = serde_json::from_str(text).unwrap();
        assert_eq!(set.0, StatusSet::new(&[(200, 299), (301, 301)]).unwrap());
        assert_eq!(serde_json::to_string(&set).unwrap(), text);
        let same: Statuses = serde_json::from_str(r#"["200-299","301"]"#).unwrap();
        assert_eq!(same, set);
    }

    #[test]
    fn what_is_no_set_of_statuses_is_refused_with_what_is_allowed() {
        for (text, wrong) in [
            ("[]", "0 statuses"),
            ("[200,201,202,203,204]", "more than four"),
            (r#"["299-200"]"#, "\"299-200\""),
            ("[99]", "\"99-99\""),
            ("[-1]", "\"0-0\""),
            ("[70000]", "\"65535-65535\""),
        ] {
            let error = serde_json::from_str::<Statuses>(text).unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains(FORM), "{text}: {error}");
        }
        for text in [r#"["2xx"]"#, r#"["+200"]"#, r#"[""]"#, "[1.5]", "[true]"] {
            let error = serde_json::from_str::<Statuses>(text).unwrap_err().to_string();
            assert!(error.contains("a range such as"), "{text}: {error}");
        }
        assert!(serde_json::from_str::<Statuses>("200").unwrap_err().to_string().contains(FORM));
    }
}
