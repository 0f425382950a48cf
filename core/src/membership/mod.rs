//! Who takes part: SWIM (Das et al. 2002) with the timing of Lifeguard (Dadgar et al. 2018), and evidence instead
//! of deadlines.
//!
//! A round of repair is SWIM's ping: its reply is the answer. Who does not answer is asked again, by this node and
//! through others; what that comes to is [weighed](evidence) against what is usual here, and a member is buried when
//! several witnesses found it silent and it had its time to refute. An opinion about a member is ordered by (boot,
//! incarnation, standing), so lists merge in any order, and those that differ are compared by digest as the rest of
//! the state is.
//!
//! A burial counts only where nothing was heard of the member since: two sides of a partition that meet again do not bury each
//! other. They go on asking their dead for ever, at a low rate, and whoever hears of its own death refutes it.

mod alone;
mod asking;
mod evidence;
#[cfg(test)]
mod exhaustive_tests;
mod gossip;
mod local_health;
mod order;
mod quarantine;
mod reach;
mod reaping;
mod refute;
mod suspicion;
mod swim;

pub use evidence::Baseline;

use crate::config::MembershipConfig;
use crate::effects::{Effects, Event};
use crate::id::{Addr, Boot, NodeId};
use crate::member::{INCARNATION_LIMIT, Life, Member, Members, Standing};
use crate::mutant::{Mutant, Planted};
use crate::packet::{Card, MemberUpdate, PacketKind};
use crate::rng::Stream;
use crate::time::{Span, Time};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use alone::Alone;
use asking::{Attempt, Errand};
use gossip::Gossip;
use order::Order;
use reach::Reach;
use suspicion::Doubt;
use swim::Swim;

/// How often an announcement is sent to everyone, and how long apart.
const ANNOUNCEMENTS: u32 = 3;
const ANNOUNCED_APART: Span = Span::from_ms(40);
/// Members that a list holds at most; further strangers are not let in.
const KNOWN_LIMIT: usize = 100_000;
/// Members that are remembered after they were taken from the list; of more, the longest gone are forgotten.
const REAPED_LIMIT: usize = 4_096;
/// Members that are announced at once; of more at once gossip tells.
const ANNOUNCED_AT_ONCE: usize = 4;

/// What this node lends to its membership for a step.
pub struct Local<'a> {
    /// Who this node is.
    pub me: NodeId,
    /// The settings.
    pub config: &'a MembershipConfig,
    /// The list.
    pub members: &'a mut Members,
    /// This node's randomness.
    pub rng: &'a mut Stream,
    /// A planted bug, for tests.
    pub planted: Planted,
    /// How many sixteenths of a send it takes for one to arrive.
    pub repeat: u32,
    /// Bytes of a datagram.
    pub room: u32,
    /// The time.
    pub now: Time,
}

/// Someone who was buried or left, and what is remembered of it when it comes back.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Gone {
    since: Time,
    /// How often it came back at once, in halves, and when last.
    flaps: u32,
    flapped: Time,
    /// It is not counted before.
    held_until: Time,
    /// Set once it is in the list no more: what was last held of it, so that no old news brings it back, and where it
    /// is still to be looked for.
    reaped: Option<(Life, Standing, Addr)>,
}

/// What became of a piece of news.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Learned {
    /// It is known, or older than what is known, or about a stranger of whom nothing else is known.
    Known,
    /// It counts from now on.
    New,
    /// It says that this node is gone or suspected: that has been refuted.
    Refuted,
    /// It is about a later life of this node's name.
    Outlived,
    /// Someone else lives under this node's name, and keeps it.
    Namesake,
    /// It is a burial of someone who was heard of since. The member is told, so that it can refute it.
    Disproved,
}

/// What a node does to keep its list of members.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Membership {
    order: Order,
    reach: Reach,
    alone: Alone,
    baseline: Baseline,
    attempts: Vec<Attempt>,
    errands: Vec<Errand>,
    doubts: BTreeMap<NodeId, Doubt>,
    swim: Swim,
    accusers: BTreeMap<NodeId, NodeId>,
    gossip: Gossip,
    gone: BTreeMap<NodeId, Gone>,
    announced: Vec<(NodeId, u32)>,
    next_announcement: Time,
    next_heal: Time,
    /// Until when the dead are asked often, as one of them came back.
    eager_until: Time,
    next_reap: Time,
    /// Where this node was told to join. An island is looked for there for ever.
    seeds: Arc<[Addr]>,
    /// When the first of those that are not counted is.
    next_release: Time,
}

