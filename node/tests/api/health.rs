//! Health of origins that are really checked, as the owner and as another node tell it; writes that wait for others.

use crate::common::{Process, config, members, sockets, until};
use crate::origin::{Origin, answer};
use crate::served::{Served, api_config};
use heck_core::entry::Scope;
use heck_core::id::Name;
use heck_core::member::Member;
use heck_core::settings::Scoping;
use heck_node::{NodeConfig, Start};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// Where the server of a test runs, whatever the test itself waits for.
pub fn servers() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts")
}

/// Nodes of one cluster that may check loopback, each with its API.
pub fn cluster(names: &[&str], dir: &Path) -> Vec<Served> {
    cluster_with(names, dir, |_, _| {})
}

/// The same, with further settings for each, given the members.
fn cluster_with(names: &[&str], dir: &Path, set: impl Fn(&mut NodeConfig, &mut Vec<Member>)) -> Vec<Served> {
    let all: Vec<_> = names.iter().map(|_| sockets()).collect();
    let members = members(names, &all);
    let start = |(name, sockets): (&&str, _)| {
        let mut members = members.clone();
        let mut formed = NodeConfig { start: Start::Formed, ..config(name, dir, 7) };
        set(&mut formed, &mut members);
        formed.members = members;
        formed.probes.guard.loopback = true;
        Served::start(sockets, formed, api_config())
    };
    names.iter().zip(all).map(start).collect()
}

/// A server whose status can be changed.
pub fn switched(runtime: &Runtime) -> (Origin, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let says = status.clone();
    let origin = runtime.block_on(Origin::start(move |_| Some(answer(says.load(Ordering::SeqCst), "", ""))));
    (origin, status)
}

pub fn fast(url: &str) -> Value {
    json!({"url": url, "interval": "200ms", "fast_interval": "100ms", "timeout": "150ms", "fall": 2, "confirmers": 0})
}

/// Waits until the health of an origin has this state at a node, with its age.
pub fn until_state(api: &Served, origin: &str, state: &str) -> Value {
    let path = format!("/v1/health/{origin}");
    until(state, || api.get(&path).json(), |health| health["state"] == state && health["age_ms"].is_u64())
}

#[test]
fn the_owner_tells_all_of_its_checks_and_others_what_was_claimed() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, status) = switched(&runtime);
    let nodes = cluster(&["a", "b"], dir.path());
    nodes[0].put("/v1/origins/web", &fast(&origin.url("/"))).is(201);
    for node in &nodes {
        let health = until_state(node, "web", "healthy");
        assert_eq!((&health["hold"], &health["failure_reason"]), (&json!("held"), &Value::Null), "{health}");
    }
    let owner_name = nodes[0].get("/v1/owner/web").json()["owner"].clone();
    let (owner, other) = if owner_name == "a" { (&nodes[0], &nodes[1]) } else { (&nodes[1], &nodes[0]) };
    let of_owner = until(
        "the owner has the details",
        || owner.get("/v1/health/web").json(),
        |health| health["latency_ms"]["total"].is_number(),
    );
    assert_eq!(of_owner["status_code"], 200);
    assert!(of_owner["last_check"].as_str().unwrap().ends_with('Z') && of_owner["consecutive"].is_u64());
    let of_other = other.get("/v1/health/web").json();
    for key in ["last_check", "consecutive", "latency_ms", "cert_not_after", "last_failure", "hindrance"] {
        assert!(of_other.as_object().unwrap().contains_key(key), "{key} is there");
        assert_eq!(of_other[key], Value::Null, "{key} is known to the owner alone");
    }
    status.store(503, Ordering::SeqCst);
    for node in &nodes {
        let health = until_state(node, "web", "unhealthy");
        assert_eq!(
            (&health["failure_reason"], &health["status_code"]),
            (&json!("status"), &json!(503)),
            "{health}"
        );
        let listed = node.get("/v1/health?state=unhealthy").json();
        assert_eq!(listed["health"][0]["failure_reason"], "status", "{listed}");
        let all = node.get("/v1/health?details=true").json();
        assert_eq!(all["health"][0]["said_by"], owner_name, "{all}");
    }
    status.store(200, Ordering::SeqCst);
    until_state(other, "web", "healthy");
    let text = String::from_utf8(owner.get("/metrics").body).unwrap();
    assert!(text.contains("heck_origins{state=\"healthy\"} 1"), "{text}");
}

