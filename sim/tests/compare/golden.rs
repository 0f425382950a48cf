//! Golden trace hashes: every system does on every machine what it did when its hash was written down.

use std::collections::BTreeMap;
use std::path::Path;

use heck_sim::compare::run_comparison;
use heck_sim::run::Options;

use super::{ALL, CHECKS, CRASH, scenario};

#[test]
fn systems_do_what_they_did() {
    let file = scenario(&[ALL, CHECKS, "cluster.origins=5", CRASH]);
    let comparison = run_comparison(&file, &Options::default(), &|| ()).expect("runs");
    let systems = comparison.points.into_iter().flat_map(|point| point.systems);
    let show = |hash: u64, events: u64| format!("{hash:016x}, {events} events");
    let measured: BTreeMap<String, String> = systems
        .filter(|(system, _)| system.word() != "heck")
        .map(|(system, runs)| (system.word().to_owned(), show(runs[0].trace_hash, runs[0].events)))
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/systems.toml");
    if std::env::var_os("HECK_REWRITE").is_some() {
        let head = "# Trace hash and number of events of each baseline in the comparison of sim/tests/compare. Written by\n\
                    # `HECK_REWRITE=1 cargo test -p heck-sim --test compare golden`.\n\n";
        let table = toml::to_string(&measured).expect("hashes are TOML");
        std::fs::write(&path, format!("{head}{table}")).expect("the file can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the golden hashes are there");
    let kept: BTreeMap<String, String> = toml::from_str(&text).expect("a table of hashes");
    assert_eq!(measured, kept, "accept a change on purpose with HECK_REWRITE=1 and say why in the commit");
}
