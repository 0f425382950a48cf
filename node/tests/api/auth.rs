//! Who may do what.

use crate::served::{READ, Served, WRITE, api_config};
use heck_node::api::ApiConfig;
use reqwest::Method;

/// A request with its answers: without a token, with one for reading, and with one for writing.
type Row = (Method, &'static str, [u16; 3]);

fn holds(api: &Served, rows: &[Row]) {
    for (method, path, statuses) in rows {
        for (token, status) in [None, Some(READ), Some(WRITE)].into_iter().zip(statuses) {
            let mut request = api.client.request(method.clone(), api.url(path));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = api.send(request);
            assert_eq!(answer.status, *status, "{method} {path} with {token:?}");
            if answer.status == 401 {
                assert!(answer.header("www-authenticate").starts_with("Bearer"));
                assert!(answer.json()["next"].as_str().unwrap().contains("api-token"));
            }
        }
    }
}

#[test]
fn writing_needs_a_token_that_allows_it() {
    holds(
        &Served::new(),
        &[
            (Method::GET, "/v1/origins", [200, 200, 200]),
            (Method::HEAD, "/v1/health", [200, 200, 200]),
            (Method::GET, "/openapi.json", [200, 200, 200]),
            (Method::PUT, "/v1/kv/k", [401, 403, 204]),
            (Method::POST, "/v1/messages/t", [401, 403, 201]),
            (Method::PUT, "/v1/origins/a", [401, 403, 415]),
            (Method::PATCH, "/v1/origins/a", [401, 403, 415]),
            (Method::DELETE, "/v1/origins/a", [401, 403, 404]),
            (Method::POST, "/v1/origins/a/drain", [401, 403, 404]),
            (Method::POST, "/v1/origins:import", [401, 403, 415]),
            (Method::POST, "/v1/join", [401, 403, 415]),
            (Method::DELETE, "/v1/kv/none", [401, 403, 404]),
            (Method::PUT, "/no-such-path", [401, 403, 404]),
            (Method::POST, "/v1/leave", [401, 403, 202]),
        ],
    );
}

#[test]
fn reading_needs_one_too_where_that_is_set_and_signs_of_life_never_do() {
    let api = Served::with(ApiConfig { open_reads: false, ..api_config() });
    holds(
        &api,
        &[
            (Method::GET, "/v1/origins", [401, 200, 200]),
            (Method::GET, "/v1/health", [401, 200, 200]),
            (Method::GET, "/v1/kv", [401, 200, 200]),
            (Method::GET, "/v1/messages", [401, 200, 200]),
            (Method::GET, "/v1/members", [401, 200, 200]),
            (Method::GET, "/livez", [200, 200, 200]),
            (Method::GET, "/readyz", [200, 200, 200]),
            (Method::GET, "/healthz", [200, 200, 200]),
            (Method::GET, "/openapi.json", [200, 200, 200]),
        ],
    );
}

#[test]
fn a_token_that_is_none_is_refused_even_where_none_is_needed() {
    let api = Served::new();
    let with = |value: &str| api.send(api.client.get(api.url("/v1/origins")).header("authorization", value));
    with("Bearer nonsense").is(401);
    with("Basic d3JpdGU6eA==").is(401);
    with(&format!("Bearer {WRITE}x")).is(401);
    with(&format!("bearer {WRITE}")).is(200);
}

#[test]
fn signs_of_life_do_not_care_for_tokens_of_other_services() {
    let api = Served::new();
    for path in ["/livez", "/readyz", "/openapi.json"] {
        api.send(api.client.get(api.url(path)).header("authorization", "Bearer of-another-service")).is(200);
    }
}

#[test]
fn a_page_on_the_web_cannot_read_through_a_name_of_its_own() {
    let api = Served::new();
    let with_host = |host: &str| api.client.get(api.url("/v1/origins")).header("host", host);
    api.send(with_host("evil.example")).is(401);
    api.send(with_host("localhost:7401")).is(200);
    api.send(with_host("evil.example").bearer_auth(READ)).is(200);
}