#[test]
fn any_node_tells_what_another_zone_says_of_an_origin() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, status) = switched(&runtime);
    // Each node is a zone of its own, of the same name.
    let zone = |name: &Name| Scope::of_zone(name);
    let nodes = cluster_with(&["east", "west"], dir.path(), |config, members| {
        config.zone = zone(&config.name);
        config.protocol.ownership.scoping = Scoping::Zones;
        members.iter_mut().for_each(|member| member.zone = zone(&member.name));
    });
    nodes[0].put("/v1/origins/web", &fast(&origin.url("/"))).is(201);
    for (code, state) in [(200, "healthy"), (503, "unhealthy")] {
        status.store(code, Ordering::SeqCst);
        for (node, own, other) in [(&nodes[0], "east", "west"), (&nodes[1], "west", "east")] {
            let here = until_state(node, "web", state);
            assert_eq!((&here["owner"], &here["said_by"]), (&json!(own), &json!(own)), "{here}");
            let path = format!("/v1/health/web?zone={other}");
            let there = until(
                "the other zone has said so",
                || node.get(&path).is(200).json(),
                |health| health["state"] == state && health["age_ms"].is_u64(),
            );
            assert_eq!((&there["owner"], &there["said_by"]), (&json!(other), &json!(other)), "{there}");
            assert_eq!(there["latency_ms"], Value::Null, "only who checks it knows: {there}");
            let same = node.get(&format!("/v1/health/web?zone={own}")).is(200);
            assert!(!same.etag().is_empty() && same.json()["said_by"] == own);
        }
    }
    let none = nodes[0].get("/v1/health/web?zone=north").is(200).json();
    assert_eq!((&none["state"], &none["owner"]), (&json!("unknown"), &Value::Null), "nobody is there");
    nodes[0].get("/v1/health/none?zone=west").is(404);
    nodes[0].get("/v1/health/web?zone=west&wait=1s").is(422);
}

#[test]
fn where_the_cluster_has_one_owner_its_answer_is_that_of_every_zone() {
    let api = Served::new();
    api.put_origins(1);
    until("it is known", || api.get("/v1/health").json(), |all| all["health"][0]["name"] == "o0");
    assert_eq!(api.get("/v1/health/o0?zone=west").is(200).json()["owner"], "n");
}

#[test]
fn a_watch_of_health_tells_when_an_origin_falls() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, status) = switched(&runtime);
    let nodes = cluster(&["a"], dir.path());
    nodes[0].put("/v1/origins/web", &fast(&origin.url("/"))).is(201);
    until_state(&nodes[0], "web", "healthy");
    let mut events = nodes[0].events("/v1/health", None);
    events.expect("reset");
    events.until_ready();
    status.store(500, Ordering::SeqCst);
    let fell = std::iter::from_fn(|| events.next()).find(|event| event.data["state"] == "unhealthy");
    assert_eq!(fell.expect("the stream goes on").kind, "set");
}

