//! The dashboard's files: who gets them, and what the browser lets them do. What the page does is held in a browser
//! (`tests/dashboard.rs`).

use crate::served::{READ, Served, api_config};
use heck_node::api::ApiConfig;
use reqwest::Method;
use std::fs;
use std::path::Path;

fn with_dashboard() -> Served {
    Served::with(ApiConfig { dashboard: true, open_reads: false, ..api_config() })
}

fn assets() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/dashboard");
    let read = |entry: fs::DirEntry| {
        (entry.file_name().into_string().expect("a name in UTF-8"), fs::read(entry.path()).expect("a file"))
    };
    fs::read_dir(folder).expect("the folder is there").map(|entry| read(entry.expect("an entry"))).collect()
}

#[test]
fn every_file_is_served_to_everybody_under_a_strict_policy() {
    let api = with_dashboard();
    let files = assets();
    assert!(files.len() > 20, "{}", files.len());
    for (name, bytes) in &files {
        let path = if name == "index.html" { "/ui/".to_owned() } else { format!("/ui/{name}") };
        let answer = api.get(&path).is(200);
        assert_eq!(answer.body, *bytes, "{name}");
        let policy = answer.header("content-security-policy");
        for part in
            ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "connect-src 'self';"]
        {
            assert!(policy.contains(part), "{name}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{name}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let kind = match name.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(answer.header("content-type"), kind, "{name}");
        assert_eq!(api.get_again(&path, answer.etag()).status, 304, "{name}");
    }
    assert_eq!(api.get("/favicon.ico").is(200).header("content-type"), "image/svg+xml");
    assert_eq!(api.get("/").is(200).body, api.get("/ui/").body, "the root leads there");
    api.get("/ui/none.js").is(404);
    // Only reading is free, and of the page alone.
    api.send(api.client.post(api.url("/ui/"))).is(401);
    api.get("/v1/health").is(401);
    api.send(api.client.get(api.url("/v1/health")).bearer_auth(READ)).is(200);
}

#[test]
fn the_page_brings_everything_with_it() {
    for (name, bytes) in assets() {
        let text = String::from_utf8(bytes).expect("a text");
        for foreign in
            ["https://", "//cdn", "@import", "eval(", "innerHTML", "insertAdjacentHTML", "document.write"]
        {
            // The one address is the name of a language.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            let is_word = name == "actions.js" && foreign == "https://";
            assert!(is_word || !text.contains(foreign), "{name} has {foreign}");
        }
        let is_inline =
            text.contains("<script>") || text.contains(" style=\"") || text.contains(" onclick=\"");
        assert!(!is_inline, "{name}: the policy forbids what stands in the page itself");
    }
}

#[test]
fn a_node_can_do_without_it() {
    let api = Served::new();
    for path in ["/", "/ui/", "/ui/main.js", "/favicon.ico"] {
        let answer = api.get(path).is(404);
        assert_eq!(answer.json()["type"], "urn:heck:problem:no-such-route", "{path}");
    }
    api.send(api.client.request(Method::GET, api.url("/v1/health"))).is(200);
}
