//! From faults and churn to events.

use std::collections::{BTreeMap, BTreeSet};

use heck_core::rng::Seed;
use heck_core::time::{Span, Time};

use super::super::{Disk, Event, EventKind, Scenario};
use super::{LEAST, MUCH, parse};

#[test]
fn a_schedule_depends_on_the_seed_alone_and_keeps_its_promises() {
    let scenario = parse(MUCH).unwrap().scenario;
    let events = scenario.schedule(Seed(1));
    assert_eq!(events, scenario.schedule(Seed(1)));
    assert_ne!(events, scenario.schedule(Seed(2)));
    assert!(events.is_sorted_by_key(|event| event.at));
    assert!(events.iter().all(|event| event.at < Time::ZERO + scenario.run.duration));

    let group = events.iter().find_map(|event| match &event.kind {
        EventKind::Crash { nodes, disk: Disk::Lost } => Some(nodes.clone()),
        _ => None,
    });
    let group = group.unwrap();
    assert_eq!(group.len(), 28);
    assert!(group.iter().all(|node| (44..100).contains(node)));
    let restart = EventKind::Restart { nodes: group };
    assert!(events.contains(&Event { at: Time(15_000_000), kind: restart }));

    let cuts = events.iter().filter(|event| matches!(event.kind, EventKind::CutStreams { .. })).count();
    assert_eq!(cuts, 11);

    let drifts: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::ClockDrift { rule, clocks } => Some((*rule, clocks.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(drifts[1], (10, vec![(1, -50), (3, -50)]));
    let (rule, clocks) = &drifts[0];
    assert_eq!((*rule, clocks.len()), (9, 28));
    assert!(clocks.iter().all(|(node, ppm)| (44..100).contains(node) && (-200..=150).contains(ppm)));
    let (least, most) = (clocks.iter().map(|clock| clock.1).min(), clocks.iter().map(|clock| clock.1).max());
    assert!(least < Some(-100) && most > Some(50), "28 draws cover the range: {least:?}, {most:?}");
    let ends = [(55, 8), (57, 11), (66, 9)];
    for (secs, rule) in ends {
        let end = Event { at: Time::ZERO + Span::from_secs(secs), kind: EventKind::End { rule } };
        assert!(events.contains(&end), "{end:?}");
    }
    let starved = EventKind::Starve { rule: 11, nodes: vec![7, 8] };
    assert!(events.contains(&Event { at: Time::ZERO + Span::from_secs(48), kind: starved }));
}

/// The pairs of nodes that the rule loses, each counted.
fn lost_pairs(scenario: &Scenario, rule: usize) -> BTreeMap<(u32, u32), u32> {
    let mut pairs = BTreeMap::new();
    for event in scenario.schedule(Seed(1)) {
        if let EventKind::Loss { rule: this, links, .. } = event.kind
            && this == rule
        {
            for (from, to) in &links {
                for pair in from.iter().flat_map(|from| to.iter().map(|to| (*from, *to))) {
                    *pairs.entry(pair).or_default() += 1;
                }
            }
        }
    }
    pairs
}

#[test]
fn a_partition_loses_each_link_between_its_sides_once() {
    let scenario = parse(MUCH).unwrap().scenario;
    // Sides of 30, 50 and 20 nodes.
    let pairs = lost_pairs(&scenario, 1);
    assert_eq!(pairs.len(), 100 * 100 - 30 * 30 - 50 * 50 - 20 * 20);
    assert!(pairs.values().all(|&count| count == 1));
    let one_way = lost_pairs(&scenario, 2);
    assert_eq!(one_way.len(), 2 * 98);
    assert!(one_way.keys().all(|(from, _)| [1, 2].contains(from)));
}

#[test]
fn loss_of_a_zone_takes_each_link_into_and_out_of_it_once() {
    let scenario = parse(MUCH).unwrap().scenario;
    let pairs = lost_pairs(&scenario, 3);
    assert_eq!(pairs.len(), 100 * 100 - 44 * 44);
    assert!(pairs.values().all(|&count| count == 1));
}

#[test]
fn churn_crashes_as_often_as_it_says_and_only_nodes_that_are_up() {
    let text = LEAST.replace("nodes = 10", "nodes = 1000").replace("100s", "1h");
    let text = format!("{text}churn = {{ crash = \"1/s\", down = \"30s\", until = \"50m\" }}\n");
    let scenario = parse(&text).unwrap().scenario;
    let mut down = BTreeSet::new();
    let (mut crashes, mut last) = (0, Time::ZERO);
    for event in scenario.schedule(Seed(3)) {
        match &event.kind {
            EventKind::Crash { nodes, .. } => {
                assert!(down.insert(nodes[0]), "{event:?}");
                crashes += 1;
                last = event.at;
            }
            EventKind::Restart { nodes } => assert!(down.remove(&nodes[0]), "{event:?}"),
            _ => panic!("{event:?}"),
        }
    }
    // 3,000 are expected; four standard deviations are 219.
    assert!((2_781..3_219).contains(&crashes), "{crashes}");
    assert!(last < Time::ZERO + Span::from_secs(3_000));
}
