//! What happens to an origin, or to a node, while origins change hands.

use crate::common::{Cluster, Weather, addr, name};
use crate::law::{Law, Trial};
use crate::owners::{UP, claim, node, origin, owned_once, settings, understates, warm, weigh};
use heck_core::config::Config;
use heck_core::effects::Event;
use heck_core::entry::{Admin, Claim, HealthState, Hold, OriginSpec, Scope};
use heck_core::input::{Command, Verdict};
use heck_core::limits::Limits;
use heck_core::policy::Rule;
use heck_core::probe::{Failure, Reply};
use heck_core::settings::{Scoping, Settings};
use heck_core::state::Change;
use heck_core::time::Span;
use proptest::prelude::*;

const QUICK: Weather =
    Weather { loss_permille: 0, duplicate_permille: 0, latency_us: (5_000, 5_000), sync: Span::from_ms(5) };

const DOWN: Option<(Reply, Span)> = Some((Reply::Failed(Failure::Connect), Span::from_ms(5)));

fn put(cluster: &mut Cluster, at: usize, number: usize, spec: OriginSpec) {
    cluster.command(at, &Command::PutOrigin { name: origin(number), spec, source: name("test") });
}

pub const SWITCHED_WHILE_HANDED: Law = Law {
    name: "an origin that is switched off and on while it is handed over, and then comes back, is checked",
    seed: 117,
    cases: 2,
    check: switched_while_handed,
};

fn switched_while_handed(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let mut cluster = warm(3, 0, QUICK, seed, &settings(planted));
        let slow = || OriginSpec::new("http://a/").with(|policy| policy.interval = Span::from_secs(20));
        (0..12).for_each(|number| put(&mut cluster, 0, number, slow()));
        cluster.run_for(Span::from_secs(40));
        owned_once(&cluster, 12, &[])?;
        let moment = Span::from_ms(300);
        weigh(&mut cluster, 1, 60_000);
        cluster.run_for(moment);
        for admin in [Admin::Disabled, Admin::Enabled] {
            (0..12).for_each(|number| put(&mut cluster, 0, number, OriginSpec { admin, ..slow() }));
            cluster.run_for(moment);
        }
        weigh(&mut cluster, 1, 1);
        cluster.run_for(Span::from_secs(120));
        owned_once(&cluster, 12, &[])
    })
}

pub const RELEASED_WHILE_HANDED: Law = Law {
    name: "an origin whose new owner claims it, moves to another zone or leaves, and is heard of again only by its release \
           is claimed by the old owner",
    seed: 118,
    cases: 8,
    check: released_while_handed,
};

fn released_while_handed(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), any::<bool>()), |(seed, leaves), planted| {
        let ownership = Settings { scoping: Scoping::Zones, ..Settings::default() };
        let mut cluster = warm(3, 12, Weather::default(), seed, &Config { ownership, ..settings(planted) });
        weigh(&mut cluster, 1, 60_000);
        cluster.run_for(Span::from_ms(300));
        cluster.reachable = Box::new(|a, b| a != 1 && b != 1);
        cluster.run_for(Span::from_ms(5_200));
        cluster.reachable = Box::new(|_, _| true);
        let moves = Command::Describe { addr: addr(1), zone: Scope(7), weight: 100 };
        cluster.command(1, if leaves { &Command::Leave } else { &moves });
        cluster.run_for(Span::from_secs(60));
        for at in [0, 2] {
            for number in 0..12 {
                let health = cluster.node(at).view().health(Scope::NO_ZONE, &origin(number), cluster.now);
                let health = health.expect("it is known");
                prop_assert!(!health.is_stale && health.writer.node != node(1), "{}: {:?}", number, health);
            }
        }
        Ok(())
    })
}

pub const REMOVED_AND_ADDED: Law = Law {
    name: "an origin that is removed and added again is never said to be down for what it was before, also where both \
           are heard of at once",
    seed: 119,
    cases: 2,
    check: removed_and_added,
};

