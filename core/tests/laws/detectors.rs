//! SWIM and Lifeguard, to compare with: one node of each among peers that say what a test tells them to.

use crate::common::{addr, name};
use crate::law::{Law, Trial};
use heck_core::config::{Config, Detector, MembershipConfig};
use heck_core::effects::{Effects, Event};
use heck_core::id::{Addr, Boot, NodeId};
use heck_core::input::Input;
use heck_core::member::{Life, Member, Members, Standing};
use heck_core::mutant::Planted;
use heck_core::node::{Base, Identity, Node};
use heck_core::packet::{MemberUpdate, Packet, PacketKind, Subject};
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::sync::Arc;

/// What a peer does with a ping.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Answers,
    Silent,
    /// Silent itself, but it is reached by those who are asked to ask.
    Detour,
}

/// A node that is watched, number 0, and what it did.
struct Watched {
    node: Node,
    now: Time,
    peers: Vec<Peer>,
    sent: Vec<(Time, Addr, Packet)>,
    events: Vec<(Time, Event)>,
}

fn node(at: usize) -> NodeId {
    NodeId::of(&name(&format!("node-{at}")))
}

impl Watched {
    fn new(count: usize, membership: MembershipConfig, planted: Planted) -> Self {
        let config = Config { membership: Some(membership), planted, ..Config::default() };
        config.validate().expect("valid settings");
        let member = |n| Member::new(name(&format!("node-{n}")), addr(n)).in_life(Boot(1));
        let members = Members::new((0..count).map(member).collect());
        let base = Arc::new(Base { members, formed: true, ..Base::default() });
        let identity = Identity::new(name("node-0"), Boot(1), addr(0));
        let node = Node::new(identity, Arc::new(config), &base, None, Seed(1), Time::ZERO);
        let peers = vec![Peer::Answers; count];
        Self { node, now: Time::ZERO, peers, sent: Vec::new(), events: Vec::new() }
    }

    fn of(detector: Detector) -> Self {
        Self::new(20, MembershipConfig { detector, ..MembershipConfig::default() }, Planted::NONE)
    }

    /// Steps the node, and has its peers answer at once.
    fn step(&mut self, input: Input<'_>) {
        let mut effects = Effects::default();
        self.node.step(self.now, input, &mut effects);
        let now = self.now;
        self.events.extend(effects.events.drain(..).map(|event| (now, event)));
        for datagram in effects.datagrams.drain(..) {
            for &to in &effects.targets[datagram.to.start as usize..datagram.to.end as usize] {
                self.sent.push((now, to, datagram.packet.clone()));
                self.answer(to, &datagram.packet);
            }
        }
    }

    fn answer(&mut self, to: Addr, packet: &Packet) {
        let at = (1..self.peers.len()).find(|&at| addr(at) == to).expect("a peer");
        let asks = matches!(packet.kind, PacketKind::Request | PacketKind::Ping);
        let reaches = |subject: Subject| {
            let is_subject = |&other: &usize| node(other) == subject.node;
            let other = (1..self.peers.len()).find(is_subject).expect("a peer");
            matches!(self.peers[other], Peer::Answers | Peer::Detour)
        };
        let answered = match (self.peers[at], packet.subject) {
            (Peer::Answers, None) => None,
            (Peer::Answers | Peer::Detour, Some(subject)) => {
                Some(Subject { answered: u8::from(reaches(subject)), ..subject })
            }
            _ => return,
        };
        if asks {
            self.hears(at, PacketKind::Ack, |ack| (ack.nonce, ack.subject) = (packet.nonce, answered));
        }
    }

    fn hears(&mut self, from: usize, kind: PacketKind, fill: impl FnOnce(&mut Packet)) {
        let mut packet = Packet::default();
        packet.reset(kind, node(from));
        fill(&mut packet);
        self.step(Input::Datagram { from: addr(from), packet: &packet });
    }

    fn hears_suspicion(&mut self, accuser: usize, suspect: usize) {
        let life = Life { boot: Boot(1), incarnation: 0 };
        let (standing, age) = (Standing::Suspect, Span::ZERO);
        let update =
            MemberUpdate { node: node(suspect), life, standing, age, accuser: node(accuser), card: None };
        self.hears(accuser, PacketKind::Push, |push| push.members.push(update));
    }