#[test]
fn origins_asked_for_by_their_state_come_and_go_with_it() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, status) = switched(&runtime);
    let nodes = cluster(&["a"], dir.path());
    let path = "/v1/origins?state=unhealthy";
    nodes[0].put("/v1/origins/web", &fast(&origin.url("/"))).is(201);
    until_state(&nodes[0], "web", "healthy");
    let mut events = nodes[0].events(path, None);
    events.expect("reset");
    let began = events.expect("ready");
    let before = nodes[0].get(path).is(200);
    let polled = std::thread::scope(|scope| {
        let poll = scope.spawn(|| nodes[0].get_again(&format!("{path}&wait=20s"), before.etag()));
        status.store(500, Ordering::SeqCst);
        poll.join().unwrap()
    });
    assert_eq!(polled.is(200).json()["origins"][0]["name"], "web");
    assert_eq!(events.expect("set").data["name"], "web");
    let mut resumed = nodes[0].events(path, Some(&began.id));
    assert_eq!(resumed.expect("set").data["name"], "web", "it came while nobody listened");
    status.store(200, Ordering::SeqCst);
    assert_eq!(events.expect("removed").data["name"], "web");
}

#[test]
fn health_asked_for_by_tags_comes_and_goes_with_them() {
    let api = Served::new();
    api.put_origins(1);
    until("it is known", || api.get("/v1/health").json(), |all| all["health"][0]["name"] == "o0");
    let mut events = api.events("/v1/health?tag=eu", None);
    events.expect("reset");
    events.expect("ready");
    let origin = |tags: &[&str]| json!({"url": "http://127.0.0.1:9/", "admin": "maintenance", "tags": tags});
    api.put("/v1/origins/o0", &origin(&["eu"])).is(200);
    assert_eq!(events.expect("set").data["name"], "o0");
    api.put("/v1/origins/o0", &origin(&[])).is(200);
    assert_eq!(events.expect("removed").data["name"], "o0");
}

#[test]
fn a_check_can_be_had_now_from_any_node() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, _) = switched(&runtime);
    let nodes = cluster(&["a", "b"], dir.path());
    let slow = json!({"url": origin.url("/"), "interval": "1h", "confirmers": 0});
    nodes[0].put("/v1/origins/web", &slow).is(201);
    // The first check is due somewhere within the hour.
    until("both know of it", || nodes[1].get("/v1/origins/web").status, |status| *status == 200);
    for node in &nodes {
        let asked = origin.asked();
        until("it was checked", || node.post("/v1/origins/web/check").is(202), |_| origin.asked() > asked);
    }
    nodes[0].post("/v1/origins/none/check").is(404);
    until_state(&nodes[1], "web", "healthy");
}

#[test]
fn what_a_node_checks_itself_is_as_old_as_the_last_check_of_that_origin() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (early, late) = (switched(&runtime).0, switched(&runtime).0);
    let node = &cluster(&["a"], dir.path())[0];
    let check = |name: &str, origin: &Origin| {
        // Nothing but these checks is due within the test.
        let document = json!({"url": origin.url("/"), "interval": "1d", "confirmers": 0});
        node.put(&format!("/v1/origins/{name}"), &document).is(201);
        let (asked, begun) = (origin.asked(), Instant::now());
        let check = format!("/v1/origins/{name}/check");
        until("it was checked", || node.post(&check).is(202), |_| origin.asked() > asked);
        until_state(node, name, "healthy");
        (begun, Instant::now())
    };
    let age = |name: &str| {
        Duration::from_millis(node.get(&format!("/v1/health/{name}")).json()["age_ms"].as_u64().unwrap())
    };
    let (_, early_checked) = check("early", &early);
    until("it has aged", || age("early"), |age| *age >= Duration::from_millis(1_500));
    let (late_begun, _) = check("late", &late);
    until("the later one is younger", || (age("late"), late_begun.elapsed()), |(age, most)| age <= most);
    let (least, age) = (early_checked.elapsed(), age("early"));
    // Times are told in whole milliseconds.
    assert!(age + Duration::from_millis(2) >= least, "{age:?}, and it was checked {least:?} ago");
}

