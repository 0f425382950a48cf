//! A TOML document in which every key and value knows where it was written.
//!
//! Scenario files, `--set` arguments and sweep values all end up in one tree before anything is read from it,
//! so an error in any of them can point at its own text.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a piece of text stands: which source, and which bytes of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Place {
    /// Index among the sources that were read.
    pub source: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A value and where it was written.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Where it was written.
    pub place: Place,
    /// What was written.
    pub item: Item,
}

/// A value as TOML knows it. Floats keep their text, so that decimals stay exact.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// Keys and values, in the order of the file.
    Table(Vec<Entry>),
    /// A list.
    Array(Vec<Node>),
    /// A string.
    Text(String),
    /// A whole number; numbers beyond 128 bits stop at the end of the range.
    Integer(i128),
    /// A number with a point or exponent, as it was written.
    Float(String),
    /// True or false.
    Boolean(bool),
    /// A date or time, which no key takes.
    Date(String),
}

/// One `key = value`.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub key_place: Place,
    /// The value.
    pub node: Node,
}

/// A TOML syntax error: what it says, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyntaxError {
    /// What the parser says.
    pub message: String,
    /// Where it says so.
    pub place: Place,
}

impl Node {
    /// Parses a whole document, which is source number `source`.
    ///
    /// # Errors
    /// The first syntax error; what follows one is mostly its echo.
    pub fn parse_document(text: &str, source: usize) -> Result<Self, SyntaxError> {
        let table = DeTable::parse(text).map_err(|error| syntax_error(&error, source))?;
        let place = Place { source, start: 0, end: 0 };
        Ok(Self { place, item: Item::Table(entries(table.get_ref(), source, 0)) })
    }

    /// Parses one value that begins at byte `offset` of source `source`. What is no TOML value is taken as a
    /// string, so that `--set network.loss=50%` needs no quotes.
    #[must_use]
    pub fn parse_value(text: &str, source: usize, offset: usize) -> Self {
        match DeValue::parse(text) {
            Ok(value) => node(&value, source, offset),
            Err(_) => Self {
                place: Place { source, start: offset, end: offset + text.len() },
                item: Item::Text(text.trim().to_owned()),
            },
        }
    }

    /// The value under `key`, if this is a table that has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.item {
            Item::Table(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            Item::Array(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// Where the value at `path` (keys and list positions) was written, or its nearest ancestor that was.
    #[must_use]
    pub fn place_of(&self, path: &[&str]) -> Place {
        match path.split_first().and_then(|(first, rest)| Some((self.get(first)?, rest))) {
            Some((child, rest)) => child.place_of(rest),
            None => self.place,
        }
    }

    /// Puts `value` at `path`, creating tables on the way.
    ///
    /// # Errors
    /// The length of the path that could not be followed: a value in the way that is no table, or a list
    /// without that position.
    pub fn set(&mut self, path: &[(String, Place)], value: Self) -> Result<(), usize> {
        let Some(((key, key_place), rest)) = path.split_first() else {
            *self = value;
            return Ok(());
        };
        let child = match &mut self.item {
            Item::Table(entries) => {
                let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
                    let node = Self { place: *key_place, item: Item::Table(Vec::new()) };
                    entries.push(Entry { key: key.clone(), key_place: *key_place, node });
                    entries.len() - 1
                });
                entries[index].key_place = *key_place;
                &mut entries[index].node
            }
            Item::Array(items) => {
                let index = key.parse::<usize>().map_err(|_| path.len())?;
                items.get_mut(index).ok_or(path.len())?
            }
            _ => return Err(path.len()),
        };
        child.set(rest, value)
    }

    /// Takes `key` out of this table.
    pub fn remove(&mut self, key: &str) {
        if let Item::Table(entries) = &mut self.item {
            entries.retain(|entry| entry.key != key);
        }
    }

    /// The value without places, for keeping and for writing it again.
    #[must_use]
    pub fn to_value(&self) -> toml::Value {
        match &self.item {
            Item::Table(entries) => toml::Value::Table(
                entries.iter().map(|entry| (entry.key.clone(), entry.node.to_value())).collect(),
            ),
            Item::Array(items) => toml::Value::Array(items.iter().map(Self::to_value).collect()),
            Item::Text(text) | Item::Date(text) => toml::Value::String(text.clone()),
            Item::Integer(number) => {
                i64::try_from(*number).map_or_else(|_| number.to_string().into(), toml::Value::Integer)
            }
            Item::Float(text) => text.parse().map_or_else(|_| text.clone().into(), toml::Value::Float),
            Item::Boolean(truth) => toml::Value::Boolean(*truth),
        }
    }

    /// The value as short text, for error messages.
    #[must_use]
    pub fn show(&self) -> String {
        match &self.item {
            Item::Table(_) => "a table".to_owned(),
            Item::Array(_) => "a list".to_owned(),
            Item::Text(text) => format!("{text:?}"),
            Item::Integer(number) => number.to_string(),
            Item::Float(text) | Item::Date(text) => text.clone(),
            Item::Boolean(truth) => truth.to_string(),
        }
    }
}

fn syntax_error(error: &toml::de::Error, source: usize) -> SyntaxError {
    let span = error.span().unwrap_or_default();
    SyntaxError {
        message: error.message().to_owned(),
        place: Place { source, start: span.start, end: span.end },
    }
}

fn entries(table: &DeTable<'_>, source: usize, offset: usize) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| Entry {
        key: key.get_ref().clone().into_owned(),
        key_place: place(key.span(), source, offset),
        node: node(value, source, offset),
    };
    table.iter().map(entry).collect()
}

fn node(value: &Spanned<DeValue<'_>>, source: usize, offset: usize) -> Node {
    let item = match value.get_ref() {
        DeValue::String(text) => Item::Text(text.clone().into_owned()),
        DeValue::Integer(number) => Item::Integer(integer(number.as_str(), number.radix())),
        DeValue::Float(number) => Item::Float(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Item::Boolean(*truth),
        DeValue::Datetime(date) => Item::Date(date.to_string()),
        DeValue::Array(items) => Item::Array(items.iter().map(|item| node(item, source, offset)).collect()),
        DeValue::Table(table) => Item::Table(entries(table, source, offset)),
    };
    Node { place: place(value.span(), source, offset), item }
}

fn integer(digits: &str, radix: u32) -> i128 {
    let end = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(digits, radix).unwrap_or(end)
}

fn place(span: std::ops::Range<usize>, source: usize, offset: usize) -> Place {
    Place { source, start: span.start + offset, end: span.end + offset }
}