    fn run_until(&mut self, end: Time) {
        loop {
            let (wake, _) = self.node.next_wake();
            if wake > end {
                break;
            }
            self.now = self.now.max(wake);
            self.step(Input::Timeout);
        }
        self.now = end;
    }

    fn run_for(&mut self, span: Span) {
        self.run_until(self.now + span);
    }

    fn when(&self, about: usize, held: Standing) -> Option<Time> {
        let is_it = |event: &Event| matches!(event, Event::Member { node: who, standing } if *who == node(about) && *standing == held);
        self.events.iter().find(|(_, event)| is_it(event)).map(|(time, _)| *time)
    }

    /// When a peer was asked in a round, and when others were asked to ask it.
    fn asked(&self, about: usize) -> (Vec<Time>, Vec<(Time, Addr)>) {
        let rounds = self
            .sent
            .iter()
            .filter(|(_, to, packet)| packet.kind == PacketKind::Request && *to == addr(about));
        let helps = self
            .sent
            .iter()
            .filter(|(_, _, packet)| packet.subject.is_some_and(|subject| subject.node == node(about)));
        (rounds.map(|(time, ..)| *time).collect(), helps.map(|(time, to, _)| (*time, *to)).collect())
    }

    fn silence(&mut self, about: usize) {
        self.peers[about] = Peer::Silent;
    }
}

pub const SUSPICIONS_LAST: Law = Law {
    name: "a suspicion lasts as long as the formula says, for whoever was first and however often each says it",
    seed: 83,
    cases: 150,
    check: suspicions_last,
};

/// max - (max - min) ln(n + 1) / ln(k + 1) for k = 3 (Dadgar et al. 2018, IV-B), in seconds.
fn formula(config: &MembershipConfig, live: usize, confirmations: usize) -> f64 {
    let period_s = config.period.as_us() as f64 / 1e6;
    let min = f64::from(config.suspicion_percent()) / 100.0 * (live as f64).log10().max(1.0) * period_s;
    let max = min * f64::from(config.suspicion_max_factor);
    let lasts = max - (max - min) * (confirmations as f64 + 1.0).ln() / 4_f64.ln();
    if config.detector == Detector::Swim || live < 5 { min } else { lasts }
}

/// So far the straight lines between the logarithms in the core's table are off, at most.
const TOLERANCE: f64 = 0.025;

fn suspicions_last(trial: &Trial) -> Result<(), String> {
    let accusations = prop::collection::vec((1_usize..6, 0_u64..30_000), 1..8);
    let settings = (4_usize..150, any::<bool>(), 300_u64..1_500, 100_u32..800, 1_u32..8);
    trial.for_all(
        &(settings, accusations),
        |((live, is_swim, period_ms, percent, max_factor), mut accusations), planted| {
            let config = MembershipConfig {
                detector: if is_swim { Detector::Swim } else { Detector::Lifeguard },
                period: Span::from_ms(period_ms),
                timeout: Span::from_ms(100),
                suspicion_factor_percent: Some(percent),
                suspicion_max_factor: max_factor,
                ..MembershipConfig::default()
            };
            accusations.sort_by_key(|&(_, ms)| ms);
            // The last one is suspected by some of those before it.
            let suspect = live - 1;
            let mut watched = Watched::new(live, config.clone(), planted);
            watched.run_for(Span::from_secs(1));
            let began = watched.now + Span::from_ms(accusations[0].1);
            let (mut accusers, mut lasts) = (Vec::new(), f64::INFINITY);
            for (accuser, ms) in accusations {
                let accuser = 1 + accuser % (live - 2);
                let at = Time::ZERO + Span::from_secs(1) + Span::from_ms(ms);
                let since = at.since(began).as_us() as f64 / 1e6;
                // Too close to call.
                prop_assume!((since - lasts).abs() > TOLERANCE * lasts || lasts.is_infinite());
                if since > lasts {
                    break;
                }
                watched.run_until(at);
                watched.hears_suspicion(accuser, suspect);
                if !accusers.contains(&accuser) && accusers.len() < 4 {
                    accusers.push(accuser);
                }
                lasts = formula(&config, live, accusers.len() - 1);
                // A confirmation may leave no time at all.
                lasts = lasts.max(since);
            }
            watched.run_for(Span::from_secs(300));
            let died = watched.when(suspect, Standing::Dead);
            let lasted = died.map(|died| died.since(began).as_us() as f64 / 1e6);
            let is_right = lasted.is_some_and(|lasted| (lasted - lasts).abs() <= TOLERANCE * lasts + 0.001);
            prop_assert!(is_right, "{lasted:?} s, not {lasts}");
            Ok(())
        },
    )
}

