use super::*;
use heck_core::probe::ProbeId;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that counts its connections and answers over each so many times before it ends it without a word.
async fn server(answers: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 1_024];
                for _ in 0..answers {
                    if stream.read(&mut request).await.is_ok_and(|count| count > 0) {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                    }
                }
            });
        }
    });
    (addr, connections)
}

/// A server that takes connections and says nothing.
async fn silent() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), listener)
}

fn runner(at_once: usize) -> (Runner, Arc<Counters>) {
    let guard = GuardConfig { loopback: true, ..GuardConfig::default() };
    let config = ProbeConfig { guard, at_once, ..ProbeConfig::default() };
    let counters = Arc::new(Counters::default());
    (Runner::new(&config, counters.clone(), Clock::start(), None), counters)
}

fn name(origin: &str) -> Name {
    Name::new(origin).unwrap()
}

fn probe(number: u64, origin: &str, target: &str, timeout_ms: u64) -> Probe {
    let timeout = Span::from_ms(timeout_ms);
    Probe { probe: ProbeId(number), origin: name(origin), target: target.into(), timeout }
}

async fn outcome(runner: &mut Runner) -> ProbeOutcome {
    timeout(PATIENCE, runner.next()).await.expect("a probe ends in time")
}

#[tokio::test]
async fn an_outcome_bears_the_number_of_its_probe_and_what_it_told_is_kept() {
    let (addr, _) = server(9).await;
    let (mut runner, counters) = runner(8);
    runner.start(&probe(7, "a", &format!("http://{addr}/"), 20_000));
    let ended = outcome(&mut runner).await;
    assert_eq!((ended.probe, ended.reply), (ProbeId(7), Reply::Status(200)));
    let last = runner.places().last(&name("a")).unwrap();
    let (_, report) = last.report.unwrap();
    assert_eq!((report.took, report.status, last.hindered), (ended.took, Some(200), None));
    assert_eq!(runner.places().last(&name("b")), None);
    assert_eq!((counters.get(Count::ProbesStarted), counters.get(Count::ProbesAnswered)), (1, 1));
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    runner.start(&probe(8, "a", &format!("tcp://{dead}"), 20_000));
    assert_eq!(outcome(&mut runner).await.reply, Reply::Failed(Failure::Connect));
    runner.start(&probe(9, "a", "http://169.254.169.254/", 20_000));
    assert_eq!(outcome(&mut runner).await.reply, Reply::Failed(Failure::Forbidden));
    assert_eq!((counters.get(Count::ProbesFailed), counters.get(Count::ProbesForbidden)), (1, 1));
}

#[tokio::test]
async fn a_kept_connection_serves_the_next_probe_and_one_that_ended_is_no_failure() {
    let (addr, connections) = server(3).await;
    let (mut runner, _) = runner(8);
    let target = format!(r#"{{"url":"http://{addr}/","keep_alive":true}}"#);
    for number in 1..=9 {
        runner.start(&probe(number, "a", &target, 20_000));
        let ended = outcome(&mut runner).await;
        assert_eq!(ended.reply, Reply::Status(200), "probe {number}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3, "three probes over each");
    assert!(runner.places().last(&name("a")).unwrap().report.unwrap().1.phases.connect.is_none());
    let apart = format!("http://{addr}/");
    runner.start(&probe(10, "b", &apart, 20_000));
    outcome(&mut runner).await;
    runner.start(&probe(11, "b", &apart, 20_000));
    outcome(&mut runner).await;
    assert_eq!(connections.load(Ordering::SeqCst), 5, "one for each unless the origin says otherwise");
}

#[tokio::test]
async fn a_kept_connection_on_which_nothing_comes_any_more_is_no_failure_either() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1_024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            held.push(stream);
        }
    });
    let (mut runner, _) = runner(8);
    let target = format!(r#"{{"url":"http://{addr}/","keep_alive":true}}"#);
    for number in 1..=3 {
        runner.start(&probe(number, "a", &target, 2_000));
        assert_eq!(outcome(&mut runner).await.reply, Reply::Status(200), "probe {number}");
    }
}

