//! Strategies for values of every type that is written down, in the form in which a node would build them.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

use heck_core::codec::NUMBER_LIMIT;
use heck_core::effects::Record;
use heck_core::entry::{
    Admin, Ballot, Body, Claim, Confirmation, Covered, Entry, Fence, HealthState, Hold, Minted, OriginSpec,
    Replaced, Scope, Superseded,
};
use heck_core::id::{Addr, Boot, Dot, Lane, Name, NodeId, Shard, Store, StreamId, Writer};
use heck_core::input::{Command, OwnedInput, Verdict};
use heck_core::interval::IntervalSet;
use heck_core::member::{INCARNATION_LIMIT, Life, Member, Standing};
use heck_core::packet::{
    Beat, Card, Carried, GROUPS, LaneAnswer, LaneSeen, MemberUpdate, Packet, PacketKind, Question, Relay,
    Subject, Window,
};
use heck_core::policy::{Policy, Rule, StatusSet};
use heck_core::probe::{Failure, ProbeId, ProbeOutcome, Reply};
use heck_core::settings::Settings;
use heck_core::time::{Span, Time};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

fn name() -> impl Strategy<Value = Name> {
    "[a-zé/.-]{1,20}".prop_map(|text| Name::new(&text).expect("neither empty nor long"))
}

fn writer() -> impl Strategy<Value = Writer> {
    (any::<u64>(), number()).prop_map(|(node, boot)| Writer { node: NodeId(node), boot: Boot(boot) })
}

/// A number that counts events, as far as it may count on the wire.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_u64, 0..=NUMBER_LIMIT]
}

fn counter() -> impl Strategy<Value = u64> {
    prop_oneof![1..10_u64, 1..=NUMBER_LIMIT]
}

fn replaced() -> impl Strategy<Value = Replaced> {
    (minted(), number()).prop_map(|(minted, serial)| Replaced { minted, serial })
}

fn minted() -> impl Strategy<Value = Minted> {
    (writer(), counter()).prop_map(|(writer, counter)| Minted { writer, counter })
}

fn dot() -> impl Strategy<Value = Dot> {
    (any::<u8>(), select(&Store::ALL[..]), minted())
        .prop_map(|(shard, store, minted)| minted.dot(Shard(shard), store))
}

fn bytes() -> impl Strategy<Value = Arc<[u8]>> {
    vec(any::<u8>(), 0..200).prop_map(Into::into)
}

fn span() -> impl Strategy<Value = Span> {
    any::<u64>().prop_map(Span)
}

fn policy() -> impl Strategy<Value = Policy> {
    let rule = prop_oneof![
        (any::<u16>(), any::<u16>()).prop_map(|(rise, fall)| Rule::Streaks { rise, fall }),
        (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(size, threshold, initial)| Rule::Window {
            size,
            threshold,
            initial
        }),
    ];
    let range = (100..600_u16, 100..600_u16).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let expected = vec(range, 1..5).prop_map(|ranges| StatusSet::new(&ranges).expect("valid ranges"));
    let slow = option::of(span().prop_filter("no slowness at all is none", |slow| *slow != Span::ZERO));
    (span(), span(), span(), rule, slow, expected, option::of(any::<u8>())).prop_map(
        |(interval, fast_interval, timeout, rule, slow, expected, confirmers)| Policy {
            interval,
            fast_interval,
            timeout,
            rule,
            slow,
            expected,
            confirmers,
        },
    )
}

fn spec() -> impl Strategy<Value = OriginSpec> {
    let admin = select(&[Admin::Enabled, Admin::Draining, Admin::Disabled][..]);
    (".{0,40}", admin, policy()).prop_map(|(target, admin, policy)| OriginSpec {
        target: target.as_str().into(),
        admin,
        policy: Arc::new(policy),
    })
}

fn confirmation() -> impl Strategy<Value = Confirmation> {
    (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(a, b, c)| {
        let mut sorted = [a, b, c];
        sorted.sort_unstable();
        Confirmation { asked: sorted[2], answered: sorted[1], agreed: sorted[0] }
    })
}

/// News of a member, with its card or without.
fn question() -> impl Strategy<Value = Question> {
    let parts = (name(), option::of(minted()), any::<bool>());
    parts.prop_map(|(origin, generation, down)| Question { origin, generation, down })
}

fn health_state() -> impl Strategy<Value = HealthState> {
    select(
        &[
            HealthState::Unknown,
            HealthState::Healthy,
            HealthState::Unhealthy,
            HealthState::Degraded,
            HealthState::Draining,
        ][..],
    )
}

