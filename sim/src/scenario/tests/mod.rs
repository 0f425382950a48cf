use heck_core::rng::Seed;
use heck_core::time::Span;
use proptest::prelude::*;

use super::read::{KeyShape, Shape, Value as _};
use super::*;
use crate::units::{Fraction, show_span};

mod faults;
mod schedule;

/// The shortest scenario there is.
pub(super) const LEAST: &str = r#"question = "q"
source = "s"
expectation = "e"
run.duration = "100s"
cluster.nodes = 10
network.latency = "40ms"
"#;

/// Nearly every key of the language.
const MUCH: &str = r#"
question = "q"
source = "s"
expectation = "e"
run = { seed = 9, runs = 3, duration = "100s" }
[cluster]
nodes = 100
start = "cold"
origins = 5
keys = 7
disk_sync = "2ms"
zone = [{ name = "eu", nodes = "33.3%" }, { name = "us", nodes = 10 }, { name = "apac", nodes = "56%" }]
group = [{ name = "victims", nodes = { zone = "apac", random = "50%" } }]
protocol = { repair_interval = "250ms", broadcast = 12, digest = false, rumour_bytes = "300B" }
[network]
latency = { lognormal = { median = "20ms", p95 = "80ms" } }
burst = { good = "9s", bad = "1.5s", loss_bad = "90%", at = "receiver" }
duplicate = "0.1%"
reorder = { fraction = "1%", by = "30ms" }
bandwidth = "100Mbit/s"
link = [
    { from = "eu", to = "us", latency = { normal = { mean = "40ms", sd = "3ms" } }, loss = "0.1%" },
    { from = "*", to = "apac", both = false, latency = { quantiles = ["1ms", "5ms"] } },
]
[[fault]]
at = "10s"
crash = { nodes = { group = "victims" }, lasts = "5s", disk = "lost" }
[[fault]]
at = "20s"
partition = { sides = ["10..40", "50%", "rest"], lasts = "10s" }
[[fault]]
at = "20s"
partition = { sides = [[1, 2], "rest"], one_way = true }
[[fault]]
at = "30s"
loss = { fraction = "30%", from = { zone = "apac" }, lasts = "9s" }
[[fault]]
at = "40s"
pause = { nodes = 3 }
[[fault]]
at = "41s"
resume = { nodes = "all" }
[[fault]]
at = "42s"
cut_streams = { nodes = [0], lasts = "1s" }
[[fault]]
at = "44s"
restart = { nodes = "all" }
[[fault]]
at = "45s"
slow_disk = { nodes = "5%", sync = { uniform = { min = "100ms", max = "2s" } }, lasts = "10s" }
[[fault]]
at = "46s"
clock_drift = { nodes = { group = "victims" }, ppm = { uniform = { min = -200, max = 150 } }, lasts = "20s" }
[[fault]]
at = "47s"
clock_drift = { nodes = [3, 1], ppm = -50 }
[[fault]]
at = "48s"
starve = { nodes = "7..9", run = "5ms", stall = { lognormal = { median = "200ms", p95 = "4s", max = "9s" } }, lasts = "9s" }
[churn]
crash = "30/min"
down = "5s"
[workload]
warmup = "1s"
background = { health_flips = "0.1/s", key_writes = "1/h" }
follow = { kinds = ["key_written", "origin_added"], repeat = 2, from = { zone = "us" } }
[measure]
resolution = "10ms"
quiet = "20s"
[expect]
rounds_to_all_mean_max = 40.5
reached_min = "99.9%"
largest_datagram_max = "1400B"
key_written = { never_reached_max = 2 }
[[missed]]
aim = "rounds_to_all_mean_max"
bar = 33
reason = "r"
[[missed]]
aim = "key_written.reached_min"
bar = "100%"
reason = "r"
[sweep]
point = [
    { label = "calm", set = { "network.loss" = "0%" } },
    { label = "wild", set = { "network.burst.loss_good" = "50%", cluster.protocol.digest = true } },
]
"#;

fn parse(text: &str) -> Result<ScenarioFile, Report> {
    ScenarioFile::parse("topic/q.toml", text, &[])
}

