//! Planted bugs. Each shows that the test or checker which guards a rule can fail.
//!
//! Only the feature `mutants` compiles them, which tests alone turn on; without it [`Planted::is`] is a
//! constant and the branches vanish.

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A bug that can be planted. Each is named after what the broken code does.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// Every bug that can be planted, so that a test can ask for a killer of each.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

mutants! {
    /// A truncated answer is adopted as if it were complete: dots are claimed whose entries never came.
    AdoptTruncatedAnswer,
    /// An entry that was refused is marked as seen all the same.
    SeenThoughRefused,
    /// A removal takes the entry out without minting a dot.
    DotlessRemove,
    /// A removal takes out every entry of the name, those it never saw included.
    RemoveWins,
    /// An edit or a removal does not say what it supersedes.
    ForgetSuperseded,
    /// An origin that is put again as it is mints a dot.
    MintSameEntry,
    /// An entry that was seen dead is taken in again when it arrives once more.
    Resurrect,
    /// Of two claims, the one that arrived last wins.
    ClaimByArrival,
    /// Claims of one writer are compared without their sequence, so an older one can replace a newer one.
    ForgetSequence,
    /// A takeover forgets since when the state has been what it is.
    ForgetSince,
    /// A takeover keeps the epoch of the holder instead of raising it.
    KeepEpoch,
    /// Claims are ordered by the wall time at which they were made.
    ClaimByClock,
    /// A claim for a removed generation is shown for the name's new generation.
    IgnoreGeneration,
    /// A peer's list of live dots is ignored when its shard is joined.
    IgnoreLiveList,
    /// A heartbeat counts before the writer's claims are all there.
    UnboundFreshness,
    /// A node does not ask for the heartbeats that have not come.
    AskNoHeartbeats,
    /// A heartbeat that is handed on looks as if it came straight from its writer.
    UncountedHops,
    /// A fence counts where something of the lives behind it is missing.
    HastyFence,
    /// Windows and answers leave out what is live of lives behind a fence.
    OmitFencedLanes,
    /// What the writer of a fence had not seen goes with the rest.
    ForgetUncovered,
    /// A fence hides past dots without keeping the fence, so that they can come back.
    ForgetFence,
    /// A fence keeps the contexts that it makes unnecessary.
    KeepFencedContexts,
    /// A packet is filled beyond the datagram limit.
    IgnoreDatagramLimit,
    /// A reply that comes after its round is thrown away.
    DropLateReplies,
    /// A peer that is ahead is not asked before its turn comes by chance.
    IgnoreAhead,
    /// A shard with more lanes than a datagram holds is left to datagrams.
    NoStreamForLargeShard,
    /// A stream carries the whole state at once, however slowly its frames are confirmed.
    IgnoreConfirmations,
    /// The exact window of a request always starts at the same shard.
    StuckWindow,
    /// A received entry is dropped after its dot was marked as seen.
    LoseDelta,
    /// Nobody is told of messages that expired before they arrived.
    SilentGap,
    /// The log of messages keeps more bytes than it may.
    UnboundedLog,
    /// A restarted node mints in its previous life again.
    ReuseBoot,
    /// A node that joins waits for streams, however long they stall.
    AwaitStreams,
    /// A node takes itself for joined with the first answer, whatever is still missing.
    JoinByPart,
    /// A write is acknowledged before it is on disk.
    AcknowledgeEarly,
    /// A counter next to a range becomes a range of its own instead of lengthening it.
    SplitRanges,
    /// An entry that is taken out leaves its part in the fingerprint.
    StaleFingerprint,
    /// A heartbeat counts from its arrival, whatever time it took.
    ForgetBeatAge,
    /// Whoever does not answer a few times is buried, whatever is usual.
    TrustSilence,
    /// A helper counts attempts whose time has not passed as misses when another one is answered.
    CountPending,
    /// A burial counts although the member was heard of since.
    IgnoreHeard,
    /// A node that hears of its own death does not refute it.
    ForgetRefutation,
    /// Nobody asks the dead.
    AbandonDead,
    /// A node that slept takes the silence of that time for the others'.
    TrustSleep,
    /// What was said last of a member counts, however old it is.
    BelieveOldNews,
    /// Who says that it leaves is held for dead.
    BuryTheLeft,
    /// Whoever asks for what it lacks is told nothing of members.
    OmitMembers,
    /// A node says that a write is on its disk before it is.
    PromiseEarly,
    /// A request does not list the members of groups that differ.
    ListNoMembers,
    /// Of two nodes with one name both keep it.
    KeepName,
    /// Who leaves says so of whoever else lives under its name, too.
    LeaveForTwo,
    /// News of the address that a node had before is taken for a copy of its disk.
    TakeOldAddressForCopy,
    /// Whoever hears from nobody waits for the others for ever.
    WaitForEver,
    /// Whoever suspects all others as it hears from nobody buries them although it hears from one again.
    BuryThoughHeard,
    /// A node asks once a round, however much it has missed.
    AskOnceARound,
    /// Who takes another name while it leaves tells nobody, so that what it still has to hand on is not taken.
    LeaveAsStranger,
    /// Whoever was taken from the list enters it again by old news.
    ForgetReaped,
    /// Whoever says twice that it suspects a member confirms itself.
    ConfirmOneself,
    /// All origins that a node gains are due at once.
    CheckAllAtOnce,
    /// Probes start as soon as they are due, however many.
    UnpacedProbes,
    /// An isolated node checks the world at the usual intervals.
    IgnoreCollapsedView,
    /// An origin that changes hands is unknown at first.
    ForgetCarried,
    /// A failure counts although the checker itself was late, and so does a probe that nobody heard of again.
    BlameOrigin,
    /// A checker that is behind its schedule does not say so.
    NeverLate,
    /// An origin is given up without a word.
    LoseWithoutRelease,
    /// Heartbeats vouch for origins that are late or given up.
    VouchWhileOwing,
    /// The outcome of a probe that was given up counts as that of the next.
    OutcomeOfAnyProbe,
    /// An origin is called down without asking anybody.
    AskNobody,
    /// A confirmer whose answer arrives twice has two votes.
    CountAnswersTwice,
    /// A confirmer that has another version of an origin than its owner answers all the same.
    AnswerForAnyGeneration,
    /// What flaps rises as fast as anything else.
    ForgetFlaps,
    /// A member that is gone keeps what it owned.
    KeepLostOwner,
    /// A member that comes takes nothing over.
    IgnoreNewcomers,
    /// Who owns an origin no more stops checking it before the new owner has claimed it.
    DropAtOnce,
    /// Who owns an origin no more goes on checking it for ever.
    NeverHandOver,
    /// An owner lets the claim of another stand.
    YieldToAnyone,
    /// Who checks an origin no more takes the new owner's claim away.
    ReleaseOthers,
    /// A claim that another's took the place of is not released where it still stands.
    LeaveBeatenClaims,
    /// A claim whose origin was edited or removed is not released where that has not arrived.
    LeaveRemovedClaims,
    /// Any own claim that stands counts as following what was claimed of whichever generation.
    FollowOneGeneration,
    /// A claim of a generation that does not count is left as it is.
    LeaveOtherGenerations,
    /// An origin that is edited and then lost, before it was claimed anew, is not released.
    ForgetClaimsBeforeEdit,
    /// An origin that was lost while it was being handed over still counts as being so.
    ForgetLostWhileHanding,
    /// Who gets an origin back while it hands it over takes its own claim to stand still.
    MissReleaseWhileHanding,
    /// An origin that was removed and added again keeps the health of its earlier life.
    KeepRemovedHealth,
    /// Who was contradicted about an origin waits on to ask, though it is checked in another way by now.
    KeepBackOff,
    /// Who gave way to a rival waits on to claim again, though the rival is gone.
    YieldToTheGone,
    /// A new boot wipes the states that were carried and not claimed yet.
    WipeUnclaimed,
    /// What was given up and comes back is vouched for at once by the claim of then.
    VouchForThePast,
    /// Who cannot be asked is waited for all the same.
    AwaitTheAbsent,
    /// Origins whose interval becomes shorter are all due at the same moment.
    BunchTheShortened,
    /// The silence of confirmers that answer others is taken for consent.
    TakeBusyForConsent,
    /// Who owns little has little time for what others ask.
    ConfirmAtOwnPace,
    /// Checks that begin anew take the outcomes of earlier probes for those of their own.
    ReuseProbeNumbers,
    /// An owner claims again with the next check, however often another takes the origin from it.
    InsistAtOnce,
    /// Who was contradicted waits on to ask, though the origin was fine since.
    HoldGrudges,
    /// An owner that is late takes away the claim of another that is not.
    LateTakesOver,
    /// The next owner does not say what confirmers said.
    ForgetConfirmation,
    /// A concurrent version of an origin that does not count has its owner claim anew.
    ForgetOwnClaims,
}

/// Which bug is planted, if any.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Planted {
    #[cfg(feature = "mutants")]
    mutant: Option<Mutant>,
}

/// A planted bug is not a part of a node's state: whoever is restored from a recording is as every release is.
#[cfg(feature = "recording")]
impl serde::Serialize for Planted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

#[cfg(feature = "recording")]
impl<'de> serde::Deserialize<'de> for Planted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer).map(|()| Self::NONE)
    }
}

impl Planted {
    /// No bug: what every release uses.
    pub const NONE: Self = Self {
        #[cfg(feature = "mutants")]
        mutant: None,
    };

    /// Plants `mutant`.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub const fn new(mutant: Mutant) -> Self {
        Self { mutant: Some(mutant) }
    }

    /// Whether `mutant` is planted. Always false without the feature `mutants`.
    #[must_use]
    #[inline]
    pub fn is(self, mutant: Mutant) -> bool {
        #[cfg(feature = "mutants")]
        return self.mutant == Some(mutant);
        #[cfg(not(feature = "mutants"))]
        {
            let _ = mutant;
            false
        }
    }
}
