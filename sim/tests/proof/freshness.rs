//! What is measured of the freshness of answers follows what happens to the fleet.

use heck_core::mutant::Planted;
use heck_sim::report::answers::Answers;
use heck_sim::run::Options;
use heck_sim::scenario::ScenarioFile;

use crate::run_planted;

/// Five nodes that check ten origins every second and vouch for them as often: an answer is stale after six seconds.
const SMALL: &str = r#"question = "q"
source = "s"
expectation = "e"
run.duration = "40s"
cluster = { nodes = 5, origins = 10, protocol = { heartbeat = "1s", membership = "fixed" } }
network.latency = "10ms"
checks = { interval = "1s", fast_interval = "1s" }
workload.warmup = "10s"
"#;

fn answers(faults: &str) -> Answers {
    let file = ScenarioFile::parse("q.toml", &format!("{SMALL}{faults}"), &[]).expect("a scenario");
    run_planted(&file, 1, Planted::NONE, &Options::default()).answers
}

#[test]
fn in_a_calm_fleet_every_answer_is_looked_at_each_second_and_fresh() {
    let calm = answers("");
    assert_eq!(calm.looked_at(), 5 * 10 * 30, "from the end of the warm-up on");
    assert_eq!(calm.stale_share(), Some(0.0));
    let (median_s, greatest_s) = (calm.age_s(0.5).unwrap(), calm.age_s(1.0).unwrap());
    assert!((0.1..=1.5).contains(&median_s) && greatest_s < 6.0, "{median_s} s, {greatest_s} s");
}

#[test]
fn answers_of_a_node_that_is_cut_off_grow_old_and_stale_and_count() {
    let cut = answers("fault = [{ at = \"20s\", partition = { sides = [[0], \"rest\"] } }]\n");
    assert_eq!(cut.looked_at(), 5 * 10 * 30);
    // For 14 of the 30 s those of node 0 about what others check are stale, and those of the others about what it checks.
    let share = cut.stale_share().unwrap();
    assert!((0.05..0.4).contains(&share), "{share}");
    let greatest_s = cut.age_s(1.0).unwrap();
    assert!((19.0..22.0).contains(&greatest_s), "{greatest_s} s");
}

#[test]
fn answers_about_origins_that_nobody_checks_any_more_do_not_count() {
    let crash = answers("fault = [{ at = \"20s\", crash = { nodes = [0, 1, 2] } }]\n");
    assert!(crash.looked_at() < 5 * 10 * 10 + 2 * 10 * 20, "{}", crash.looked_at());
    assert_eq!(crash.stale_share(), Some(0.0));
}