#[tokio::test]
async fn a_probe_for_which_there_is_no_place_has_no_outcome() {
    let (mute, _held) = silent().await;
    let (mut runner, counters) = runner(2);
    for number in 1..=4 {
        runner.start(&probe(number, &number.to_string(), &format!("http://{mute}/"), 200));
    }
    let mut ended = [outcome(&mut runner).await, outcome(&mut runner).await];
    ended.sort_by_key(|outcome| outcome.probe);
    assert_eq!(ended.iter().map(|outcome| outcome.probe).collect::<Vec<_>>(), [ProbeId(1), ProbeId(2)]);
    assert!(ended.iter().all(|outcome| outcome.reply == Reply::Failed(Failure::Timeout)));
    let more = timeout(Duration::from_millis(300), runner.next()).await;
    assert!(more.is_err(), "{more:?}");
    assert_eq!(counters.get(Count::ProbesNotStarted), 2);
    let hindered = runner.places().last(&name("3")).unwrap().hindered;
    assert!(matches!(hindered, Some((_, Hindrance::Busy, _))));
}

#[tokio::test]
async fn origins_that_do_not_answer_leave_half_of_the_places_to_the_others() {
    let (mute, _held) = silent().await;
    let (addr, _) = server(1).await;
    let (mut runner, counters) = runner(8);
    let mute = format!("http://{mute}/");
    for number in 0..8 {
        runner.start(&probe(number, &number.to_string(), &mute, 100));
    }
    for _ in 0..8 {
        assert_eq!(outcome(&mut runner).await.reply, Reply::Failed(Failure::Timeout));
    }
    // All eight are known to be silent by now: four at once, and the rest of the places are for others.
    for number in 0..8 {
        runner.start(&probe(number, &number.to_string(), &mute, 20_000));
    }
    assert_eq!(counters.get(Count::ProbesNotStarted), 4);
    for number in 0..4 {
        runner.start(&probe(100 + number, &format!("good{number}"), &format!("http://{addr}/"), 20_000));
    }
    for _ in 0..4 {
        assert_eq!(outcome(&mut runner).await.reply, Reply::Status(200));
    }
}

#[tokio::test]
async fn what_this_node_lacks_tells_nothing_of_an_origin_and_leaves_what_was_told_before() {
    let (addr, _) = server(9).await;
    let (mut runner, counters) = runner(8);
    runner.start(&probe(1, "a", &format!("http://{addr}/"), 20_000));
    outcome(&mut runner).await;
    let unknown = "{\"url\":\"gopher://a\"}";
    runner.start(&probe(2, "a", unknown, 20_000));
    assert_eq!(counters.get(Count::ProbesHinderedBySettings), 1);
    let last = runner.places().last(&name("a")).unwrap();
    assert!(last.report.is_some() && matches!(last.hindered, Some((_, Hindrance::Settings, _))), "{last:?}");
    let secret = format!(r#"{{"url":"http://{addr}/","headers":{{"x":{{"secret":"none"}}}}}}"#);
    runner.start(&probe(3, "b", &secret, 20_000));
    let none = timeout(Duration::from_millis(300), runner.next()).await;
    assert!(none.is_err(), "{none:?}");
    assert_eq!(counters.get(Count::ProbesHinderedBySettings), 2);
}

#[tokio::test]
async fn origins_of_which_something_is_kept_are_bounded() {
    let (mut runner, _) = runner(1);
    let mut places = HashMap::new();
    let plan = Arc::new(Plan::read("tcp://127.0.0.1:1").unwrap());
    for number in 0..PLACES_LIMIT as u64 {
        let place = Place {
            target: "tcp://127.0.0.1:1".into(),
            plan: plan.clone(),
            kept: None,
            is_silent: false,
            used: Time(number),
            last: LastProbe::default(),
        };
        places.insert(name(&number.to_string()), place);
    }
    *runner.shared.lock() = places;
    runner.start(&probe(1, "new", "tcp://127.0.0.1:1", 20_000));
    let status = runner.places().status();
    assert_eq!(status.origins, PLACES_LIMIT / 2);
    assert!(runner.places().last(&name("new")).is_some() && runner.places().last(&name("0")).is_none());
}
