//! Two detectors to compare with: plain SWIM (Das et al. 2002) as memberlist runs it, and Lifeguard (Dadgar et al. 2018) on
//! top of it.
//!
//! Both ask one member in a period. One that does not answer in time is asked through others, and suspected when
//! nothing came by the end of the period; a suspect that does not refute is buried by everyone's own timer. News is
//! gossiped every 200 ms to three members as well as on what is sent anyway. SWIM's timers are fixed. Lifeguard
//! scales its probes by [`LocalHealth`], has helpers say when they ask in vain, shortens a suspicion as others
//! confirm it, and tells a suspect first.
//!
//! None of heck's own ways counts here: no evidence, no announcement to all, no allowance for loss or for having been
//! asleep. What is not part of a detector is shared with them: lists are compared in rounds of repair, and the dead
//! are asked now and then. The second ping that memberlist makes by TCP is left out.

use super::local_health::LocalHealth;
use super::suspicion::{CONFIRMATIONS, timeout};
use super::{Local, Membership};
use crate::codec::{SECTION_OVERHEAD, packet_len};
use crate::config::{Detector, MembershipConfig};
use crate::effects::Effects;
use crate::id::NodeId;
use crate::member::{Life, Member, Standing};
use crate::mutant::{Mutant, Planted};
use crate::packet::{PacketKind, Subject};
use crate::time::{Span, Time};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use smallvec::SmallVec;

/// How often a node gossips while there is news, to how many, and how often it tells each piece, per digit of the
/// number of members: memberlist's settings for a local network.
const GOSSIP_INTERVAL: Span = Span::from_ms(200);
const GOSSIP_FANOUT: u32 = 3;
const SENDS_PER_DIGIT: u32 = 4;
/// For so long the dead are gossiped to like the living, so that they can refute.
const GOSSIP_TO_DEAD: Span = Span::from_secs(30);

/// One member being asked.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Probe {
    node: NodeId,
    nonce: u32,
    /// When others are asked to ask; never again once they are.
    help_at: Time,
    ends: Time,
    helpers: SmallVec<[Helper; 4]>,
}

/// One who was asked to ask.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Helper {
    node: NodeId,
    nonce: u32,
    has_spoken: bool,
}

/// A suspicion on its way to a burial.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Suspicion {
    life: Life,
    began: Time,
    pub ends: Time,
    /// The first one suspects; each other one confirms.
    accusers: SmallVec<[NodeId; 4]>,
}

impl Suspicion {
    pub fn new(life: Life, accuser: NodeId, config: &MembershipConfig, live: usize, now: Time) -> Self {
        let mut suspicion = Self { life, began: now, ends: now, accusers: SmallVec::new() };
        suspicion.accusers.push(accuser);
        suspicion.set_end(config, live);
        suspicion
    }

    /// Takes in who else suspects the member, in Lifeguard only. Whether that is news to pass on.
    pub fn confirm(
        &mut self,
        accuser: NodeId,
        config: &MembershipConfig,
        live: usize,
        planted: Planted,
    ) -> bool {
        let is_news = config.detector == Detector::Lifeguard
            && self.accusers.len() <= CONFIRMATIONS
            && (!self.accusers.contains(&accuser) || planted.is(Mutant::ConfirmOneself));
        if is_news {
            self.accusers.push(accuser);
            self.set_end(config, live);
        }
        is_news
    }

    fn set_end(&mut self, config: &MembershipConfig, live: usize) {
        // Besides the suspect and its first accuser there must be enough others to confirm: without them nobody waits for that.
        let can_confirm = config.detector == Detector::Lifeguard && live >= CONFIRMATIONS + 2;
        let confirmations = can_confirm.then(|| self.accusers.len() - 1);
        self.ends = self.began + timeout(config, live, confirmations);
    }
}

/// What such a detector remembers. It stays empty where members are found dead by evidence.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Swim {
    detector: Detector,
    health: LocalHealth,
    probes: Vec<Probe>,
    suspicions: BTreeMap<NodeId, Suspicion>,
    next_probe: Time,
    next_gossip: Time,
    /// Who is asked next and is to hear first what is said of it: Lifeguard's buddy system.
    buddy: Option<NodeId>,
}

impl Swim {
    pub fn new(detector: Detector) -> Self {
        Self {
            detector,
            health: LocalHealth::default(),
            probes: Vec::new(),
            suspicions: BTreeMap::new(),
            next_probe: Time::ZERO,
            next_gossip: Time::ZERO,
            buddy: None,
        }
    }

