//! The description of the interface is the interface.

use crate::served::Served;
use reqwest::Method;
use serde_json::Value;

#[test]
fn every_documented_path_is_there_and_says_what_it_needs() {
    let api = Served::new();
    let document = api.get("/openapi.json").is(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let real = path.replace("{name}", "none").replace("{topic}", "t").replace("{id}", "00");
            let is_read = matches!(method, Method::GET | Method::HEAD) || path == "/v3/discovery:endpoints";
            let is_write = !is_read || path.starts_with("/v1/keys");
            assert_eq!(
                operation.get("security").is_some(),
                is_write,
                "{method} {path}: a token is needed to write"
            );
            assert!(operation["summary"].is_string(), "{method} {path} is described");
            let answer = api
                .send(api.client.request(method.clone(), api.url(&real)).bearer_auth(crate::served::WRITE));
            let kind = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default()["type"].clone();
            assert_ne!(kind, "urn:heck:problem:no-such-route", "{method} {path}");
            assert_ne!(answer.status, 405, "{method} {path}");
            if real.contains("leave") {
                continue;
            }
            let documented = operation["responses"].get(answer.status.to_string()).is_some();
            assert!(documented || answer.status >= 400, "{method} {path}: {} is documented", answer.status);
            seen += 1;
        }
    }
    assert!(seen >= 32, "{seen}");
}

#[test]
fn a_method_that_is_not_documented_is_not_served() {
    let api = Served::new();
    let document = api.get("/openapi.json").is(200).json();
    let mut refused = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let real = path.replace("{name}", "none").replace("{topic}", "t").replace("{id}", "00");
        for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE, Method::TRACE] {
            if item.get(method.as_str().to_lowercase()).is_some() {
                continue;
            }
            let request = api.request(method.clone(), &real).header("content-type", "application/json");
            let answer = api.send(request);
            assert_eq!(answer.status, 405, "{method} {path} is not in the document: {answer:?}");
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let api = Served::new();
    let document = api.get("/openapi.json").json();
    let mut open = vec![&document];
    let mut seen = 0;
    while let Some(value) = open.pop() {
        match value {
            Value::Object(keys) => {
                if let Some(Value::String(to)) = keys.get("$ref") {
                    let pointer = to.strip_prefix('#').expect("a reference within the document");
                    assert!(document.pointer(pointer).is_some(), "{to}");
                    seen += 1;
                }
                open.extend(keys.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(seen > 10, "{seen}");
}
