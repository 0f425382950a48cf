//! The reference of the language, written from the declarations that the parser itself uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Scenario;
use super::read::{KeyShape, Section as _, Shape, TableShape};

const OPENING: &str = "\
# The language of scenario files

Written by the parser itself (`heck-sim`'s `scenario::reference`); a test fails when this page and the parser differ,
and rewrites the page when `HECK_REWRITE=1` is set.

A scenario is a TOML file. Every key is listed here with what it may hold, its default and its meaning; any other key
is an error that names the file, the line, the column and the keys there are. Quantities are texts of a number and a
unit, and are held as whole numbers of their finest unit: time in µs, fractions in parts per 10⁹, sizes in bytes, bit
rates in bit/s, rates of events in millionths of an event per hour. `m` is a minute, `kB` is 1,000 and `KiB` 1,024
bytes. Nodes count from 0. Moments are counted from the start of a run.

`--set section.key=value` changes a key before the file is checked, `--set fault.0.at=5s` one of a list.
Text needs no quotes there.
";

/// A scenario that uses most of the language. A test reads it.
pub(super) const EXAMPLE: &str = include_str!("example.toml");

/// A scenario that compares systems. A test reads it.
pub(super) const EXAMPLE_COMPARE: &str = include_str!("example-compare.toml");

/// The whole reference as Markdown, which is `scenarios/LANGUAGE.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = Page { tables: String::new(), seen: BTreeSet::new(), named: BTreeMap::new() };
    page.table(&Scenario::table_shape());
    let named: String = page.named.iter().map(|(name, text)| format!("| {name} | {text} |\n")).collect();
    let example = format!(
        "\n## examples\n\nThe first uses all sections but `[compare]`, which the second is about; the tests read them.\n\n\
            ```toml\n{EXAMPLE}```\n\n```toml\n{EXAMPLE_COMPARE}```\n"
    );
    format!("{OPENING}{example}\n## values\n\n| value | is written as |\n|---|---|\n{named}{}", page.tables)
}

struct Page {
    tables: String,
    seen: BTreeSet<&'static str>,
    named: BTreeMap<&'static str, &'static str>,
}

impl Page {
    fn table(&mut self, table: &TableShape) {
        if !self.seen.insert(table.title) {
            return;
        }
        let doc = join(&table.doc);
        let keys: String = table.keys.iter().map(row).collect();
        // Writing to a `String` cannot fail.
        let _ = write!(
            self.tables,
            "\n## {}\n\n{doc}\n\n| key | holds | default | meaning |\n|---|---|---|---|\n{keys}",
            table.title
        );
        for key in &table.keys {
            self.follow(&key.shape);
        }
    }

    fn follow(&mut self, shape: &Shape) {
        match shape {
            Shape::Scalar(_) => {}
            Shape::Named(name, text) => {
                self.named.insert(name, text);
            }
            Shape::List(inner) | Shape::OneOrMore(inner) => self.follow(inner),
            Shape::Table(table) | Shape::OneOf(table, _) => self.table(table),
        }
    }
}

fn row(key: &KeyShape) -> String {
    let default = match key.spec.default {
        Some("{}") | None if key.optional || key.spec.default.is_some() => "none".to_owned(),
        None => "**required**".to_owned(),
        Some(text) => format!("`{text}`"),
    };
    let holds = match key.spec.range() {
        range if range.is_empty() => holds(&key.shape),
        range => format!("{}; {range}", holds(&key.shape)),
    };
    format!("| `{}` | {holds} | {default} | {} |\n", key.name, join(&key.doc))
}

fn holds(shape: &Shape) -> String {
    match shape {
        Shape::Scalar(text) => text.clone(),
        Shape::Named(name, _) => format!("[{name}](#values)"),
        Shape::List(inner) => format!("a list, each: {}", holds(inner)),
        Shape::OneOrMore(inner) => format!("{}, or a list of them", holds(inner)),
        Shape::Table(table) | Shape::OneOf(table, None) => link(table),
        Shape::OneOf(table, Some(bare)) => format!("{}, or {}", holds(bare), link(table)),
    }
}

fn link(table: &TableShape) -> String {
    let slug: String = table.title.to_lowercase().replace(' ', "-");
    let slug: String = slug.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
    format!("table [{}](#{slug})", table.title.trim_matches(['[', ']']))
}

fn join(doc: &[&str]) -> String {
    doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}
