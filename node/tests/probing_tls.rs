//! Single probes of real servers behind TLS on loopback.

#[path = "common/authority.rs"]
mod authority;
#[path = "common/origin.rs"]
mod origin;

use authority::Authority;
use heck_core::probe::{Failure, Reply};
use heck_node::probe::guard::GuardConfig;
use heck_node::probe::resolve::{LookUp, Resolver, ResolverConfig};
use heck_node::probe::{Hindrance, Prober, Report};
use origin::{Origin, answer};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

/// 1 January 2090 and 2 January 2001, in Unix seconds.
const FAR_END: i64 = 3_786_912_000;
const PAST_END: i64 = 978_393_600;

/// A server for this name, whose certificate ends in that year.
async fn server(authority: &Authority, name: &str, end: i32, body: &'static str) -> Origin {
    let (certificate, key) = authority.certificate(name, end);
    Origin::start_tls(certificate, key, move |_| Some(answer(200, "", body))).await
}

/// A prober on a node on loopback, for which every name is this machine.
fn prober() -> Prober {
    let look_up: LookUp = Arc::new(|_: &str| Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) }));
    let resolver = Resolver::new(ResolverConfig::default(), look_up);
    Prober::new(GuardConfig { loopback: true, ..GuardConfig::default() }, resolver, None)
}

