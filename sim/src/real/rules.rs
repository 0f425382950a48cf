//! Which packets between nodes are lost, as a text for nftables. The router of the network loads it whole, so that a cut
//! begins on all links at one moment.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::units::Fraction;

/// Where nodes are: whatever else is on the network is reached without loss.
const NODES: &str = "10.77.0.0/24";
/// Fractions are parts of this.
const PARTS: u64 = 1_000_000_000;

/// Packets that are lost, each for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// Senders and receivers; none means that it takes packets between any two nodes.
    pub links: Option<(Vec<u32>, Vec<u32>)>,
    /// How many of them.
    pub fraction: Fraction,
}

/// The address of a node.
#[must_use]
pub fn addr_of(node: u32) -> Ipv4Addr {
    // The first and the last address of a network stand for the network itself and for all of it.
    Ipv4Addr::new(10, 77, 0, u8::try_from(node + 1).unwrap_or(u8::MAX - 1))
}

/// The rules for these losses, which take the place of all rules before. What one of them leaves the next one may take.
#[must_use]
pub fn losses<'a>(all: impl IntoIterator<Item = &'a Loss>) -> String {
    let mut rules = String::new();
    for Loss { links, fraction } in all {
        let set = |nodes: &[u32]| {
            let addrs: Vec<String> = nodes.iter().map(|&node| addr_of(node).to_string()).collect();
            format!("{{ {} }}", addrs.join(", "))
        };
        let (from, to) = match links {
            None => (NODES.to_owned(), NODES.to_owned()),
            Some((from, to)) if !from.is_empty() && !to.is_empty() => (set(from), set(to)),
            Some(_) => continue,
        };
        let chance = match fraction.ppb() {
            0 => continue,
            PARTS.. => String::new(),
            parts => format!("numgen random mod {PARTS} < {parts} "),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(rules, "        ip saddr {from} ip daddr {to} {chance}drop");
    }
    format!(
        "table inet losses {{ }}\ndelete table inet losses\ntable inet losses {{\n    chain passing {{\n        type \
         filter hook forward priority filter; policy accept;\n{rules}    }}\n}}\n"
    )
}

/// Counters around those rules, which show that the loss is what was asked for, and one of datagrams alone.
#[must_use]
pub fn counters() -> String {
    let chain = |name: &str, priority: i32, of: &str| {
        format!(
            "    chain {name} {{\n        type filter hook forward priority {priority}; policy accept;\n        {of}ip \
             saddr {NODES} ip daddr {NODES} counter name {name}\n    }}\n"
        )
    };
    let chains =
        [chain("sent", -10, ""), chain("datagrams", -9, "meta l4proto udp "), chain("passed", 10, "")];
    let counters = ["sent", "datagrams", "passed"].map(|name| format!("    counter {name} {{ }}\n"));
    format!("table inet counts {{\n{}{}}}\n", counters.concat(), chains.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_of(all: &[Loss]) -> Vec<String> {
        let text = losses(all);
        let rules = text.lines().filter(|line| line.trim_start().starts_with("ip saddr"));
        rules.map(|line| line.trim().to_owned()).collect()
    }

    fn fraction(text: &str) -> Fraction {
        Fraction::parse(text).expect("a fraction")
    }

    #[test]
    fn loss_of_the_whole_network_takes_packets_between_nodes_alone() {
        let half = Loss { links: None, fraction: fraction("50%") };
        let rule =
            "ip saddr 10.77.0.0/24 ip daddr 10.77.0.0/24 numgen random mod 1000000000 < 500000000 drop";
        assert_eq!(rules_of(&[half]), [rule]);
    }

    #[test]
    fn a_cut_is_a_rule_without_chance_from_each_side_to_the_other() {
        let cut = |from: &[u32], to: &[u32]| Loss {
            links: Some((from.to_vec(), to.to_vec())),
            fraction: Fraction::ONE,
        };
        assert_eq!(
            rules_of(&[cut(&[0, 1], &[2]), cut(&[2], &[0, 1])]),
            [
                "ip saddr { 10.77.0.1, 10.77.0.2 } ip daddr { 10.77.0.3 } drop",
                "ip saddr { 10.77.0.3 } ip daddr { 10.77.0.1, 10.77.0.2 } drop",
            ]
        );
    }

    #[test]
    fn what_takes_nothing_is_no_rule_and_the_table_is_replaced_whole() {
        let none = Loss { links: None, fraction: fraction("0%") };
        let nobody = Loss { links: Some((vec![], vec![1])), fraction: Fraction::ONE };
        assert_eq!(rules_of(&[none.clone(), nobody]), [""; 0]);
        assert!(
            losses(&[none])
                .starts_with("table inet losses { }\ndelete table inet losses\ntable inet losses {\n")
        );
    }
}
