//! One packet and one record of each kind, with everything in them that can be.

use heck_core::effects::Record;
use heck_core::entry::{
    Admin, Ballot, Body, Claim, Confirmation, Covered, Entry, Fence, HealthState, Hold, Minted, OriginSpec,
    Replaced, Scope, Superseded,
};
use heck_core::id::{Addr, Boot, Dot, Lane, Name, NodeId, Shard, Store, Writer};
use heck_core::interval::IntervalSet;
use heck_core::member::{Life, Member, Standing};
use heck_core::packet::{
    Beat, Card, Carried, LaneAnswer, LaneSeen, MemberUpdate, Packet, PacketKind, Question, Relay, Subject,
    Window,
};
use heck_core::policy::{Policy, Rule, StatusSet};
use heck_core::probe::{Failure, Reply};
use heck_core::time::{Span, Time};
use std::sync::Arc;

/// A packet or a record.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// What a datagram or a frame of a stream holds.
    Packet(Box<Packet>),
    /// What a frame of the journal holds.
    Record(Box<Record>),
}

/// What an example is called, what it holds, and its value.
pub struct Example {
    /// The first word of its line.
    pub name: &'static str,
    /// The comment above it.
    pub holds: &'static str,
    /// What its bytes mean.
    pub value: Value,
}

fn name(text: &str) -> Name {
    Name::new(text).expect("neither empty nor long")
}

fn writer(node: u64, boot: u64) -> Writer {
    Writer { node: NodeId(node), boot: Boot(boot) }
}

const ALICE: u64 = 0x0102_0304_0506_0708;
/// Milliseconds since 1970, as boots are.
const BOOT: u64 = 1_760_000_000_000;

fn minted(counter: u64) -> Minted {
    Minted { writer: writer(ALICE, BOOT), counter }
}

fn addr() -> Addr {
    Addr { ip: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1], port: 7_400 }
}

fn carried(serial: u64, replaces: &[u64], body: Body) -> Carried {
    let replaced = |&counter: &u64| Replaced { minted: minted(counter), serial: counter + 1 };
    let supersedes: Superseded = replaces.iter().map(replaced).collect();
    let age = if matches!(body, Body::Message { .. }) { Span::from_ms(1_500) } else { Span::ZERO };
    let entry = Entry::new(writer(ALICE, BOOT), serial + 100, serial, supersedes, body);
    Carried { entry: Arc::new(entry), age }
}

fn usual_origin() -> Body {
    let spec = OriginSpec::new("http://127.0.0.1:8080/healthz");
    Body::Origin { name: name("shop"), spec, source: name("api") }
}

fn unusual_origin() -> Body {
    let policy = Policy {
        interval: Span::from_secs(7),
        fast_interval: Span::from_ms(700),
        timeout: Span::from_ms(1_900),
        rule: Rule::Window { size: 10, threshold: 6, initial: 3 },
        slow: Some(Span::from_ms(250)),
        expected: StatusSet::new(&[(200, 204), (301, 302)]).expect("two ranges"),
        confirmers: Some(4),
    };
    let spec = OriginSpec {
        target: "tcp://127.0.0.1:5432".into(),
        admin: Admin::Draining,
        policy: Arc::new(policy),
    };
    Body::Origin { name: name("datenbank-ä"), spec, source: name("origins.toml") }
}

fn claim(state: HealthState, hold: Hold, confirmation: Confirmation, cause: Option<Reply>) -> Body {
    let ballot = Ballot { epoch: 3, rank: 0x1122_3344_5566_7788, writer: writer(ALICE, BOOT), sequence: 300 };
    Body::Claim(Claim {
        scope: Scope(0x99AA_BBCC_DDEE_FF00),
        origin: name("shop"),
        generation: minted(17),
        ballot,
        hold,
        state,
        previous: HealthState::Healthy,
        since: Time(1_234_567_890),
        confirmation,
        cause,
    })
}

fn fence() -> Body {
    let covered = [(5, [1, 2, 3, 4]), (9, [1_000, 0, 70_000, 0])];
    let covered = covered.map(|(boot, serials)| Covered { boot: Boot(boot), serials });
    Body::Fence(Arc::new(Fence { boot: Boot(BOOT - 1), covered: covered.to_vec() }))
}

/// An entry of every body and of each of its forms.
fn entries() -> Vec<Carried> {
    let none = Confirmation::default();
    let majority = Confirmation { asked: 2, answered: 2, agreed: 1 };
    vec![
        carried(1, &[], usual_origin()),
        carried(2, &[17, 300], unusual_origin()),
        carried(3, &[17], Body::OriginRemoved { name: name("shop") }),
        carried(4, &[], Body::Key { name: name("colour"), value: b"green \x00\xFF".as_slice().into() }),
        carried(5, &[4], Body::KeyDeleted { name: name("colour") }),
        carried(6, &[], claim(HealthState::Healthy, Hold::Held, none, None)),
        carried(7, &[], claim(HealthState::Unhealthy, Hold::Held, majority, Some(Reply::Status(503)))),
        carried(8, &[], claim(HealthState::Unhealthy, Hold::Late, majority, None)),
        carried(
            9,
            &[],
            claim(HealthState::Unhealthy, Hold::Released, none, Some(Reply::Failed(Failure::Timeout))),
        ),
        carried(10, &[], claim(HealthState::Degraded, Hold::Held, none, Some(Reply::Connected))),
        carried(11, &[], Body::Message { topic: name("purge"), payload: b"/index.html".as_slice().into() }),
        carried(12, &[], fence()),
    ]
}