fn with(sets: &[&str]) -> Result<ScenarioFile, Report> {
    let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
    ScenarioFile::parse("topic/q.toml", LEAST, &sets)
}

/// The complaint about `LEAST` with `lines` behind it, which must be the only one.
fn complaint(lines: &str) -> String {
    let report = parse(&format!("{LEAST}{lines}\n")).expect_err(lines);
    assert_eq!(report.problems.len(), 1, "{report}");
    report.to_string().trim_end().to_owned()
}

const KINDS: &str = "health_flip, origin_added, origin_removed, key_written, message_published";

#[test]
fn a_value_of_the_wrong_unit_names_the_units_there_are() {
    assert_eq!(
        complaint("workload.warmup = \"5parsecs\""),
        "topic/q.toml:7:19: workload.warmup: \"5parsecs\" has the unit `parsecs`, which does not fit here; \
         allowed: a time with unit us, ms, s, m, h or d, such as \"40ms\""
    );
    assert_eq!(
        complaint("workload.warmup = 5"),
        "topic/q.toml:7:19: workload.warmup: 5 has no unit; \
         allowed: a time with unit us, ms, s, m, h or d, such as \"40ms\""
    );
    assert_eq!(
        complaint("network.bandwidth = \"10MiB\""),
        "topic/q.toml:7:21: network.bandwidth: \"10MiB\" has the unit `MiB`, which does not fit here; allowed: \
         a rate with unit bit/s, kbit/s, Mbit/s, Gbit/s, B/s, kB/s or MB/s, such as \"100Mbit/s\""
    );
}

#[test]
fn an_unknown_key_names_the_near_one_and_all_there_are() {
    assert_eq!(
        complaint("network.los = \"5%\""),
        "topic/q.toml:7:9: network.los: there is no such key; did you mean loss?; \
         allowed: latency, loss, burst, duplicate, reorder, bandwidth, queue, mtu, link"
    );
    assert_eq!(
        complaint("wether = 1"),
        "topic/q.toml:7:1: wether: there is no such key; allowed: question, source, expectation, run, cluster, \
         network, checks, workload, fault, churn, measure, expect, missed, compare, sweep"
    );
}

#[test]
fn an_impossible_value_names_its_range() {
    assert_eq!(
        complaint("network.loss = \"120%\""),
        "topic/q.toml:7:16: network.loss: \"120%\" is more than 100%; \
         allowed: a fraction from 0% to 100%, such as \"0.1%\""
    );
    assert_eq!(
        complaint("run.runs = 0"),
        "topic/q.toml:7:12: run.runs: 0 is less than 1; allowed: a whole number; 1 to 1000000"
    );
    assert_eq!(
        complaint("run.seed = -1"),
        "topic/q.toml:7:12: run.seed: -1 is negative; allowed: a whole number from 0 to 9223372036854775807"
    );
}

#[test]
fn a_partition_that_parts_nothing_is_refused() {
    let text = "\n[[fault]]\nat = \"1s\"\npartition = { sides = [\"0..2\", [0, 1]] }\n";
    let error = ScenarioFile::parse("q.toml", &format!("{LEAST}{text}"), &[]).unwrap_err().to_string();
    assert!(error.contains("fault.0.partition.sides: a list leaves a side without nodes"), "{error}");
}

