//! Prometheus and what it finds.

use crate::common::until;
use crate::node::{Node, Web};
use crate::peer::{Peer, find, free_port, get};
use serde_json::Value;

/// The origins themselves as targets, and a probe of each by the node.
const CONFIG: &str = r#"
scrape_configs:
- job_name: origins
  scrape_interval: 1s
  http_sd_configs: [ { url: "http://NODE/v1/sd/prometheus", refresh_interval: 1s } ]
  relabel_configs:
  - { source_labels: [__meta_heck_origin], target_label: origin }
- job_name: probes
  scrape_interval: 1s
  metrics_path: /probe
  http_sd_configs: [ { url: "http://NODE/v1/sd/prometheus", refresh_interval: 1s } ]
  relabel_configs:
  - { source_labels: [__meta_heck_origin], target_label: __param_target }
  - { source_labels: [__meta_heck_origin], target_label: origin }
  - { target_label: __address__, replacement: "NODE" }
"#;

/// The origins with this value of `probe_success`, as Prometheus has it.
fn probed(port: u16, value: u8) -> Vec<String> {
    let answer = get(port, &format!("/api/v1/query?query=probe_success=={value}"));
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let found: Value = serde_json::from_str(body).unwrap_or_default();
    let series = found["data"]["result"].as_array().cloned().unwrap_or_default();
    let mut origins: Vec<_> =
        series.iter().map(|one| one["metric"]["origin"].as_str().unwrap_or_default().to_owned()).collect();
    origins.sort();
    origins
}

/// The targets that Prometheus has: `job origin tags address`.
fn targets(port: u16) -> Vec<String> {
    let answer = get(port, "/api/v1/targets");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let found: Value = serde_json::from_str(body).unwrap_or_default();
    let active = found["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
    let own = active.iter().filter(|target| target["labels"]["job"] == "origins");
    let text = |target: &Value| {
        let label = |of: &str, name: &str| target[of][name].as_str().unwrap_or_default().to_owned();
        let (origin, tags) = (label("labels", "origin"), label("discoveredLabels", "__meta_heck_tags"));
        format!("{origin} {tags} {}", label("discoveredLabels", "__address__"))
    };
    let mut targets: Vec<_> = own.map(text).collect();
    targets.sort();
    targets
}

#[test]
fn prometheus_finds_origins_keeps_them_while_they_are_down_and_drops_those_that_are_removed() {
    let Some(prometheus) = find("prometheus", "Debian: prometheus") else { return };
    let web = Web::new(2);
    let node = Node::start(&["--outputs-probe", "origins"]);
    for number in 0..2 {
        node.put(&format!("web{number}"), &web.url(number), r#", "tags": ["web"]"#);
    }
    let port = free_port();
    let config = CONFIG.replace("NODE", node.api.addr());
    std::fs::write(node.path().join("prometheus.yml"), config).unwrap();
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let args = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", &listen];
    let _peer = Peer::start(&prometheus, &args, node.path());
    let target = |number: usize| format!("web{number} ,web, {}", web.addr(number));
    until("both are found", || targets(port), |found| *found == [target(0), target(1)]);
    until("both are probed", || probed(port, 1), |found| *found == ["web0", "web1"]);
    web.set(0, false);
    until("one is down", || probed(port, 0), |found| *found == ["web0"]);
    node.until_state("web0", "unhealthy");
    node.ask("DELETE", "/v1/origins/web1", "");
    until("one is gone", || targets(port), |found| *found == [target(0)]);
    node.ask("DELETE", "/v1/origins/web0", "");
    until("none is left", || targets(port), Vec::is_empty);
}

#[test]
fn promtool_takes_the_alert_rules() {
    let Some(promtool) = find("promtool", "Debian: prometheus") else { return };
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/prometheus");
    for (verb, file) in [("check", "alerts.yml"), ("test", "alerts_test.yml")] {
        let mut command = std::process::Command::new(&promtool);
        let output = command.args([verb, "rules", file]).current_dir(rules).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
