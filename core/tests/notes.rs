//! Notes: what a driver gives along with a write for drivers elsewhere, and what the protocol never looks at.

mod common;

use common::{Cluster, Weather, name};
use heck_core::codec::{decode_entry, encode_entry};
use heck_core::config::Config;
use heck_core::effects::{Event, Refusal};
use heck_core::entry::{
    Ballot, Body, Claim, Confirmation, Entry, HealthState, Hold, Minted, NOTE_LIMIT, OriginSpec, Scope,
    Superseded,
};
use heck_core::id::{Store, Writer};
use heck_core::input::{Command, Verdict};
use heck_core::probe::Reply;
use heck_core::time::{Span, Time};

const NOTE: [u8; 24] = *b"trace of 16 and span of8";

fn writes() -> [Command; 3] {
    let spec = OriginSpec::new("http://a/");
    [
        Command::PutOrigin { name: name("origin"), spec, source: name("test") },
        Command::PutKey { name: name("key"), value: b"value".as_slice().into() },
        Command::Publish { topic: name("topic"), payload: b"payload".as_slice().into() },
    ]
}

fn encoded(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_entry(entry, &mut bytes);
    bytes
}

fn bodies() -> [Body; 4] {
    [
        Body::Key { name: name("k"), value: b"v".as_slice().into() },
        Body::KeyDeleted { name: name("k") },
        Body::OriginRemoved { name: name("o") },
        Body::Message { topic: name("t"), payload: b"p".as_slice().into() },
    ]
}

#[test]
fn a_note_costs_its_length_and_one_byte_and_no_note_costs_nothing() {
    for body in bodies() {
        let plain = Entry::new(Writer::default(), 1, 1, Superseded::new(), body);
        assert_eq!(encoded(&plain.clone().with_note(&[])), encoded(&plain));
        let noted = plain.clone().with_note(&NOTE);
        let bytes = encoded(&noted);
        assert_eq!(bytes.len(), encoded(&plain).len() + 1 + NOTE.len());
        assert_eq!(bytes.len(), noted.wire_len() as usize);
        let read = decode_entry(&mut heck_core::codec::Reader::new(&bytes)).expect("an entry");
        assert_eq!((read.note(), &read.body), (NOTE.as_slice(), &plain.body));
        assert!(plain.note().is_empty());
    }
}

#[test]
fn what_a_later_version_appends_behind_a_note_or_without_one_is_never_taken_for_one() {
    for body in bodies() {
        let plain = Entry::new(Writer::default(), 1, 1, Superseded::new(), body);
        let note = |behind: &[u8]| {
            let bytes = [encoded(&plain), behind.to_vec()].concat();
            let read = decode_entry(&mut heck_core::codec::Reader::new(&bytes)).expect("an entry");
            assert_eq!(encoded(&read), bytes, "it is handed on as it came");
            read.note().to_vec()
        };
        assert_eq!(note(&[&[24], NOTE.as_slice(), b"later"].concat()), NOTE);
        assert!(note(b"\x00later").is_empty(), "an empty note, and what follows it");
        assert!(note(&[200; 30]).is_empty(), "longer than what is there");
        assert!(note(&[[80].as_slice(), &[7; 90]].concat()).is_empty(), "longer than a note is");
    }
}

#[test]
fn a_claim_has_no_note_whatever_a_later_version_appends_to_it() {
    let claim = Claim {
        scope: Scope::CLUSTER,
        origin: name("o"),
        generation: Minted { writer: Writer::default(), counter: 1 },
        ballot: Ballot::default(),
        hold: Hold::Held,
        state: HealthState::Unhealthy,
        previous: HealthState::Healthy,
        since: Time::ZERO,
        confirmation: Confirmation::default(),
        cause: Some(Reply::Status(503)),
    };
    let plain = Entry::new(Writer::default(), 1, 1, Superseded::new(), Body::Claim(claim));
    let bytes = [encoded(&plain), vec![24], NOTE.to_vec()].concat();
    let read = decode_entry(&mut heck_core::codec::Reader::new(&bytes)).expect("an entry");
    assert_eq!((read.appended().len(), read.note()), (25, [].as_slice()));
}