#[test]
fn suspicions_last_as_long_as_the_formula_says() {
    SUSPICIONS_LAST.hold();
}

#[test]
fn who_does_not_answer_is_asked_through_three_others_and_suspected_at_the_end_of_the_period() {
    for detector in [Detector::Swim, Detector::Lifeguard] {
        let mut watched = Watched::of(detector);
        watched.silence(7);
        watched.run_for(Span::from_secs(25));
        let (rounds, helps) = watched.asked(7);
        let first = rounds[0];
        let mut helpers: Vec<Addr> = helps
            .iter()
            .take_while(|(time, _)| *time < first + Span::from_secs(1))
            .map(|(_, to)| *to)
            .collect();
        assert!(helps[..3].iter().all(|(time, _)| *time == first + Span::from_ms(500)), "{helps:?}");
        helpers.dedup();
        assert_eq!(helpers.len(), 3, "three different ones, once");
        assert_eq!(watched.when(7, Standing::Suspect), Some(first + Span::from_secs(1)));
        let dead = watched.when(7, Standing::Dead).unwrap_or(Time::NEVER);
        // The dead are asked to refute, by whatever detector.
        let is_ping = |(time, to, packet): &&(Time, Addr, Packet)| {
            packet.kind == PacketKind::Ping && *to == addr(7) && *time < dead
        };
        let pings = watched.sent.iter().filter(is_ping);
        assert_eq!(pings.count(), 0, "asked directly once");
    }
}

#[test]
fn who_is_reached_through_others_is_not_suspected() {
    for detector in [Detector::Swim, Detector::Lifeguard] {
        let mut watched = Watched::of(detector);
        watched.peers[7] = Peer::Detour;
        watched.run_for(Span::from_secs(60));
        assert!(watched.asked(7).1.len() >= 3);
        assert_eq!(watched.when(7, Standing::Suspect), None);
    }
}

/// How often a node asked for help in a minute in which nobody answered it. Nobody is buried so soon.
fn helped_in_vain(detector: Detector, silence: Peer) -> usize {
    let config =
        MembershipConfig { detector, suspicion_factor_percent: Some(10_000), ..MembershipConfig::default() };
    let mut watched = Watched::new(40, config, Planted::NONE);
    watched.peers[1..].fill(silence);
    watched.run_for(Span::from_secs(60));
    let mut times: Vec<Time> = (1..40).flat_map(|at| watched.asked(at).1).map(|(time, _)| time).collect();
    times.sort();
    times.dedup();
    times.len()
}

#[test]
fn whom_nobody_answers_asks_ever_more_seldom_in_lifeguard_only() {
    let swim = helped_in_vain(Detector::Swim, Peer::Silent);
    assert!((35..=60).contains(&swim), "{swim}: as long as someone is left to help");
    // Two marks for each probe, as helpers are silent too: periods of 1, 3, 5, 7 and then 9 s.
    let lifeguard = helped_in_vain(Detector::Lifeguard, Peer::Silent);
    assert!((8..=10).contains(&lifeguard), "{lifeguard}");
}

