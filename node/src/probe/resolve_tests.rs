use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

const FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

/// What a resolver of a test says, call by call; the last answer again and again. None never comes.
fn scripted(answers: Vec<Option<Result<IpAddr, LookupError>>>) -> (LookUp, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let look_up: LookUp = Arc::new(move |_: &str| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        let answer = answers[call.min(answers.len() - 1)].clone();
        Box::pin(async move {
            match answer {
                Some(answer) => answer.map(|ip| vec![ip]),
                None => std::future::pending().await,
            }
        })
    });
    (look_up, calls)
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn down() -> Option<Result<IpAddr, LookupError>> {
    Some(Err(LookupError::Unanswered("SERVFAIL".to_owned())))
}

async fn ask(resolver: &Resolver, name: &str) -> Result<IpAddr, LookupError> {
    let found = resolver.resolve(name, Instant::now() + Duration::from_millis(500)).await;
    found.map(|found| found[0])
}

/// Lets what runs beside the test go on, without time passing.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_used_while_fresh_and_once_more_while_it_is_looked_up_again() {
    let (look_up, calls) = scripted(vec![Some(Ok(ip(1))), Some(Ok(ip(2)))]);
    let resolver = Resolver::new(ResolverConfig::default(), look_up);
    assert_eq!(ask(&resolver, "a").await, Ok(FIRST));
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(ask(&resolver, "a").await, Ok(FIRST));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(ask(&resolver, "a").await, Ok(FIRST), "whoever asks does not wait");
    settle().await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(ask(&resolver, "a").await, Ok(ip(2)));
    // What was not asked for long is not used at once.
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(ask(&resolver, "a").await, Ok(ip(2)));
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_name_has_one_lookup_under_way_however_many_ask() {
    let (look_up, calls) = scripted(vec![None]);
    let resolver = Resolver::new(ResolverConfig::default(), look_up);
    let asks: Vec<_> = (0..100)
        .map(|_| {
            let resolver = resolver.clone();
            tokio::spawn(async move { ask(&resolver, "a").await })
        })
        .collect();
    for asked in asks {
        assert_eq!(asked.await.unwrap(), Err(unanswered("no answer in time")));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_without_address_is_told_apart_from_a_resolver_that_does_not_answer() {
    let nowhere = LookupError::NoAddress("a has no address".to_owned());
    let (look_up, _) = scripted(vec![Some(Err(nowhere.clone()))]);
    let resolver = Resolver::new(ResolverConfig::default(), look_up);
    assert_eq!(ask(&resolver, "a").await, Err(nowhere));
    assert_eq!(resolver.status().failures, 0);
    let (look_up, _) = scripted(vec![down()]);
    let resolver = Resolver::new(ResolverConfig::default(), look_up);
    assert!(matches!(ask(&resolver, "a").await, Err(LookupError::Unanswered(_))));
    assert_eq!(resolver.status().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_known_goes_on_to_be_used_while_the_resolver_fails() {
    let (look_up, _) = scripted(vec![Some(Ok(ip(1))), down()]);
    let resolver = Resolver::new(ResolverConfig::default(), look_up);
    assert_eq!(ask(&resolver, "a").await, Ok(FIRST));
    for _ in 0..60 {
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(ask(&resolver, "a").await, Ok(FIRST));
        settle().await;
    }
    tokio::time::advance(Duration::from_secs(120)).await;
    settle().await;
    assert!(matches!(ask(&resolver, "a").await, Err(LookupError::Unanswered(_))), "an hour is over");
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_fails_is_left_alone_and_tried_again_with_one_lookup() {
    let (look_up, calls) = scripted(vec![down(), down(), down(), down(), down(), down(), Some(Ok(ip(9)))]);
    let resolver = Resolver::new(ResolverConfig::default(), look_up);
    for name in 0..5 {
        assert_eq!(resolver.status().breaker, BreakerState::Closed);
        assert!(ask(&resolver, &name.to_string()).await.is_err());
    }
    assert_eq!(resolver.status().breaker, BreakerState::Open);
    assert!(ask(&resolver, "x").await.is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 5, "nothing is asked of it");
    tokio::time::advance(REST).await;
    assert_eq!(resolver.status().breaker, BreakerState::HalfOpen);
    assert!(ask(&resolver, "y").await.is_err());
    assert_eq!((calls.load(Ordering::SeqCst), resolver.status().breaker), (6, BreakerState::Open));
    tokio::time::advance(REST).await;
    assert_eq!(resolver.status().breaker, BreakerState::Open, "each failed attempt doubles the rest");
    tokio::time::advance(REST).await;
    assert_eq!(ask(&resolver, "z").await, Ok(ip(9)));
    assert_eq!((resolver.status().breaker, resolver.status().failures), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn lookups_that_hang_take_no_more_places_than_there_are() {
    let (look_up, calls) = scripted(vec![None]);
    let config = ResolverConfig { at_once: 3, ..ResolverConfig::default() };
    let resolver = Resolver::new(config, look_up);
    for name in 0..4 {
        assert!(ask(&resolver, &name.to_string()).await.is_err());
    }
    settle().await;
    assert_eq!((calls.load(Ordering::SeqCst), resolver.status().under_way), (3, 3));
    tokio::time::advance(Duration::from_secs(60)).await;
    settle().await;
    assert_eq!(resolver.status().under_way, 3, "past their deadline they are still under way");
}

#[tokio::test(start_paused = true)]
async fn names_that_are_remembered_are_bounded() {
    let (look_up, _) = scripted(vec![Some(Ok(ip(1)))]);
    let resolver = Resolver::new(ResolverConfig::default(), look_up);
    {
        let mut state = resolver.shared.lock();
        let now = Instant::now();
        for name in 0..NAMES_LIMIT {
            let asked = now + Duration::from_micros(name as u64);
            let entry = Entry { found: None, pending: None, asked };
            state.names.insert(name.to_string().into(), entry);
        }
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(ask(&resolver, "new").await, Ok(FIRST));
    let names = resolver.status().names;
    assert!(names <= NAMES_LIMIT / 2 + 1, "{names}");
}

#[tokio::test]
async fn the_system_knows_its_own_name() {
    let resolver = Resolver::system(ResolverConfig::default());
    let found = resolver.resolve("localhost", Instant::now() + Duration::from_secs(10)).await;
    assert!(found.is_ok_and(|found| found.iter().all(IpAddr::is_loopback)));
}
