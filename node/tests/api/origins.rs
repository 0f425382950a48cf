//! Origins: adding, reading, changing, removing, importing, listing and watching them.

use crate::served::{Served, plain_client};
use reqwest::Method;
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;

fn names(list: &Value, key: &str) -> Vec<String> {
    let rows = list[key].as_array().expect("a list");
    rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn an_origin_is_added_read_replaced_and_removed() {
    let api = Served::new();
    let body =
        json!({"url": "http://127.0.0.1:9/", "interval": "10s", "tags": ["eu"], "admin": "maintenance"});
    let added = api.put("/v1/origins/shop", &body).is(201);
    assert_eq!(added.json()["name"], "shop");
    assert_eq!(added.json()["source"], "api");
    let read = api.get("/v1/origins/shop").is(200);
    assert_eq!(read.json(), added.json());
    assert_eq!(read.etag(), added.etag());
    assert_eq!(format!("\"{}\"", read.json()["etag"].as_str().unwrap()), read.etag());
    api.get_again("/v1/origins/shop", read.etag()).is(304);
    // What was read can be put back as it is.
    let same = api.put("/v1/origins/shop", &read.json()).is(200);
    assert_eq!(same.etag(), read.etag(), "nothing changed");
    let other = api.put("/v1/origins/shop", &json!({"url": "http://127.0.0.1:9/x"})).is(200);
    assert_ne!(other.etag(), read.etag());
    assert_eq!(other.json().get("interval"), None);
    api.delete("/v1/origins/shop").is(204);
    api.get("/v1/origins/shop").is(404);
    api.delete("/v1/origins/shop").is(404);
}

#[test]
fn a_write_that_expects_another_version_changes_nothing() {
    let api = Served::new();
    let first = api.put("/v1/origins/a", &json!({"url": "http://127.0.0.1:9/1"})).is(201);
    let second = api.put("/v1/origins/a", &json!({"url": "http://127.0.0.1:9/2"})).is(200);
    let conditional = |method: Method, header: &str, tag: &str, path: &str, body: Value| {
        let request =
            api.request(method, path).header(header, tag).header("content-type", "application/json");
        api.send(request.body(body.to_string()))
    };
    let body = json!({"url": "http://127.0.0.1:9/3"});
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let refused = conditional(method, "if-match", first.etag(), "/v1/origins/a", body.clone()).is(412);
        assert!(refused.json()["detail"].as_str().unwrap().contains(second.etag()), "it says what is there");
    }
    for path in ["drain", "maintenance", "enable"] {
        conditional(Method::POST, "if-match", first.etag(), &format!("/v1/origins/a/{path}"), json!({}))
            .is(412);
    }
    conditional(Method::PUT, "if-none-match", "*", "/v1/origins/a", body.clone()).is(412);
    assert_eq!(api.get("/v1/origins/a").json(), second.json());
    conditional(Method::PUT, "if-none-match", "*", "/v1/origins/b", body.clone()).is(201);
    conditional(Method::PUT, "if-match", second.etag(), "/v1/origins/a", body.clone()).is(200);
    conditional(Method::PUT, "if-match", "unquoted", "/v1/origins/a", body).is(400);
}

#[test]
fn a_patch_changes_some_keys_and_null_makes_them_usual_again() {
    let api = Served::new();
    api.put("/v1/origins/a", &json!({"url": "http://127.0.0.1:9/", "interval": "10s", "rise": 4})).is(201);
    let patch = |body: Value| {
        let request = api
            .request(Method::PATCH, "/v1/origins/a")
            .header("content-type", "application/merge-patch+json");
        api.send(request.body(body.to_string()))
    };
    let patched = patch(json!({"interval": "20s", "rise": null, "tags": ["x"]})).is(200).json();
    assert_eq!(patched["interval"], "20s");
    assert_eq!(patched.get("rise"), None);
    assert_eq!(patched["tags"], json!(["x"]));
    let refused = patch(json!({"interval": "20ms"})).is(422).json();
    assert!(refused["detail"].as_str().unwrap().contains("`interval`"), "{refused}");
    patch(json!({"name": "b"})).is(422);
    patch(json!([])).is(422);
    assert_eq!(api.get("/v1/origins/a").json(), patched, "what was refused changed nothing");
    let drained = api.post("/v1/origins/a/drain").is(200).json();
    assert_eq!((&drained["admin"], &drained["interval"]), (&json!("draining"), &json!("20s")));
    assert_eq!(api.post("/v1/origins/a/maintenance").is(200).json()["admin"], "maintenance");
    assert_eq!(api.get("/v1/health/a").is(200).json()["admin"], "maintenance");
    assert_eq!(api.post("/v1/origins/a/enable").is(200).json().get("admin"), None);
    api.post("/v1/origins/none/enable").is(404);
}

