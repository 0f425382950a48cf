//! Metrics over the API.

use crate::served::{Served, api_config};
use heck_node::api::ApiConfig;
use serde_json::json;

#[test]
fn metrics_tell_of_the_node_its_origins_and_its_clients() {
    let api = Served::with(ApiConfig { metrics_per_origin: true, ..api_config() });
    api.put_origins(2);
    api.put("/v1/origins/bad", &json!({"url": "x"})).is(422);
    api.get("/no/such/path").is(404);
    let answer = api.get("/metrics").is(200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body).unwrap();
    for line in [
        "heck_phase{phase=\"serving\"} 1",
        "heck_members{standing=\"alive\"} 1",
        "heck_origins{state=\"unknown\"} 2",
        "heck_origins_owned 2",
        "heck_origin_state{origin=\"o1\",state=\"unknown\"} 1",
        "heck_api_requests_total{method=\"PUT\",route=\"/v1/origins/{name}\",status=\"201\"} 2",
        "heck_api_requests_total{method=\"PUT\",route=\"/v1/origins/{name}\",status=\"422\"} 1",
        "heck_api_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
    ] {
        assert!(text.lines().any(|held| held == line), "{line} in\n{text}");
    }
    let plain = Served::new();
    plain.put_origins(1);
    assert!(!String::from_utf8(plain.get("/metrics").body).unwrap().contains("origin=\"o0\""));
}
