//! The published values, row by row.

use crate::{names, weighted};
use heck_core::entry::Scope;
use heck_core::id::Name;
use heck_core::ownership::logarithm::log2;
use heck_core::ownership::{priority, rendezvous_hash};
use heck_core::settings::{Scoping, Settings, Weight};

const VECTORS: &str = include_str!("../../src/ownership/VECTORS.md");

/// The rows of the table under a heading, each cut into cells.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let section = VECTORS.split("\n## ").find(|section| section.starts_with(heading));
    let lines = section.expect("the heading stands in the file").lines().filter(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> =
        lines.skip(2).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert!(rows.len() >= 3, "a table under `{heading}`");
    rows
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a valid name")
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text, 16).expect("a hexadecimal number")
}

fn numbers(text: &str) -> Vec<u16> {
    text.split_whitespace().map(|number| number.parse().expect("a weight or a place")).collect()
}

#[test]
fn hashes_keep_their_published_values() {
    for row in rows("Hash of a node") {
        assert_eq!(rendezvous_hash(&name(row[0]), &name(row[1])), hex(row[2]), "{row:?}");
    }
}

#[test]
fn logarithms_keep_their_published_values() {
    for row in rows("Binary logarithm") {
        assert_eq!(log2(row[0].parse().expect("a number")).to_string(), row[1], "{row:?}");
    }
}

#[test]
fn orders_keep_their_published_values() {
    let nodes = names("node", 5);
    for row in rows("Order of priority") {
        let order = priority(&name(row[0]), Scope::CLUSTER, &weighted(&nodes, numbers(row[1])));
        let expected = if row[2] == "nobody" { Vec::new() } else { numbers(row[2]) };
        assert_eq!(order, expected.into_iter().map(usize::from).collect::<Vec<_>>(), "{row:?}");
    }
}

#[test]
fn fingerprints_keep_their_published_values() {
    let nodes = names("node", 5);
    for row in rows("Fingerprint") {
        let scoping = if row[0] == "0" { Scoping::Cluster } else { Scoping::Zones };
        let settings = Settings { scoping, confirmers: row[1].parse().expect("a count") };
        let weights = nodes.iter().zip(numbers(row[2]).into_iter().map(Weight));
        assert_eq!(settings.fingerprint(weights), hex(row[3]), "{row:?}");
    }
}

#[test]
fn scopes_keep_their_published_values() {
    for row in rows("Scope of a zone") {
        assert_eq!(Scope::of_zone(&name(row[0])), Scope(hex(row[1])), "{row:?}");
    }
    assert_eq!(Scope::NO_ZONE, Scope(heck_core::hash::name_hash(b"")));
}