impl Membership {
    /// Begins with nothing known of anyone.
    #[must_use]
    pub fn new(config: &MembershipConfig, now: Time, rng: &mut Stream) -> Self {
        let heal_us = config.heal_interval.as_us().min(u64::from(u32::MAX)) as u32;
        Self {
            order: Order::default(),
            reach: Reach::default(),
            alone: Alone::default(),
            baseline: Baseline::new(),
            attempts: Vec::new(),
            errands: Vec::new(),
            doubts: BTreeMap::new(),
            swim: Swim::new(config.detector),
            accusers: BTreeMap::new(),
            gossip: Gossip::default(),
            gone: BTreeMap::new(),
            announced: Vec::new(),
            next_announcement: Time::NEVER,
            next_heal: now + Span(u64::from(rng.below(heal_us))),
            eager_until: Time::ZERO,
            next_reap: Time::NEVER,
            seeds: Arc::default(),
            next_release: Time::NEVER,
        }
    }

    /// Where to look for the cluster, for ever.
    pub fn look_at(&mut self, seeds: Arc<[Addr]>) {
        self.seeds = seeds;
    }

    /// A round of repair begins.
    pub fn round_begins(&mut self, config: &MembershipConfig, now: Time) {
        self.alone.round_begins(now, config.period);
    }

    /// A datagram of a member has arrived.
    pub fn heard(&mut self, from: NodeId, planted: Planted) {
        self.reach.heard(from);
        if self.alone.heard() && !planted.is(Mutant::BuryThoughHeard) {
            self.doubts.values_mut().for_each(Doubt::spare);
        }
    }

    /// Whom to ask in this round. An answer of someone whose turn it was not tells nothing: then there is only an
    /// address.
    pub fn next_peer(
        &mut self,
        members: &Members,
        me: NodeId,
        rng: &mut Stream,
    ) -> Option<(Option<NodeId>, Addr)> {
        let reachable = self.reach.begin_round().and_then(|node| members.get(node));
        if let Some(peer) = reachable.filter(|peer| peer.standing.is_live()) {
            return Some((None, peer.addr));
        }
        let peer = self.order.next(members, me, rng)?;
        self.swim.note_peer(peer);
        Some((Some(peer.node), peer.addr))
    }

    /// How many members this node doubts, waits for, has news of, and remembers as gone: what a checker bounds.
    #[must_use]
    pub fn sizes(&self) -> [usize; 4] {
        let [suspicions, probes] = self.swim.sizes();
        let asking = self.attempts.len() + self.errands.len() + probes;
        [self.doubts.len() + suspicions, asking, self.gossip.len(), self.gone.len()]
    }

    /// How often exchanges get through.
    #[must_use]
    pub const fn baseline(&self) -> Baseline {
        self.baseline
    }

    /// Takes in what a peer says of a member. `heard` is how long ago the member was last heard of here, in any way.
    pub fn learn(
        &mut self,
        update: &MemberUpdate,
        heard: Option<Span>,
        local: &mut Local<'_>,
        effects: &mut Effects,
    ) -> Learned {
        if update.node == local.me {
            return self.learn_of_myself(update, local, effects);
        }
        let held = local.members.get(update.node);
        let (known, offered) = (held.map(Member::opinion), (update.life, update.standing));
        let is_older = |known| known > offered && !local.planted.is(Mutant::BelieveOldNews);
        if known.is_some_and(|known| is_older(known) || (known == offered && !takes_name(update, held))) {
            if update.standing == Standing::Suspect && known == Some(offered) {
                self.accused(update, local);
            }
            return Learned::Known;
        }
        if held.is_none() && !self.is_welcome(update, local) {
            return Learned::Known;
        }
        let is_burial = update.standing == Standing::Dead;
        let trusts = local.planted.is(Mutant::IgnoreHeard);
        if is_burial
            && !trusts
            && !self.swim.is_on()
            && heard.is_some_and(|heard| heard < update.age)
            && held.is_some_and(|held| held.standing.is_live())
        {
            Self::tell_of_itself(update, local, effects);
            return Learned::Disproved;
        }
        let is_buried = update.standing == Standing::Left && local.planted.is(Mutant::BuryTheLeft);
        let standing = if is_buried { Standing::Dead } else { update.standing };
        let changed = match (&update.card, held) {
            (Some(card), _) => Member {
                node: update.node,
                name: card.name.clone(),
                addr: card.addr,
                zone: card.zone,
                weight: card.weight,
                life: update.life,
                standing,
                settings: card.settings,
            },
            (None, Some(held)) => Member { life: update.life, standing, ..held.clone() },
            (None, None) => return Learned::Known,
        };
        self.change(changed, update.age, local, effects);
        if update.standing == Standing::Suspect {
            self.accused(update, local);
        }
        Learned::New
    }