fn target(url: &str, ca: &Path, more: &str) -> String {
    format!(r#"{{"url":"{url}","ca":"{}"{more}}}"#, ca.display())
}

async fn probe(target: &str) -> Report {
    let ended = prober().probe(target, Duration::from_secs(20)).await;
    ended.unwrap_or_else(|hindrance| panic!("{target}: {hindrance:?}"))
}

#[track_caller]
fn assert_tls_failed(report: &Report, text: &str) {
    assert_eq!(report.reply, Reply::Failed(Failure::Tls), "{report:?}");
    assert!(report.failure.as_ref().is_some_and(|said| said.contains(text)), "{report:?}");
}

#[tokio::test]
async fn a_certificate_of_the_origins_own_authority_is_verified_and_its_end_is_told() {
    let authority = Authority::new();
    let origin = server(&authority, "shop.example", 2_090, "fine").await;
    let url = format!("https://shop.example:{}/x", origin.addr.port());
    let report = probe(&target(&url, &authority.path(), r#","body_contains":"fine""#)).await;
    assert_eq!((report.reply, &report.failure), (Reply::Status(200), &None));
    assert_eq!(report.cert_not_after, Some(FAR_END));
    assert!(report.phases.resolve.is_some() && report.phases.answer.is_some(), "{report:?}");
    let request = origin.last();
    assert!(request.starts_with("GET /x HTTP/1.1") && request.contains("user-agent: heck/"), "{request}");
    assert_eq!(*origin.server_names.lock().unwrap(), [Some("shop.example".to_owned())]);
}

#[tokio::test]
async fn the_host_that_the_origin_says_is_asked_for_and_verified_instead_of_the_address() {
    let authority = Authority::new();
    let origin = server(&authority, "shop.example", 2_090, "").await;
    let url = format!("https://{}/", origin.addr);
    let report = probe(&target(&url, &authority.path(), r#","host":"shop.example:444""#)).await;
    assert_eq!((report.reply, &report.failure), (Reply::Status(200), &None));
    assert!(origin.last().contains("host: shop.example:444\r\n"), "{}", origin.last());
    assert_eq!(*origin.server_names.lock().unwrap(), [Some("shop.example".to_owned())]);
    assert_tls_failed(&probe(&target(&url, &authority.path(), "")).await, "not valid for name");
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_a_failure_that_says_why() {
    let authority = Authority::new();
    let over = server(&authority, "shop.example", 2_001, "").await;
    let url = |origin: &Origin| format!("https://shop.example:{}/", origin.addr.port());
    let report = probe(&target(&url(&over), &authority.path(), "")).await;
    assert_tls_failed(&report, "expired");
    assert_eq!(report.cert_not_after, Some(PAST_END));
    let stranger = server(&Authority::new(), "shop.example", 2_090, "").await;
    assert_tls_failed(
        &probe(&target(&url(&stranger), &authority.path(), "")).await,
        "invalid peer certificate",
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = format!("https://{}/", listener.local_addr().unwrap());
    let banner =
        async move { listener.accept().await.unwrap().0.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await };
    tokio::spawn(banner);
    assert_tls_failed(&probe(&target(&plain, &authority.path(), "")).await, "corrupt message");
}

#[tokio::test]
async fn any_certificate_will_do_only_where_the_origin_says_so() {
    let origin = server(&Authority::new(), "other.example", 2_001, "").await;
    let target = format!(r#"{{"url":"https://{}/","insecure":true}}"#, origin.addr);
    let report = probe(&target).await;
    assert_eq!((report.reply, report.cert_not_after), (Reply::Status(200), Some(PAST_END)));
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_this_nodes_fault() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("empty.pem"), "nothing").unwrap();
    for (file, why) in [("none.pem", "No such file"), ("empty.pem", "no certificate"), ("", "no plain file")]
    {
        let target = target("https://127.0.0.1:1/", &dir.path().join(file), "");
        let (hindrance, text) = prober().probe(&target, Duration::from_secs(20)).await.unwrap_err();
        assert_eq!(hindrance, Hindrance::Settings);
        assert!(text.contains(why), "{file}: {text}");
    }
}

#[tokio::test]
async fn a_name_that_has_another_address_a_moment_later_is_judged_by_that_behind_tls_too() {
    let authority = Authority::new();
    let outside = server(&authority, "shop.example", 2_090, "").await;
    let port = outside.addr.port();
    let inside =
        Origin::start_at(&format!("127.0.0.2:{port}"), None, Arc::new(|_| Some(answer(200, "", "")))).await;
    for keeps in [false, true] {
        let calls = AtomicUsize::new(0);
        let look_up: LookUp = Arc::new(move |_: &str| {
            let last = if calls.fetch_add(1, Ordering::SeqCst) == 0 { 1 } else { 2 };
            Box::pin(async move { Ok(vec![IpAddr::from([127, 0, 0, last])]) })
        });
        let none = Duration::ZERO;
        let config =
            ResolverConfig { fresh: none, usable: none, last_resort: none, ..ResolverConfig::default() };
        let allow = vec!["127.0.0.1/32".parse().unwrap()];
        let guard = GuardConfig { allow, ..GuardConfig::default() };
        let prober = Prober::new(guard, Resolver::new(config, look_up), None);
        let url = format!("https://shop.example:{port}/");
        let target = target(&url, &authority.path(), &format!(r#","keep_alive":{keeps}"#));
        let ask = async || prober.probe(&target, Duration::from_secs(20)).await.unwrap();
        assert_eq!(ask().await.reply, Reply::Status(200));
        let again = ask().await;
        assert_eq!(again.reply, Reply::Failed(Failure::Forbidden), "{again:?}");
        assert!(again.failure.as_ref().is_some_and(|said| said.contains("127.0.0.2")), "{again:?}");
    }
    assert_eq!((outside.asked(), inside.connections.load(Ordering::SeqCst)), (2, 0));
}

#[tokio::test]
async fn a_plain_origin_may_lead_to_an_encrypted_one() {
    let authority = Authority::new();
    let goal = server(&authority, "shop.example", 2_090, "fine").await;
    let to = format!("Location: https://shop.example:{}/there\r\n", goal.addr.port());
    let start = Origin::saying(answer(301, &to, "")).await;
    let report = probe(&target(&start.url("/"), &authority.path(), r#","redirects":2"#)).await;
    assert_eq!((report.reply, &report.failure), (Reply::Status(200), &None));
    assert!(goal.last().starts_with("GET /there "));
}