fn hold() -> impl Strategy<Value = Hold> {
    select(&[Hold::Held, Hold::Late, Hold::Released][..])
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        any::<u16>().prop_map(Reply::Status),
        Just(Reply::Connected),
        (0..6_u8).prop_map(|number| Reply::Failed(Failure::from_u8(number).expect("one of six"))),
    ]
}

/// A claim whose ballot names another writer than the entry's; [`entry`] puts that right.
fn claim() -> impl Strategy<Value = Claim> {
    let states = (health_state(), health_state(), hold(), confirmation(), option::of(reply()));
    let ballot = (number(), any::<u64>(), number(), any::<u64>());
    (any::<u64>(), name(), minted(), ballot, states).prop_map(
        |(
            scope,
            origin,
            generation,
            (epoch, rank, sequence, since),
            (state, previous, hold, confirmation, cause),
        )| Claim {
            scope: Scope(scope),
            origin,
            generation,
            ballot: Ballot { epoch, rank, writer: Writer::default(), sequence },
            hold,
            state,
            previous,
            since: Time(since),
            confirmation,
            cause,
        },
    )
}

/// A fence whose lives may not be over yet; [`entry`] puts that right.
fn fence() -> impl Strategy<Value = Fence> {
    let serials = [number(), number(), number(), number()];
    let covered = (number(), serials).prop_map(|(boot, serials)| Covered { boot: Boot(boot), serials });
    (number(), vec(covered, 0..4)).prop_map(|(boot, mut covered)| {
        covered.sort_unstable();
        covered.dedup_by_key(|covered| covered.boot);
        let boot = covered.last().map_or(boot, |last| last.boot.0.max(boot));
        Fence { boot: Boot(boot), covered }
    })
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        (name(), spec(), name()).prop_map(|(name, spec, source)| Body::Origin { name, spec, source }),
        name().prop_map(|name| Body::OriginRemoved { name }),
        (name(), bytes()).prop_map(|(name, value)| Body::Key { name, value }),
        name().prop_map(|name| Body::KeyDeleted { name }),
        claim().prop_map(Body::Claim),
        (name(), bytes()).prop_map(|(topic, payload)| Body::Message { topic, payload }),
        fence().prop_map(|fence| Body::Fence(Arc::new(fence))),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    (writer(), counter(), number(), vec(replaced(), 0..4), body()).prop_map(
        |(mut writer, counter, serial, supersedes, mut body)| {
            match &mut body {
                Body::Claim(claim) => claim.ballot.writer = writer,
                Body::Fence(fence) => {
                    writer.boot = writer.boot.max(Boot(1));
                    let fence = Arc::make_mut(fence);
                    fence.boot.0 %= writer.boot.0;
                    fence.covered.retain(|covered| covered.boot <= fence.boot);
                }
                _ => {}
            }
            let supersedes = Superseded::from_vec(supersedes);
            let supersedes = if body.map_name().is_some() { supersedes } else { Superseded::new() };
            Entry::new(writer, counter, serial, supersedes, body)
        },
    )
}

fn carried() -> impl Strategy<Value = Carried> {
    (entry(), span()).prop_map(|(entry, age)| Carried { entry: Arc::new(entry), age })
}

fn intervals() -> impl Strategy<Value = IntervalSet> {
    vec(counter(), 0..8).prop_map(|counters| counters.into_iter().collect())
}

/// Lanes of some shards, in the order in which a packet lists them.
fn lanes<T: std::fmt::Debug>(
    content: impl Strategy<Value = T>,
) -> impl Strategy<Value = (Vec<Shard>, Vec<(Lane, T)>)> {
    let lane = (any::<u8>(), select(&Store::ALL[..]), writer()).prop_map(|(shard, store, writer)| Lane {
        shard: Shard(shard % 8),
        store,
        writer,
    });
    (btree_map(lane, content, 0..8), btree_set(any::<u8>(), 0..4)).prop_map(|(lanes, without_lanes)| {
        let mut shards: Vec<Shard> = lanes.keys().map(|lane| lane.shard).collect();
        shards.extend(without_lanes.into_iter().filter(|shard| *shard >= 8).map(Shard));
        shards.dedup();
        (shards, lanes.into_iter().collect())
    })
}

