//! Reading values out of a located tree: one trait for everything that a key can hold.

use std::cmp::Ordering;

use super::problem::Problems;
use super::tree::{Entry, Item, Node};

/// What a key expects: its default and its range, as text that [`Value::read`] understands.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The default, if there is one.
    pub default: Option<&'static str>,
    /// The smallest value.
    pub least: Option<&'static str>,
    /// The greatest value.
    pub most: Option<&'static str>,
}

/// A key that must be there, or whose type says what its absence means.
#[must_use]
pub const fn plain() -> Spec {
    Spec { default: None, least: None, most: None }
}

/// A key that means `text` when it is not there.
#[must_use]
pub const fn default(text: &'static str) -> Spec {
    Spec { default: Some(text), least: None, most: None }
}

impl Spec {
    /// The same, but at least `text`.
    #[must_use]
    pub const fn at_least(self, text: &'static str) -> Self {
        Self { least: Some(text), ..self }
    }

    /// The same, but at most `text`.
    #[must_use]
    pub const fn at_most(self, text: &'static str) -> Self {
        Self { most: Some(text), ..self }
    }

    /// The range in words, empty where there is none.
    #[must_use]
    pub fn range(self) -> String {
        match (self.least, self.most) {
            (None, None) => String::new(),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (Some(least), Some(most)) => format!("{least} to {most}"),
        }
    }
}

/// What a type looks like in a file, for the reference of the language.
#[derive(Clone, Debug)]
pub enum Shape {
    /// One value; the text says how it is written.
    Scalar(String),
    /// One value of a kind that many keys share: the name of the kind, and how it is written.
    Named(&'static str, &'static str),
    /// A list of such values.
    List(Box<Self>),
    /// One such value, or a list of them.
    OneOrMore(Box<Self>),
    /// A table with named keys.
    Table(TableShape),
    /// A table with exactly one of these keys, and the value that may stand in place of the table.
    OneOf(TableShape, Option<Box<Self>>),
}

/// A table in the reference of the language.
#[derive(Clone, Debug)]
pub struct TableShape {
    /// Its heading.
    pub title: &'static str,
    /// What it is.
    pub doc: Vec<&'static str>,
    /// Its keys.
    pub keys: Vec<KeyShape>,
}

/// A key in the reference of the language.
#[derive(Clone, Debug)]
pub struct KeyShape {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: Vec<&'static str>,
    /// Default and range.
    pub spec: Spec,
    /// Whether it may be left out although it has no default.
    pub optional: bool,
    /// What it holds.
    pub shape: Shape,
}

/// Something that a key of a scenario file can hold.
pub trait Value: Sized {
    /// What it looks like in a file.
    fn shape() -> Shape;

    /// Reads it from `node`, which stands at the dotted path `key`; notes what is wrong.
    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self>;

    /// Writes it so that reading gives the same; `None` leaves the key out.
    fn write(&self) -> Option<toml::Value>;

    /// What it means that the key is not there; `None` where it must be.
    fn absent() -> Option<Self> {
        None
    }

    /// Its order, for the range of the key; `None` where there is no order.
    fn order(&self, _other: &Self) -> Option<Ordering> {
        None
    }
}

/// A table whose keys are the fields of a struct; the `section!` macro implements it.
pub trait Section: Sized {
    /// What the table looks like.
    fn table_shape() -> TableShape;

    /// Reads the fields, and notes what is wrong with them.
    fn read_fields(table: &mut TableReader<'_>, problems: &mut Problems) -> Option<Self>;

    /// Adds the fields to `table`.
    fn write_fields(&self, table: &mut toml::Table);
}

/// Reads the keys of one table, and remembers which keys there are.
pub struct TableReader<'a> {
    node: &'a Node,
    entries: &'a [Entry],
    key: &'a str,
    known: Vec<&'static str>,
}

impl<'a> TableReader<'a> {
    /// A reader of `node`, which stands at the dotted path `key`, if it is a table.
    pub fn new(node: &'a Node, key: &'a str, problems: &mut Problems) -> Option<Self> {
        if let Item::Table(entries) = &node.item {
            return Some(Self { node, entries, key, known: Vec::new() });
        }
        problems.value(node, key, "is no table", "a table");
        None
    }

