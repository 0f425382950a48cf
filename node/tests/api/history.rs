//! What changed of late, how old answers are in few words, rows with their descriptions, and who inherits what.

use crate::common::until;
use crate::health::{cluster, fast, servers, switched, until_state};
use crate::served::Served;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// The kinds of all changes of something, the oldest first.
fn kinds(api: &Served, name: &str) -> Vec<String> {
    let all = api.get(&format!("/v1/history?name={name}&limit=1000")).is(200).json();
    let changes = all["history"].as_array().expect("a list").iter().rev();
    changes.map(|change| change["kind"].as_str().expect("a kind").to_owned()).collect()
}

#[test]
fn what_happens_to_an_origin_is_in_the_history_of_every_node() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, status) = switched(&runtime);
    let nodes = cluster(&["a", "b"], dir.path());
    nodes[0].put("/v1/origins/web", &fast(&origin.url("/"))).is(201);
    nodes.iter().for_each(|node| _ = until_state(node, "web", "healthy"));
    let before = nodes[1].get("/v1/history").is(200).json()["last"].as_str().unwrap().to_owned();
    status.store(503, Ordering::SeqCst);
    nodes.iter().for_each(|node| _ = until_state(node, "web", "unhealthy"));
    for node in &nodes {
        let newest = node.get("/v1/history?limit=1").json()["history"][0].clone();
        assert_eq!(
            [&newest["kind"], &newest["name"], &newest["from"], &newest["to"], &newest["failure_reason"]],
            ["health", "web", "healthy", "unhealthy", "status"],
            "{newest}"
        );
        assert_eq!((&newest["status_code"], newest["by"].is_string()), (&json!(503), true), "{newest}");
        assert!(newest["at"].as_str().unwrap().ends_with('Z'), "{newest}");
    }
    let since = nodes[1].get(&format!("/v1/history?after={before}")).json();
    assert_eq!(since["history"].as_array().unwrap().len(), 1, "only what came since: {since}");
    assert_eq!(since["history"][0]["id"], since["last"]);
    nodes[0].post("/v1/origins/web/maintenance").is(200);
    nodes[0].put("/v1/origins/web", &json!({"url": "http://127.0.0.1:9/", "admin": "maintenance"})).is(200);
    nodes[0].delete("/v1/origins/web").is(204);
    until("the other knows", || nodes[1].get("/v1/origins/web").status, |status| *status == 404);
    let told = kinds(&nodes[0], "web");
    assert_eq!(told.first().map(String::as_str), Some("added"), "{told:?}");
    assert!(told.ends_with(&["admin".into(), "edited".into(), "removed".into()]), "{told:?}");
    // What happens on one node within milliseconds, another may learn of at once.
    assert_eq!(kinds(&nodes[1], "web").last().map(String::as_str), Some("removed"));
    for wrong in ["after=x", "limit=0", "limit=1001", "since=1"] {
        nodes[0].get(&format!("/v1/history?{wrong}")).is(if wrong.starts_with("limit") { 422 } else { 400 });
    }
}

#[test]
fn what_a_node_held_at_its_start_is_no_change() {
    let dir = tempfile::tempdir().unwrap();
    let before = cluster(&["a"], dir.path()).pop().expect("one node");
    before.put_origins(3);
    assert_eq!(kinds(&before, "o2"), ["added"]);
    let place = before.get("/v1/history").json()["last"].as_str().unwrap().to_owned();
    before.end();
    let after = cluster(&["a"], dir.path()).pop().expect("the same again");
    assert_eq!(after.get("/v1/health").json()["health"].as_array().unwrap().len(), 3);
    let all = after.get("/v1/history").is(200).json();
    assert_eq!(all["history"], json!([]), "{all}");
    assert!(all["last"].as_str().unwrap().ends_with("-0"), "{all}");
    after.put("/v1/origins/o3", &json!({"url": "http://127.0.0.1:9/", "admin": "maintenance"})).is(201);
    let since = after.get(&format!("/v1/history?after={place}")).is(200).json();
    assert_eq!(since["history"][0]["name"], "o3", "a place of another process is the beginning: {since}");
}