fn answer_lanes() -> impl Strategy<Value = (Vec<Shard>, Vec<LaneAnswer>)> {
    let seen = (counter(), intervals()).prop_map(|(counter, mut seen)| {
        seen.insert(counter);
        seen
    });
    lanes((seen, any::<bool>(), number())).prop_map(|(shards, lanes)| {
        let answer = |(lane, (seen, all_live, serial)): (Lane, (IntervalSet, bool, u64))| {
            let live = if all_live { seen.clone() } else { IntervalSet::new() };
            LaneAnswer { lane, seen, live, serial }
        };
        (shards, lanes.into_iter().map(answer).collect())
    })
}

fn windows() -> impl Strategy<Value = (Vec<Window>, Vec<LaneSeen>)> {
    (lanes(intervals()), any::<u32>()).prop_map(|((shards, lanes), live)| {
        let windows = shards.into_iter().map(|shard| Window { shard, live }).collect();
        (windows, lanes.into_iter().map(|(lane, seen)| LaneSeen { lane, seen }).collect())
    })
}

fn beat() -> impl Strategy<Value = Beat> {
    (writer(), 1..=u32::MAX, number(), any::<u32>(), any::<u8>()).prop_map(
        |(writer, number, serial, age_ms, hops)| {
            let age = Span::from_ms(age_ms.into());
            Beat { writer, number, serial, age, hops }
        },
    )
}

fn relay() -> impl Strategy<Value = Relay> {
    (1..=u16::MAX).prop_flat_map(|of| (0..of).prop_map(move |slice| Relay { slice, of }))
}

fn digest() -> impl Strategy<Value = Option<([u16; GROUPS], Vec<u16>)>> {
    option::of((any::<[u16; 32]>(), vec(any::<u16>(), 0..30)).prop_map(|(half, filter)| {
        let mut groups = [0; GROUPS];
        groups[..32].copy_from_slice(&half);
        (groups, filter)
    }))
}

/// A list of members has a group at least.
fn member_list() -> impl Strategy<Value = (u64, Vec<u16>)> {
    let list = (any::<u64>(), vec(any::<u16>(), 0..30));
    list.prop_map(|(mask, filter)| if mask == 0 { (0, Vec::new()) } else { (mask, filter) })
}

fn card() -> impl Strategy<Value = Card> {
    let settings = prop_oneof![Just(Settings::USUAL), any::<u64>()];
    (name(), addr(), any::<u64>(), any::<u16>(), settings).prop_map(|(name, addr, zone, weight, settings)| {
        Card { name, addr, zone: Scope(zone), weight, settings }
    })
}

fn life() -> impl Strategy<Value = Life> {
    (number(), 0..=INCARNATION_LIMIT).prop_map(|(boot, incarnation)| Life { boot: Boot(boot), incarnation })
}

fn standing() -> impl Strategy<Value = Standing> {
    select(vec![Standing::Alive, Standing::Suspect, Standing::Dead, Standing::Left])
}

fn member_update() -> impl Strategy<Value = MemberUpdate> {
    (any::<u64>(), life(), standing(), span(), any::<u64>(), option::of(card())).prop_map(
        |(node, life, standing, age, accuser, card)| {
            let node = card.as_ref().map_or(NodeId(node), |card| NodeId::of(&card.name));
            MemberUpdate { node, life, standing, age, accuser: NodeId(accuser), card }
        },
    )
}

fn subject() -> impl Strategy<Value = Subject> {
    (any::<u64>(), any::<u8>(), any::<u8>()).prop_map(|(node, a, b)| Subject {
        node: NodeId(node),
        tried: a.max(b),
        answered: a.min(b),
    })
}

/// A packet in the form in which a node would build it.
pub fn packet() -> impl Strategy<Value = Packet> {
    let members = (
        vec(member_update(), 0..4),
        option::of(subject()),
        any::<u16>(),
        option::of(question()),
        member_list(),
        option::of(dot()),
        vec(any::<u64>().prop_map(NodeId), 0..4),
    );
    let header = (0..13_u8, any::<u64>(), any::<u32>(), any::<u64>(), any::<[bool; 2]>(), any::<u64>());
    let content = (vec(carried(), 0..4), answer_lanes(), windows(), vec(beat(), 0..4), option::of(relay()));
    (header, digest(), content, members).prop_map(
        |((kind, sender, nonce, hash, [agrees, oversized], mismatch), digest, content, members)| {
            let mut packet = Packet {
                kind: PacketKind::from_u8(kind).expect("there are thirteen kinds"),
                sender: NodeId(sender),
                nonce,
                hash,
                agrees,
                oversized,
                mismatch,
                ..Packet::default()
            };
            if let Some((groups, filter)) = digest {
                packet.has_digest = true;
                (packet.groups, packet.filter) = (groups, filter);
                packet.member_groups[7] = members.2;
            }
            (packet.members, packet.subject) = (members.0, members.1);
            (packet.entries, packet.beats, packet.relay) = (content.0, content.3, content.4);
            (packet.answers, packet.answer_lanes) = content.1;
            (packet.windows, packet.window_lanes) = content.2;
            packet.question = members.3;
            (packet.member_mask, packet.member_filter) = members.4;
            packet.dot = members.5;
            packet.overdue = members.6;
            packet
        },
    )
}

