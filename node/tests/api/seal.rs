//! Keys of gossip, changed over the API.

use crate::served::{READ, Served, api_config};
use heck_core::id::Name;
use heck_node::api::ApiConfig;
use heck_node::seal::{Key, Keyring, Keys};
use reqwest::Method;
use serde_json::json;

#[test]
fn keys_are_installed_used_and_removed_while_the_node_runs() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let (old_id, new_id, text) = (old.id().to_string(), new.id().to_string(), new.to_text());
    let keyring = Keyring::new(Keys::new(old), &Name::new("test").unwrap(), None);
    let api = Served::with(ApiConfig { keyring: Some(keyring.clone()), ..api_config() });
    let install = |body: String| {
        api.send(api.request(Method::POST, "/v1/keys").header("content-type", "application/json").body(body))
    };
    let installed = install(json!({ "key": &**text }).to_string()).is(201).json();
    assert_eq!(installed, json!({"id": new_id, "seals": false}));
    api.delete(&format!("/v1/keys/{old_id}")).is(422);
    api.post(&format!("/v1/keys/{new_id}/use")).is(204);
    api.delete(&format!("/v1/keys/{old_id}")).is(204);
    let list = || api.send(api.request(Method::GET, "/v1/keys"));
    assert_eq!(list().is(200).json(), json!({"keys": [{"id": new_id, "seals": true}]}));
    assert_eq!(keyring.ids().iter().map(ToString::to_string).collect::<Vec<_>>(), [new_id]);
    api.delete(&format!("/v1/keys/{old_id}")).is(404);
    api.post("/v1/keys/nonsense/use").is(422);
    let refused = install(json!({"key": "secret-but-wrong"}).to_string()).is(422);
    assert!(!String::from_utf8_lossy(&refused.body).contains("secret-but-wrong"), "a key is never repeated");
    // Even looking needs a token that allows everything.
    api.get("/v1/keys").is(401);
    api.send(api.client.get(api.url("/v1/keys")).bearer_auth(READ)).is(403);
}

#[test]
fn a_node_whose_gossip_is_not_sealed_has_no_keys() {
    let api = Served::new();
    api.send(api.request(Method::GET, "/v1/keys")).is(404);
}