    /// Whether members are found dead by SWIM or Lifeguard.
    pub fn is_on(&self) -> bool {
        self.detector != Detector::Evidence
    }

    pub fn is_lifeguard(&self) -> bool {
        self.detector == Detector::Lifeguard
    }

    /// Whether a suspect that is asked hears first what is said of it: the buddy system of Lifeguard.
    pub fn tells_suspects(&self) -> bool {
        self.detector != Detector::Swim
    }

    /// This node had to refute.
    pub fn refuted(&mut self) {
        self.health.refuted();
    }

    /// The member has spoken for itself, or is gone.
    pub fn forget(&mut self, node: NodeId) {
        self.suspicions.remove(&node);
    }

    pub fn note_peer(&mut self, peer: &Member) {
        let is_buddy = self.is_lifeguard() && peer.standing == Standing::Suspect;
        self.buddy = is_buddy.then_some(peer.node);
    }

    /// Whom the packet goes to that is being filled, if it is to hear first what is said of it.
    pub const fn take_buddy(&mut self) -> Option<NodeId> {
        self.buddy.take()
    }

    pub fn sizes(&self) -> [usize; 2] {
        [self.suspicions.len(), self.probes.len()]
    }

    /// How often a piece of news is told.
    pub fn sends(members: usize) -> u32 {
        // ceil(log10(n + 1)) is the number of digits of n.
        SENDS_PER_DIGIT * members.checked_ilog10().map_or(0, |log| log + 1)
    }

    pub fn next_wake(&self, has_news: bool) -> Time {
        let probes = self.probes.iter().map(|probe| probe.help_at.min(probe.ends));
        let suspicions = self.suspicions.values().map(|suspicion| suspicion.ends);
        let gossip = (has_news && self.is_on()).then_some(self.next_gossip);
        probes.chain(suspicions).chain(gossip).min().unwrap_or(Time::NEVER)
    }

    /// A round asks a member. Where local health is bad, not every round is a probe.
    pub fn asked(&mut self, node: NodeId, nonce: u32, local: &Local<'_>) {
        let (now, period) = (local.now, local.config.period);
        // Rounds come a little early or late as clocks and stalls go.
        if now + Span(period.as_us() / 4) < self.next_probe {
            return;
        }
        let health = if self.is_lifeguard() { self.health } else { LocalHealth::default() };
        let ends = now + health.scale(period);
        let help_at = now + health.scale(local.config.timeout);
        self.next_probe = ends;
        self.probes.push(Probe { node, nonce, help_at, ends, helpers: SmallVec::new() });
    }

    /// Whether it was a probe that was answered.
    pub fn answered(&mut self, by: NodeId, nonce: u32) {
        if let Some(at) = self.probes.iter().position(|probe| (probe.node, probe.nonce) == (by, nonce)) {
            self.probes.swap_remove(at);
            self.health.probe_answered();
        }
    }

    /// A helper reached the member, or says that it asked in vain.
    pub fn reported(&mut self, helper: NodeId, nonce: u32, subject: Subject) {
        let is_it = |asked: &Helper| (asked.node, asked.nonce) == (helper, nonce);
        let is_asked = |probe: &Probe| probe.node == subject.node && probe.helpers.iter().any(is_it);
        let Some(at) = self.probes.iter().position(is_asked) else { return };
        if subject.answered > 0 {
            self.answered(subject.node, self.probes[at].nonce);
        } else {
            let spoke = self.probes[at].helpers.iter_mut().filter(|asked| is_it(asked));
            spoke.for_each(|asked| asked.has_spoken = true);
        }
    }

    /// How long a helper waits for an answer before it says that it asks in vain. In Lifeguard that is 80 % of the
    /// timeout, so that the word comes in time.
    pub const fn helper_patience(&self, config: &MembershipConfig) -> Span {
        match self.detector {
            Detector::Lifeguard => Span(config.timeout.as_us() * 4 / 5),
            Detector::Evidence | Detector::Swim => config.timeout,
        }
    }

    /// Whether it says so at all.
    pub fn has_nacks(&self) -> bool {
        self.detector != Detector::Swim
    }
}

