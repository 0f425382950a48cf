//! Every history of a few steps of three members, not a sample of them. Whom a member comes to suspect and bury is left open
//! (any pings and acks may have been lost), and so is what becomes of all that was ever said: it arrives in any order, late,
//! twice or never. Members crash, leave, come back with or without their disk, and are forgotten. Histories
//! that lead to the same lists are followed once.
//!
//! ARCHITECTURE.md (Proof beside the laws) has the numbers of states.

use super::suspicion::Doubt;
use super::{Learned, Local, Membership};
use crate::config::MembershipConfig;
use crate::effects::Effects;
use crate::hash::name_hash;
use crate::id::{Addr, Boot, Name, NodeId};
use crate::member::{Life, Member, Members, Standing};
use crate::mutant::{Mutant, Planted};
use crate::packet::MemberUpdate;
use crate::rng::{Seed, Stream};
use crate::time::{Span, Time};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const MEMBERS: usize = 3;
const STEP: Span = Span::from_secs(1);

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// A member does not hear of another for long enough to suspect it.
    Suspect { by: usize, whom: usize },
    /// A suspicion becomes a burial.
    Bury { by: usize, whom: usize },
    /// A member gives a sign of life, as with each heartbeat.
    Speak { at: usize },
    /// Something that was said arrives.
    Deliver { said: usize, to: usize },
    /// A member stops at once.
    Crash { at: usize },
    /// A member says that it leaves, and stops.
    Leave { at: usize },
    /// A member begins a new life, with the list that it had or knowing nobody.
    Start { at: usize, with_list: bool },
    /// So much time passes that a member takes those from its list who are gone for long.
    Reap { at: usize },
}

/// What can happen beside deliveries, of which all are tried, and how long histories are.
struct Alphabet {
    name: &'static str,
    ops: &'static [Op],
    steps: usize,
    /// How many histories were followed, and to how many different states they led. A change of what members hold or say changes
    /// them: then they are written anew, here and in ARCHITECTURE.md.
    histories: u64,
    states: u64,
}

/// Two are accused, one of them by two, and all refute.
const ACCUSED: Alphabet = Alphabet {
    name: "accusations and refutations",
    ops: &[
        Op::Suspect { by: 0, whom: 2 },
        Op::Suspect { by: 1, whom: 2 },
        Op::Suspect { by: 2, whom: 0 },
        Op::Bury { by: 0, whom: 2 },
        Op::Bury { by: 2, whom: 0 },
    ],
    steps: 5,
    histories: 21_719,
    states: 5_101,
};

/// One crashes or leaves and comes back in a later life.
const LIVES: Alphabet = Alphabet {
    name: "crashes, departures and lives",
    ops: &[
        Op::Suspect { by: 0, whom: 2 },
        Op::Bury { by: 0, whom: 2 },
        Op::Crash { at: 2 },
        Op::Leave { at: 2 },
        Op::Start { at: 2, with_list: true },
        Op::Start { at: 2, with_list: false },
    ],
    steps: 5,
    histories: 16_052,
    states: 3_945,
};

/// One is buried and gives signs of life, before and after.
const SIGNS: Alphabet = Alphabet {
    name: "burials and signs of life",
    ops: &[
        Op::Suspect { by: 0, whom: 2 },
        Op::Bury { by: 0, whom: 2 },
        Op::Speak { at: 2 },
        Op::Crash { at: 2 },
    ],
    steps: 5,
    histories: 12_086,
    states: 2_568,
};

/// One is buried, forgotten, and comes back perhaps.
const FORGOTTEN: Alphabet = Alphabet {
    name: "burials that are forgotten",
    ops: &[
        Op::Suspect { by: 0, whom: 2 },
        Op::Bury { by: 0, whom: 2 },
        Op::Crash { at: 2 },
        Op::Start { at: 2, with_list: true },
        Op::Reap { at: 0 },
        Op::Reap { at: 1 },
    ],
    steps: 6,
    histories: 17_182,
    states: 2_896,
};

/// A member that runs.
#[derive(Clone, Debug)]
struct Running {
    members: Members,
    membership: Membership,
}

/// Something that was said, and when.
#[derive(Clone, Debug)]
struct Said {
    update: MemberUpdate,
    at: Time,
}

#[derive(Clone, Debug)]
struct World {
    now: Time,
    running: Vec<Option<Running>>,
    boots: [u64; MEMBERS],
    /// The lists that are on disk of those who do not run.
    disks: Vec<Members>,
    said: Vec<Said>,
    /// When each last heard a sign of life of each: the time at which it was given.
    heard: [[Option<Time>; MEMBERS]; MEMBERS],
    /// The latest that each held of each in its present life.
    floor: [[Option<(Life, Standing)>; MEMBERS]; MEMBERS],
    config: MembershipConfig,
    planted: Planted,
}