#[test]
fn a_member_that_goes_is_in_the_history_and_its_origins_go_where_was_said() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, _) = switched(&runtime);
    let mut nodes = cluster(&["a", "b", "c"], dir.path());
    for n in 0..30 {
        nodes[0].put(&format!("/v1/origins/o{n}"), &fast(&origin.url("/"))).is(201);
    }
    let list =
        |node: &Served| node.get("/v1/health").json()["health"].as_array().cloned().unwrap_or_default();
    let owners = |node: &Served| {
        let all = list(node).into_iter().map(|row| (row["name"].clone(), row["owner"].clone()));
        all.collect::<Vec<(Value, Value)>>()
    };
    for node in &nodes {
        until(
            "all are owned",
            || owners(node),
            |all| all.len() == 30 && all.iter().all(|(_, by)| by.is_string()),
        );
    }
    nodes[0].get("/v1/members/none/heirs").is(404);
    let told = nodes[0].get("/v1/members/c/heirs").is(200).json();
    let owned = owners(&nodes[0]).iter().filter(|(_, by)| *by == "c").count();
    assert!(owned > 0, "thirty origins leave nobody out");
    assert_eq!((&told["owned"], &told["orphans"]), (&json!(owned), &json!([])), "{told}");
    let left = nodes.pop().expect("the third");
    crate::common::wait("c leaves", left.node.handle.leave(std::time::Duration::from_millis(300))).unwrap();
    until("nobody is owned by c", || owners(&nodes[0]), |all| all.iter().all(|(_, by)| by != "c"));
    let now = owners(&nodes[0]);
    let mut moved = 0;
    for heir in told["heirs"].as_array().unwrap() {
        for origin in heir["origins"].as_array().unwrap() {
            let found = now.iter().find(|(name, _)| name == origin).expect("it is still there");
            assert_eq!(found.1, heir["name"], "{origin}");
            moved += 1;
        }
    }
    assert_eq!(moved, owned);
    until("it is in the history", || kinds(&nodes[0], "c"), |kinds| kinds.contains(&"member".to_owned()));
    let last = nodes[0].get("/v1/history?name=c&limit=1").json()["history"][0].clone();
    assert_eq!((&last["from"], &last["to"]), (&json!("alive"), &json!("left")), "{last}");
}

#[test]
fn ages_are_told_by_who_says_so_and_agree_with_those_of_each_origin() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, _) = switched(&runtime);
    let nodes = cluster(&["a", "b"], dir.path());
    for n in 0..8 {
        nodes[0].put(&format!("/v1/origins/o{n}"), &fast(&origin.url("/"))).is(201);
    }
    for node in &nodes {
        for n in 0..8 {
            until_state(node, &format!("o{n}"), "healthy");
        }
    }
    for node in &nodes {
        let rows = node.get("/v1/health?describe=true").json()["health"].as_array().cloned().unwrap();
        let ages = node.get("/v1/ages").is(200).json();
        let here = node.get("/v1/members").json()["node"].clone();
        assert_eq!(ages["groups"].as_array().unwrap().len(), 1, "one other node, one interval: {ages}");
        for row in rows {
            let name = row["name"].as_str().unwrap();
            let age = if row["said_by"] == here {
                ages["own"][name].clone()
            } else {
                let of = |group: &&Value| {
                    group["said_by"] == row["said_by"] && group["interval_ms"] == row["interval_ms"]
                };
                ages["groups"].as_array().unwrap().iter().find(of).expect("its group")["age_ms"].clone()
            };
            let (told, of_row) = (age.as_u64().unwrap(), row["age_ms"].as_u64().unwrap());
            assert!(told.abs_diff(of_row) < 2_000, "{name}: {told} ms and {of_row} ms");
        }
    }
}

#[test]
fn rows_are_described_where_that_is_asked_for_and_an_edit_is_a_change_of_its_row() {
    let api = Served::new();
    let origin = |tags: &[&str]| json!({"url": "http://127.0.0.1:9/x", "admin": "maintenance", "tags": tags, "interval": "7s"});
    api.put("/v1/origins/web", &origin(&["eu"])).is(201);
    let path = "/v1/health?describe=true";
    let before = api.get(path).is(200);
    let row = before.json()["health"][0].clone();
    assert_eq!(
        (&row["url"], &row["tags"], &row["source"], &row["interval_ms"]),
        (&json!("http://127.0.0.1:9/x"), &json!(["eu"]), &json!("api"), &json!(7_000)),
        "{row}"
    );
    let plain = api.get("/v1/health").json()["health"][0].clone();
    assert!(plain.get("url").is_none() && plain.get("tags").is_none(), "{plain}");
    let (plain, mut events) = (api.get("/v1/health"), api.events(path, None));
    events.expect("reset");
    assert_eq!(events.expect("set").data["tags"], json!(["eu"]));
    let began = events.expect("ready");
    api.put("/v1/origins/web", &origin(&["us"])).is(200);
    let told = events.expect("set");
    assert_eq!((&told.data["tags"], &told.data["url"]), (&json!(["us"]), &row["url"]));
    assert_eq!(api.get_again(path, before.etag()).is(200).json()["health"][0]["tags"], json!(["us"]));
    assert_eq!(api.get_again("/v1/health", plain.etag()).status, 304, "without descriptions nothing changed");
    let mut resumed = api.events(path, Some(&began.id));
    assert_eq!(resumed.expect("set").data["tags"], json!(["us"]), "it changed while nobody listened");
    api.delete("/v1/origins/web").is(204);
    assert_eq!(events.expect("removed").data["name"], "web");
}