/// A write of each kind with a note of the driver.
fn noted_entries() -> Vec<Carried> {
    let note: Vec<u8> = (0xA0..0xB8).collect();
    let bodies = [
        usual_origin(),
        Body::OriginRemoved { name: name("shop") },
        Body::Key { name: name("colour"), value: b"green".as_slice().into() },
        Body::KeyDeleted { name: name("colour") },
        Body::Message { topic: name("purge"), payload: b"/index.html".as_slice().into() },
    ];
    let noted = |(serial, body)| {
        let Carried { entry, age } = carried(serial, &[], body);
        Carried { entry: Arc::new(Entry::clone(&entry).with_note(&note)), age }
    };
    (20..).zip(bodies).map(noted).collect()
}

fn push_with_notes() -> Example {
    let value = packet(PacketKind::Push, |packet| packet.entries = noted_entries());
    Example { name: "push-with-notes", holds: "a write of each kind with a note of 24 bytes", value }
}

fn lane(shard: u8, store: Store) -> Lane {
    Lane { shard: Shard(shard), store, writer: writer(ALICE, BOOT) }
}

fn intervals(ranges: &[(u64, u64)]) -> IntervalSet {
    ranges.iter().flat_map(|&(first, last)| first..=last).collect()
}

fn members() -> Vec<MemberUpdate> {
    let card = |settings| Card {
        name: name("node-7"),
        addr: addr(),
        zone: Scope::of_zone(&name("eu")),
        weight: 250,
        settings,
    };
    let node = NodeId::of(&name("node-7"));
    let life = Life { boot: Boot(BOOT), incarnation: 200 };
    let usual = heck_core::settings::Settings::USUAL;
    let update = |standing, age, accuser, card| MemberUpdate { node, life, standing, age, accuser, card };
    vec![
        update(Standing::Alive, Span::ZERO, node, Some(card(usual))),
        update(Standing::Suspect, Span::ZERO, NodeId(ALICE), None),
        update(Standing::Dead, Span::from_secs(70), node, Some(card(0x5E77_1265))),
        update(Standing::Left, Span::from_ms(3), node, None),
    ]
}

fn packet(kind: PacketKind, fill: impl FnOnce(&mut Packet)) -> Value {
    let mut packet = Packet::default();
    packet.reset(kind, NodeId(ALICE));
    (packet.nonce, packet.hash) = (0xA1B2_C3D4, 0x0F1E_2D3C_4B5A_6978);
    fill(&mut packet);
    Value::Packet(Box::new(packet))
}

fn put_digest(packet: &mut Packet) {
    packet.has_digest = true;
    packet.groups = std::array::from_fn(|group| 0x0100 + group as u16);
    packet.member_groups = std::array::from_fn(|group| 0x0200 + group as u16);
    packet.filter = vec![7, 0xFFFE];
}

fn put_windows(packet: &mut Packet) {
    packet.windows = [3, 200].map(|shard| Window { shard: Shard(shard), live: 0xCAFE_0001 }).to_vec();
    let seen = |shard, store, ranges: &[_]| LaneSeen { lane: lane(shard, store), seen: intervals(ranges) };
    packet.window_lanes =
        vec![seen(3, Store::Registry, &[(1, 9), (12, 300)]), seen(3, Store::Health, &[(5, 5)])];
}

fn answer(shard: u8, store: Store) -> LaneAnswer {
    let seen = intervals(&[(1, 9), (12, 300)]);
    LaneAnswer { lane: lane(shard, store), seen, live: intervals(&[(9, 9), (200, 201)]), serial: 70_000 }
}

fn put_answers(packet: &mut Packet) {
    packet.answers = vec![Shard(3), Shard(4)];
    packet.answer_lanes = vec![answer(3, Store::Keys), answer(3, Store::Fence)];
}

fn put_beats(packet: &mut Packet) {
    let beat = |node, number, hops| Beat {
        writer: writer(node, BOOT),
        number,
        serial: 90_000,
        age: Span::from_ms(18_000),
        hops,
    };
    packet.beats = vec![beat(ALICE, 1, 0), beat(2, 70_000, 255)];
}

fn put_question(packet: &mut Packet, generation: Option<Minted>, down: bool) {
    packet.question = Some(Question { origin: name("shop"), generation, down });
}