/// A record of any kind.
pub fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        any::<u64>().prop_map(|boot| Record::Boot(Boot(boot))),
        (any::<u64>(), carried()).prop_map(|(at, carried)| Record::Entry { at: Time(at), carried }),
        answer_lanes().prop_map(|(_, lanes)| Record::Joined(lanes)),
        Just(Record::Member),
        (life(), standing(), card()).prop_map(|(life, standing, card)| {
            let Card { name, addr, zone, weight, settings } = card;
            Record::Known(Box::new(Member {
                zone,
                weight,
                life,
                standing,
                settings,
                ..Member::new(name, addr)
            }))
        }),
        name().prop_map(Record::Named),
    ]
}

fn addr() -> impl Strategy<Value = Addr> {
    (any::<[u8; 16]>(), any::<u16>()).prop_map(|(ip, port)| Addr { ip, port })
}

fn stream() -> impl Strategy<Value = StreamId> {
    any::<u64>().prop_map(StreamId)
}

fn command() -> impl Strategy<Value = Command> {
    // Longer notes than a node takes are commands as well.
    (plain_command(), vec(any::<u8>(), 0..100)).prop_map(|(command, note)| command.with_note(&note))
}

fn plain_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        vec(addr(), 0..4).prop_map(|peers| Command::Join { peers: peers.into() }),
        Just(Command::Leave),
        (addr(), any::<u64>(), any::<u16>()).prop_map(|(addr, zone, weight)| Command::Describe {
            addr,
            zone: Scope(zone),
            weight
        }),
        (name(), spec(), name()).prop_map(|(name, spec, source)| Command::PutOrigin { name, spec, source }),
        name().prop_map(|name| Command::CheckNow { name }),
        (dot(), any::<u16>()).prop_map(|(dot, count)| Command::AwaitPeers { dot, count }),
        any::<u64>().prop_map(|of| Command::StopWaiting { of }),
        name().prop_map(|name| Command::RemoveOrigin { name }),
        (name(), bytes()).prop_map(|(name, value)| Command::PutKey { name, value }),
        name().prop_map(|name| Command::DeleteKey { name }),
        (name(), bytes()).prop_map(|(topic, payload)| Command::Publish { topic, payload }),
    ]
}

/// An input of any kind.
pub fn input() -> impl Strategy<Value = OwnedInput> {
    let verdict = (any::<u64>(), name(), health_state(), hold())
        .prop_map(|(scope, origin, state, hold)| Verdict { scope: Scope(scope), origin, state, hold });
    let probe = (any::<u64>(), reply(), span()).prop_map(|(probe, reply, took)| ProbeOutcome {
        probe: ProbeId(probe),
        reply,
        took,
    });
    prop_oneof![
        Just(OwnedInput::Timeout),
        (addr(), packet()).prop_map(|(from, packet)| OwnedInput::Datagram { from, packet: Box::new(packet) }),
        (stream(), addr(), any::<bool>()).prop_map(|(stream, peer, ours)| OwnedInput::StreamOpened {
            stream,
            peer,
            ours
        }),
        addr().prop_map(|peer| OwnedInput::StreamRefused { peer }),
        (stream(), packet())
            .prop_map(|(stream, packet)| OwnedInput::StreamFrame { stream, packet: Box::new(packet) }),
        stream().prop_map(|stream| OwnedInput::StreamClosed { stream }),
        verdict.prop_map(OwnedInput::Verdict),
        probe.prop_map(OwnedInput::Probe),
        any::<u64>().prop_map(|up_to| OwnedInput::Persisted { up_to }),
        (any::<u64>(), command()).prop_map(|(token, command)| OwnedInput::Command { token, command }),
    ]
}