fn name(at: usize) -> Name {
    Name::new(["a", "b", "c"][at]).unwrap()
}

fn id(at: usize) -> NodeId {
    NodeId::of(&name(at))
}

fn addr(at: usize) -> Addr {
    Addr { port: at as u16 + 1, ..Addr::default() }
}

fn member(at: usize, boot: u64) -> Member {
    Member::new(name(at), addr(at)).in_life(Boot(boot))
}

impl World {
    fn new(planted: Planted) -> Self {
        let all = Members::new((0..MEMBERS).map(|at| member(at, 1)).collect());
        let mut world = Self {
            now: Time(1_000_000_000),
            running: alloc::vec![None; MEMBERS],
            boots: [0; MEMBERS],
            disks: alloc::vec![all; MEMBERS],
            said: Vec::new(),
            heard: [[None; MEMBERS]; MEMBERS],
            floor: [[None; MEMBERS]; MEMBERS],
            config: MembershipConfig { reap_after: Span::from_secs(100), ..MembershipConfig::default() },
            planted,
        };
        (0..MEMBERS).for_each(|at| world.start(at, true));
        world
    }

    /// Lends a member what it needs, and notes what it says afterwards.
    fn with<T>(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Membership, &mut Local<'_>, &mut Effects) -> T,
    ) -> Option<T> {
        let running = self.running[at].as_mut()?;
        let mut effects = Effects::default();
        let mut local = Local {
            me: id(at),
            config: &self.config,
            members: &mut running.members,
            rng: &mut Stream::new(Seed(1), at as u64),
            planted: self.planted,
            repeat: 16,
            room: 1_352,
            now: self.now,
        };
        let done = act(&mut running.membership, &mut local, &mut effects);
        let words =
            (0..MEMBERS).filter_map(|of| running.membership.word_of(id(of), &running.members, self.now));
        let told = effects.datagrams.iter().flat_map(|datagram| datagram.packet.members.iter().cloned());
        for update in words.chain(told).collect::<Vec<_>>() {
            self.say(update);
        }
        Some(done)
    }

    fn say(&mut self, update: MemberUpdate) {
        let key = |update: &MemberUpdate| (update.node, update.life, update.standing, update.accuser);
        if !self.said.iter().any(|said| key(&said.update) == key(&update)) {
            self.said.push(Said { update, at: self.now });
        }
    }

    fn start(&mut self, at: usize, with_list: bool) {
        self.boots[at] += 1;
        let mut members = if with_list { self.disks[at].clone() } else { Members::default() };
        members.put(member(at, self.boots[at]));
        let membership = Membership::new(&self.config, self.now, &mut Stream::new(Seed(1), at as u64));
        self.heard[at] = [None; MEMBERS];
        self.floor[at] = [None; MEMBERS];
        self.running[at] = Some(Running { members, membership });
        self.with(at, |_, _, _| ());
    }

    fn held(&self, at: usize, of: usize) -> Option<(Life, Standing)> {
        self.running[at].as_ref()?.members.get(id(of)).map(Member::opinion)
    }

    /// Whether it can happen now.
    fn can(&self, op: Op) -> bool {
        let standing = |at, of| self.held(at, of).map(|(_, standing)| standing);
        match op {
            Op::Suspect { by, whom } => standing(by, whom) == Some(Standing::Alive),
            Op::Bury { by, whom } => standing(by, whom) == Some(Standing::Suspect),
            Op::Crash { at } | Op::Leave { at } | Op::Speak { at } | Op::Deliver { to: at, .. } => {
                self.running[at].is_some()
            }
            Op::Start { at, .. } => self.running[at].is_none(),
            Op::Reap { at } => {
                let gone = |of| standing(at, of).is_some_and(|standing| !standing.is_live());
                (0..MEMBERS).any(gone)
            }
        }
    }

    fn apply(&mut self, op: Op) -> Result<(), String> {
        match op {
            Op::Suspect { by, whom } => {
                self.now += STEP;
                self.with(by, |membership, local, effects| {
                    let member = local.members.get(id(whom)).unwrap().clone();
                    membership.doubts.insert(id(whom), Doubt::new(member.life, local.now));
                    membership.suspect(&member, 1, local, effects);
                });
            }
            Op::Bury { by, whom } => {
                self.now += STEP;
                self.with(by, |membership, local, effects| {
                    let member = local.members.get(id(whom)).unwrap().clone();
                    membership.bury(&member, local, effects);
                });
            }
            Op::Speak { at } => {
                self.now += STEP;
                let word = self.with(at, |it, local, _| it.word_of(local.me, local.members, local.now));
                self.said.extend(word.flatten().map(|update| Said { update, at: self.now }));
            }
            Op::Deliver { said, to } => self.deliver(said, to)?,
            Op::Crash { at } => self.stop(at),
            Op::Leave { at } => {
                self.with(at, |membership, local, effects| {
                    let own = local.members.get(local.me).unwrap().clone();
                    membership.change(Member { standing: Standing::Left, ..own }, Span::ZERO, local, effects);
                });
                self.stop(at);
            }
            Op::Start { at, with_list } => self.start(at, with_list),
            Op::Reap { at } => {
                self.now += self.config.reap_after;
                self.with(at, |membership, local, _| membership.reap(local));
            }
        }
        self.check()
    }

