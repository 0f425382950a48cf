//! Probes on request.

use crate::node::{Node, Web};
use std::thread::sleep;
use std::time::Duration;

fn probe(node: &Node, target: &str) -> (u16, String) {
    let target = target.replace(':', "%3A").replace('/', "%2F");
    let answer = node.get(&format!("/probe?target={target}&module=http_2xx"));
    (answer.status, answer.body)
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|held| held == line)
}

#[test]
fn an_origin_is_probed_anew_and_judged_as_its_checks_are_without_an_effect_on_its_state() {
    let web = Web::new(1);
    let node = Node::start(&["--outputs-probe", "origins"]);
    node.put("web", &web.url(0), "");
    node.until_state("web", "healthy");
    let (status, text) = probe(&node, "web");
    assert_eq!(status, 200, "{text}");
    assert!(has(&text, "probe_success 1") && has(&text, "probe_http_status_code 200"), "{text}");
    assert!(text.contains("probe_http_duration_seconds{phase=\"processing\"} 0.0"), "{text}");
    for _ in 0..20 {
        assert_eq!(probe(&node, "web").1, text, "what was found a moment ago is told again");
    }
    assert!(has(&node.get("/metrics").body, "heck_probes_on_request_total 1"));
    web.set(0, false);
    sleep(Duration::from_millis(1_100));
    let (_, text) = probe(&node, "web");
    assert!(has(&text, "probe_success 0") && has(&text, "probe_http_status_code 503"), "{text}");
    node.ask("POST", "/v1/origins/web/maintenance", "");
    sleep(Duration::from_millis(1_100));
    assert_eq!(probe(&node, "web").0, 422);
}

#[test]
fn only_what_the_settings_allow_is_probed_and_the_guard_judges_it() {
    let web = Web::new(1);
    let origins = Node::start(&["--outputs-probe", "origins"]);
    assert_eq!(probe(&origins, &web.url(0)).0, 404, "a URL is no origin");
    assert_eq!(probe(&origins, "none").0, 404);
    let any = Node::start(&["--outputs-probe", "any"]);
    let (status, text) = probe(&any, &web.url(0));
    assert!(status == 200 && has(&text, "probe_success 1"), "{text}");
    let (status, text) = probe(&any, "http://169.254.169.254/");
    assert!(status == 200 && has(&text, "probe_success 0") && !text.contains("status_code"), "{text}");
    assert_eq!(probe(&any, "ftp://a/").0, 422);
    assert_eq!(probe(&any, &format!("http://a/{}", "x".repeat(3_000))).0, 422);
    assert_eq!(any.get("/probe").status, 400);
    let off = Node::start(&[]);
    off.put("web", &web.url(0), "");
    assert_eq!(probe(&off, "web").0, 404);
}