#[test]
fn a_fault_after_the_end_or_beyond_the_last_node_is_refused() {
    assert_eq!(
        complaint("[[fault]]\nat = \"100s\"\ncrash = { nodes = 1 }"),
        "topic/q.toml:8:6: fault.0.at: \"100s\" is after the end; allowed: less than run.duration, 100s"
    );
    assert_eq!(
        complaint("[[fault]]\nat = \"1s\"\ncrash = { nodes = [3, 10] }"),
        "topic/q.toml:9:23: fault.0.crash.nodes.1: 10 is beyond the last node; allowed: an index from 0 to 9"
    );
    assert_eq!(
        complaint("[[fault]]\nat = \"1s\"\ncrash = { nodes = 11 }"),
        "topic/q.toml:9:19: fault.0.crash.nodes: 11 is no possible number of nodes; allowed: 1 to 10"
    );
    assert_eq!(
        complaint("[[fault]]\nat = \"1s\""),
        "topic/q.toml:7:1: fault.0: names no kind of fault; allowed: exactly one of crash, restart, pause, \
         resume, partition, loss, cut_streams, slow_disk, clock_drift, starve, join, leave, copy_disk, origin_down, \
         origin_black_hole, origin_slow, origin_flap, probe_queue, weigh"
    );
    assert_eq!(
        complaint("[[fault]]\nat = \"1s\"\ncopy_disk = { from = 3, to = 3 }"),
        "topic/q.toml:9:30: fault.0.copy_disk.to: 3 is no node to copy between; allowed: two different indices from 0 \
         to 9"
    );
    assert!(
        complaint("cluster.spare = 10")
            .ends_with("leaves nobody; allowed: at most 9, so that one node is there")
    );
    assert_eq!(
        complaint("[[fault]]\nat = \"1s\"\npartition = { sides = [[1]] }"),
        "topic/q.toml:9:23: fault.0.partition.sides: a list has the wrong number of sides; \
         allowed: two sides or more"
    );
}

