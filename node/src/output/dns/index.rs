//! What the names of the zone stand for.

use crate::origin::Host;
use crate::output::Places;
use heck_core::id::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// What stands below the zone: the last label of a name decides.
const KINDS: [&str; 3] = ["tag", "origin", "addr"];

/// What a name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found<'a> {
    /// The zone itself.
    Apex,
    /// The server.
    Server,
    /// Nothing by itself; other names end with it.
    Parent,
    /// Origins. Behind `_service._proto` it is asked for services only.
    Origins { names: &'a [Name], is_service: bool },
    /// An address of an origin.
    Addr(IpAddr),
    /// There is no such name.
    Nothing,
}

/// Origins by names as DNS knows them, where `A` and `a` are the same.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) places: Arc<Places>,
    tags: Names,
    origins: Names,
    addrs: BTreeSet<IpAddr>,
}

#[derive(Debug, Default)]
struct Names {
    known: BTreeMap<String, Vec<Name>>,
    /// What stands behind a dot of a known name.
    parents: BTreeSet<String>,
}

impl Names {
    fn add(&mut self, key: &str, names: &[Name]) {
        let key = key.to_ascii_lowercase();
        let mut rest = key.as_str();
        while let Some((_, parent)) = rest.split_once('.') {
            self.parents.insert(parent.to_owned());
            rest = parent;
        }
        self.known.entry(key).or_default().extend_from_slice(names);
    }

    fn find(&self, labels: &[&str]) -> Found<'_> {
        let key = labels.join(".");
        if let Some(names) = self.known.get(&key) {
            return Found::Origins { names, is_service: false };
        }
        match labels {
            [service, rest @ ..] if service.starts_with('_') => match rest {
                // As in RFC 2782; which service it is does not matter.
                [proto, rest @ ..] if proto.starts_with('_') => match self.known.get(&rest.join(".")) {
                    Some(names) => Found::Origins { names, is_service: true },
                    None => Found::Nothing,
                },
                _ if self.known.contains_key(&rest.join(".")) => Found::Parent,
                _ => Found::Nothing,
            },
            _ if self.parents.contains(&key) => Found::Parent,
            _ => Found::Nothing,
        }
    }
}

impl Index {
    pub(super) fn of(places: Arc<Places>) -> Self {
        let mut index = Self::default();
        for (tag, names) in places.tags() {
            index.tags.add(tag, names);
        }
        for (name, place) in places.all() {
            index.origins.add(name.as_str(), std::slice::from_ref(name));
            if let Host::Ip(ip) = place.endpoint.host {
                index.addrs.insert(ip);
            }
        }
        index.places = places;
        index
    }

    /// What a name stands for, by its labels in lower case, without those of the zone.
    pub(super) fn find(&self, labels: &[&str]) -> Found<'_> {
        match labels {
            [] => Found::Apex,
            ["ns"] => Found::Server,
            [kind] if KINDS.contains(kind) => Found::Parent,
            [rest @ .., "tag"] => self.tags.find(rest),
            [rest @ .., "origin"] => self.origins.find(rest),
            [label, "addr"] => match parse(label).filter(|ip| self.addrs.contains(ip)) {
                Some(ip) => Found::Addr(ip),
                None => Found::Nothing,
            },
            _ => Found::Nothing,
        }
    }
}

/// The label that stands for an address: its bytes in hex.
pub(super) fn label(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{:08x}", u32::from(ip)),
        IpAddr::V6(ip) => format!("{:032x}", u128::from(ip)),
    }
}

fn parse(label: &str) -> Option<IpAddr> {
    // A sign would be taken as well.
    if !label.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match label.len() {
        8 => u32::from_str_radix(label, 16).ok().map(|bits| IpAddr::V4(bits.into())),
        32 => u128::from_str_radix(label, 16).ok().map(|bits| IpAddr::V6(bits.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn names_are_found_whatever_their_case_with_their_parents_and_services() {
        let mut index = Index::default();
        index.tags.add("Web", &[name("a"), name("b")]);
        index.tags.add("eu.db", &[name("c")]);
        index.origins.add("a.example", &[name("a.example")]);
        index.addrs.insert("10.0.0.7".parse().unwrap());
        let web = [name("a"), name("b")];
        let found = |labels: &[&str]| index.find(labels);
        assert_eq!(found(&["web", "tag"]), Found::Origins { names: &web, is_service: false });
        assert_eq!(found(&["_http", "_tcp", "web", "tag"]), Found::Origins { names: &web, is_service: true });
        assert_eq!(found(&["_tcp", "web", "tag"]), Found::Parent);
        assert_eq!(found(&["_http", "_tcp", "none", "tag"]), Found::Nothing);
        assert_eq!(found(&["db", "tag"]), Found::Parent, "`eu.db` ends with it");
        assert!(matches!(found(&["eu", "db", "tag"]), Found::Origins { .. }));
        assert!(matches!(found(&["a", "example", "origin"]), Found::Origins { .. }));
        assert_eq!(found(&["none", "tag"]), Found::Nothing);
        assert_eq!(found(&["web", "origin"]), Found::Nothing);
        assert_eq!(found(&["tag"]), Found::Parent);
        assert_eq!(found(&[]), Found::Apex);
        assert_eq!(found(&["ns"]), Found::Server);
        assert_eq!(found(&["0a000007", "addr"]), Found::Addr("10.0.0.7".parse().unwrap()));
        assert_eq!(found(&["7f000001", "addr"]), Found::Nothing, "no origin is there");
    }

    #[test]
    fn a_label_stands_for_the_address_it_was_made_of() {
        for text in ["10.0.0.7", "255.255.255.255", "2001:db8::7", "::"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(parse(&label(ip)), Some(ip));
        }
        for wrong in ["", "0a00007", "+a000007", "0a00000g", "0a0000070"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