fn removed_and_added(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let mut cluster = warm(3, 6, QUICK, seed, &settings(planted));
        cluster.origins = Box::new(|_, _, _| DOWN);
        cluster.run_for(Span::from_secs(30));
        let claim_of = |cluster: &Cluster, number| claim(cluster, 0, number).expect("there is a claim");
        let state = claim_of(&cluster, 3).state;
        prop_assert_eq!(state, HealthState::Unhealthy);
        let owner = claim_of(&cluster, 3).ballot.writer.node;
        let owner = (0..3).find(|&at| node(at) == owner).expect("one of them");
        cluster.reachable = Box::new(move |a, b| a != owner && b != owner);
        cluster.origins = Box::new(|_, _, _| UP);
        cluster.events.clear();
        let (other, name) = ((owner + 1) % 3, origin(3));
        cluster.command(other, &Command::RemoveOrigin { name: name.clone() });
        put(&mut cluster, other, 3, OriginSpec::new("http://b/"));
        cluster.run_for(Span::from_secs(1));
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(Span::from_secs(30));
        let generation = claim_of(&cluster, 3).generation;
        for (at, _, event) in &cluster.events {
            if let Event::Changed(Change::Learned(entry)) = event
                && let Some(claim) = entry.claim().filter(|claim| claim.generation == generation)
            {
                prop_assert_eq!(claim.state, HealthState::Healthy, "at {:?}", at);
            }
        }
        owned_once(&cluster, 6, &[])
    })
}

#[test]
fn what_is_removed_and_added_begins_anew() {
    REMOVED_AND_ADDED.hold();
}

pub const RIVALS_GO: Law = Law {
    name: "an owner to which a rival gave no peace claims again within an interval once the rival is known to be gone",
    seed: 120,
    cases: 2,
    check: rivals_go,
};

fn rivals_go(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let mut cluster = warm(3, 6, QUICK, seed, &settings(planted));
        let (_, rival, verdict) = rivalry(&cluster);
        for _ in 0..700 {
            cluster.tell(rival, &verdict);
            cluster.run_for(Span::from_secs(1));
        }
        cluster.crash(rival);
        cluster.run_for(Span::from_secs(30));
        owned_once(&cluster, 6, &[rival])
    })
}

#[test]
fn who_is_rid_of_a_rival_claims_again() {
    RIVALS_GO.hold();
}

pub const GIVEN_UP_AND_BACK: Law = Law {
    name: "an origin that was given up and comes back before its release was said is not said to have been checked just now",
    seed: 121,
    cases: 3,
    check: given_up_and_back,
};

fn given_up_and_back(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let limits = Limits { claims_per_s: 1, ..Limits::default() };
        let heartbeat = Some(Span::from_ms(300));
        let config = Config { heartbeat, checks: Some(limits), ..settings(planted) };
        let mut cluster = warm(3, 0, QUICK, seed, &config);
        let brisk = || {
            OriginSpec::new("http://a/").with(|policy| {
                (policy.interval, policy.fast_interval) = (Span::from_ms(500), Span::from_ms(500));
                policy.timeout = Span::from_ms(100);
            })
        };
        (0..30).for_each(|number| put(&mut cluster, 0, number, brisk()));
        cluster.run_for(Span::from_secs(10));
        owned_once(&cluster, 30, &[])?;
        weigh(&mut cluster, 1, 60_000);
        cluster.run_for(Span::from_ms(50));
        cluster.crash(1);
        let patience = Span::from_ms(2 * 500 + 100 + 250);
        for _ in 0..600 {
            cluster.run_for(Span::from_ms(50));
            understates(&cluster, patience)?;
        }
        owned_once(&cluster, 30, &[1])
    })
}

#[test]
fn what_was_given_up_and_comes_back_is_not_vouched_for_before_it_is_checked() {
    GIVEN_UP_AND_BACK.hold();
}

pub const RIVALS_AGREE: Law = Law {
    name: "two nodes of which each takes itself for the owner of an origin do not outdo each other with every check",
    seed: 125,
    cases: 2,
    check: rivals_agree,
};

fn rivals_agree(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let mut cluster = warm(3, 6, QUICK, seed, &settings(planted));
        let (_, rival, verdict) = rivalry(&cluster);
        cluster.events.clear();
        for _ in 0..1_200 {
            cluster.tell(rival, &verdict);
            cluster.run_for(Span::from_secs(1));
        }
        let is_claim = |event: &Event| {
            matches!(event, Event::Changed(Change::Learned(entry)) if entry.claim().is_some_and(|c| c.origin == origin(3)))
        };
        let claims = cluster.events.iter().filter(|(_, at, event)| *at == rival && is_claim(event)).count();
        // Each of both says it once for each doubling of five seconds, and then once in 320 seconds.
        prop_assert!((4..=24).contains(&claims), "{} claims in 20 minutes", claims);
        Ok(())
    })
}