    /// Reads the key called `name`.
    pub fn field<T: Value>(&mut self, name: &'static str, spec: Spec, problems: &mut Problems) -> Option<T> {
        self.known.push(name);
        let key = join(self.key, name);
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == name) {
            let value = T::read(&entry.node, &key, problems)?;
            return within(&value, spec, &entry.node, &key, problems).then_some(value);
        }
        if let Some(text) = spec.default {
            return T::read(&self.stand_in(text), &key, problems);
        }
        let absent = T::absent();
        if absent.is_none() {
            problems.at(self.node.place, &key, "is missing", allowed(&T::shape(), spec));
        }
        absent
    }

    /// Notes every key that nobody asked for.
    pub fn finish(&self, problems: &mut Problems) {
        for entry in self.entries {
            if !self.known.contains(&entry.key.as_str()) {
                let what = format!("there is no such key{}", did_you_mean(&entry.key, &self.known));
                problems.at(entry.key_place, &join(self.key, &entry.key), what, self.known.join(", "));
            }
        }
    }

    /// The one key of a table that must have exactly one of `names`.
    pub fn only_key(
        &self,
        names: &[&'static str],
        problems: &mut Problems,
    ) -> Option<(&'static str, &'a Node)> {
        let allowed = || format!("exactly one of {}", names.join(", "));
        for entry in self.entries {
            if !names.contains(&entry.key.as_str()) {
                let what = format!("there is no such key{}", did_you_mean(&entry.key, names));
                problems.at(entry.key_place, &join(self.key, &entry.key), what, allowed());
                return None;
            }
        }
        match self.entries {
            [entry] => names.iter().find(|name| **name == entry.key).map(|name| (*name, &entry.node)),
            [] => {
                problems.at(self.node.place, self.key, "is an empty table", allowed());
                None
            }
            [_, second, ..] => {
                let what = "is one key too many";
                problems.at(second.key_place, &join(self.key, &second.key), what, allowed());
                None
            }
        }
    }

    /// A default, as if it had been written where the table stands.
    fn stand_in(&self, text: &str) -> Node {
        let mut node = Node::parse_value(text, 0, 0);
        node.place = self.node.place;
        node
    }
}

/// Path of `name` inside the table at `key`.
#[must_use]
pub fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// `; did you mean …?` when one of `names` is near, nothing otherwise.
#[must_use]
pub fn did_you_mean<S: AsRef<str>>(found: &str, names: &[S]) -> String {
    let distance = |name: &str| strsim::damerau_levenshtein(&found.to_lowercase(), &name.to_lowercase());
    let nearest = names.iter().map(AsRef::as_ref).map(|name| (distance(name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + found.chars().count() / 4 => {
            format!("; did you mean {name}?")
        }
        _ => String::new(),
    }
}

/// What a key may hold, in words.
#[must_use]
pub fn allowed(shape: &Shape, spec: Spec) -> String {
    let what = match shape {
        Shape::Scalar(text) => text.clone(),
        Shape::Named(_, text) => (*text).to_owned(),
        Shape::List(inner) => format!("a list, each: {}", allowed(inner, plain())),
        Shape::OneOrMore(inner) => format!("{}, or a list of them", allowed(inner, plain())),
        Shape::Table(table) | Shape::OneOf(table, None) => format!("a table, {}", table.title),
        Shape::OneOf(table, Some(short)) => {
            format!("{}, or a table, {}", allowed(short, plain()), table.title)
        }
    };
    match spec.range() {
        range if range.is_empty() => what,
        range => format!("{what}; {range}"),
    }
}

fn within<T: Value>(value: &T, spec: Spec, node: &Node, key: &str, problems: &mut Problems) -> bool {
    let bound = |text: Option<&'static str>| {
        text.and_then(|text| T::read(&Node::parse_value(text, 0, 0), key, &mut Problems::default()))
    };
    let below = bound(spec.least).and_then(|least| value.order(&least)) == Some(Ordering::Less);
    let above = bound(spec.most).and_then(|most| value.order(&most)) == Some(Ordering::Greater);
    if below || above {
        let limit = if below { spec.least } else { spec.most }.unwrap_or_default();
        let what = format!("is {} than {limit}", if below { "less" } else { "more" });
        problems.value(node, key, what, allowed(&T::shape(), spec));
    }
    !below && !above
}