#[test]
fn a_write_waits_for_other_nodes_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let nodes = cluster(&["a", "b"], dir.path());
    let put = |path: &str| nodes[0].send(nodes[0].request(Method::PUT, path).body("v"));
    put("/v1/kv/k?wait_peers=1").is(204);
    assert!(nodes[1].node.key("k").is_some(), "it is there when that is answered");
    let origin = json!({"url": "http://127.0.0.1:9/", "admin": "maintenance"});
    nodes[0].put("/v1/origins/o?wait_peers=1", &origin).is(201);
    nodes[0].put("/v1/origins/o?wait_peers=1", &origin).is(200);
    nodes[0].post("/v1/origins/o/enable?wait_peers=1").is(200);
    // What is read may be some milliseconds behind.
    until(
        "it is enabled there",
        || nodes[1].get("/v1/origins/o").json(),
        |origin| origin.get("admin").is_none(),
    );
    nodes[0].delete("/v1/origins/o?wait_peers=1").is(204);
    until("it is gone there", || nodes[1].get("/v1/origins/o").status, |status| *status == 404);
    nodes[0].post("/v1/messages/t?wait_peers=1").is(201);
    put("/v1/kv/k?wait_peers=many").is(400);
}

#[test]
fn an_import_waits_for_other_nodes_and_says_which_lines_they_do_not_have() {
    let dir = tempfile::tempdir().unwrap();
    let mut nodes = cluster(&["a", "b"], dir.path());
    let import = |to: &Served, query: &str, names: std::ops::Range<u32>| -> Vec<Value> {
        let line = |n| format!("{{\"name\":\"o{n}\",\"url\":\"http://127.0.0.1:9/\",\"interval\":\"1h\"}}\n");
        let body: String = names.map(line).chain(["nonsense".to_owned()]).collect();
        let request = to.request(Method::POST, &format!("/v1/origins:import?wait_peers=1{query}"));
        // A wait that nobody answers ends after the patience of a single request of these tests.
        let sent = request.header("content-type", "application/x-ndjson").body(body).send();
        let answer =
            to.block_on_for(Duration::from_secs(60), "an import", async { sent.await?.text().await });
        answer.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let results = import(&nodes[0], "", 0..300);
    assert_eq!(results.len(), 301);
    assert!(results[..300].iter().all(|row| row["result"] == "created" && row["spread"] == true));
    assert_eq!((&results[300]["result"], results[300].get("spread")), (&"refused".into(), None));
    assert_eq!(
        nodes[1]
            .block_on(
                "a look",
                nodes[1].node.handle.view(|view, _| {
                    let is_there = |n: &u32| view.origin(&Name::new(&format!("o{n}")).unwrap()).is_some();
                    (0..300).filter(is_there).count()
                })
            )
            .unwrap(),
        300,
        "they are there when that is answered"
    );
    assert!(import(&nodes[0], "&dry_run=true", 300..301)[0].get("spread").is_none());
    let lone = nodes.swap_remove(0);
    drop(nodes);
    let results = import(&lone, "", 299..301);
    assert_eq!([&results[0]["result"], &results[1]["result"]], ["unchanged", "created"]);
    assert_eq!([&results[0]["spread"], &results[1]["spread"]], [false, false]);
    assert!(results[1]["detail"].as_str().unwrap().contains("by 0 others"), "{:?}", results[1]);
    lone.get("/v1/origins/o300").is(200);
}

/// The reads of a node go on whatever its writes wait for.
#[test]
fn reads_come_from_memory_though_the_other_node_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut nodes = cluster(&["a", "b"], dir.path());
    nodes[0].put_origins(3);
    until(
        "the other has them",
        || nodes[1].get("/v1/origins").json(),
        |list| list["origins"].as_array().is_some_and(|rows| rows.len() == 3),
    );
    let gone = nodes.remove(0);
    let Served { node, .. } = gone;
    Process::kill(node);
    assert_eq!(nodes[0].get("/v1/health").is(200).json()["health"].as_array().unwrap().len(), 3);
}