/// Who owns origin 3, who does not, and how that one contradicts the owner.
fn rivalry(cluster: &Cluster) -> (usize, usize, Verdict) {
    let writer = claim(cluster, 0, 3).expect("there is a claim").ballot.writer.node;
    let owner = (0..3).find(|&at| node(at) == writer).expect("one of them");
    let (scope, state, hold) = (Scope::CLUSTER, HealthState::Healthy, Hold::Held);
    (owner, (owner + 1) % 3, Verdict { scope, origin: origin(3), state, hold })
}

pub const LATE_YIELDS: Law = Law {
    name: "an owner that is late does not take away the claim of a member that is not",
    seed: 126,
    cases: 2,
    check: late_yields,
};

fn late_yields(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let mut cluster = warm(3, 6, QUICK, seed, &settings(planted));
        let (owner, rival, verdict) = rivalry(&cluster);
        cluster.origins = Box::new(|_, _, _| None);
        cluster.tell(rival, &verdict);
        cluster.run_for(Span::from_secs(60));
        let status = cluster.node(owner).view().check(&origin(3)).expect("it is checked");
        prop_assert_eq!(status.claimed.map(|(_, hold)| hold), Some(Hold::Late));
        for at in 0..3 {
            let claim = claim(&cluster, at, 3).expect("there is a claim");
            prop_assert_eq!((claim.ballot.writer.node, claim.hold), (node(rival), Hold::Held));
        }
        Ok(())
    })
}

pub const CONFIRMED_BEFORE: Law = Law {
    name: "an origin that is down and changes hands is still said to be down with the word of those who were asked",
    seed: 127,
    cases: 2,
    check: confirmed_before,
};

fn confirmed_before(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let mut cluster = warm(3, 6, QUICK, seed, &settings(planted));
        cluster.origins = Box::new(|_, _, _| DOWN);
        cluster.run_for(Span::from_secs(30));
        let (_, rival, _) = rivalry(&cluster);
        let before = claim(&cluster, 0, 3).expect("there is a claim");
        prop_assert_eq!((before.state, before.confirmation.asked), (HealthState::Unhealthy, 2));
        weigh(&mut cluster, rival, 60_000);
        cluster.run_for(Span::from_secs(30));
        let after = claim(&cluster, 0, 3).expect("there is a claim");
        prop_assert_eq!((after.ballot.writer.node, after.state), (node(rival), HealthState::Unhealthy));
        prop_assert_eq!((after.confirmation, after.cause), (before.confirmation, before.cause));
        Ok(())
    })
}

pub const ROUNDABOUT_VERSIONS: Law = Law {
    name: "an owner that hears of a concurrent version of an origin which does not count holds its claim and says nothing",
    seed: 128,
    cases: 4,
    check: roundabout_versions,
};

fn roundabout_versions(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..3_usize), |(seed, cut), planted| {
        let mut cluster = warm(3, 0, QUICK, seed, &settings(planted));
        let brisk = |target: &str| {
            OriginSpec::new(target).with(|policy| {
                (policy.interval, policy.fast_interval) = (Span::from_ms(100), Span::from_ms(100));
            })
        };
        cluster.reachable = Box::new(move |a, b| a != cut && b != cut);
        (0..12).for_each(|number| {
            put(&mut cluster, cut, number, brisk("http://a/"));
            put(&mut cluster, (cut + 1) % 3, number, brisk("http://b/"));
        });
        cluster.run_for(Span::from_secs(1));
        let claims = |cluster: &Cluster| -> Vec<_> {
            let own = |at: usize, number: usize| {
                claim(cluster, at, number).filter(|claim| claim.ballot.writer.node == node(at))
            };
            (0..36).map(|each| own(each % 3, each / 3)).collect()
        };
        let before = claims(&cluster);
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(Span::from_secs(10));
        let same =
            before.iter().zip(claims(&cluster)).filter_map(|(before, after)| before.as_ref().zip(after));
        for (before, after) in same.filter(|(before, after)| before.generation == after.generation) {
            prop_assert_eq!(before, &after);
        }
        Ok(())
    })
}

pub const BEGUN_ANEW: Law = Law {
    name: "a node that begins anew to check, in another zone, does not take the outcome of an earlier probe for that of \
           another origin",
    seed: 129,
    cases: 3,
    check: begun_anew,
};

