//! The plain values: numbers, words, quantities, lists, and what may be left out.

use std::cmp::Ordering;
use std::fmt::Display;

use heck_core::time::Span;

use super::problem::Problems;
use super::read::{Shape, Value};
use super::tree::{Item, Node};
use crate::units::{self, BitRate, Bytes, EventRate, Fraction, Number, UnitError};

const WHOLE: &str = "a whole number";
const SIGNED: &str = "a whole number, negative or not";

fn whole(node: &Node, key: &str, most: u64, problems: &mut Problems) -> Option<u64> {
    let Item::Integer(number) = node.item else {
        problems.value(node, key, "is no whole number", format!("{WHOLE} from 0 to {most}"));
        return None;
    };
    let fitting = u64::try_from(number).ok().filter(|number| *number <= most);
    if fitting.is_none() {
        let what = if number < 0 { "is negative" } else { "is too large" };
        problems.value(node, key, what, format!("{WHOLE} from 0 to {most}"));
    }
    fitting
}

impl Value for u32 {
    fn shape() -> Shape {
        Shape::Scalar(WHOLE.to_owned())
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        whole(node, key, Self::MAX.into(), problems).and_then(|number| Self::try_from(number).ok())
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::Integer((*self).into()))
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The one whole number that may be negative.
impl Value for i32 {
    fn shape() -> Shape {
        Shape::Scalar(SIGNED.to_owned())
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        let Item::Integer(number) = node.item else {
            problems.value(node, key, "is no whole number", SIGNED);
            return None;
        };
        let fitting = Self::try_from(number).ok();
        if fitting.is_none() {
            problems.value(
                node,
                key,
                "is too far from 0",
                format!("{SIGNED} from {} to {}", Self::MIN, Self::MAX),
            );
        }
        fitting
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::Integer((*self).into()))
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// TOML's whole numbers end at 2⁶³ − 1, and so do these.
impl Value for u64 {
    fn shape() -> Shape {
        Shape::Scalar(WHOLE.to_owned())
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        whole(node, key, i64::MAX.unsigned_abs(), problems)
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX)))
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Value for bool {
    fn shape() -> Shape {
        Shape::Scalar("true or false".to_owned())
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        if let Item::Boolean(truth) = node.item {
            return Some(truth);
        }
        problems.value(node, key, "is neither true nor false", "true or false");
        None
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::Boolean(*self))
    }
}

impl Value for String {
    fn shape() -> Shape {
        Shape::Scalar("a text".to_owned())
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        match &node.item {
            Item::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            Item::Text(_) => {
                problems.value(node, key, "is empty", "a text");
                None
            }
            _ => {
                problems.value(node, key, "is no text", "a text in quotes");
                None
            }
        }
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::String(self.clone()))
    }
}

/// Reads a quantity from its text, or says which units are allowed.
fn quantity<T>(
    node: &Node,
    key: &str,
    allowed: &str,
    parse: impl FnOnce(&str) -> Result<T, UnitError>,
    problems: &mut Problems,
) -> Option<T> {
    let parsed = match &node.item {
        Item::Text(text) => parse(text).map_err(|error| error.to_string()),
        Item::Integer(_) | Item::Float(_) => Err("has no unit".to_owned()),
        _ => Err("is no quantity".to_owned()),
    };
    parsed.map_err(|what| problems.value(node, key, what, allowed)).ok()
}