fn datagrams() -> Vec<Example> {
    let example = |name, holds, value| Example { name, holds, value };
    vec![
        example(
            "push",
            "an entry of each body in each of its forms, heartbeats, and to pass it on to a slice",
            packet(PacketKind::Push, |packet| {
                packet.entries = entries();
                packet.relay = Some(Relay { slice: 2, of: 300 });
                put_beats(packet);
            }),
        ),
        example(
            "request",
            "digest, windows, a rumour, news of members, a list of members, whose heartbeats are overdue",
            packet(PacketKind::Request, |packet| {
                put_digest(packet);
                put_windows(packet);
                packet.entries = vec![carried(4, &[], usual_origin())];
                packet.members = members();
                (packet.member_mask, packet.member_filter) = (1 << 63 | 1, vec![1, 0xABCD]);
                packet.overdue = vec![NodeId(ALICE), NodeId(5)];
            }),
        ),
        example(
            "request-of-who-joins",
            "nothing but that the sender joins",
            packet(PacketKind::Request, |packet| packet.joins = true),
        ),
        example(
            "reply",
            "differing groups, two answered shards, heartbeats, members; what fits no datagram is held back",
            packet(PacketKind::Reply, |packet| {
                packet.oversized = true;
                packet.mismatch = 0x8000_0000_0000_0001;
                put_answers(packet);
                put_beats(packet);
                packet.members = members();
            }),
        ),
        example(
            "reply-that-agrees",
            "nothing but that both agree",
            packet(PacketKind::Reply, |packet| packet.agrees = true),
        ),
        example("ping", "who is to be asked, and how often", {
            let subject = Subject { node: NodeId(9), tried: 3, answered: 0 };
            packet(PacketKind::Ping, |packet| packet.subject = Some(subject))
        }),
        example("ack", "what came of asking another", {
            let subject = Subject { node: NodeId(9), tried: 3, answered: 2 };
            packet(PacketKind::Ack, |packet| packet.subject = Some(subject))
        }),
        example("confirm", "which generation of which origin", {
            packet(PacketKind::Confirm, |packet| put_question(packet, Some(minted(17)), false))
        }),
        example("confirmed", "that it was found down", {
            packet(PacketKind::Confirmed, |packet| put_question(packet, Some(minted(17)), true))
        }),
        example("hurry", "which origin", {
            packet(PacketKind::Hurry, |packet| put_question(packet, None, false))
        }),
        example("have", "which write", {
            let dot = Dot { lane: lane(3, Store::Keys), counter: 300 };
            packet(PacketKind::Have, |packet| packet.dot = Some(dot))
        }),
        example("has", "which write", {
            let dot = Dot { lane: lane(3, Store::Keys), counter: 300 };
            packet(PacketKind::Has, |packet| packet.dot = Some(dot))
        }),
    ]
}

fn frames() -> Vec<Example> {
    let example = |name, holds, value| Example { name, holds, value };
    vec![
        example(
            "sync-request",
            "a frame: digest and windows",
            packet(PacketKind::SyncRequest, |packet| {
                put_digest(packet);
                put_windows(packet);
            }),
        ),
        example(
            "sync-answer",
            "a frame: entries, two answered shards, members",
            packet(PacketKind::SyncAnswer, |packet| {
                packet.entries = entries();
                put_answers(packet);
                packet.members = members();
            }),
        ),
        example("sync-done", "a frame: nothing more", packet(PacketKind::SyncDone, |_| {})),
    ]
}

fn records() -> Vec<Example> {
    let record = |name, holds, record| Example { name, holds, value: Value::Record(Box::new(record)) };
    let entry = |carried| Record::Entry { at: Time(1_760_000_000_123_456), carried };
    let known = Member {
        zone: Scope::of_zone(&name("eu")),
        weight: 250,
        life: Life { boot: Boot(BOOT), incarnation: 200 },
        standing: Standing::Dead,
        settings: 0x5E77_1265,
        ..Member::new(name("node-7"), addr())
    };
    let mut records = vec![
        record("record-boot", "the life that begins", Record::Boot(Boot(BOOT))),
        record(
            "record-joined",
            "a shard that was joined",
            Record::Joined(vec![answer(3, Store::Keys), answer(3, Store::Fence)]),
        ),
        record("record-member", "that the node has joined", Record::Member),
        record("record-known", "another member", Record::Known(Box::new(known))),
        record("record-named", "the node's name", Record::Named(name("node-7-0badcafe"))),
    ];
    let names = [
        ("record-origin", "an entry: an origin"),
        ("record-unusual-origin", "an entry: an origin that is checked in another way, and what it replaces"),
        ("record-origin-removed", "an entry: a removed origin"),
        ("record-key", "an entry: a key"),
        ("record-key-deleted", "an entry: a deleted key"),
        ("record-claim", "an entry: a claim, as most are"),
        ("record-confirmed-claim", "an entry: a claim with what confirmers said, and the cause"),
        ("record-late-claim", "an entry: a claim with what confirmers said"),
        ("record-released-claim", "an entry: a claim with its cause"),
        ("record-degraded-claim", "an entry: a claim with its cause"),
        ("record-message", "an entry: a message that is some time old"),
        ("record-fence", "an entry: a fence"),
    ];
    let entries = names.into_iter().zip(entries());
    records.extend(entries.map(|((name, holds), carried)| record(name, holds, entry(carried))));
    records
}

/// All of them.
pub fn examples() -> Vec<Example> {
    datagrams().into_iter().chain([push_with_notes()]).chain(frames()).chain(records()).collect()
}