    fn stop(&mut self, at: usize) {
        if let Some(running) = self.running[at].take() {
            self.disks[at] = running.members;
        }
    }

    /// Something that was said arrives, and does what it has to.
    fn deliver(&mut self, said: usize, to: usize) -> Result<(), String> {
        let Said { mut update, at } = self.said[said].clone();
        let of = (0..MEMBERS).find(|&of| id(of) == update.node).unwrap();
        if !update.standing.is_live() {
            update.age = update.age + self.now.since(at);
        }
        let before = self.held(to, of);
        let heard = self.heard[to][of].map(|heard| self.now.since(heard));
        let learned =
            self.with(to, |membership, local, effects| membership.learn(&update, heard, local, effects));
        let after = self.held(to, of);
        let told = || format!("{update:?} arrives at {to}, which held {before:?}: {learned:?}, {after:?}");
        let offered = (update.life, update.standing);
        if to == of {
            let is_refuted =
                update.standing == Standing::Alive || after.is_some_and(|own| own.0 > update.life);
            return if is_refuted { Ok(()) } else { Err(told()) };
        }
        let is_disproved = !update.standing.is_live() && heard.is_some_and(|heard| heard < update.age);
        let is_news = before.is_some_and(|before| before < offered);
        let expected = if update.standing == Standing::Dead && is_disproved && is_live(before) {
            after == before
        } else {
            !is_news || after == Some(offered)
        };
        if !expected || (is_news && update.standing == Standing::Alive && learned != Some(Learned::New)) {
            return Err(told());
        }
        // Its own word is a sign of life, as a heartbeat is, from when it was given.
        if update.standing == Standing::Alive && after.is_some_and(|(life, _)| life == update.life) {
            self.heard[to][of] = self.heard[to][of].max(Some(at));
        }
        Ok(())
    }

    /// What is held of a member only rises, and nobody is out of its own list.
    fn check(&mut self) -> Result<(), String> {
        for at in (0..MEMBERS).filter(|&at| self.running[at].is_some()).collect::<Vec<_>>() {
            for of in 0..MEMBERS {
                let held = self.held(at, of);
                if held.is_some() && held < self.floor[at][of] {
                    return Err(format!("{at} went back to {held:?} of {of} from {:?}", self.floor[at][of]));
                }
                self.floor[at][of] = self.floor[at][of].max(held);
            }
            if self.held(at, at).is_none_or(|(life, standing)| {
                standing != Standing::Alive || life.boot != Boot(self.boots[at])
            }) {
                return Err(format!("{at} holds {:?} of itself", self.held(at, at)));
            }
        }
        Ok(())
    }

    /// Those who do not run are found out, and everyone tells everyone all that it knows, until nothing changes: then all hold the
    /// same of each, and those who run are alive in the life in which they run.
    fn heals(&self) -> Result<(), String> {
        let mut quiet = self.clone();
        for round in 0.. {
            let before = quiet.lists();
            quiet.find_out()?;
            quiet.tell_all()?;
            if quiet.lists() == before {
                break;
            }
            if round > 10 {
                return Err("the lists do not settle".into());
            }
        }
        let running: Vec<usize> = (0..MEMBERS).filter(|&at| quiet.running[at].is_some()).collect();
        for of in 0..MEMBERS {
            let opinions: Vec<_> = running.iter().map(|&at| quiet.held(at, of)).collect();
            let is_right = if running.contains(&of) {
                opinions.iter().all(|held| *held == quiet.held(of, of))
            } else {
                opinions.iter().all(|held| held.is_none_or(|(_, standing)| !standing.is_live()))
            };
            if !is_right {
                return Err(format!("after a quiet time {of} is held for {opinions:?} by {running:?}"));
            }
        }
        Ok(())
    }

    fn lists(&self) -> Vec<Option<(Life, Standing)>> {
        (0..MEMBERS * MEMBERS).map(|pair| self.held(pair / MEMBERS, pair % MEMBERS)).collect()
    }