macro_rules! quantity_value {
    ($($type:ty: $name:literal, $allowed:expr, $parse:expr, $show:expr;)*) => {$(
        impl Value for $type {
            fn shape() -> Shape {
                Shape::Named($name, $allowed)
            }

            fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
                quantity(node, key, $allowed, $parse, problems)
            }

            fn write(&self) -> Option<toml::Value> {
                Some(toml::Value::String($show(*self)))
            }

            fn order(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
    )*};
}

fn show<T: Display>(quantity: T) -> String {
    quantity.to_string()
}

quantity_value! {
    Span: "time", units::SPAN_ALLOWED, units::parse_span, units::show_span;
    Fraction: "fraction", Fraction::ALLOWED, Fraction::parse, show;
    Bytes: "size", Bytes::ALLOWED, Bytes::parse, show;
    BitRate: "bit rate", BitRate::ALLOWED, BitRate::parse, show;
    EventRate: "event rate", EventRate::ALLOWED, EventRate::parse, show;
}

/// The one quantity without a unit, and so without quotes.
impl Value for Number {
    fn shape() -> Shape {
        Shape::Named("number", Self::ALLOWED)
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        let parsed = match &node.item {
            Item::Integer(number) => Self::parse(&number.to_string()).map_err(|error| error.to_string()),
            Item::Float(text) => Self::parse(text).map_err(|error| error.to_string()),
            _ => Err("is no number".to_owned()),
        };
        parsed.map_err(|what| problems.value(node, key, what, Self::ALLOWED)).ok()
    }

    fn write(&self) -> Option<toml::Value> {
        let text = self.to_string();
        let whole = text.parse().map(toml::Value::Integer).ok();
        whole.or_else(|| text.parse().map(toml::Value::Float).ok())
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Value> Value for Option<T> {
    fn shape() -> Shape {
        T::shape()
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        T::read(node, key, problems).map(Some)
    }

    fn write(&self) -> Option<toml::Value> {
        self.as_ref().and_then(T::write)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        self.as_ref()?.order(other.as_ref()?)
    }
}

/// A list that is not there is an empty one, unless the key has a default.
impl<T: Value> Value for Vec<T> {
    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        let Item::Array(items) = &node.item else {
            // A number among the keys means an entry of a list that is not there.
            let one = matches!(&node.item, Item::Table(entries) if entries.iter().all(|entry| entry.key.parse::<u32>().is_err()));
            if one && matches!(T::shape(), Shape::Table(_) | Shape::OneOf(..)) {
                let allowed = format!("a list of tables: `[[{key}]]` where `[{key}]` stands, or `[{{ … }}]`");
                problems.value(node, key, "stands alone, and there may be several", allowed);
            } else {
                problems.value(node, key, "is no list", "a list in square brackets");
            }
            return None;
        };
        let items = items.iter().enumerate();
        // Every item is read before the first bad one ends it, so that all problems show at once.
        let read: Vec<_> =
            items.map(|(index, item)| T::read(item, &format!("{key}.{index}"), problems)).collect();
        read.into_iter().collect()
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::Array(self.iter().filter_map(T::write).collect()))
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

/// A list that may be written without brackets when it has one item, and is left out when it has none.
#[derive(Clone, PartialEq, Debug)]
pub struct OneOrMore<T>(pub Vec<T>);

impl<T: Value> Value for OneOrMore<T> {
    fn shape() -> Shape {
        Shape::OneOrMore(Box::new(T::shape()))
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        match &node.item {
            Item::Array(_) => Vec::read(node, key, problems).map(Self),
            _ => T::read(node, key, problems).map(|item| Self(vec![item])),
        }
    }

    fn write(&self) -> Option<toml::Value> {
        match self.0.as_slice() {
            [] => None,
            [item] => item.write(),
            _ => self.0.write(),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

/// Any value, read later against a key that another value names.
#[derive(Clone, PartialEq, Debug)]
pub struct Literal(pub toml::Value);

impl Literal {
    /// As short text, for labels: strings without their quotes.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.0 {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl Value for Literal {
    fn shape() -> Shape {
        Shape::Scalar("whatever the key takes".to_owned())
    }

    fn read(node: &Node, _key: &str, _problems: &mut Problems) -> Option<Self> {
        Some(Self(node.to_value()))
    }

    fn write(&self) -> Option<toml::Value> {
        Some(self.0.clone())
    }
}
