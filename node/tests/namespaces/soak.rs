//! A fleet that is worked without rest: clients write, nodes are killed, lose their disks, leave and come back, keys change,
//! origins are edited, and a fifth of all packets is lost. For half a minute with the other tests, for as long as one likes with
//! `scripts/soak SECONDS`. Afterwards nothing that was acknowledged is missing, all agree, and no process has grown.

use crate::api::Api;
use crate::fleet::{CLUSTER, Fleet, HEALING, KEYS, SPREAD, health_of, new_key, until_owned, within};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many seconds the fleet is worked, where it is not as short as a test may be.
const LENGTH: &str = "HECK_SOAK_SECONDS";
const SHORT: Duration = Duration::from_secs(30);
/// One thing is done to the fleet so often.
const TURN: Duration = Duration::from_secs(5);
/// Between two writes of one client.
const PACE: Duration = Duration::from_millis(50);
/// Keys that each client writes to again and again, so that the state does not grow.
const KEYS_EACH: usize = 100;

/// A node that is never touched, two that are killed, one that loses its disk, one that leaves, one that comes later.
const KILLED: [usize; 2] = [1, 2];
const WIPED: usize = 3;
const LEAVING: usize = 4;
const NODES: usize = 5;
const LATER: &str = "n6";

/// What a process may hold more in the end than after a third of the time: a quarter, and this.
const GROWTH_KIB: u64 = 8 * 1_024;
/// Descriptors that it may have open more: connections to origins and streams come and go.
const DESCRIPTORS: usize = 16;

/// What a client knows of a key: the value that was acknowledged last, and those for which no answer came since.
#[derive(Default)]
struct Known {
    acknowledged: Option<String>,
    perhaps: Vec<String>,
}

/// What the clients of one node know.
#[derive(Default)]
struct Client {
    keys: BTreeMap<String, Known>,
    asked: usize,
    acknowledged: usize,
}

/// Where clients find a node.
struct Door(Mutex<Api>);

impl Door {
    fn api(&self) -> Api {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, api: Api) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = api;
    }
}

/// Writes until it is told to stop. Of a node that may lose its disk a write counts once another has it on disk as well.
fn write_until(stop: &AtomicBool, door: &Door, node: usize) -> Client {
    let mut client = Client::default();
    let wait = if node == WIPED { "?wait_peers=1" } else { "" };
    while !stop.load(Ordering::SeqCst) {
        let (key, value) = (format!("w{node}-{:03}", client.asked % KEYS_EACH), client.asked.to_string());
        let api = door.api();
        let path = format!("/v1/kv/{key}{wait}");
        let answer = api.host.inside(|| api.client.ask("PUT", &path, &value));
        client.asked += 1;
        let known = client.keys.entry(key).or_default();
        if answer.is_some_and(|answer| answer.status == 204) {
            client.acknowledged += 1;
            *known = Known { acknowledged: Some(value), perhaps: Vec::new() };
        } else {
            known.perhaps.push(value);
        }
        thread::sleep(PACE);
    }
    client
}

/// Tells threads to stop, also when the test fails: their scope waits for them.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// How often what was done.
#[derive(Default, Debug)]
struct Done {
    kills: usize,
    lost_disks: usize,
    departures: usize,
    key_changes: usize,
    edits: usize,
    flips: usize,
}

fn until_ready(api: &Api) {
    let status = || api.host.inside(|| api.client.ask("GET", "/readyz", "")).map(|answer| answer.status);
    within(HEALING, "the node is ready", status, |status| *status == Some(200));
}

fn start_again(fleet: &mut Fleet, doors: &[Door], at: usize) {
    fleet.restart(at);
    let api = fleet.nodes[at].api.clone();
    until_ready(&api);
    if let Some(door) = doors.get(at) {
        door.set(api);
    }
}

