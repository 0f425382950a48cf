use super::*;
use crate::report::example;
use crate::report::outcome::Violation;

#[test]
fn columns_are_aligned() {
    let cells = |row: [&str; 3]| row.map(str::to_owned).to_vec();
    let text =
        aligned(&[cells(["", "50 %", "never"]), cells(["key", "1.25", "0"]), cells(["longer", "×", ""])]);
    assert_eq!(text, "        50 %  never\nkey     1.25      0\nlonger     ×\n");
}

#[test]
fn the_summary_shows_every_kind_its_traffic_and_who_never_got_there() {
    let mut outcome = example::outcome(1_000, 20);
    outcome.points[0].runs[4].updates[3].reached_us.pop();
    let text = summary(&outcome, &[]);
    assert!(text.starts_with("convergence/example: A made-up example, 50 % loss\n"), "{text}");
    assert!(text.contains("1,000 nodes, 50 % loss, 20 seeds, 1 round = 1,000 ms"), "{text}");
    let line = |kind: &str| text.lines().find(|line| line.starts_with(kind)).expect("a line").to_owned();
    assert!(line("health flip").ends_with("0 of 20"), "{text}");
    assert_eq!(text.matches("< 13.9 %").count(), 4, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    let hit = line("key written");
    assert!(hit.ends_with("never   1 of 20"), "{text}");
    assert!(text.contains("largest datagram 1,391 bytes"), "{text}");
    assert!(text.contains("1.95 datagrams a round"), "{text}");
    assert!(text.contains("20 of 20 seeds"), "{text}");
    assert!(!text.contains("in seconds") && !text.contains("VIOLATED"), "{text}");
}

#[test]
fn seconds_are_shown_when_a_round_is_not_a_second() {
    let mut outcome = example::outcome(50, 6);
    outcome.points[0].repair_interval_us = 200_000;
    assert_eq!(summary(&outcome, &[]).matches("in seconds").count(), 5);
}

#[test]
fn expectations_and_violations_are_listed() {
    let mut outcome = example::outcome(50, 2);
    let violation = Violation {
        check: "no resurrection".to_owned(),
        time_us: 12_500_000,
        node: Some(7),
        detail: "origin a came back".to_owned(),
        replay: "heck-sim run scenarios/convergence/example.toml --seed 2 --runs 1".to_owned(),
    };
    outcome.points[0].runs[1].violations = vec![violation; 12];
    let expectation = |verdict| Expectation {
        limit: "mean <= 33".to_owned(),
        measured: "22.1".to_owned(),
        verdict,
        ..Expectation::default()
    };
    let text = summary(&outcome, &[Verdict::Met, Verdict::AimMissed, Verdict::Failed].map(expectation));
    for line in [
        "met         mean <= 33: 22.1",
        "AIM MISSED  mean <= 33: 22.1",
        "FAILED      mean <= 33: 22.1",
        "12 VIOLATED INVARIANTS",
        "no resurrection: seed 2, 12.500000 s, node 7",
        "  replay: heck-sim run scenarios/convergence/example.toml --seed 2 --runs 1",
        "and 2 more",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
}

#[test]
fn of_one_seed_nothing_is_a_median() {
    let text = summary(&example::outcome(50, 1), &[]);
    assert!(text.contains("1 seed") && text.contains("rounds to") && !text.contains("median"), "{text}");
}

#[test]
fn a_run_that_was_ended_for_its_violations_is_named() {
    let mut outcome = example::outcome(50, 2);
    let violation = Violation { time_us: 3_000_000, ..Violation::default() };
    outcome.points[0].runs[0].violations = vec![violation.clone(); 15];
    outcome.points[0].runs[1].violations = vec![violation; 16];
    let text = summary(&outcome, &[]);
    let seed = outcome.points[0].runs[1].seed;
    let line = format!(
        "and 21 more\nseed {seed} was ended at 3.000000 s, with its violation no. 16; more may have followed\n"
    );
    assert!(text.ends_with(&line), "{text}");
}

#[test]
fn few_seeds_do_not_pretend_to_know_the_median() {
    let text = summary(&example::outcome(50, 3), &[]);
    assert!(text.contains("few seeds"), "{text}");
}