#[test]
fn a_name_that_does_not_exist_names_those_that_do() {
    assert_eq!(
        complaint(
            "[[cluster.zone]]\nname = \"eu\"\nnodes = 10\n[[fault]]\nat = \"1s\"\npause = { nodes = { zone = \"ue\" } }"
        ),
        "topic/q.toml:12:28: fault.0.pause.nodes.zone: \"ue\" names no zone; did you mean eu?; allowed: eu"
    );
    assert_eq!(
        complaint("[[fault]]\nat = \"1s\"\npause = { nodes = { group = \"gang\" } }"),
        "topic/q.toml:9:29: fault.0.pause.nodes.group: \"gang\" names no group; allowed: none is defined"
    );
    assert_eq!(
        complaint("workload.follow.kinds = [\"key_writen\"]"),
        format!(
            "topic/q.toml:7:26: workload.follow.kinds.0: \"key_writen\" is not known; \
             did you mean key_written?; allowed: {KINDS}"
        )
    );
    assert!(complaint("[[missed]]\naim = \"never_max\"\nbar = 1\nreason = \"r\"").contains("names no limit"));
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let refused = [
        ("workload.warmup = \"200s\"", "is longer than the run"),
        ("measure.quiet = \"100s\"", "is longer than the run"),
        ("workload.follow = { kinds = [\"key_written\"], at = \"99s\", repeat = 2 }", "happen at 109s"),
        ("workload.follow = { kinds = [\"health_flip\"] }", "has no origins to work on"),
        ("workload.background.origin_edits = \"1/s\"", "has no origins to work on"),
        (
            "workload.follow = { kinds = [\"key_written\", \"message_published\"], apart = \"100s\" }",
            "happen at 100s",
        ),
        ("workload.follow.kinds = []", "is empty or names a kind twice"),
        ("[[cluster.zone]]\nname = \"eu\"\nnodes = 9", "leaves this zone 10 of 10 nodes"),
        ("[[cluster.zone]]\nname = \"*\"\nnodes = 10", "is taken"),
        ("[[network.link]]\nfrom = \"eu\"\nto = \"*\"", "names no zone"),
        ("expect.key_written.never_reached_max = 0", "is not followed"),
        ("expect.traffic_apart_max = \"1%\"", "\"1%\" is a limit of runs on real processes"),
        (
            "expect.stale_share_max = \"1%\"",
            "expect.stale_share_max: \"1%\" is a limit of checks, which nobody makes",
        ),
        (
            "cluster.zone = [{ name = \"a\", nodes = 5 }, { name = \"b\", nodes = 5 }]\nexpect.delivery_p95_ratio_max = 2\n\
             workload.follow.kinds = [\"key_written\"]",
            "expect.delivery_p95_ratio_max: 2 has no one latency to compare with",
        ),
        ("[[missed]]\naim = \"never_reached_max\"\nbar = \"1%\"\nreason = \"r\"", "is no whole number"),
        ("sweep.key = \"network.loss\"", "has nothing to sweep"),
        ("sweep = { key = \"network.loss\", values = [\"1%\", \"1%\"] }", "is there twice"),
        ("sweep = { key = \"network.loss\", values = [\"1%\", \"1s\"] }", "has the unit `s`"),
        ("sweep = { key = \"network.los\", values = [\"1%\"] }", "did you mean loss?"),
        ("sweep = { key = \"sweep.key\", values = [\"1%\"] }", "cannot be swept"),
        ("churn = { crash = \"1/s\", down = \"1s\", from = \"100s\" }", "is after the end"),
        ("fault = [{ at = \"1s\", clock_drift = { nodes = 1, ppm = -1000000 } }]", "is no possible drift"),
        ("fault = [{ at = \"1s\", clock_drift = { nodes = 1, ppm = 5000000000 } }]", "is too far from 0"),
        ("fault = [{ at = \"1s\", clock_drift = { nodes = 1, ppm = \"1%\" } }]", "is no whole number"),
        (
            "fault = [{ at = \"1s\", clock_drift = { nodes = 1, ppm = { uniform = { min = 2, max = 1 } } } }]",
            "fault.0.clock_drift.ppm.uniform.max: 1 is less than `min`",
        ),
        (
            "fault = [{ at = \"1s\", clock_drift = { nodes = 1, ppm = { uniform = { min = -1000000, max = 1 } } } }]",
            "is less than -999999",
        ),
        (
            "fault = [{ at = \"1s\", starve = { nodes = 1, stall = \"1s\", run = \"9us\" } }]",
            "is less than 1ms",
        ),
        ("fault = [{ at = \"1s\", starve = { nodes = 1, stall = { quantiles = [] } } }]", "is not ascending"),
        ("fault = [{ at = \"1s\", starve = { nodes = [10], stall = \"1s\" } }]", "is beyond the last node"),
        (
            "fault = [{ at = \"1s\", slow_disk = { nodes = 1, sync = { uniform = { min = \"2s\", max = \"1s\" } } } }]",
            "fault.0.slow_disk.sync.uniform.max: \"1s\" is less than `min`",
        ),
        ("fault = [{ at = \"1s\", slow_disk = { nodes = \"rest\", sync = \"1s\" } }]", "has no meaning here"),
        ("fault = [{ at = \"1s\", slow_disk = { nodes = 1 } }]", "fault.0.slow_disk.sync: is missing"),
    ];
    for (lines, expected) in refused {
        let complaint = complaint(lines);
        assert!(complaint.contains(expected), "{lines}: {complaint}");
    }
    let text = LEAST.replace("\"40ms\"", "{ uniform = { min = \"2ms\", max = \"1ms\" } }");
    assert!(parse(&text).unwrap_err().to_string().contains("is less than `min`"));
}

/// A story in two tables of followed updates.
const STORY: &str = r#"workload.follow = [
    { label = "before", kinds = ["key_written"], at = "1s" },
    { label = "after", kinds = ["key_written", "message_published"], at = "50s", limits = { never_reached_max = 1 } },
]
"#;

