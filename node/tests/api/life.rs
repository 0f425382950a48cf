//! Signs of life, members, owners, joining and leaving.

use crate::common::{config, sockets, until};
use crate::served::{Served, api_config, block};
use heck_node::Start;
use reqwest::Method;
use serde_json::json;

#[test]
fn a_node_says_whether_it_lives_and_whether_it_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    let api = Served::new();
    assert_eq!(api.get("/livez").is(200).json()["phase"], "serving");
    assert_eq!(api.get("/readyz").is(200).json()["node"], "n");
    api.get("/healthz").is(200);
    let mut settings = config("lonely", dir.path(), 2);
    settings.start = Start::Join(vec!["127.0.0.1:9".parse().unwrap()]);
    let lonely = Served::start(sockets(), settings, api_config());
    lonely.get("/livez").is(200);
    lonely.get("/readyz").is(503);
    let refused = lonely.put("/v1/origins/a", &json!({"url": "http://127.0.0.1:9/"})).is(503);
    assert_eq!(refused.header("retry-after"), "1");
}

#[test]
fn nodes_join_over_the_api_and_answer_for_each_others_origins() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| Served::start(sockets(), config(name, dir.path(), 1), api_config()));
    a.put_origins(3);
    let join = |body: serde_json::Value| {
        let request = b.request(Method::POST, "/v1/join").header("content-type", "application/json");
        b.send(request.body(body.to_string()))
    };
    join(json!({"peers": []})).is(422);
    join(json!({"peers": ["nonsense"]})).is(422);
    join(json!({"peers": ["127.0.0.1:1"], "more": 1})).is(422);
    join(json!({"peers": [a.node.handle.addr().to_string()]})).is(202);
    for api in [&a, &b] {
        until(
            "both are members",
            || api.get("/v1/members").json(),
            |members| {
                members["members"].as_array().is_some_and(|all| {
                    all.len() == 2
                        && all.iter().all(|member| member["standing"] == "alive" && member["counted"] == true)
                })
            },
        );
    }
    until(
        "the origins are at both",
        || b.get("/v1/origins").json(),
        |list| list["origins"].as_array().is_some_and(|origins| origins.len() == 3),
    );
    let owners = || [&a, &b].map(|api| api.get("/v1/owner/o1").is(200).json());
    until("both name the same owner", owners, |[of_a, of_b]| {
        of_a["owner"] == of_b["owner"] && of_a["priority"].as_array().is_some_and(|all| all.len() == 2)
    });
    let health = |api: &Served| api.get("/v1/health/o1").is(200).json()["owner"].clone();
    until("and in health too", || (health(&a), health(&b)), |(of_a, of_b)| of_a == of_b && of_a.is_string());
    let members = a.get("/v1/members");
    a.get_again("/v1/members", members.etag()).is(304);
    a.get("/v1/owner/none").is(404);
    a.get("/v1/owner/o1?limit=0").is(422);
    // One leaves, and the process that runs it hears of it.
    b.post("/v1/leave").is(202);
    b.post("/v1/leave").is(202);
    block("the node left", b.server.left());
    until(
        "it is known to have left",
        || a.get("/v1/members").json(),
        |members| {
            members["members"]
                .as_array()
                .is_some_and(|all| all.iter().any(|member| member["standing"] == "left"))
        },
    );
    b.put("/v1/origins/x", &json!({"url": "http://127.0.0.1:9/"})).is(503);
    until("the other owns all", || a.get("/v1/owner/o1").json(), |owner| owner["owner"] == "a");
}

#[test]
fn a_node_that_has_stopped_says_so() {
    let api = Served::new();
    api.put_origins(1);
    block("the node stops", api.node.handle.shutdown()).unwrap();
    api.get("/livez").is(503);
    api.put("/v1/origins/x", &json!({"url": "http://127.0.0.1:9/"})).is(503);
    api.get("/v1/members").is(503);
}

#[test]
fn a_path_or_method_that_there_is_not_is_a_problem_too() {
    let api = Served::new();
    for path in ["/", "/v1", "/v1/origin", "/v2/origins", "/v1/origins/a/b"] {
        api.get(path).is(404);
    }
    let refused = api.post("/v1/origins/a").is(405);
    assert!(refused.header("allow").contains("PUT"), "{refused:?}");
    api.delete("/v1/health").is(405);
    api.get("/v1/origins/%FF").is(400);
}
