//! Which rare branches of the core a run went through, as seen from outside its door: by what a node reports, and by what
//! it sends.

use heck_core::effects::{Event, Phase, Refusal, Rejected};
use heck_core::member::Standing;
use heck_core::packet::{Packet, PacketKind};
use heck_core::state::Change;

use crate::engine::observer::Step;
use crate::protocol::heck::Heck;

macro_rules! branches {
    ($($name:ident: $words:literal,)*) => {
        /// A branch of the core that a node can be seen to go through.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Branch {
            $(#[doc = $words] $name,)*
        }

        impl Branch {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }
        }
    };
}

branches! {
    Dropped: "an entry went",
    Gap: "messages had expired before they arrived",
    Serving: "a node joined",
    Leaving: "a node began to leave",
    NotServing: "a command was refused while joining or leaving",
    NewBoot: "a node took a new life",
    Renamed: "a node took another name",
    Suspected: "a member was suspected",
    Buried: "a member was buried",
    Parted: "a member left",
    Refuted: "a node said that it lives",
    Disagrees: "settings of ownership differed",
    Stranger: "a stranger was not listened to",
    LateReply: "a reply came late",
    UnknownGeneration: "a claim came before its origin",
    EarlyFence: "a fence came before what it hides",
    IncompleteAnswer: "an answer counted on what did not come",
    TooManyStreams: "too many streams at once",
    StillJoining: "a stream to a node that joins",
    NotAsked: "an answer to no question",
    Relay: "a broadcast was to be passed on",
    Oversized: "an entry fitted no datagram",
    Join: "a node joined by datagrams",
    Answer: "a shard was answered whole",
    Mismatch: "fingerprints differed",
    Overdue: "a heartbeat was asked for",
    MemberFilter: "members were listed by fingerprint",
    Errand: "somebody was asked to ask",
    Confirm: "a confirmer was asked",
    Confirmed: "a confirmer answered",
    Stream: "a frame went by stream",
}

/// How often a run went through each branch, in the order of [`Branch::ALL`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Branches(Vec<u64>);

impl Default for Branches {
    fn default() -> Self {
        Self(vec![0; Branch::ALL.len()])
    }
}

impl Branches {
    /// How often this branch was taken.
    #[must_use]
    pub fn count(&self, branch: Branch) -> u64 {
        self.0[branch as usize]
    }

    fn took(&mut self, branch: Branch) {
        self.0[branch as usize] += 1;
    }

    fn took_if(&mut self, branch: Branch, is_taken: bool) {
        self.0[branch as usize] += u64::from(is_taken);
    }

    /// Looks at what a step reports and sends.
    pub fn after_step(&mut self, step: &Step<'_, Heck>) {
        step.outbox.reported().iter().filter_map(reported).for_each(|branch| self.took(branch));
        step.outbox.sent().for_each(|sent| self.sent(sent.packet));
        self.0[Branch::Stream as usize] += step.outbox.frames_sent().count() as u64;
    }

    fn sent(&mut self, packet: &Packet) {
        self.took_if(Branch::Relay, packet.relay.is_some());
        self.took_if(Branch::Oversized, packet.oversized);
        self.took_if(Branch::Join, packet.joins && packet.kind == PacketKind::Request);
        self.took_if(Branch::Answer, !packet.answers.is_empty());
        self.took_if(Branch::Mismatch, packet.mismatch != 0);
        self.took_if(Branch::Overdue, !packet.overdue.is_empty());
        self.took_if(Branch::MemberFilter, !packet.member_filter.is_empty());
        self.took_if(Branch::Errand, packet.kind == PacketKind::Ping && packet.subject.is_some());
        self.took_if(Branch::Confirm, packet.kind == PacketKind::Confirm);
        self.took_if(Branch::Confirmed, packet.kind == PacketKind::Confirmed);
    }
}

const fn reported(event: &Event) -> Option<Branch> {
    Some(match event {
        Event::Changed(Change::Dropped(_)) => Branch::Dropped,
        Event::Changed(Change::Gap { .. }) => Branch::Gap,
        Event::Phase(Phase::Serving) => Branch::Serving,
        Event::Phase(Phase::Leaving) => Branch::Leaving,
        Event::Failed { reason: Refusal::NotServing(_), .. } => Branch::NotServing,
        Event::NewBoot(_) => Branch::NewBoot,
        Event::Renamed(_) => Branch::Renamed,
        Event::Member { standing: Standing::Suspect, .. } => Branch::Suspected,
        Event::Member { standing: Standing::Dead, .. } => Branch::Buried,
        Event::Member { standing: Standing::Left, .. } => Branch::Parted,
        Event::Refuted(_) => Branch::Refuted,
        Event::Disagrees { .. } => Branch::Disagrees,
        Event::Rejected(Rejected::Stranger) => Branch::Stranger,
        Event::Rejected(Rejected::LateReply) => Branch::LateReply,
        Event::Rejected(Rejected::UnknownGeneration) => Branch::UnknownGeneration,
        Event::Rejected(Rejected::EarlyFence) => Branch::EarlyFence,
        Event::Rejected(Rejected::IncompleteAnswer) => Branch::IncompleteAnswer,
        Event::Rejected(Rejected::TooManyStreams) => Branch::TooManyStreams,
        Event::Rejected(Rejected::StillJoining) => Branch::StillJoining,
        Event::Rejected(Rejected::NotAsked) => Branch::NotAsked,
        // What every run has, and what no sound run can have.
        Event::Changed(Change::Learned(_))
        | Event::Phase(_)
        | Event::Done { .. }
        | Event::Failed { .. }
        | Event::Member { standing: Standing::Alive, .. }
        | Event::Rejected(Rejected::WrongPlace) => return None,
    })
}