#[test]
fn followed_updates_may_be_several_tables_each_with_its_curves_and_limits() {
    let file = parse(&format!("{LEAST}{STORY}")).unwrap();
    let follow = &file.scenario.workload.follow.0;
    let curves: Vec<String> =
        follow.iter().flat_map(|follow| follow.kinds.iter().map(|&kind| follow.curve(kind))).collect();
    assert_eq!(curves, ["before", "after, key written", "after, message published"]);
    assert_eq!(follow[1].limits.as_ref().and_then(|limits| limits.never_reached_max), Some(1));
    assert_eq!(parse(&file.scenario.resolved_toml()).unwrap(), file);
    let one = with(&["workload.follow=[{ kinds = [\"key_written\"] }]"]).unwrap().scenario;
    assert_eq!(one, with(&["workload.follow={ kinds = [\"key_written\"] }"]).unwrap().scenario);
    assert!(one.resolved_toml().contains("[workload.follow]\n"), "as it is written without a list");

    let zones = "cluster.zone=[{ name = \"a\", nodes = 5 }, { name = \"b\", nodes = 5 }]";
    let way = "workload.follow={ kinds = [\"key_written\"], from = { zone = \"a\" }, to = { zone = \"b\" } }";
    let one_way = with(&[zones, way, "expect.delivery_p95_ratio_max=2"]);
    assert!(one_way.is_ok(), "from one zone to one there is one latency");

    for (lines, expected) in [
        (
            STORY.replace("\"after\"", "\"before\"").replace(", \"message_published\"", ""),
            "follow.1.label: \"before\" names a curve",
        ),
        (STORY.replace("50s", "200s"), "workload.follow.1.at: \"200s\" lets the last updates happen"),
        (STORY.replace("at = \"1s\"", "from = [77]"), "workload.follow.0.from.0: 77 is beyond the last node"),
        (STORY.replace("at = \"1s\"", "every = \"1ms\", repeat = 1000"), "follow.1.repeat: is too often"),
        (STORY.replace("never_reached_max", "never_max"), "limits.never_max: there is no such key"),
    ] {
        let complaint = complaint(&lines);
        assert!(complaint.contains(expected), "{lines}: {complaint}");
    }
}

#[test]
fn a_bar_that_the_limit_meets_is_no_missed_aim() {
    let missed = |limit: u32, bar: u32| {
        parse(&format!(
            "{LEAST}expect.never_reached_max = {limit}\n\
             [[missed]]\naim = \"never_reached_max\"\nbar = {bar}\nreason = \"r\"\n"
        ))
    };
    assert!(missed(1, 0).is_ok());
    let report = missed(1, 1).unwrap_err().to_string();
    assert!(report.contains("is not missed; allowed: a bar that is stricter"), "{report}");
}

#[test]
fn a_missing_key_and_a_syntax_error_have_places_too() {
    assert_eq!(
        parse(&LEAST.replace("cluster.nodes", "cluster.keys")).unwrap_err().to_string(),
        "topic/q.toml:5:1: cluster.nodes: is missing; allowed: a whole number; 1 to 10000000\n"
    );
    assert_eq!(complaint("run = = 3"), "topic/q.toml:7:7: extra `=`, expected nothing");
}

