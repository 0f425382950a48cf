//! Single probes of real servers on loopback.

#[path = "common/origin.rs"]
mod origin;

use heck_core::probe::{Failure, Reply};
use heck_node::probe::guard::GuardConfig;
use heck_node::probe::resolve::{LookUp, LookupError, Resolver, ResolverConfig};
use heck_node::probe::{Hindrance, Prober, Report};
use origin::{Origin, answer};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(20);
const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A resolver that says these one after the other, and the last again and again, without remembering.
fn resolver(says: Vec<Result<Vec<IpAddr>, LookupError>>) -> Resolver {
    let calls = AtomicUsize::new(0);
    let look_up: LookUp = Arc::new(move |_: &str| {
        let call = calls.fetch_add(1, Ordering::SeqCst).min(says.len() - 1);
        let said = says[call].clone();
        Box::pin(async move { said })
    });
    let none = Duration::ZERO;
    Resolver::new(
        ResolverConfig { fresh: none, usable: none, last_resort: none, ..ResolverConfig::default() },
        look_up,
    )
}

fn prober() -> Prober {
    prober_with(resolver(vec![Ok(vec![LOOPBACK])]))
}

fn prober_with(resolver: Resolver) -> Prober {
    Prober::new(GuardConfig { loopback: true, ..GuardConfig::default() }, resolver, None)
}

/// As on a node that can be reached from elsewhere, with the server's own address listed.
fn guarded(resolver: Resolver, allow: &[&str]) -> Prober {
    let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    Prober::new(GuardConfig { allow, ..GuardConfig::default() }, resolver, None)
}

async fn probe(prober: &Prober, target: &str) -> Report {
    prober.probe(target, PATIENCE).await.unwrap_or_else(|hindrance| panic!("{target}: {hindrance:?}"))
}

#[track_caller]
fn assert_failed(report: &Report, failure: Failure, text: &str) {
    assert_eq!(report.reply, Reply::Failed(failure), "{report:?}");
    assert!(report.failure.as_ref().is_some_and(|said| said.contains(text)), "{report:?}");
}

#[tokio::test]
async fn a_server_that_answers_is_told_by_its_status_and_how_long_it_took() {
    let origin = Origin::saying(answer(204, "", "")).await;
    let report = probe(&prober(), &origin.url("/health?deep=1")).await;
    assert_eq!((report.reply, report.status, &report.failure), (Reply::Status(204), Some(204), &None));
    let parts = [report.phases.connect, report.phases.answer];
    assert!(parts.iter().all(|part| part.is_some_and(|part| part <= report.took)), "{report:?}");
    assert_eq!((report.phases.resolve, report.phases.body), (None, None));
    let request = origin.last();
    assert!(request.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {}\r\n", origin.addr)), "{request}");
    assert!(request.contains("user-agent: heck/") && request.contains("connection: close"), "{request}");
}

#[tokio::test]
async fn method_headers_host_and_body_are_as_the_origin_says() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "s3cret\n").unwrap();
    let guard = GuardConfig { loopback: true, ..GuardConfig::default() };
    let prober = Prober::new(guard, resolver(vec![]), Some(dir.path().to_path_buf()));
    let origin = Origin::saying(answer(200, "", "fine")).await;
    let target = format!(
        r#"{{"url":"{}","method":"POST","host":"shop.example:81","body":"ping","headers":{{"x-a":"b","authorization":{{"secret":"token"}}}}}}"#,
        origin.url("/")
    );
    assert_eq!(probe(&prober, &target).await.reply, Reply::Status(200));
    let request = origin.last();
    for part in [
        "POST / HTTP/1.1\r\n",
        "host: shop.example:81\r\n",
        "x-a: b\r\n",
        "authorization: s3cret\r\n",
        "\r\n\r\nping",
    ] {
        assert!(request.contains(part), "{part:?} in {request}");
    }
    let missing = target.replace("token", "none");
    let hindered = prober.probe(&missing, PATIENCE).await.unwrap_err();
    assert_eq!(hindered.0, Hindrance::Settings, "a secret that is missing here is not the origin's fault");
}

