//! TLS, and clients that have to show a certificate.

use crate::served::{Served, WRITE, api_config};
use heck_node::api::{ApiConfig, TlsError, TlsFiles, serve};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::{Client, ClientBuilder, Identity};
use std::fs;
use std::net::TcpListener;
use std::path::Path;

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Authority { certificate, issuer: Issuer::new(params, key) }
}

/// A certificate and its key, in PEM.
fn leaf(authority: &Authority) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    (params.signed_by(&key, &authority.issuer).unwrap().pem(), key.serialize_pem())
}

fn files(dir: &Path, authority: &Authority, client_ca: bool) -> TlsFiles {
    let (certificate, key) = leaf(authority);
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    TlsFiles {
        certificate: write("cert.pem", &certificate),
        key: write("key.pem", &key),
        client_ca: client_ca.then(|| write("ca.pem", &authority.certificate.pem())),
    }
}

fn client(authority: &Authority, with: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = reqwest::Certificate::from_pem(authority.certificate.pem().as_bytes()).unwrap();
    with(Client::builder().tls_certs_only([root]).no_proxy()).build().unwrap()
}

#[test]
fn the_api_speaks_tls_and_lets_in_who_shows_a_certificate_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority();
    let (certificate, key) = leaf(&authority);
    let identity = Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
    for wants_certificate in [false, true] {
        let tls = Some(files(dir.path(), &authority, wants_certificate));
        let api = Served::with(ApiConfig { tls, ..api_config() });
        let url = format!("https://{}/v1/kv/k", api.server.addr());
        let put =
            |client: &Client| api.block_on("an answer", client.put(&url).bearer_auth(WRITE).body("v").send());
        let stranger = put(&client(&authority, |builder| builder));
        assert_eq!(stranger.is_ok_and(|answer| answer.status() == 204), !wants_certificate);
        let known = put(&client(&authority, |builder| builder.identity(identity.clone())));
        assert_eq!(known.unwrap().status(), 204);
        let plain = api.block_on("an answer", api.client.get(api.url("/livez")).send());
        assert!(plain.is_err(), "no plain HTTP beside it");
    }
}

#[test]
fn files_that_are_none_are_named_before_anything_opens() {
    let dir = tempfile::tempdir().unwrap();
    let api = Served::new();
    let good = files(dir.path(), &authority(), true);
    let missing = TlsFiles { certificate: dir.path().join("none.pem"), ..good.clone() };
    let empty = TlsFiles { key: dir.path().join("empty.pem"), ..good.clone() };
    fs::write(&empty.key, "").unwrap();
    let swapped = TlsFiles { client_ca: Some(good.key.clone()), ..good };
    for (files, named) in [(missing, "none.pem"), (empty, "empty.pem"), (swapped, "key.pem")] {
        let config = ApiConfig { tls: Some(files), ..api_config() };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error =
            api.block_on("an error", async { serve(listener, api.node.handle.clone(), config) }).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
        let heck_node::api::ApiError::Tls(TlsError::File { .. }) = error else { panic!("{error:?}") };
    }
}