#[test]
fn changes_made_at_the_same_time_are_all_kept() {
    let api = Served::new();
    api.put("/v1/origins/a", &json!({"url": "http://127.0.0.1:9/", "admin": "maintenance"})).is(201);
    let keys = ["rise", "fall", "confirmers"];
    thread::scope(|scope| {
        for key in keys {
            let api = &api;
            scope.spawn(move || {
                let request = api.request(Method::PATCH, "/v1/origins/a");
                let request = request.header("content-type", "application/json");
                api.send(request.body(json!({key: 7}).to_string())).is(200);
            });
        }
    });
    let origin = api.get("/v1/origins/a").json();
    assert!(keys.iter().all(|key| origin[key] == 7), "{origin}");
}

#[test]
fn a_bad_origin_is_refused_with_what_is_wrong() {
    let api = Served::new();
    for (body, status, wrong) in [
        (json!({"url": "gopher://a"}), 422, "url"),
        (json!({"url": "http://a/", "intervall": "5s"}), 422, "`intervall`"),
        (json!({"url": "http://a/", "interval": 5}), 422, "`interval`"),
        (json!({"name": "b", "url": "http://a/"}), 422, "the path says `a`"),
        (json!({"url": "http://a/", "source": 7}), 422, "`source`"),
        (json!({}), 422, "`url`"),
        (json!("text"), 422, "object"),
    ] {
        let detail = api.put("/v1/origins/a", &body).is(status).json()["detail"].to_string();
        assert!(detail.contains(wrong), "{body}: {detail}");
    }
    let json = |body: &'static str| {
        api.send(
            api.request(Method::PUT, "/v1/origins/a").header("content-type", "application/json").body(body),
        )
    };
    assert!(json("{\"url\":\n  oops}").is(400).json()["detail"].as_str().unwrap().contains("line 2"));
    api.send(api.request(Method::PUT, "/v1/origins/a").body("{}")).is(415);
    api.send(api.request(Method::PUT, "/v1/origins/a").header("content-type", "text/plain").body("{}"))
        .is(415);
    api.put(&format!("/v1/origins/{}", "x".repeat(256)), &json!({"url": "http://a/"})).is(422);
    api.get("/v1/origins/a").is(404);
}

#[test]
fn lists_are_filtered_and_come_in_pages_that_miss_nothing() {
    let api = Served::new();
    for (name, tag, source) in
        [("a", "eu", "f1"), ("b", "us", "f1"), ("c", "eu", "f2"), ("d/e ü", "eu", "f1")]
    {
        let path = format!("/v1/origins/{}", name.replace('/', "%2F").replace(' ', "%20"));
        let body =
            json!({"url": "http://127.0.0.1:9/", "tags": [tag], "source": source, "admin": "maintenance"});
        api.put(&path, &body).is(201);
    }
    let list = |query: &str| names(&api.get(&format!("/v1/origins?{query}")).is(200).json(), "origins");
    assert_eq!(list(""), ["a", "b", "c", "d/e ü"]);
    assert_eq!(list("tag=eu"), ["a", "c", "d/e ü"]);
    assert_eq!(list("tag=eu&source=f1"), ["a", "d/e ü"]);
    assert_eq!(list("owner=n&state=unknown").len(), 4);
    assert_eq!(list("owner=other"), [""; 0]);
    assert_eq!(list("state=healthy,unhealthy"), [""; 0]);
    api.get("/v1/origins?state=well").is(422);
    api.get("/v1/origins?stat=healthy").is(400);
    api.get("/v1/origins?limit=0").is(422);
    api.get("/v1/origins?cursor=%21").is(400);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/v1/origins?limit=2&tag=eu{cursor}")).is(200).json();
        seen.extend(names(&page, "origins"));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["a", "c", "d/e ü"]);
    assert_eq!(names(&api.get("/v1/health?tag=us").json(), "health"), ["b"]);
}