fn begun_anew(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let ownership = Settings { scoping: Scoping::Zones, ..Settings::default() };
        let mut cluster = warm(1, 0, QUICK, seed, &Config { ownership, ..settings(planted) });
        let (strict, count) = (Rule::Streaks { rise: 1, fall: 1 }, 40);
        let spec = || OriginSpec::new("http://a/").with(|policy| policy.rule = strict);
        (0..count).for_each(|number| put(&mut cluster, 0, number, spec()));
        // Nothing answers, until the node is in another zone; then all do, just in time.
        cluster.origins = Box::new(|_, _, _| Some((Reply::Failed(Failure::Timeout), Span::from_secs(2))));
        cluster.run_for(Span::from_ms(4_000));
        cluster.origins = Box::new(|_, _, _| Some((Reply::Status(200), Span::from_ms(1_900))));
        cluster.command(0, &Command::Describe { addr: addr(0), zone: Scope(7), weight: 100 });
        let begun = cluster.now;
        cluster.run_for(Span::from_secs(30));
        let blamed = cluster.events.iter().filter(|(at, _, event)| {
            let Event::Changed(Change::Learned(entry)) = event else { return false };
            let is_bad = |claim: &Claim| claim.scope == Scope(7) && claim.state == HealthState::Unhealthy;
            *at > begun && entry.claim().is_some_and(is_bad)
        });
        prop_assert_eq!(blamed.count(), 0);
        Ok(())
    })
}

#[test]
fn whoever_outdoes_the_other_does_so_ever_more_rarely() {
    RIVALS_AGREE.hold();
}

#[test]
fn who_is_late_leaves_the_claim_of_another_alone() {
    LATE_YIELDS.hold();
}

#[test]
fn what_confirmers_said_goes_with_the_origin() {
    CONFIRMED_BEFORE.hold();
}

#[test]
fn a_version_that_does_not_count_changes_no_claim() {
    ROUNDABOUT_VERSIONS.hold();
}

#[test]
fn outcomes_of_earlier_checks_blame_nobody() {
    BEGUN_ANEW.hold();
}

#[test]
fn what_is_switched_off_and_on_while_it_is_handed_over_is_checked() {
    SWITCHED_WHILE_HANDED.hold();
}

#[test]
fn what_is_released_while_it_is_handed_over_is_claimed_again() {
    RELEASED_WHILE_HANDED.hold();
}

pub const EDITED_AND_REMOVED: Law = Law {
    name: "no node takes a check to be younger than it is, while origins are edited and removed that it has not heard of",
    seed: 141,
    cases: 4,
    check: edited_and_removed,
};

fn edited_and_removed(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 300..500_u32), |(seed, loss_permille), planted| {
        let weather = Weather { loss_permille, ..Weather::default() };
        let config = Config { heartbeat: Some(Span::from_ms(300)), ..settings(planted) };
        let mut cluster = Cluster::formed(6, config, weather, u64::from(seed));
        cluster.origins = Box::new(|_, _, _| UP);
        let spec = |number: usize| {
            OriginSpec::new(&format!("http://{number}/")).with(|policy| {
                (policy.interval, policy.fast_interval) = (Span::from_ms(500), Span::from_ms(500));
                policy.timeout = Span::from_ms(100);
            })
        };
        (0..60).for_each(|number| put(&mut cluster, number % 6, number, spec(0)));
        cluster.run_for(Span::from_secs(30));
        let patience = Span::from_ms(2 * 500 + 100 + 250);
        for round in 0..12 {
            let (away, editor) = (round % 6, (round + 1) % 6);
            cluster.reachable = Box::new(move |a, b| a != away && b != away);
            (round..60).step_by(6).for_each(|number| put(&mut cluster, editor, number, spec(round)));
            // Some are removed before they are claimed anew.
            cluster.run_for(Span::from_ms(100));
            for number in (round..60).step_by(4) {
                cluster.command(editor, &Command::RemoveOrigin { name: origin(number) });
            }
            weigh(&mut cluster, editor, 20 + 180 * u16::from(round % 3 == 0));
            cluster.run_for(Span::from_secs(6));
            cluster.reachable = Box::new(|_, _| true);
            for _ in 0..40 {
                cluster.run_for(Span::from_ms(50));
                understates(&cluster, patience)?;
            }
        }
        Ok(())
    })
}

#[test]
fn what_is_removed_is_not_vouched_for_where_the_removal_has_not_arrived() {
    EDITED_AND_REMOVED.hold();
}
