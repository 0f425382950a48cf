//! Every planted bug has a law that catches it.

use crate::law::Law;
use crate::{
    assignment, claims, confirmers, deltas, detectors, exhaustive, fences, freshness, generations, handover,
    heartbeats, holders, honesty, intervals, join, joining, lists, log, membership, outages, owners, repair,
    schedule, steps, streams, verdicts,
};
use heck_core::mutant::Mutant;

/// Which law catches which bug.
const KILLERS: &[(Mutant, Law)] = &[
    (Mutant::TrustSilence, membership::LOSS_IS_NOT_DEATH),
    (Mutant::CountPending, membership::SLOW_IS_NOT_DEAD),
    (Mutant::IgnoreHeard, membership::PARTITIONS_HEAL),
    (Mutant::ForgetRefutation, membership::PARTITIONS_HEAL),
    (Mutant::TrustSleep, outages::SLEEP_IS_NOT_SILENCE),
    (Mutant::KeepName, membership::COPIES_PART),
    (Mutant::TakeOldAddressForCopy, membership::MOVED_IS_NO_COPY),
    (Mutant::LeaveForTwo, membership::COPIES_LEAVE),
    (Mutant::LeaveAsStranger, membership::COPIES_LEAVE),
    (Mutant::ForgetReaped, membership::THE_FORGOTTEN_STAY_DEAD),
    (Mutant::PromiseEarly, holders::HELD_BY_OTHERS),
    (Mutant::AbandonDead, membership::PARTITIONS_HEAL),
    (Mutant::ListNoMembers, lists::FEW_MEMBERS_TAKE_FEW_ROUNDS),
    (Mutant::ConfirmOneself, detectors::SUSPICIONS_LAST),
    (Mutant::AdoptTruncatedAnswer, deltas::NO_OVER_CLAIM),
    (Mutant::SeenThoughRefused, deltas::NO_OVER_CLAIM),
    (Mutant::AdoptTruncatedAnswer, exhaustive::EVERY_HISTORY),
    (Mutant::SeenThoughRefused, exhaustive::EVERY_HISTORY),
    (Mutant::DotlessRemove, exhaustive::EVERY_HISTORY),
    (Mutant::RemoveWins, exhaustive::EVERY_HISTORY),
    (Mutant::ForgetSuperseded, exhaustive::EVERY_HISTORY),
    (Mutant::Resurrect, exhaustive::EVERY_HISTORY),
    (Mutant::StaleFingerprint, exhaustive::EVERY_HISTORY),
    (Mutant::IgnoreLiveList, exhaustive::EVERY_HISTORY),
    (Mutant::HastyFence, exhaustive::EVERY_HISTORY),
    (Mutant::AdoptTruncatedAnswer, steps::NODES_FIT_THE_MODEL),
    (Mutant::DotlessRemove, steps::NODES_FIT_THE_MODEL),
    (Mutant::RemoveWins, steps::NODES_FIT_THE_MODEL),
    (Mutant::ForgetSuperseded, steps::NODES_FIT_THE_MODEL),
    (Mutant::Resurrect, steps::NODES_FIT_THE_MODEL),
    (Mutant::IgnoreLiveList, steps::NODES_FIT_THE_MODEL),
    (Mutant::LoseDelta, steps::NODES_FIT_THE_MODEL),
    (Mutant::AcknowledgeEarly, steps::NODES_FIT_THE_MODEL),
    (Mutant::AskOnceARound, repair::MUCH_IS_FETCHED),
    (Mutant::SplitRanges, steps::NODES_FIT_THE_MODEL),
    (Mutant::StaleFingerprint, steps::NODES_FIT_THE_MODEL),
    (Mutant::DotlessRemove, deltas::WRITES_REPLACE),
    (Mutant::DotlessRemove, deltas::DELTAS_ARE_THE_STATE),
    (Mutant::RemoveWins, deltas::QUIET_AGREES),
    (Mutant::ForgetSuperseded, deltas::WRITES_REPLACE),
    (Mutant::MintSameEntry, deltas::SAME_ENTRY_MINTS_NO_DOT),
    (Mutant::Resurrect, deltas::DELTAS_ARE_THE_STATE),
    (Mutant::Resurrect, join::IDEMPOTENT),
    (Mutant::ClaimByArrival, join::COMMUTES),
    (Mutant::ClaimByArrival, claims::NO_REGRESS),
    (Mutant::ForgetSequence, claims::NO_REGRESS),
    (Mutant::ForgetSince, claims::TAKEOVER_CARRIES_STATE),
    (Mutant::KeepEpoch, claims::OWNER_WINS),
    (Mutant::ClaimByClock, claims::SKEW_CHANGES_NOTHING),
    (Mutant::IgnoreGeneration, deltas::NO_RESURRECTION),
    (Mutant::IgnoreLiveList, join::ASSOCIATES),
    (Mutant::IgnoreLiveList, deltas::QUIET_AGREES),
    (Mutant::UnboundFreshness, freshness::NO_OVERTAKING),
    (Mutant::UncountedHops, freshness::AGE_NEVER_UNDERSTATES),
    (Mutant::AskNoHeartbeats, heartbeats::ANSWERS_STAY_FRESH),
    (Mutant::ForgetBeatAge, freshness::AGE_NEVER_UNDERSTATES),
    (Mutant::StaleFingerprint, deltas::QUIET_AGREES),
    (Mutant::IgnoreDatagramLimit, repair::DATAGRAMS_FIT),
    (Mutant::StuckWindow, repair::WINDOWS_PROGRESS),
    (Mutant::DropLateReplies, repair::LATE_REPLIES_COUNT),
    (Mutant::IgnoreAhead, repair::LONE_DOT_SPREADS),
    (Mutant::IgnoreAhead, repair::LONE_DEATH_SPREADS),
    (Mutant::NoStreamForLargeShard, repair::LARGE_SHARD_CONVERGES),
    (Mutant::IgnoreConfirmations, streams::STREAMS_ARE_PACED),
    (Mutant::ForgetFence, deltas::QUIET_AGREES),
    (Mutant::HastyFence, deltas::NO_OVER_CLAIM),
    (Mutant::OmitFencedLanes, deltas::DELTAS_ARE_THE_STATE),
    (Mutant::OmitFencedLanes, deltas::QUIET_AGREES),
    (Mutant::ForgetUncovered, fences::UNCOVERED_IS_RESCUED),
    (Mutant::KeepFencedContexts, fences::METADATA_IS_BOUNDED),
    (Mutant::LoseDelta, deltas::DELTAS_ARE_THE_STATE),
    (Mutant::SilentGap, log::ONCE_OR_GAP),
    (Mutant::UnboundedLog, log::LOG_IS_BOUNDED),
    (Mutant::SplitRanges, intervals::WELL_FORMED),
    (Mutant::SplitRanges, join::INFLATES),
    (Mutant::CheckAllAtOnce, schedule::ON_TIME),
    (Mutant::UnpacedProbes, schedule::SPREAD),
    (Mutant::UnpacedProbes, schedule::BUDGET),
    (Mutant::IgnoreCollapsedView, schedule::COLLAPSE),
    (Mutant::ForgetCarried, verdicts::CARRIED),
    (Mutant::BlameOrigin, honesty::NO_BLAME_WHILE_PAUSED),
    (Mutant::BlameOrigin, honesty::OVERLOADED),
    (Mutant::OutcomeOfAnyProbe, honesty::NO_BLAME),
    (Mutant::NeverLate, honesty::VOUCHED),
    (Mutant::LoseWithoutRelease, honesty::VOUCHED),
    (Mutant::VouchWhileOwing, honesty::VOUCHED),
    (Mutant::AskNobody, verdicts::CONFIRMED),
    (Mutant::CountAnswersTwice, verdicts::CONFIRMED),
    (Mutant::AwaitStreams, joining::STALLED_STREAMS_DO_NOT_MATTER),
    (Mutant::JoinByPart, joining::STALLED_STREAMS_DO_NOT_MATTER),
    (Mutant::AnswerForAnyGeneration, confirmers::ANSWERS_FIT_QUESTIONS),
    (Mutant::ForgetFlaps, verdicts::DAMPED),
    (Mutant::KeepLostOwner, assignment::INCREMENTAL),
    (Mutant::IgnoreNewcomers, assignment::INCREMENTAL),
    (Mutant::DropAtOnce, owners::MOVES),
    (Mutant::NeverHandOver, owners::ONE_OWNER),
    (Mutant::YieldToAnyone, owners::ONE_OWNER),
    (Mutant::ReleaseOthers, owners::MOVES),
    (Mutant::LeaveBeatenClaims, owners::HONEST_AGES),
    (Mutant::LeaveRemovedClaims, handover::EDITED_AND_REMOVED),
    (Mutant::ForgetClaimsBeforeEdit, handover::EDITED_AND_REMOVED),
    (Mutant::LeaveOtherGenerations, generations::ONE_COUNTS),
    (Mutant::FollowOneGeneration, generations::MISSED_BETWEEN),
    (Mutant::AskNobody, owners::CONFIRMERS_DECIDE),
    (Mutant::ForgetLostWhileHanding, handover::SWITCHED_WHILE_HANDED),
    (Mutant::MissReleaseWhileHanding, handover::RELEASED_WHILE_HANDED),
    (Mutant::KeepRemovedHealth, handover::REMOVED_AND_ADDED),
    (Mutant::KeepBackOff, verdicts::EDITS_ASK_ANEW),
    (Mutant::YieldToTheGone, handover::RIVALS_GO),
    (Mutant::WipeUnclaimed, verdicts::CARRIED),
    (Mutant::VouchForThePast, handover::GIVEN_UP_AND_BACK),
    (Mutant::AwaitTheAbsent, confirmers::ONLY_WHO_CAN_BE_ASKED),
    (Mutant::BunchTheShortened, schedule::SHORTENED),
    (Mutant::TakeBusyForConsent, confirmers::MANY_ARE_ASKED_ABOUT),
    (Mutant::ConfirmAtOwnPace, confirmers::MANY_ARE_ASKED_ABOUT),
    (Mutant::ReuseProbeNumbers, handover::BEGUN_ANEW),
    (Mutant::InsistAtOnce, handover::RIVALS_AGREE),
    (Mutant::HoldGrudges, verdicts::FINE_SINCE),
    (Mutant::LateTakesOver, handover::LATE_YIELDS),
    (Mutant::ForgetConfirmation, handover::CONFIRMED_BEFORE),
    (Mutant::ForgetOwnClaims, handover::ROUNDABOUT_VERSIONS),
];

/// Bugs of disks, restarts and lists, which the simulator's checkers find (`sim/tests/proof/mutants.rs`).
const FOUND_BY_SIMULATION: &[Mutant] =
    &[Mutant::ReuseBoot, Mutant::BelieveOldNews, Mutant::OmitMembers, Mutant::BuryTheLeft];

#[test]
fn every_mutant_has_a_killer() {
    let has_killer = |mutant: &Mutant| {
        FOUND_BY_SIMULATION.contains(mutant) || KILLERS.iter().any(|(killed, _)| killed == mutant)
    };
    let without: Vec<_> = Mutant::ALL.iter().filter(|mutant| !has_killer(mutant)).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn every_mutant_is_killed() {
    let survivors: Vec<_> = KILLERS.iter().filter(|(mutant, law)| !law.kills(*mutant)).collect();
    let survivors: Vec<_> = survivors.iter().map(|(mutant, law)| (mutant, law.name)).collect();
    assert!(survivors.is_empty(), "no input shows the bug: {survivors:?}");
}