#[test]
fn an_import_says_what_became_of_each_line() {
    let api = Served::new();
    api.put("/v1/origins/same", &json!({"url": "http://127.0.0.1:9/", "admin": "maintenance"})).is(201);
    let body = [
        r#"{"name":"new","url":"http://127.0.0.1:9/","admin":"maintenance"}"#,
        r#"{"name":"same","url":"http://127.0.0.1:9/","admin":"maintenance"}"#,
        "",
        r#"{"name":"bad","url":"http://127.0.0.1:9/","rise":0}"#,
        "not json",
        r#"{"name":"new","url":"http://127.0.0.1:9/"}"#,
    ]
    .join("\n");
    let import = |query: &str| {
        let request = api.request(Method::POST, &format!("/v1/origins:import{query}"));
        api.send(request.header("content-type", "application/x-ndjson").body(body.clone()))
    };
    let results = |query: &str| -> Vec<Value> {
        let answer = import(query).is(200);
        String::from_utf8(answer.body)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    for query in ["?dry_run=true", "?source=lab"] {
        let results = results(query);
        let short: Vec<_> =
            results.iter().map(|row| (row["line"].as_u64().unwrap(), &row["result"])).collect();
        let wanted = ["created", "unchanged", "refused", "refused", "refused"].map(Value::from);
        assert_eq!(short, [1, 2, 4, 5, 6].into_iter().zip(&wanted).collect::<Vec<_>>(), "{query}");
        assert!(results[2]["detail"].as_str().unwrap().contains("`rise`"));
        assert!(results[4]["detail"].as_str().unwrap().contains("line 1"));
        let status = if query.contains("dry") { 404 } else { 200 };
        api.get("/v1/origins/new").is(status);
    }
    assert_eq!(api.get("/v1/origins/new").json()["source"], "lab");
    assert_eq!(api.get("/v1/origins/same").json()["source"], "api", "an edit keeps the source");
    api.send(api.request(Method::POST, "/v1/origins:import").header("content-type", "text/csv").body("a"))
        .is(415);
}

#[test]
fn a_long_poll_answers_when_something_changes_and_otherwise_says_so() {
    let api = Served::new();
    api.put_origins(2);
    let paths = ["/v1/health", "/v1/origins", "/v1/health?owner=n", "/v1/health/o1"];
    for (path, to) in paths.into_iter().zip(["drain", "maintenance", "drain", "maintenance"]) {
        let before = api.get(path).is(200);
        api.get_again(path, before.etag()).is(304);
        let sign = if path.contains('?') { '&' } else { '?' };
        let waiting = format!("{path}{sign}wait=20s");
        api.get_again(&format!("{path}{sign}wait=20ms"), before.etag()).is(304);
        let changed = thread::scope(|scope| {
            let poll = scope.spawn(|| api.get_again(&waiting, before.etag()));
            api.post(&format!("/v1/origins/o1/{to}")).is(200);
            poll.join().unwrap()
        });
        assert_ne!(changed.is(200).etag(), before.etag(), "{path}");
    }
    api.get("/v1/health?wait=forever").is(422);
}

#[test]
fn a_watch_begins_with_everything_and_resumes_where_it_broke_off() {
    let api = Served::new();
    api.put_origins(2);
    let mut events = api.events("/v1/origins", None);
    events.expect("reset");
    let all = events.until_ready();
    assert_eq!(
        all.iter().map(|event| event.data["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["o0", "o1"]
    );
    api.put("/v1/origins/o2", &json!({"url": "http://127.0.0.1:9/"})).is(201);
    let added = events.expect("set");
    assert_eq!(added.data["name"], "o2");
    drop(events);
    api.delete("/v1/origins/o0").is(204);
    api.put("/v1/origins/o3", &json!({"url": "http://127.0.0.1:9/"})).is(201);
    let mut resumed = api.events("/v1/origins", Some(&added.id));
    assert_eq!(resumed.expect("removed").data["name"], "o0");
    assert_eq!(resumed.expect("set").data["name"], "o3");
    // Where another process broke off is not known here.
    let mut other = api.events("/v1/origins", Some("abc-1"));
    other.expect("reset");
    assert_eq!(other.until_ready().len(), 3);
}

#[test]
fn a_filtered_watch_tells_when_an_origin_no_longer_meets_the_filter() {
    let api = Served::new();
    let put = |tag: &str| api.put("/v1/origins/a", &json!({"url": "http://127.0.0.1:9/", "tags": [tag]}));
    put("eu").is(201);
    let mut events = api.events("/v1/origins?tag=eu", None);
    events.expect("reset");
    assert_eq!(events.until_ready().len(), 1);
    put("us").is(200);
    assert_eq!(events.expect("removed").data["name"], "a");
    let mut events = api.events("/v1/health?state=healthy", None);
    events.expect("reset");
    assert_eq!(events.until_ready(), []);
}

#[test]
fn streams_end_when_the_api_closes() {
    let api = Served::new();
    let url = api.url("/v1/health");
    let (sender, ended) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut response =
                plain_client().get(url).header("accept", "text/event-stream").send().await.unwrap();
            sender.send(()).unwrap();
            while response.chunk().await.unwrap_or(None).is_some() {}
        });
    });
    ended.recv_timeout(Duration::from_secs(30)).unwrap();
    api.end();
    reader.join().unwrap();
}