    /// Whether someone who is not in the list may enter it: not by news from before it was forgotten.
    fn is_welcome(&self, update: &MemberUpdate, local: &Local<'_>) -> bool {
        let is_old = !update.standing.is_live() && update.age >= local.config.reap_after;
        let reaped = self.gone.get(&update.node).and_then(|gone| gone.reaped);
        let is_past =
            reaped.is_some_and(|(life, standing, _)| (update.life, update.standing) <= (life, standing));
        let forgets = local.planted.is(Mutant::ForgetReaped);
        (!is_old && !is_past || forgets) && local.members.known() < KNOWN_LIMIT
    }

    /// Someone suspects a member: that is news, and to whom suspects it as well a confirmation.
    fn accused(&mut self, update: &MemberUpdate, local: &Local<'_>) {
        if self.swim.is_on() {
            self.accused_in_time(update.node, update.life, update.accuser, local);
            return;
        }
        self.accusers.insert(update.node, update.accuser);
        if let Some(doubt) = self.doubts.get_mut(&update.node) {
            doubt.accuse(update.accuser);
        }
    }

    /// Puts a changed member into the list and draws the consequences.
    pub fn change(&mut self, member: Member, age: Span, local: &mut Local<'_>, effects: &mut Effects) {
        let (node, standing, now) = (member.node, member.standing, local.now);
        let before = local.members.get(node).map(|held| (held.standing, held.life.boot));
        let was_held = self.is_held(node, now);
        let boot = member.life.boot;
        local.members.put(member);
        self.gossip.push(node, self.sends(local));
        match standing {
            Standing::Alive => {
                self.welcome(node, before, boot, local);
                self.end_doubt(node, boot, local);
            }
            Standing::Suspect => {}
            Standing::Dead | Standing::Left => {
                let since = Time(now.0.saturating_sub(age.as_us()));
                let fresh =
                    Gone { since, flaps: 0, flapped: Time::ZERO, held_until: Time::ZERO, reaped: None };
                let gone = self.gone.entry(node).or_insert(fresh);
                (gone.since, gone.reaped) = (since, None);
                self.next_reap = self.next_reap.min(since + local.config.reap_after);
                self.doubts.remove(&node);
                self.swim.forget(node);
                self.accusers.remove(&node);
            }
        }
        // What becomes of someone in quarantine is nobody's business until it is over.
        let is_quiet = was_held || (standing.is_live() && self.is_held(node, now));
        let is_news = before.map(|(standing, _)| standing) != Some(standing) && !is_quiet;
        if is_news && node != local.me {
            effects.events.push(Event::Member { node, standing });
        }
    }

    /// The member has spoken for itself. Evidence against it stays: it may live and be out of reach all the same.
    fn end_doubt(&mut self, node: NodeId, boot: Boot, local: &Local<'_>) {
        self.accusers.remove(&node);
        self.swim.forget(node);
        match self.doubts.get_mut(&node) {
            Some(doubt) if doubt.life.boot == boot => {
                doubt.soften(local.now);
            }
            _ => _ = self.doubts.remove(&node),
        }
    }

    fn sends(&self, local: &Local<'_>) -> u32 {
        if self.swim.is_on() {
            return Swim::sends(local.members.len());
        }
        let doublings = usize::BITS - local.members.len().leading_zeros();
        (doublings * local.config.news_sends * local.repeat).div_ceil(16 * 16).max(1)
    }

    /// Has news of a member ride on what is sent anyway.
    pub fn pass_on(&mut self, node: NodeId, local: &Local<'_>) {
        self.gossip.push(node, self.sends(local));
    }

    /// When the next announcement is due.
    #[must_use]
    pub const fn next_announcement(&self) -> Time {
        self.next_announcement
    }

    /// Tells everyone at once, unless much is to be told: then gossip does.
    pub fn announce(&mut self, node: NodeId, now: Time) {
        self.announce_times(ANNOUNCEMENTS, node, now);
    }

    /// The same for what is less urgent than a death.
    pub fn announce_once(&mut self, node: NodeId, now: Time) {
        self.announce_times(1, node, now);
    }

    fn announce_times(&mut self, times: u32, node: NodeId, now: Time) {
        self.announced.retain(|(other, _)| *other != node);
        if self.announced.len() < ANNOUNCED_AT_ONCE {
            self.announced.push((node, times));
            self.next_announcement = self.next_announcement.min(now);
        }
    }

    /// What everyone is to be told now.
    pub fn take_announcements(
        &mut self,
        members: &Members,
        now: Time,
        bytes: usize,
        out: &mut Vec<MemberUpdate>,
    ) {
        if now < self.next_announcement {
            return;
        }
        let mut room = bytes;
        for (node, left) in &mut self.announced {
            let update = members.get(*node).map(|member| self.gone.update(member, &self.accusers, now));
            let len = update.as_ref().map_or(0, crate::codec::member_len);
            // What does not fit comes with the next one, unless it never will.
            if len <= room {
                (room, *left) = (room - len, *left - 1);
                out.extend(update);
            } else if len > bytes {
                *left = 0;
            }
        }
        self.announced.retain(|(_, left)| *left > 0);
        self.next_announcement = if self.announced.is_empty() { Time::NEVER } else { now + ANNOUNCED_APART };
    }

