//! The lists of the API, as programs get them that discover what to use.

use crate::common::heck::{Answer, Heck, command};
use crate::node::{Node, Web};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const ENVOY: &str = "/v3/discovery:endpoints";
const PROMETHEUS: &str = "/v1/sd/prometheus";

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn endpoints(node: &Node, request: &Value) -> Answer {
    node.api.ask("POST", ENVOY, &request.to_string()).expect("the node answers")
}

/// Address, port and status of the endpoints of a cluster.
fn members(cluster: &Value) -> Vec<String> {
    let members = cluster["endpoints"][0]["lb_endpoints"].as_array().expect("a list");
    let text = |member: &Value| {
        let addr = &member["endpoint"]["address"]["socket_address"];
        format!(
            "{} {} {}",
            addr["address"].as_str().unwrap(),
            addr["port_value"],
            member["health_status"].as_str().unwrap()
        )
    };
    members.iter().map(text).collect()
}

#[test]
fn prometheus_gets_all_origins_with_what_labels_are_made_of_and_an_empty_list_when_there_are_none() {
    let web = Web::new(1);
    let node = Node::start(&[]);
    assert_eq!(node.get(PROMETHEUS), Answer { status: 200, body: "[]".to_owned() });
    node.put("web", &web.url(0), r#", "tags": ["eu", "shop"]"#);
    node.put("db", "tcp://db.invalid:5432", r#", "admin": "maintenance""#);
    node.put("six", "https://[fd00::7]/x?y=z", r#", "admin": "maintenance", "tags": ["eu"]"#);
    node.until_state("web", "healthy");
    let groups = json(&node.get(PROMETHEUS));
    let targets: Vec<_> = groups.as_array().unwrap().iter().map(|group| group["targets"].clone()).collect();
    assert_eq!(
        targets,
        [json!(["db.invalid:5432"]), json!(["[fd00::7]:443"]), json!([web.addr(0).to_string()])]
    );
    let labels = &groups[2]["labels"];
    for (label, value) in [
        ("origin", "web"),
        ("url", &web.url(0)),
        ("scheme", "http"),
        ("path", "/"),
        ("tags", ",eu,shop,"),
        ("source", "api"),
        ("state", "healthy"),
        ("stale", "false"),
        ("verdict", "up"),
    ] {
        assert_eq!(labels[format!("__meta_heck_{label}")], value, "{label} of {labels}");
    }
    assert!(labels["__meta_heck_owner"].as_str().is_some_and(|owner| !owner.is_empty()));
    assert_eq!(groups[0]["labels"]["__meta_heck_verdict"], "maintenance");
    assert_eq!(groups[1]["labels"]["__meta_heck_path"], "/x?y=z");
    let tagged = json(&node.get(&format!("{PROMETHEUS}?tag=shop")));
    assert_eq!(tagged.as_array().unwrap().len(), 1);
    assert_eq!(node.get(&format!("{PROMETHEUS}?tag=none")).body, "[]");
}

#[test]
fn envoy_gets_the_clusters_that_it_names_and_nothing_when_it_has_them() {
    let web = Web::new(1);
    let node = Node::start(&[]);
    node.put("web0", &web.url(0), r#", "tags": ["web"]"#);
    node.put("web1", "http://127.0.0.1:9/", r#", "tags": ["web", "other"]"#);
    node.put("web2", "http://web.invalid/", r#", "tags": ["web"]"#);
    node.put("web3", "http://127.0.0.1:9/", r#", "tags": ["web"], "admin": "maintenance""#);
    node.until_state("web0", "healthy");
    node.until_state("web1", "unhealthy");
    let port = web.addr(0).port();
    let answer = endpoints(&node, &json!({ "resource_names": ["web", "none"], "node": { "id": "e" } }));
    assert_eq!(answer.status, 200);
    let list = json(&answer);
    let kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    assert_eq!(list["type_url"], kind);
    let clusters = list["resources"].as_array().unwrap();
    assert_eq!(clusters.iter().map(|cluster| &cluster["cluster_name"]).collect::<Vec<_>>(), ["web", "none"]);
    assert!(clusters.iter().all(|cluster| cluster["@type"] == kind));
    // A name has no address that Envoy would take; what is in maintenance is not used whatever happens to the rest.
    assert_eq!(
        members(&clusters[0]),
        [format!("127.0.0.1 {port} HEALTHY"), "127.0.0.1 9 UNHEALTHY".to_owned()]
    );
    assert!(members(&clusters[1]).is_empty());
    let all = json(&endpoints(&node, &json!({})));
    let names = all["resources"].as_array().unwrap().iter().map(|cluster| &cluster["cluster_name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["other", "web"]);

    let again =
        json!({ "resourceNames": ["web", "none"], "versionInfo": list["version_info"], "typeUrl": kind });
    assert_eq!(endpoints(&node, &again), Answer { status: 304, body: String::new() });
    node.ask("POST", "/v1/origins/web1/maintenance", "");
    let changed = endpoints(&node, &again);
    assert_eq!(changed.status, 200);
    assert_ne!(json(&changed)["version_info"], list["version_info"]);
    assert_eq!(endpoints(&node, &json!({ "type_url": "type.googleapis.com/x" })).status, 422);
    assert_eq!(endpoints(&node, &json!({ "resource_names": 7 })).status, 422);
}

#[test]
fn lists_need_what_reading_needs_and_can_be_switched_off() {
    let node = Node::start(&[]);
    let addr = node.api.addr();
    for (host, status) in [("localhost", "200"), ("heck", "401")] {
        let mut stream = TcpStream::connect(addr).unwrap();
        let request = format!(
            "POST {ENVOY} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    let off = Node::start(&["--outputs-discovery=false"]);
    assert_eq!(off.get(PROMETHEUS).status, 404);
    assert_eq!(endpoints(&off, &json!({})).status, 404);
}

#[test]
fn a_node_that_has_not_joined_says_so_instead_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("eds.json");
    let args = ["node", "--seal=false", "--join", "127.0.0.1:9", "--outputs-agent-check", "127.0.0.1:0"];
    let mut node = Heck::spawn(
        command(dir.path(), &args)
            .args(["--protocol-join-timeout", "2s"])
            .arg("--outputs-envoy-file")
            .arg(&file),
    );
    let api = node.api(&dir.path().join("heck-data"));
    let agent = node.says("agent checks").split_whitespace().last().unwrap().to_owned();
    assert_eq!(api.ask("GET", PROMETHEUS, "").unwrap().status, 503);
    assert_eq!(api.ask("POST", ENVOY, "{}").unwrap().status, 503);
    let mut stream = TcpStream::connect(agent).unwrap();
    stream.write_all(b"web\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with('#') && !file.exists(), "{answer}");
    api.until_ready();
    assert_eq!(api.ask("GET", PROMETHEUS, "").unwrap().status, 200);
    crate::common::until("the file is there", || file.exists(), |exists| *exists);
}