#[test]
fn arguments_change_the_file_and_are_named_when_they_are_wrong() {
    let file = with(&["network.loss=50%", "run.seed=7", "cluster.protocol.repair_interval=2s"]).unwrap();
    assert_eq!(file.scenario.network.loss, Fraction::parse("50%").unwrap());
    assert_eq!(file.scenario.run.seed, 7);
    assert_eq!(file.scenario.cluster.protocol.repair_interval, Span::from_secs(2));
    assert_eq!(file.name, "topic/q");
    let wrong = [
        ("network.loss=150%", "--set:1:14: network.loss: \"150%\" is more than 100%"),
        ("network.los=5%", "--set:1:1: network.los: there is no such key; did you mean loss?"),
        ("network", "--set:1:1: has no `=`; allowed: section.key=value, such as network.loss=50%"),
        ("network..loss=1%", "--set:1:1: `network..loss` is no key"),
        ("fault.0.at=1s", "--set:1:1: fault: a table is no list"),
        ("question.a=1", "--set:1:1: question.a: there is no such place: `question` is no table"),
    ];
    for (argument, expected) in wrong {
        let report = with(&[argument]).unwrap_err().to_string();
        assert!(report.starts_with(expected), "{argument}: {report}");
    }
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_text() {
    let text = LEAST.replace("100s", "100").replace("= 10", "= 0").replace("40ms", "40");
    let report = parse(&text).unwrap_err().to_string();
    let places: Vec<_> = report.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(places, ["topic/q.toml:4:16", "topic/q.toml:5:17", "topic/q.toml:6:19"]);
}

#[test]
fn the_report_shows_the_line_and_points_at_the_value() {
    let report = parse(&format!("{LEAST}network.loss = \"120%\"\n")).unwrap_err();
    let expected = [
        "  × network.loss: \"120%\" is more than 100%",
        "   ╭─[topic/q.toml:7:16]",
        " 6 │ network.latency = \"40ms\"",
        " 7 │ network.loss = \"120%\"",
        "   ·                ──────",
        "   ╰────",
        "  help: allowed: a fraction from 0% to 100%, such as \"0.1%\"",
    ];
    assert_eq!(report.render(false, 100).trim_end().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn resolved_text_reads_back_as_the_same_scenario() {
    for text in [LEAST, MUCH] {
        let file = parse(text).unwrap_or_else(|report| panic!("{report}"));
        let resolved = file.scenario.resolved_toml();
        let again = parse(&resolved).unwrap_or_else(|report| panic!("{report}\n{resolved}"));
        assert_eq!(again, file);
        assert_eq!(again.scenario.resolved_toml(), resolved);
    }
}

#[test]
fn the_hash_names_all_but_the_seed() {
    let hash = |set: &str| with(&[set]).unwrap().scenario.scenario_hash();
    assert_eq!(hash("run.seed=1"), hash("run.seed=2"));
    assert_eq!(hash("network.loss=50%"), hash("network.loss=50.0%"));
    assert_ne!(hash("run.seed=1"), hash("network.loss=50%"));
}

#[test]
fn a_sweep_gives_one_checked_scenario_for_each_value() {
    let file =
        parse(&format!("{LEAST}sweep = {{ key = \"network.loss\", values = [\"0%\", \"50%\"] }}\n")).unwrap();
    let points: Vec<_> = file
        .points
        .iter()
        .map(|point| (point.label.as_str(), point.scenario.network.loss.to_string()))
        .collect();
    assert_eq!(points, [("0%", "0%".to_owned()), ("50%", "50%".to_owned())]);
    assert!(file.points.iter().all(|point| point.scenario.sweep.is_none()));

    let file = parse(MUCH).unwrap();
    assert_eq!(
        file.points[1].scenario.network.burst.as_ref().unwrap().loss_good,
        Fraction::parse("50%").unwrap()
    );
    assert!(file.points[1].scenario.cluster.protocol.digest);
    assert!(!file.points[0].scenario.cluster.protocol.digest);

    let plain = parse(LEAST).unwrap();
    assert_eq!(plain.points, [Point { label: String::new(), scenario: plain.scenario.clone() }]);
}

#[test]
fn an_argument_cannot_change_what_the_sweep_changes() {
    let text = format!("{LEAST}sweep = {{ key = \"network.loss\", values = [\"0%\", \"50%\"] }}\n");
    let report =
        ScenarioFile::parse("q.toml", &text, &["network.loss=1%".to_owned()]).unwrap_err().to_string();
    assert!(report.starts_with("--set:1:14: network.loss: is changed by the sweep anyway"), "{report}");
}

#[test]
fn later_links_override_earlier_ones_key_by_key() {
    let scenario = parse(MUCH).unwrap().scenario;
    let path = |from, to| scenario.network.path(from, to);
    assert_eq!(path("us", "eu").loss.to_string(), "0.1%");
    assert!(matches!(path("us", "eu").latency, Latency::Normal(_)));
    assert!(matches!(path("eu", "apac").latency, Latency::Quantiles(_)));
    assert!(matches!(path("apac", "eu").latency, Latency::Lognormal(_)));
    assert_eq!(path("eu", "apac").loss, Fraction::ZERO);
}

#[test]
fn zones_take_nodes_in_the_order_of_the_file() {
    let scenario = parse(MUCH).unwrap().scenario;
    let zones: Vec<_> = scenario.cluster.zones().into_iter().map(|zone| (zone.name, zone.nodes)).collect();
    assert_eq!(zones, [("eu", 0..34), ("us", 34..44), ("apac", 44..100)]);
}

#[test]
fn a_lognormal_latency_has_the_percentile_it_was_given() {
    let Latency::Lognormal(shape) = parse(MUCH).unwrap().scenario.network.latency else { panic!() };
    let p95 = 20_000.0 * libm::exp(shape.sigma() * 1.644_853_626_951_472_2);
    assert!((p95 - 80_000.0).abs() < 1e-6, "{p95}");
}

#[test]
fn every_default_is_a_value_within_its_own_range() {
    fn walk(shape: &Shape, count: &mut usize) {
        match shape {
            Shape::Scalar(_) | Shape::Named(..) => {}
            Shape::List(inner) | Shape::OneOrMore(inner) => walk(inner, count),
            Shape::Table(table) | Shape::OneOf(table, _) => {
                for key in &table.keys {
                    *count += usize::from(key.spec.default.is_some());
                    assert!(!key.doc.is_empty(), "{} has no meaning", key.name);
                    walk(&key.shape, count);
                }
            }
        }
    }
    let mut count = 0;
    walk(&Scenario::shape(), &mut count);
    assert!(count > 30, "{count}");
    // A default out of its range would not read back from the resolved text.
    for text in [LEAST, MUCH] {
        let resolved = parse(text).unwrap().scenario.resolved_toml();
        assert!(parse(&resolved).is_ok());
    }
}

#[test]
fn burst_loss_has_a_mean_to_compare_with() {
    let burst = parse(MUCH).unwrap().scenario.network.burst.unwrap();
    assert!((burst.mean_loss() - 0.9 * 1.5 / 10.5).abs() < 1e-12);
    assert_eq!(show_span(burst.bad), "1500ms");
}

/// Lines that are nearly right, so that random files get past the parser.
fn line() -> impl Strategy<Value = String> {
    let keys = [
        "question",
        "run",
        "run.seed",
        "cluster.nodes",
        "cluster.zone",
        "network.latency",
        "network.loss",
        "fault",
        "sweep",
        "sweep.values",
        "measure.resolution",
        "expect.reached_min",
        "missed",
        "churn",
    ];
    let values = [
        "3",
        "-1",
        "\"50%\"",
        "\"1s\"",
        "[]",
        "{}",
        "[1, \"2\"]",
        "1e999",
        "nan",
        "\"0..5\"",
        "true",
        "1979-05-27",
        "[{ at = \"1s\", crash = { nodes = \"rest\" } }]",
        "{ key = \"run.seed\", values = [1, \"x\"] }",
        "{ uniform = {} }",
        "{ point = [{ label = \"a\", set = { \"a..b\" = 1 } }] }",
        "340282366920938463463",
        "[{ name = \"a\", nodes = \"100%\" }, { name = \"b\", nodes = \"100%\" }]",
    ];
    (prop::sample::select(keys.to_vec()), prop::sample::select(values.to_vec()))
        .prop_map(|(key, value)| format!("{key} = {value}\n"))
}

proptest! {
    #[test]
    fn no_text_panics(text: String, set: String) {
        if let Err(report) = ScenarioFile::parse("q.toml", &text, &[set]) {
            prop_assert!(!report.to_string().is_empty());
            prop_assert!(!report.render(false, 80).is_empty());
        }
    }

    #[test]
    fn no_nearly_right_text_panics(lines in prop::collection::vec(line(), 0..6), cut in 0_usize..200, set in line()) {
        let sets = [set];
        for base in ["", LEAST] {
            let text = format!("{}{base}", lines.concat());
            let end = text.char_indices().map(|(at, _)| at).filter(|at| *at >= cut).min().unwrap_or(text.len());
            for text in [text.as_str(), &text[..end]] {
                if let Err(report) = ScenarioFile::parse("q.toml", text, &sets) {
                    prop_assert!(!report.render(true, 80).is_empty());
                }
            }
        }
    }

    #[test]
    fn one_changed_value_gives_a_scenario_that_reads_back_or_a_report(set in line()) {
        if let Ok(file) = ScenarioFile::parse("q.toml", LEAST, &[set]) {
            let again = ScenarioFile::parse("q.toml", &file.scenario.resolved_toml(), &[]);
            prop_assert_eq!(again.map_err(|report| report.to_string()), Ok(file.clone()));
            let _ = file.scenario.schedule(Seed(1));
        }
    }
}