#[test]
fn notes_reach_every_node_under_loss_and_stay_after_a_restart_and_nothing_else_has_any() {
    let seed = 17;
    let weather = Weather { loss_permille: 500, duplicate_permille: 50, ..Weather::default() };
    let mut cluster = Cluster::formed(5, Config::default(), weather, seed);
    cluster.run_for(Span::from_secs(5));
    for command in writes() {
        cluster.command(0, &command.with_note(&NOTE));
    }
    let plain = Command::PutKey { name: name("plain"), value: b"value".as_slice().into() };
    cluster.command(1, &plain);
    cluster.run_for(Span::from_secs(40));
    let found = (HealthState::Healthy, Hold::Held);
    let verdict = Verdict { scope: Scope::CLUSTER, origin: name("origin"), state: found.0, hold: found.1 };
    cluster.tell(1, &verdict);
    cluster.run_for(Span::from_secs(5));
    // An edit carries claims over, which are no part of what was noted.
    let [Command::PutOrigin { name: origin, spec, source }, ..] = writes() else { unreachable!() };
    let spec = spec.with(|policy| policy.interval = Span::from_secs(9));
    cluster.command(2, &Command::PutOrigin { name: origin, spec, source }.with_note(&NOTE[..8]));
    cluster.run_until_agreed(Span::from_secs(120)).unwrap_or_else(|| panic!("seed {seed}: they differ"));
    cluster.crash(3);
    cluster.start(3, true);
    cluster.run_until_agreed(Span::from_secs(120)).unwrap_or_else(|| panic!("seed {seed}: they differ"));
    for node in 0..5 {
        let state = cluster.node(node).view().state();
        let note = |store: Store, map: &str| state.read(store, &name(map)).expect("it is there").note();
        assert_eq!(note(Store::Registry, "origin"), &NOTE[..8], "seed {seed}, node {node}");
        assert_eq!(note(Store::Keys, "key"), NOTE, "seed {seed}, node {node}");
        assert_eq!(note(Store::Keys, "plain"), [0; 0], "seed {seed}, node {node}");
        let logged: Vec<&[u8]> = state.entries_of(Store::Log).map(|entry| entry.note()).collect();
        assert_eq!(logged, [NOTE], "seed {seed}, node {node}");
        let claims = || state.entries_of(Store::Health);
        assert!(claims().count() > 0 && claims().all(|claim| claim.appended().is_empty()));
        let key = state.read(Store::Keys, &name("key")).expect("it is there");
        assert!(matches!(&key.body, Body::Key { value, .. } if **value == *b"value"));
    }
}

#[test]
fn a_note_that_is_too_long_is_refused_and_nothing_is_written() {
    let mut cluster = Cluster::formed(1, Config::default(), Weather::default(), 1);
    cluster.run_for(Span::from_secs(1));
    for command in writes() {
        cluster.command_as(0, 7, &command.with_note(&[1; NOTE_LIMIT + 1]));
    }
    cluster.run_for(Span::from_secs(1));
    let refused = Event::Failed { token: 7, reason: Refusal::TooLarge(NOTE_LIMIT + 1) };
    assert_eq!(cluster.events.iter().filter(|(.., event)| *event == refused).count(), 3);
    assert_eq!(cluster.node(0).view().state().live_len(), 0);
    cluster.command_as(0, 8, &writes()[1].clone().with_note(&[1; NOTE_LIMIT]));
    cluster.run_for(Span::from_secs(1));
    assert_eq!(cluster.node(0).view().state().live_len(), 1);
}

#[test]
fn commands_that_write_nothing_are_carried_out_without_their_note() {
    let mut cluster = Cluster::formed(1, Config::default(), Weather::default(), 1);
    cluster.run_for(Span::from_secs(1));
    cluster.command(0, &writes()[0]);
    cluster.command_as(0, 9, &Command::CheckNow { name: name("origin") }.with_note(&NOTE));
    cluster.run_for(Span::from_secs(1));
    let done = |event: &Event| matches!(event, Event::Done { token: 9, dot: None });
    assert!(cluster.events.iter().any(|(.., event)| done(event)));
    assert!(cluster.node(0).view().state().entries().all(|entry| entry.note().is_empty()));
}