/// New keys for all, as an operator gives them: each step on all nodes before the next.
fn change_keys(fleet: &Fleet) {
    let apis = fleet.apis();
    let ids = |api: &Api| {
        let keys = api.get("/v1/keys");
        let rows = keys["keys"].as_array().expect("a list").clone();
        rows.iter().map(|row| row["id"].as_str().expect("an identity").to_owned()).collect::<Vec<_>>()
    };
    let (old, key) = (ids(&apis[0]), new_key(fleet.dir.path()));
    let body = json!({ "key": key.trim() }).to_string();
    apis.iter().for_each(|api| drop(api.send("POST", "/v1/keys", &body, 201)));
    let new = ids(&apis[0]).into_iter().find(|id| !old.contains(id)).expect("the one that came");
    apis.iter().for_each(|api| drop(api.send("POST", &format!("/v1/keys/{new}/use"), "", 204)));
    for id in old {
        apis.iter().for_each(|api| drop(api.send("DELETE", &format!("/v1/keys/{id}"), "", 204)));
    }
    // Whoever starts without a disk is given the keys of now.
    fs::write(fleet.dir.path().join(KEYS), key).expect("the folder takes a file");
}

/// Edits an origin, adds or removes another, and lets a third become ill or well.
fn edit_origins(fleet: &Fleet, origins: &[String], turn: usize, done: &mut Done) {
    let apis = fleet.apis();
    let (api, origin) = (&apis[turn % apis.len()], &origins[turn % origins.len()]);
    let body = json!({ "tags": [format!("turn-{turn}")] }).to_string();
    api.send("PATCH", &format!("/v1/origins/{origin}"), &body, 200);
    if done.edits.is_multiple_of(2) {
        let url = format!("http://{}/visitor", fleet.web.host.addr);
        api.send("PUT", "/v1/origins/visitor", &json!({ "url": url }).to_string(), 201);
    } else {
        // It has to have heard of it to remove it.
        let has = || api.host.inside(|| api.client.ask("GET", "/v1/origins/visitor", "")).map(|it| it.status);
        within(SPREAD, "the origin is known", has, |status| *status == Some(200));
        api.send("DELETE", "/v1/origins/visitor", "", 204);
    }
    done.edits += 1;
    fleet.web.set(&origins[(turn + 1) % origins.len()], done.flips % 2 == 1);
    done.flips += 1;
}

/// Does one thing to the fleet. All nodes run before and afterwards.
fn trouble(fleet: &mut Fleet, doors: &[Door], origins: &[String], turn: usize, done: &mut Done) {
    match turn % 6 {
        0 => {
            let victim = KILLED[turn / 6 % KILLED.len()];
            fleet.nodes[victim].kill();
            thread::sleep(Duration::from_secs(2));
            start_again(fleet, doors, victim);
            done.kills += 1;
        }
        1 => edit_origins(fleet, origins, turn, done),
        2 => {
            change_keys(fleet);
            done.key_changes += 1;
        }
        3 => {
            fleet.nodes[LEAVING].signal("TERM");
            assert_eq!(fleet.nodes[LEAVING].wait().code, Some(0), "it leaves in good order");
            start_again(fleet, doors, LEAVING);
            done.departures += 1;
        }
        4 => {
            fleet.nodes[WIPED].kill();
            let folder = fleet.dir.path().join(&fleet.nodes[WIPED].api.node);
            fs::remove_dir_all(folder).expect("the disk can be lost");
            start_again(fleet, doors, WIPED);
            done.lost_disks += 1;
        }
        _ if fleet.nodes.len() == NODES => until_ready(&fleet.add(LATER, KEYS, CLUSTER)),
        _ => {
            fleet.nodes[NODES].signal("TERM");
            assert_eq!(fleet.nodes[NODES].wait().code, Some(0), "it leaves in good order");
            start_again(fleet, doors, NODES);
            done.departures += 1;
        }
    }
}

/// Resident memory of a process in KiB, and how many descriptors it has open.
fn held(pid: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
    let resident = line.trim().trim_end_matches(" kB").parse().expect("a number");
    (resident, fs::read_dir(format!("/proc/{pid}/fd")).expect("root may look").count())
}

/// What a node says of everything that all have to agree about.
fn all_that_is_said(api: &Api) -> [String; 4] {
    let origins = api.get("/v1/origins?limit=1000").to_string();
    let health = health_of(std::slice::from_ref(api));
    [format!("{:?}", api.members()), origins, format!("{health:?}"), format!("{:?}", api.keys())]
}