    fn find_out(&mut self) -> Result<(), String> {
        for (by, whom) in (0..MEMBERS * MEMBERS).map(|pair| (pair / MEMBERS, pair % MEMBERS)) {
            let finds_out = self.running[by].is_some() && self.running[whom].is_none();
            for op in [Op::Suspect { by, whom }, Op::Bury { by, whom }] {
                if finds_out && self.can(op) {
                    self.apply(op)?;
                }
            }
        }
        Ok(())
    }

    /// Lists are compared, cards included, and whoever counts as gone and asks is told so.
    fn tell_all(&mut self) -> Result<(), String> {
        for (from, to) in (0..MEMBERS * MEMBERS).map(|pair| (pair / MEMBERS, pair % MEMBERS)) {
            if from == to || self.running[to].is_none() {
                continue;
            }
            let Some(Running { members, membership }) = &self.running[from] else { continue };
            let mut words = Vec::new();
            membership.fill_cards(members.all(), self.now, 10_000, &mut words);
            words.extend(membership.gone(id(to), members, self.now));
            for update in words {
                self.said.push(Said { update, at: self.now });
                self.apply(Op::Deliver { said: self.said.len() - 1, to })?;
            }
        }
        Ok(())
    }

    /// A number for all that matters to what comes. Whom news are passed on to and who is asked next do not: anything may
    /// arrive anywhere, and anyone be suspected, at any time.
    fn print(&self) -> u64 {
        let ago = |at: Time| self.now.since(at);
        let lists = self.running.iter().map(|running| {
            let Running { members, membership } = running.as_ref()?;
            let held: Vec<_> = members.all().map(|member| (member.node, member.opinion())).collect();
            let gone = membership.gone.iter().map(|(node, gone)| (*node, ago(gone.since), gone.reaped));
            Some((held, gone.collect::<Vec<_>>(), &membership.accusers))
        });
        let lists: Vec<_> = lists.collect();
        let said = self.said.iter().map(|Said { update, at }| {
            (
                update.node,
                update.life,
                update.standing,
                update.accuser,
                update.card.is_some(),
                update.age,
                ago(*at),
            )
        });
        let said: BTreeSet<_> = said.collect();
        let heard: Vec<_> = self.heard.iter().flatten().map(|heard| heard.map(ago)).collect();
        let disks: Vec<Vec<_>> = self
            .disks
            .iter()
            .map(|list| list.all().map(|held| (held.node, held.opinion())).collect())
            .collect();
        name_hash(format!("{:?}", (lists, said, heard, disks, &self.boots, &self.floor)).as_bytes())
    }
}

fn is_live(held: Option<(Life, Standing)>) -> bool {
    held.is_some_and(|(_, standing)| standing.is_live())
}

/// Follows every history of the alphabet, breadth first, so that the first that fails is a shortest one.
fn explore(alphabet: &Alphabet, planted: Planted) -> Result<(u64, u64), String> {
    let mut known = BTreeSet::new();
    let (mut histories, mut states) = (0, 0);
    let mut front = alloc::vec![(World::new(planted), Vec::new())];
    for _ in 0..alphabet.steps {
        let mut next = Vec::new();
        for (world, history) in &front {
            let pairs = (0..world.said.len()).flat_map(|said| (0..MEMBERS).map(move |to| (said, to)));
            let deliveries = pairs.map(|(said, to)| Op::Deliver { said, to });
            for op in alphabet.ops.iter().copied().chain(deliveries).filter(|op| world.can(*op)) {
                let mut after = world.clone();
                let history: Vec<Op> = history.iter().copied().chain([op]).collect();
                let told = |wrong| format!("{}: after {history:?}: {wrong}", alphabet.name);
                after.apply(op).map_err(told)?;
                histories += 1;
                if known.insert(after.print()) {
                    states += 1;
                    after.heals().map_err(told)?;
                    next.push((after, history));
                }
            }
        }
        front = next;
    }
    Ok((histories, states))
}

#[test]
fn every_short_history_of_three_members_heals_and_brings_nobody_back_by_old_news() {
    let alphabets = [ACCUSED, LIVES, SIGNS, FORGOTTEN];
    let counted = alphabets
        .each_ref()
        .map(|alphabet| explore(alphabet, Planted::NONE).unwrap_or_else(|wrong| panic!("{wrong}")));
    assert_eq!(counted, alphabets.map(|alphabet| (alphabet.histories, alphabet.states)));
}

#[test]
fn planted_bugs_of_membership_show_within_few_steps() {
    let planted = [
        (Mutant::ForgetRefutation, ACCUSED),
        (Mutant::BelieveOldNews, ACCUSED),
        (Mutant::IgnoreHeard, SIGNS),
        (Mutant::ForgetReaped, FORGOTTEN),
    ];
    for (mutant, alphabet) in planted {
        let found = explore(&alphabet, Planted::new(mutant));
        assert!(found.is_err(), "{mutant:?} does not show: {found:?}");
    }
}