impl Membership {
    /// Does what is due in SWIM and Lifeguard.
    pub(super) fn swim_tick(&mut self, local: &mut Local<'_>, effects: &mut Effects) {
        for at in 0..self.swim.probes.len() {
            if self.swim.probes[at].help_at <= local.now {
                self.swim.probes[at].help_at = Time::NEVER;
                self.swim.probes[at].helpers = ask_helpers(self.swim.probes[at].node, local, effects);
            }
        }
        let now = local.now;
        let is_over = |probe: &Probe| probe.ends <= now;
        while let Some(at) = self.swim.probes.iter().position(is_over) {
            let probe = self.swim.probes.swap_remove(at);
            self.swim.health.probe_failed(probe.helpers.iter().any(|helper| !helper.has_spoken));
            self.suspect_by_timer(probe.node, local, effects);
        }
        let is_over = |(_, suspicion): &(&NodeId, &Suspicion)| suspicion.ends <= now;
        while let Some(node) = self.swim.suspicions.iter().find(is_over).map(|(node, _)| *node) {
            self.swim.forget(node);
            if let Some(member) = local.members.get(node).filter(|held| held.standing == Standing::Suspect) {
                let buried = Member { standing: Standing::Dead, ..member.clone() };
                self.change(buried, Span::ZERO, local, effects);
            }
        }
        if self.gossip.len() > 0 && self.swim.next_gossip <= local.now {
            self.swim.next_gossip = local.now + GOSSIP_INTERVAL;
            self.gossip_to_some(local, effects);
        }
    }

    /// A probe of this node's own failed.
    fn suspect_by_timer(&mut self, node: NodeId, local: &mut Local<'_>, effects: &mut Effects) {
        let Some(member) = local.members.get(node).filter(|member| member.standing.is_live()).cloned() else {
            return;
        };
        let (life, me) = (member.life, local.me);
        if member.standing == Standing::Alive {
            self.change(Member { standing: Standing::Suspect, ..member }, Span::ZERO, local, effects);
        }
        self.accused_in_time(node, life, me, local);
    }

    /// Someone suspects a member: the clock runs, and in Lifeguard it runs faster if it ran already.
    pub(super) fn accused_in_time(&mut self, node: NodeId, life: Life, accuser: NodeId, local: &Local<'_>) {
        let (config, live, planted) = (local.config, local.members.len(), local.planted);
        let held = self.swim.suspicions.get_mut(&node).filter(|suspicion| suspicion.life == life);
        let is_news = match held {
            Some(suspicion) => suspicion.confirm(accuser, config, live, planted),
            None => {
                let suspicion = Suspicion::new(life, accuser, config, live, local.now);
                self.swim.suspicions.insert(node, suspicion);
                true
            }
        };
        if is_news {
            self.accusers.insert(node, accuser);
            self.pass_on(node, local);
        }
    }

    /// Tells some members the news.
    fn gossip_to_some(&mut self, local: &mut Local<'_>, effects: &mut Effects) {
        let mut told: SmallVec<[NodeId; 4]> = SmallVec::new();
        for _ in 0..GOSSIP_FANOUT {
            let died_lately = |node: &NodeId| {
                self.gone.get(node).is_some_and(|gone| local.now.since(gone.since) < GOSSIP_TO_DEAD)
            };
            let is_wanted = |other: &&Member| {
                let is_up = other.standing.is_live();
                let may_be = other.standing == Standing::Dead && died_lately(&other.node);
                other.node != local.me && !told.contains(&other.node) && (is_up || may_be)
            };
            let Some(other) = local.members.random(is_wanted, local.rng) else { break };
            let (node, addr) = (other.node, other.addr);
            told.push(node);
            let mut packet = effects.packet();
            packet.reset(PacketKind::Push, local.me);
            let room = (local.room as usize).saturating_sub(packet_len(&packet) + SECTION_OVERHEAD);
            self.fill(local.members, local.now, room, &mut packet.members);
            if packet.members.is_empty() {
                break;
            }
            effects.send(addr, packet);
        }
    }
}

/// Asks others to ask a member, and says whom.
fn ask_helpers(node: NodeId, local: &mut Local<'_>, effects: &mut Effects) -> SmallVec<[Helper; 4]> {
    let mut asked: SmallVec<[Helper; 4]> = SmallVec::new();
    for _ in 0..local.config.helpers {
        let is_wanted = |other: &&Member| {
            let is_taken = asked.iter().any(|helper| helper.node == other.node);
            ![local.me, node].contains(&other.node) && !is_taken && other.standing == Standing::Alive
        };
        let Some(helper) = local.members.random(is_wanted, local.rng) else { break };
        let mut packet = effects.packet();
        packet.reset(PacketKind::Ping, local.me);
        packet.nonce = local.rng.next_u32();
        packet.subject = Some(Subject { node, tried: 1, answered: 0 });
        asked.push(Helper { node: helper.node, nonce: packet.nonce, has_spoken: false });
        effects.send(helper.addr, packet);
    }
    asked
}
