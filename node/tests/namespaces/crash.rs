//! Nodes that die, sleep or leave.

use crate::api::Api;
use crate::fleet::{
    DETECTION, Fleet, HEALING, INTERVAL, SPREAD, TIMEOUT, health_of, until_owned, until_standing,
    until_written,
};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// How long a node sleeps.
const PAUSE: Duration = Duration::from_secs(60);

/// The node that owns most of the origins, by its place, and what it owns.
fn greatest_owner(apis: &[Api]) -> (usize, Vec<String>) {
    let health = health_of(&apis[..1]).remove(0);
    let owned = |api: &Api| {
        let own = health.iter().filter(|(_, said)| said.owner == api.node).map(|(origin, _)| origin.clone());
        own.collect::<Vec<_>>()
    };
    let all = apis.iter().map(owned).enumerate();
    all.max_by_key(|(_, owned)| owned.len()).expect("there are nodes")
}

fn without(apis: &[Api], at: usize) -> Vec<Api> {
    apis.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, api)| api.clone()).collect()
}

#[test]
fn origins_of_an_owner_that_is_killed_are_checked_by_others_an_interval_after_that_is_known() {
    let Some(mut fleet) = Fleet::start("kill -9", 5) else { return };
    let origins = fleet.check_origins(12);
    let (victim, owned) = greatest_owner(&fleet.apis());
    let (name, others) = (fleet.nodes[victim].api.node.clone(), without(&fleet.apis(), victim));
    let killed = Instant::now();
    fleet.nodes[victim].kill();
    until_standing(&others, &[&name], "dead", DETECTION);
    let known = killed.elapsed();
    until_owned(&others, &origins, DETECTION);
    let handed_over = killed.elapsed();
    let unchecked = owned.iter().map(|origin| fleet.web.longest_unchecked(origin, killed));
    let unchecked = unchecked.max().expect("it owned some");
    // What was found has to be told, and is looked at ten times a second.
    assert!(
        handed_over < known + INTERVAL + TIMEOUT,
        "known after {known:?}, handed over after {handed_over:?}"
    );
    // It may have been asked for just before the end.
    assert!(
        unchecked < INTERVAL + known + INTERVAL + TIMEOUT,
        "known after {known:?}, unchecked for {unchecked:?}"
    );
    fleet.sum_up(format_args!(
        "the end of {name} was known everywhere after {known:.1?} (bound {DETECTION:.0?}), its {} origins had other \
         owners after {handed_over:.1?}, none was unchecked for longer than {unchecked:.1?}",
        owned.len()
    ));
}

#[test]
fn a_node_that_slept_for_a_minute_comes_back_without_harm() {
    let Some(mut fleet) = Fleet::start("a minute's sleep", 5) else { return };
    let origins = fleet.check_origins(8);
    let (sleeper, _) = greatest_owner(&fleet.apis());
    let (apis, others) = (fleet.apis(), without(&fleet.apis(), sleeper));
    let name = apis[sleeper].node.clone();
    let mut written = BTreeMap::new();
    let mut write = |api: &Api| {
        let key = format!("w{:04}", written.len());
        api.put_key(&key, &api.node);
        written.insert(key, api.node.clone());
    };
    apis.iter().for_each(&mut write);
    // The last thing that it does before it sleeps: nobody else need know of it yet.
    write(&apis[sleeper]);
    fleet.nodes[sleeper].signal("STOP");
    let asleep = Instant::now();
    until_standing(&others, &[&name], "dead", DETECTION);
    let known = asleep.elapsed();
    until_owned(&others, &origins, DETECTION);
    while asleep.elapsed() < PAUSE {
        others.iter().for_each(&mut write);
        thread::sleep(Duration::from_secs(1));
    }
    fleet.nodes[sleeper].signal("CONT");
    let awake = Instant::now();
    write(&apis[sleeper]);
    fleet.until_all_alive(HEALING);
    let alive = awake.elapsed();
    until_written(&apis, &written, HEALING);
    let repaired = awake.elapsed();
    until_owned(&apis, &origins, HEALING);
    let agreed = awake.elapsed();
    assert!(agreed < HEALING, "coming back took {agreed:?}");
    for (at, node) in fleet.nodes.iter_mut().enumerate() {
        let expected = if at == sleeper { vec![] } else { vec![name.clone()] };
        assert_eq!(node.buried(), expected, "held dead by {}", node.api.node);
    }
    fleet.sum_up(format_args!(
        "{name} slept for {PAUSE:.0?}, known after {known:.1?}; awake it was alive everywhere after {alive:.1?}, had \
         all {} writes after {repaired:.1?}, and all agreed about owners after {agreed:.1?} (bound {HEALING:.0?}); it \
         held nobody dead",
        written.len()
    ));
}

#[test]
fn a_node_that_is_told_to_stop_is_held_to_have_left_and_not_to_have_failed() {
    let Some(mut fleet) = Fleet::start("SIGTERM", 4) else { return };
    let origins = fleet.check_origins(8);
    let (leaver, owned) = greatest_owner(&fleet.apis());
    let (name, others) = (fleet.nodes[leaver].api.node.clone(), without(&fleet.apis(), leaver));
    fleet.nodes[leaver].signal("TERM");
    let told = Instant::now();
    until_standing(&others, &[&name], "left", SPREAD);
    let known = told.elapsed();
    until_owned(&others, &origins, SPREAD);
    let handed_over = told.elapsed();
    let ended = fleet.nodes[leaver].wait();
    let gone = told.elapsed();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(handed_over < INTERVAL * 2 + TIMEOUT, "its origins were handed over after {handed_over:?}");
    let unchecked = owned.iter().map(|origin| fleet.web.longest_unchecked(origin, told));
    let unchecked = unchecked.max().expect("it owned some");
    for node in fleet.nodes.iter_mut().filter(|node| node.api.node != name) {
        assert_eq!(node.buried(), [""; 0], "held dead by {}", node.api.node);
    }
    until_standing(&others, &[&name], "left", SPREAD);
    fleet.sum_up(format_args!(
        "{name} was held to have left after {known:.1?}, its {} origins had other owners after {handed_over:.1?}, none \
         was unchecked for longer than {unchecked:.1?}; its process ended after {gone:.1?}",
        owned.len()
    ));
}