fn helper_says(detector: Detector, late: bool) -> Vec<(u64, u8)> {
    let mut watched = Watched::of(detector);
    watched.silence(7);
    watched.run_for(Span::from_secs(2));
    let subject = Subject { node: node(7), tried: 1, answered: 0 };
    let asked = watched.now;
    watched.hears(3, PacketKind::Ping, |ping| (ping.nonce, ping.subject) = (99, Some(subject)));
    if late {
        watched.run_for(Span::from_ms(450));
        let ping = watched
            .sent
            .iter()
            .rev()
            .find(|(_, to, packet)| *to == addr(7) && packet.kind == PacketKind::Ping);
        let nonce = ping.expect("it was asked").2.nonce;
        watched.hears(7, PacketKind::Ack, |ack| ack.nonce = nonce);
    }
    watched.run_for(Span::from_secs(2));
    let told = watched
        .sent
        .iter()
        .filter(|(_, to, packet)| *to == addr(3) && packet.kind == PacketKind::Ack && packet.nonce == 99);
    told.map(|(time, _, packet)| {
        (time.since(asked).as_us() / 1_000, packet.subject.expect("a subject").answered)
    })
    .collect()
}

#[test]
fn a_helper_says_that_it_asks_in_vain_after_80_percent_of_the_timeout_in_lifeguard_only() {
    assert_eq!(helper_says(Detector::Lifeguard, false), [(400, 0)]);
    assert_eq!(helper_says(Detector::Swim, false), []);
    assert_eq!(helper_says(Detector::Lifeguard, true), [(400, 0), (450, 1)], "and what comes later");
    assert_eq!(helper_says(Detector::Swim, true), [(450, 1)]);
}

#[test]
fn a_suspect_that_is_asked_hears_of_it_first_in_lifeguard_only() {
    for (detector, is_told) in [(Detector::Lifeguard, true), (Detector::Swim, false)] {
        let config = MembershipConfig {
            detector,
            suspicion_factor_percent: Some(2_000),
            ..MembershipConfig::default()
        };
        let mut watched = Watched::new(10, config, Planted::NONE);
        watched.hears_suspicion(3, 7);
        // By then the news itself has been told as often as it is.
        watched.run_for(Span::from_secs(19));
        let requests: Vec<_> = watched
            .sent
            .iter()
            .filter(|(time, to, packet)| {
                packet.kind == PacketKind::Request
                    && *to == addr(7)
                    && *time > Time::ZERO + Span::from_secs(3)
            })
            .collect();
        assert!(!requests.is_empty());
        for (_, _, packet) in requests {
            let first = packet.members.first().map(|update| (update.node, update.standing));
            assert_eq!(first == Some((node(7), Standing::Suspect)), is_told);
        }
    }
}

#[test]
fn a_confirmation_is_passed_on_in_lifeguard_only() {
    for (detector, is_passed) in [(Detector::Lifeguard, true), (Detector::Swim, false)] {
        let mut watched = Watched::of(detector);
        watched.hears_suspicion(3, 7);
        watched.run_for(Span::from_secs(5));
        watched.hears_suspicion(4, 7);
        watched.run_for(Span::from_secs(1));
        let named = |packet: &Packet| packet.members.iter().any(|update| update.accuser == node(4));
        assert_eq!(watched.sent.iter().any(|(_, _, packet)| named(packet)), is_passed);
    }
}

#[test]
fn news_goes_to_three_members_every_200_ms_and_a_dozen_times_in_all() {
    let config = MembershipConfig { detector: Detector::Swim, ..MembershipConfig::default() };
    let mut watched = Watched::new(100, config, Planted::NONE);
    watched.run_for(Span::from_secs(1));
    let heard = watched.now;
    watched.hears_suspicion(3, 7);
    watched.run_for(Span::from_secs(5));
    let told = watched.sent.iter().filter(|(time, _, packet)| {
        *time >= heard && packet.members.iter().any(|update| update.node == node(7))
    });
    // 4 times for each digit of the number of members, whatever packet it rides on.
    assert_eq!(told.clone().count(), 12);
    let mut pushes: Vec<u64> = told
        .filter(|(_, _, packet)| packet.kind == PacketKind::Push)
        .map(|(time, ..)| time.since(heard).as_us() / 1_000)
        .collect();
    assert!(pushes.chunks(3).all(|told| told.iter().all(|time| *time == told[0])), "{pushes:?}");
    pushes.dedup();
    assert!(pushes.windows(2).all(|pair| pair[1] - pair[0] == 200), "{pushes:?}");
}
