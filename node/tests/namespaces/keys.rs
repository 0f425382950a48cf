//! Keys that seal gossip: changed while all goes on, and wrong ones.

use crate::api::Api;
use crate::fleet::{CLUSTER, Fleet, KEYS, ROUND, SPREAD, new_key, until_written, within};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two writes of one node.
const PACE: Duration = Duration::from_millis(50);

/// Writes on a node until it is told to stop, and gives what was acknowledged.
fn write_until(stop: &AtomicBool, api: &Api) -> BTreeMap<String, String> {
    let mut written = BTreeMap::new();
    while !stop.load(Ordering::SeqCst) {
        let (key, value) = (format!("{}-{:05}", api.node, written.len()), format!("{:?}", Instant::now()));
        api.put_key(&key, &value);
        written.insert(key, value);
        thread::sleep(PACE);
    }
    written
}

/// Tells threads to stop, also when a test fails: their scope waits for them.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The identities of a node's keys, the one that seals first.
fn key_ids(api: &Api) -> Vec<String> {
    let keys = api.get("/v1/keys");
    let rows = keys["keys"].as_array().expect("a list");
    rows.iter().map(|row| row["id"].as_str().expect("an identity").to_owned()).collect()
}

#[test]
fn keys_are_changed_under_load_and_nothing_is_lost_and_nobody_is_cut_off() {
    let Some(mut fleet) = Fleet::start("change of keys", 5) else { return };
    let origins = fleet.check_origins(4);
    let (apis, stop) = (fleet.apis(), AtomicBool::new(false));
    let first = key_ids(&apis[0]);
    let (mut flips, mut is_well, start) = (Vec::new(), true, Instant::now());
    let written: BTreeMap<String, String> = thread::scope(|scope| {
        let stop_at_end = StopAtEnd(&stop);
        let writers: Vec<_> = apis.iter().map(|api| scope.spawn(|| write_until(&stop, api))).collect();
        for _ in 0..2 {
            let key = new_key(fleet.dir.path());
            let (body, old) = (json!({ "key": key.trim() }).to_string(), key_ids(&apis[0]).remove(0));
            let mut flip = || {
                is_well = !is_well;
                flips.push(fleet.flip(&origins[0], is_well, &apis));
            };
            apis.iter().for_each(|api| drop(api.send("POST", "/v1/keys", &body, 201)));
            flip();
            let new = key_ids(&apis[0]).pop().expect("the one that came last");
            apis.iter().for_each(|api| drop(api.send("POST", &format!("/v1/keys/{new}/use"), "", 204)));
            flip();
            apis.iter().for_each(|api| drop(api.send("DELETE", &format!("/v1/keys/{old}"), "", 204)));
            flip();
        }
        drop(stop_at_end);
        writers.into_iter().flat_map(|writer| writer.join().expect("every write is acknowledged")).collect()
    });
    let took = start.elapsed();
    let spread = until_written(&apis, &written, SPREAD);
    let ids = key_ids(&apis[0]);
    assert!(ids.len() == 1 && ids != first, "{ids:?} after {first:?}");
    assert!(apis.iter().all(|api| key_ids(api) == ids));
    fleet.until_all_alive(ROUND);
    for node in &mut fleet.nodes {
        assert_eq!(node.buried(), [""; 0], "held dead by {}", node.api.node);
    }
    let count = |metric: &str| apis.iter().map(|api| api.metric(metric)).sum::<u64>();
    let (unknown, broken) = (count("heck_seals_unknown_total"), count("heck_seals_broken_total"));
    assert_eq!((unknown, broken), (0, 0), "seals that did not open");
    // The keys of its start are in use nowhere any more: it has those that it was given since.
    let last = fleet.nodes.len() - 1;
    fleet.nodes[last].kill();
    fleet.restart(last);
    let restarted = Instant::now();
    fleet.until_all_alive(SPREAD);
    assert_eq!(key_ids(&fleet.nodes[last].api), ids);
    fleet.nodes[last].api.put_key("again", "here");
    until_written(&fleet.apis(), &BTreeMap::from([("again".to_owned(), "here".to_owned())]), SPREAD);
    let back = restarted.elapsed();
    fleet.sum_up(format_args!(
        "2 changes in {took:.1?}, meanwhile {} writes, all everywhere {spread:.1?} after the last; flips seen after \
         {flips:.1?}; no seal that did not open; a node that was killed and started again was back after {back:.1?}",
        written.len()
    ));
}

#[test]
fn a_node_with_another_key_or_another_label_stays_out_and_is_counted() {
    let Some(mut fleet) = Fleet::start("wrong keys", 3) else { return };
    let (apis, dir) = (fleet.apis(), fleet.dir.path());
    fs::write(dir.join("other"), new_key(dir)).expect("the folder takes a file");
    let strangers = [fleet.add("stranger", "other", CLUSTER), fleet.add("foreigner", KEYS, "elsewhere")];
    let count = || {
        let of = |metric: &str| apis.iter().map(|api| api.metric(metric)).sum::<u64>();
        (of("heck_seals_unknown_total"), of("heck_seals_broken_total"))
    };
    let (counted, took) =
        within(SPREAD, "both are counted", count, |(unknown, broken)| *unknown >= 5 && *broken >= 5);
    for api in apis.iter().chain(&strangers) {
        let is_stranger = strangers.iter().any(|stranger| stranger.node == api.node);
        let expected = if is_stranger { vec![api.node.as_str()] } else { vec!["n1", "n2", "n3"] };
        assert_eq!(api.members().keys().collect::<Vec<_>>(), expected, "members of {}", api.node);
    }
    fleet.sum_up(format_args!(
        "after {took:.1?} {} datagrams and streams of another key and {} of another label were counted; \
         members stayed as they were",
        counted.0, counted.1
    ));
}
