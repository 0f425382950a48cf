//! Prometheus and what it finds.

use crate::common::until;
use crate::node::{Node, Web};
use crate::peer::{Peer, find, free_port, get};
use serde_json::Value;

/// The targets that Prometheus has: `job origin tags address`.
fn targets(port: u16) -> Vec<String> {
    let answer = get(port, "/api/v1/targets");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let found: Value = serde_json::from_str(body).unwrap_or_default();
    let active = found["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
    let text = |target: &Value| {
        let label = |of: &str, name: &str| target[of][name].as_str().unwrap_or_default().to_owned();
        let (origin, tags) = (label("labels", "origin"), label("discoveredLabels", "__meta_heck_tags"));
        format!("{origin} {tags} {}", label("discoveredLabels", "__address__"))
    };
    let mut targets: Vec<_> = active.iter().map(text).collect();
    targets.sort();
    targets
}

#[test]
fn prometheus_finds_origins_keeps_them_while_they_are_down_and_drops_those_that_are_removed() {
    let Some(prometheus) = find("prometheus", "Debian: prometheus") else { return };
    let web = Web::new(2);
    let node = Node::start(&[]);
    for number in 0..2 {
        node.put(&format!("web{number}"), &web.url(number), r#", "tags": ["web"]"#);
    }
    let port = free_port();
    let config = format!(
        "scrape_configs:\n- job_name: origins\n  scrape_interval: 1s\n  http_sd_configs:\n  - url: \
         http://{}/v1/sd/prometheus\n    refresh_interval: 1s\n  relabel_configs:\n  - source_labels: \
         [__meta_heck_origin]\n    target_label: origin\n",
        node.api.addr()
    );
    std::fs::write(node.path().join("prometheus.yml"), config).unwrap();
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let args = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", &listen];
    let _peer = Peer::start(&prometheus, &args, node.path());
    let target = |number: usize| format!("web{number} ,web, {}", web.addr(number));
    until("both are found", || targets(port), |found| *found == [target(0), target(1)]);
    web.set(0, false);
    node.until_state("web0", "unhealthy");
    node.ask("DELETE", "/v1/origins/web1", "");
    until("one is gone", || targets(port), |found| *found == [target(0)]);
    node.ask("DELETE", "/v1/origins/web0", "");
    until("none is left", || targets(port), Vec::is_empty);
}