    /// Adds news of members to a packet that is about to leave, in at most `bytes`.
    pub fn fill(&mut self, members: &Members, now: Time, bytes: usize, out: &mut Vec<MemberUpdate>) {
        let mut left = bytes;
        let Self { gossip, gone, accusers, swim, .. } = self;
        let buddy = swim.take_buddy().and_then(|node| members.get(node));
        if let Some(update) = buddy.map(|member| gone.update(member, accusers, now))
            && crate::codec::member_len(&update) <= left
        {
            left -= crate::codec::member_len(&update);
            out.push(update);
        }
        gossip.take(|node| {
            if buddy.is_some_and(|buddy| buddy.node == node) {
                return true;
            }
            let Some(member) = members.get(node) else { return true };
            let update = gone.update(member, accusers, now);
            let len = crate::codec::member_len(&update);
            let fits = len <= left;
            if fits {
                left -= len;
                out.push(update);
            }
            fits
        });
    }

    /// Tells all that is known of `members`, cards included, in at most `bytes`. Gives back how many bytes it took.
    pub fn fill_cards<'a>(
        &self,
        members: impl Iterator<Item = &'a Member>,
        now: Time,
        bytes: usize,
        out: &mut Vec<MemberUpdate>,
    ) -> usize {
        let mut left = bytes;
        for member in members {
            let update = self.gone.update(member, &self.accusers, now);
            let update = MemberUpdate { card: Some(Card::of(member)), ..update };
            let len = crate::codec::member_len(&update);
            if len > left {
                break;
            }
            left -= len;
            out.push(update);
        }
        bytes - left
    }

    /// Tells a member what is said of it.
    fn tell_of_itself(update: &MemberUpdate, local: &Local<'_>, effects: &mut Effects) {
        if let Some(member) = local.members.get(update.node) {
            tell(member.addr, [MemberUpdate { card: None, ..update.clone() }], local.me, effects);
        }
    }

    /// What this node says of itself, or of another that it knows.
    #[must_use]
    pub fn word_of(&self, node: NodeId, members: &Members, now: Time) -> Option<MemberUpdate> {
        members.get(node).map(|member| self.gone.update(member, &self.accusers, now))
    }

    /// What is held of someone who counts as gone here, be it in the list or forgotten.
    #[must_use]
    pub fn gone(&self, node: NodeId, members: &Members, now: Time) -> Option<MemberUpdate> {
        match members.get(node) {
            Some(member) => {
                (!member.standing.is_live()).then(|| self.gone.update(member, &self.accusers, now))
            }
            None => {
                let gone = self.gone.get(&node)?;
                let (life, standing, _) = gone.reaped?;
                let age = now.since(gone.since);
                Some(MemberUpdate { node, life, standing, age, accuser: node, card: None })
            }
        }
    }
}

/// Sends news of members by a ping: what is told does not wait for a round.
pub fn tell(to: Addr, news: impl IntoIterator<Item = MemberUpdate>, me: NodeId, effects: &mut Effects) {
    let mut ping = effects.packet();
    ping.reset(PacketKind::Ping, me);
    ping.members.extend(news);
    effects.send(to, ping);
}

/// Whether a member that is known is said to live at a lower address as well. Then that one has the name.
fn takes_name(update: &MemberUpdate, held: Option<&Member>) -> bool {
    let addrs = update.card.as_ref().map(|card| card.addr).zip(held.map(|held| held.addr));
    update.standing == Standing::Alive && addrs.is_some_and(|(offered, held)| offered < held)
}

trait Updates {
    fn update(&self, member: &Member, accusers: &BTreeMap<NodeId, NodeId>, now: Time) -> MemberUpdate;
}

impl Updates for BTreeMap<NodeId, Gone> {
    /// What this node says of a member. Whoever hears that one is doubted or gone knows it already.
    fn update(&self, member: &Member, accusers: &BTreeMap<NodeId, NodeId>, now: Time) -> MemberUpdate {
        let has_card = member.standing == Standing::Alive;
        let node = member.node;
        let is_gone = !member.standing.is_live();
        let age = self.get(&node).filter(|_| is_gone).map_or(Span::ZERO, |gone| now.since(gone.since));
        let accuser = accusers.get(&node).filter(|_| member.standing == Standing::Suspect);
        MemberUpdate {
            node,
            life: member.life,
            standing: member.standing,
            age,
            accuser: accuser.copied().unwrap_or(node),
            card: has_card.then(|| Card::of(member)),
        }
    }
}