#[tokio::test]
async fn a_body_has_to_contain_or_to_match_what_the_origin_says() {
    let origin = Origin::saying(answer(200, "", "status: fine, load 17")).await;
    let with = |part: &str| format!(r#"{{"url":"{}",{part}}}"#, origin.url("/"));
    for part in [r#""body_contains":"fine""#, r#""body_regex":"load \\d+$""#, r#""body_contains":"""#] {
        let report = probe(&prober(), &with(part)).await;
        assert_eq!(report.reply, Reply::Status(200), "{part}");
        assert!(report.phases.body.is_some());
    }
    for (part, text) in [
        (r#""body_contains":"broken""#, "does not contain \"broken\""),
        (r#""body_regex":"^load""#, "does not match \"^load\""),
    ] {
        let report = probe(&prober(), &with(part)).await;
        assert_failed(&report, Failure::Protocol, text);
        assert_eq!(report.status, Some(200));
    }
}

#[tokio::test]
async fn no_more_of_a_body_is_read_than_64_kib() {
    let origin = Origin::saying(answer(200, "", &format!("{}needle", "x".repeat(70_000)))).await;
    let target = format!(r#"{{"url":"{}","body_contains":"needle"}}"#, origin.url("/"));
    assert_failed(&probe(&prober(), &target).await, Failure::Protocol, "needle");
    let early = target.replace("needle", "xxx");
    assert_eq!(probe(&prober(), &early).await.reply, Reply::Status(200));
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure_that_says_why() {
    let garbage = Origin::saying("SSH-2.0-OpenSSH_9.2\r\n".to_owned()).await;
    assert_failed(&probe(&prober(), &garbage.url("/")).await, Failure::Protocol, "HTTP version");
    let mute = Origin::start(|_| None).await;
    assert_failed(&probe(&prober(), &mute.url("/")).await, Failure::Protocol, "closed");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_failed(&probe(&prober(), &format!("http://{closed}/")).await, Failure::Connect, "refused");
    assert_failed(&probe(&prober(), &format!("tcp://{closed}")).await, Failure::Connect, "refused");
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_has_failed_and_says_what_it_did_not_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let timeout = Duration::from_millis(100);
    let report = prober().probe(&format!("http://{addr}/"), timeout).await.unwrap();
    assert_failed(&report, Failure::Timeout, "no answer within 100ms");
    assert!(report.took.as_us() >= 100_000, "{report:?}");
    let half = Origin::saying("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_owned()).await;
    let target = format!(r#"{{"url":"{}","body_contains":"x","keep_alive":true}}"#, half.url("/"));
    let report = prober().probe(&target, timeout).await.unwrap();
    assert_failed(&report, Failure::Timeout, "no end of the answer");
}

#[tokio::test]
async fn a_tcp_origin_is_asked_for_a_connection_and_nothing_more() {
    let origin = Origin::saying(String::new()).await;
    let report = probe(&prober(), &format!("tcp://db.example:{}", origin.addr.port())).await;
    assert_eq!((report.reply, &report.failure), (Reply::Connected, &None));
    assert!(report.phases.resolve.is_some() && report.phases.connect.is_some());
}

#[tokio::test]
async fn a_name_without_address_is_the_origins_fault_and_a_resolver_without_answer_is_not() {
    let nowhere = resolver(vec![Err(LookupError::NoAddress("a.example has no address".to_owned()))]);
    let report = probe(&prober_with(nowhere), "http://a.example/").await;
    assert_failed(&report, Failure::Resolve, "a.example has no address");
    let silent = resolver(vec![Err(LookupError::Unanswered("SERVFAIL".to_owned()))]);
    let hindered = prober_with(silent).probe("http://a.example/", PATIENCE).await.unwrap_err();
    assert_eq!(hindered, (Hindrance::Resolver, "SERVFAIL".into()));
    let hanging: LookUp = Arc::new(|_: &str| Box::pin(std::future::pending()));
    let hanging = Resolver::new(ResolverConfig::default(), hanging);
    let hindered =
        prober_with(hanging).probe("tcp://a.example:1", Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(hindered.0, Hindrance::Resolver);
}

#[tokio::test]
async fn a_target_that_this_version_does_not_understand_is_not_the_origins_fault() {
    for target in ["gopher://a/", "{", r#"{"url":"http://a/","method":"?"}"#] {
        let hindered = prober().probe(target, PATIENCE).await.unwrap_err();
        assert_eq!(hindered.0, Hindrance::Settings, "{target}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed_unless_the_origin_says_so() {
    let goal = Origin::saying(answer(200, "", "here")).await;
    let to = format!("Location: {}\r\n", goal.url("/there"));
    let start = Origin::saying(answer(302, &to, "")).await;
    assert_eq!(probe(&prober(), &start.url("/")).await.reply, Reply::Status(302));
    assert_eq!(goal.asked(), 0);
    let target = format!(
        r#"{{"url":"{}","redirects":1,"method":"POST","body":"x","headers":{{"x-key":"k"}}}}"#,
        start.url("/")
    );
    assert_eq!(probe(&prober(), &target).await.reply, Reply::Status(200));
    let request = goal.last();
    assert!(request.starts_with("GET /there "), "{request}");
    assert!(
        !request.contains("x-key") && start.last().contains("x-key"),
        "headers stay with their origin: {request}"
    );
}

#[tokio::test]
async fn redirects_end_at_the_limit_and_relative_ones_stay_at_home() {
    let turns = |request: &str| {
        let at: u32 = request.split(['/', ' ', '?']).nth(2).and_then(|at| at.parse().ok()).unwrap_or(0);
        Some(answer(307, &format!("Location: {}?x=1#part\r\n", at + 1), ""))
    };
    let origin = Origin::start(turns).await;
    let with = |limit: u8| {
        format!(
            r#"{{"url":"{}","redirects":{limit},"method":"PUT","headers":{{"x-key":"k"}}}}"#,
            origin.url("/0")
        )
    };
    assert_eq!(probe(&prober(), &with(3)).await.reply, Reply::Status(307));
    assert_eq!(origin.asked(), 4);
    let request = origin.last();
    assert!(request.starts_with("PUT /3?x=1 HTTP"), "{request}");
    assert!(request.contains("x-key: k"), "it never left: {request}");
}

#[tokio::test]
async fn a_redirect_to_a_denied_address_is_not_followed() {
    let inside = Origin::start_at("127.0.0.2:0", None, Arc::new(|_| Some(answer(200, "", "keys")))).await;
    let port = inside.addr.port();
    for to in [
        format!("http://127.0.0.2:{port}/latest/meta-data"),
        format!("http://2130706434:{port}/"),
        format!("http://0x7f.0.0.2:{port}/"),
        format!("http://0177.0.0.2:{port}/"),
        format!("http://[::ffff:127.0.0.2]:{port}/"),
        format!("//127.0.0.2:{port}/"),
        format!("https://127.0.0.2:{port}/"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://inside.example/".to_owned(),
    ] {
        let pivot = Origin::saying(answer(302, &format!("Location: {to}\r\n"), "")).await;
        let resolver = resolver(vec![Ok(vec!["127.0.0.2".parse().unwrap()])]);
        let prober = guarded(resolver, &["127.0.0.1/32"]);
        let target = format!(r#"{{"url":"{}","redirects":5}}"#, pivot.url("/"));
        assert_failed(&probe(&prober, &target).await, Failure::Forbidden, "must not be checked");
        assert_eq!((pivot.asked(), inside.connections.load(Ordering::SeqCst)), (1, 0), "{to}");
    }
}

#[tokio::test]
async fn a_redirect_to_what_is_no_url_of_a_check_is_a_failure() {
    for to in ["file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "http://user:key@127.0.0.1/"] {
        let pivot = Origin::saying(answer(302, &format!("Location: {to}\r\n"), "")).await;
        let target = format!(r#"{{"url":"{}","redirects":5}}"#, pivot.url("/"));
        assert_failed(&probe(&prober(), &target).await, Failure::Protocol, "redirects to");
    }
}

#[tokio::test]
async fn a_name_that_has_another_address_a_moment_later_is_judged_by_the_one_that_is_connected_to() {
    let outside = Origin::saying(answer(200, "", "")).await;
    let port = outside.addr.port();
    let inside =
        Origin::start_at(&format!("127.0.0.2:{port}"), None, Arc::new(|_| Some(answer(200, "", "")))).await;
    let evil: IpAddr = "127.0.0.2".parse().unwrap();
    let prober = guarded(resolver(vec![Ok(vec![LOOPBACK]), Ok(vec![evil])]), &["127.0.0.1/32"]);
    let target = format!("http://rebind.example:{port}/");
    assert_eq!(probe(&prober, &target).await.reply, Reply::Status(200));
    assert_failed(&probe(&prober, &target).await, Failure::Forbidden, "127.0.0.2");
    assert_eq!((outside.asked(), inside.connections.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_name_of_a_connection_check_that_has_another_address_a_moment_later_is_judged_by_that() {
    let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = outside.local_addr().unwrap().port();
    let inside =
        Origin::start_at(&format!("127.0.0.2:{port}"), None, Arc::new(|_| Some(answer(200, "", "")))).await;
    let evil: IpAddr = "127.0.0.2".parse().unwrap();
    for scheme in ["tcp", "grpc"] {
        let prober = guarded(resolver(vec![Ok(vec![LOOPBACK]), Ok(vec![evil])]), &["127.0.0.1/32"]);
        let target = format!("{scheme}://rebind.example:{port}");
        if scheme == "tcp" {
            assert_eq!(probe(&prober, &target).await.reply, Reply::Connected);
        } else {
            let ended = prober.probe(&target, Duration::from_millis(300)).await.unwrap();
            assert_eq!(ended.reply, Reply::Failed(Failure::Timeout), "it is connected to, and says nothing");
        }
        assert_failed(&probe(&prober, &target).await, Failure::Forbidden, "127.0.0.2");
    }
    assert_eq!(inside.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_are_allowed_are_tried() {
    let outside = Origin::saying(answer(200, "", "")).await;
    let port = outside.addr.port();
    let inside =
        Origin::start_at(&format!("127.0.0.2:{port}"), None, Arc::new(|_| Some(answer(200, "", "")))).await;
    let both = vec!["127.0.0.2".parse().unwrap(), LOOPBACK];
    let prober = guarded(resolver(vec![Ok(both)]), &["127.0.0.1/32"]);
    assert_eq!(probe(&prober, &format!("http://both.example:{port}/")).await.reply, Reply::Status(200));
    assert_eq!(inside.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn loopback_and_metadata_are_forbidden_on_a_node_that_can_be_reached() {
    let origin = Origin::saying(answer(200, "", "")).await;
    let prober = guarded(resolver(vec![]), &[]);
    for target in [origin.url("/"), format!("tcp://{}", origin.addr), "http://169.254.169.254/".to_owned()] {
        assert_failed(&probe(&prober, &target).await, Failure::Forbidden, "must not be checked");
    }
    assert_eq!(origin.connections.load(Ordering::SeqCst), 0);
}
