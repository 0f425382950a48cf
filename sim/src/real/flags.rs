//! The settings of a scenario as flags of `heck node`.

use toml::{Table, Value};

use crate::scenario::{Checks, Scenario, ScenarioFile};
use crate::units::{Bytes, show_span};

/// How a value is written for a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// As in a scenario.
    Same,
    /// As a number of bytes.
    Bytes,
}

/// The keys of `[cluster.protocol]` that a node has a setting for, with the flag.
const PROTOCOL: [(&str, &str, Form); 19] = [
    ("repair_interval", "protocol-repair-interval", Form::Same),
    ("repair_fanout", "protocol-repair-fanout", Form::Same),
    ("broadcast_spacing", "protocol-broadcast-spacing", Form::Same),
    ("relay_above", "protocol-relay-above", Form::Same),
    ("reply_budget", "protocol-reply-budget", Form::Bytes),
    ("heartbeat", "protocol-heartbeat", Form::Same),
    ("log_retention", "messages-retention", Form::Same),
    ("log_bytes", "messages-retention-bytes", Form::Same),
    ("fence_after", "protocol-fence-after", Form::Same),
    ("join_retry", "protocol-join-retry", Form::Same),
    ("join_timeout", "protocol-join-timeout", Form::Same),
    ("datagram_limit", "protocol-datagram-limit", Form::Bytes),
    ("max_transit", "protocol-max-transit", Form::Same),
    ("clock_drift_ppm", "protocol-clock-drift-ppm", Form::Same),
    ("probe_timeout", "membership-probe-timeout", Form::Same),
    ("probe_helpers", "membership-probe-helpers", Form::Same),
    ("heal_interval", "membership-heal-interval", Form::Same),
    ("quarantine", "membership-quarantine", Form::Same),
    ("reap_after", "membership-reap-after", Form::Same),
];

/// The keys of `[checks]` that are settings of nodes; the others are about origins.
const CHECKS: [(&str, &str); 8] = [
    ("confirmers", "checks-confirmers"),
    ("scope", "checks-scope"),
    ("probes_per_s", "checks-probes-per-s"),
    ("checkers_per_origin", "checks-checkers-per-origin"),
    ("claims_per_s", "checks-claims-per-s"),
    ("grace", "checks-grace"),
    ("transit", "checks-transit"),
    ("flap_memory", "checks-flap-memory"),
];

/// A scenario in which every setting is as usual.
const USUAL: &str = "question = \"usual\"\nsource = \"usual\"\nexpectation = \"usual\"\nrun.duration = \"1s\"\ncluster.nodes = 1\n\
                     network.latency = \"1ms\"\nchecks = {}\n";

/// The table at this path of a resolved scenario; empty where there is none.
fn table(resolved: &Table, path: &[&str]) -> Table {
    let found = path.iter().try_fold(resolved, |table, key| table.get(*key)?.as_table());
    found.cloned().unwrap_or_default()
}

fn usual() -> Table {
    // A unit test reads it.
    ScenarioFile::parse("usual", USUAL, &[]).map(|file| file.scenario.resolved()).unwrap_or_default()
}

fn text(value: &Value, form: Form) -> String {
    match value {
        Value::String(text) if form == Form::Bytes => {
            Bytes::parse(text).map_or_else(|_| text.clone(), |bytes| bytes.as_u64().to_string())
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The flags with which every node is started. All that a node has a setting for is given, so that nothing depends on
/// both having the same defaults.
#[must_use]
pub fn flags(scenario: &Scenario) -> Vec<String> {
    let resolved = scenario.resolved();
    let (protocol, checks) = (table(&resolved, &["cluster", "protocol"]), table(&resolved, &["checks"]));
    let of_protocol =
        PROTOCOL.iter().filter_map(|(key, flag, form)| Some((flag, protocol.get(*key)?, *form)));
    let of_checks = CHECKS.iter().filter_map(|(key, flag)| Some((flag, checks.get(*key)?, Form::Same)));
    let flags = of_protocol.chain(of_checks);
    flags.map(|(flag, value, form)| format!("--{flag}={}", text(value, form))).collect()
}

/// The settings of a scenario that are not as usual and that a node has none for, each with its value.
#[must_use]
pub fn unknown(scenario: &Scenario) -> Vec<(String, String)> {
    let (resolved, usual) = (scenario.resolved(), usual());
    let path = ["cluster", "protocol"];
    let (protocol, usual) = (table(&resolved, &path), table(&usual, &path));
    let is_unknown = |key: &str| !PROTOCOL.iter().any(|(known, ..)| *known == key);
    let changed = protocol.iter().filter(|(key, value)| is_unknown(key) && usual.get(*key) != Some(value));
    changed.map(|(key, value)| (format!("cluster.protocol.{key}"), text(value, Form::Same))).collect()
}

/// How an origin is checked, as the document of an origin says it.
#[must_use]
pub fn document(checks: &Checks, url: &str) -> serde_json::Value {
    let mut document = serde_json::json!({
        "url": url,
        "interval": show_span(checks.interval),
        "fast_interval": show_span(checks.fast_interval),
        "timeout": show_span(checks.timeout),
    });
    match checks.window {
        Some(window) => {
            let (threshold, initial) = (checks.threshold, checks.threshold);
            document["window"] = window.into();
            (document["threshold"], document["initial"]) = (threshold.into(), initial.into());
        }
        None => (document["rise"], document["fall"]) = (checks.rise.into(), checks.fall.into()),
    }
    if let Some(slow) = checks.slow {
        document["slow"] = show_span(slow).into();
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(sets: &[&str]) -> Scenario {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        ScenarioFile::parse("real/q.toml", USUAL, &sets).expect("a scenario").scenario
    }

    #[test]
    fn every_key_that_is_named_here_is_one_of_the_language() {
        let usual = usual();
        let protocol = table(&usual, &["cluster", "protocol"]);
        for (key, ..) in PROTOCOL.iter().filter(|(key, ..)| *key != "heartbeat") {
            assert!(protocol.contains_key(*key), "{key}");
        }
        let checks = table(&usual, &["checks"]);
        assert!(CHECKS.iter().all(|(key, _)| checks.contains_key(*key)));
    }

    #[test]
    fn settings_become_flags_and_sizes_numbers_of_bytes() {
        let flags = flags(&scenario(&[
            "cluster.protocol.repair_interval=500ms",
            "cluster.protocol.reply_budget=2kB",
            "cluster.protocol.heartbeat=2s",
            "checks.confirmers=0",
        ]));
        for flag in [
            "--protocol-repair-interval=500ms",
            "--protocol-reply-budget=2000",
            "--protocol-heartbeat=2s",
            "--membership-quarantine=30s",
            "--checks-confirmers=0",
            "--checks-scope=cluster",
        ] {
            assert!(flags.iter().any(|given| given == flag), "{flag} is not in {flags:?}");
        }
    }

    #[test]
    fn a_setting_without_a_flag_is_found_unless_it_is_as_usual() {
        assert_eq!(unknown(&scenario(&["cluster.protocol.broadcast=all"])), []);
        let found =
            unknown(&scenario(&["cluster.protocol.broadcast=12", "cluster.protocol.membership=fixed"]));
        let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, [("cluster.protocol.broadcast", "12"), ("cluster.protocol.membership", "fixed")]);
    }
}