/// Acknowledged writes that are not there.
fn missing(held: &BTreeMap<String, String>, clients: &[Client]) -> Vec<String> {
    let keys = clients.iter().flat_map(|client| &client.keys);
    let is_missing = |(key, known): &(&String, &Known)| {
        let value = held.get(*key);
        known.acknowledged.is_some()
            && value != known.acknowledged.as_ref()
            && !value.is_some_and(|value| known.perhaps.contains(value))
    };
    let told = |(key, known): (&String, &Known)| {
        format!("{key}: {:?} is not {:?}", held.get(key), known.acknowledged)
    };
    keys.filter(is_missing).map(told).collect()
}

#[test]
fn a_fleet_that_is_worked_without_rest_loses_nothing_agrees_and_does_not_grow() {
    let asked = std::env::var(LENGTH).ok().map(|text| text.parse().expect("seconds, as a number"));
    let length = asked.map_or(SHORT, Duration::from_secs);
    let Some(mut fleet) = Fleet::start_with("soak", NODES, &["--protocol-fence-after=1m"]) else { return };
    let origins = fleet.check_origins(8);
    fleet.lose_a_fifth();
    let doors: Vec<Door> = fleet.apis().into_iter().map(|api| Door(Mutex::new(api))).collect();
    let (stop, mut done) = (AtomicBool::new(false), Done::default());
    let spared = fleet.nodes[0].pid();
    let (descriptors, mut resident, start) = (held(spared).1, Vec::new(), Instant::now());
    let clients: Vec<Client> = thread::scope(|scope| {
        let stop_at_end = StopAtEnd(&stop);
        let (stop, doors) = (&stop, &doors);
        let write = |node: usize| scope.spawn(move || write_until(stop, &doors[node], node));
        let writers: Vec<_> = (0..NODES).map(write).collect();
        for turn in 0.. {
            let next = start + TURN * turn as u32;
            if next >= start + length {
                break;
            }
            thread::sleep(next.saturating_duration_since(Instant::now()));
            trouble(&mut fleet, doors, &origins, turn, &mut done);
            resident.push(held(spared).0);
        }
        thread::sleep((start + length).saturating_duration_since(Instant::now()));
        drop(stop_at_end);
        writers.into_iter().map(|writer| writer.join().expect("a client goes on whatever comes")).collect()
    });
    let (worked, quiet) = (start.elapsed(), Instant::now());
    origins.iter().for_each(|origin| fleet.web.set(origin, true));
    fleet.until_all_alive(HEALING);
    let apis = fleet.apis();
    until_owned(&apis, &origins, HEALING);
    let said = || apis.iter().map(all_that_is_said).collect::<Vec<_>>();
    let agree = |all: &Vec<[String; 4]>| all.iter().all(|said| *said == all[0]);
    within(HEALING, "all nodes say the same", said, agree);
    let agreed = quiet.elapsed();
    let missing = missing(&apis[0].keys(), &clients);
    assert!(missing.is_empty(), "acknowledged and not there: {missing:?}");

    let (before, after) = (resident[resident.len() / 3], held(spared).0);
    let bound = before + before / 4 + GROWTH_KIB;
    assert!(after <= bound, "{after} KiB resident, {before} after a third of the time; all: {resident:?}");
    let (open, _) = within(
        HEALING,
        "descriptors are closed",
        || held(spared).1,
        |open| *open <= descriptors + DESCRIPTORS,
    );
    let others: Vec<u64> = fleet.nodes.iter().skip(1).map(|node| held(node.pid()).0).collect();
    let count = |number: fn(&Client) -> usize| clients.iter().map(number).sum::<usize>();
    fleet.sum_up(format_args!(
        "{} nodes worked for {worked:.0?}, a fifth of all packets lost: {done:?}; {} of {} writes acknowledged, none missing; \
         all agreed {agreed:.1?} later; the one that ran all the time held {before} KiB after a third of it and {after} KiB in \
         the end (bound {bound}), the others {others:?}; {descriptors} descriptors before, {open} after",
        fleet.nodes.len(),
        count(|client| client.acknowledged),
        count(|client| client.asked),
    ));
}
