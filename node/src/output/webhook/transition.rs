//! A change of an origin's state, as the receiver of a webhook reads it.

use crate::api::{Moment, reason, status_code};
use heck_core::entry::{Claim, HealthState, Hold};
use serde::Serialize;
use std::collections::BTreeSet;
use xxhash_rust::xxh3::xxh3_128;

/// What a receiver reads.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Moment,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    origin: &'a str,
    tags: &'a BTreeSet<String>,
    from: &'static str,
    to: &'static str,
    since: Moment,
    /// Who found it.
    node: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation: Option<Confirmation>,
}

#[derive(Serialize)]
struct Confirmation {
    asked: u8,
    answered: u8,
    agreed: u8,
}

/// Whether a claim says that the state is another one now. A first check that finds all well is no news.
pub(super) fn is_transition(claim: &Claim) -> bool {
    claim.hold == Hold::Held
        && claim.state != claim.previous
        && (claim.previous, claim.state) != (HealthState::Unknown, HealthState::Healthy)
}

/// The identity of a change: the same in every claim that carries it on, whoever makes that, and in every attempt to
/// tell it.
pub(super) fn id(claim: &Claim) -> String {
    let generation = claim.generation;
    let numbers = [
        claim.scope.0,
        generation.writer.node.0,
        generation.writer.boot.0,
        generation.counter,
        claim.since.0,
        claim.state as u64,
    ];
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    bytes.extend_from_slice(claim.origin.as_str().as_bytes());
    format!("{:032x}", xxh3_128(&bytes))
}

/// What the receiver reads, in JSON.
pub(super) fn body(claim: &Claim, tags: &BTreeSet<String>, node: &str) -> String {
    let asked = claim.confirmation;
    let is_down = claim.state == HealthState::Unhealthy;
    let data = Data {
        origin: claim.origin.as_str(),
        tags,
        from: claim.previous.name(),
        to: claim.state.name(),
        since: Moment(claim.since),
        node,
        reason: reason(claim.state, claim.cause),
        status_code: status_code(claim.cause),
        confirmation: is_down.then_some(Confirmation {
            asked: asked.asked,
            answered: asked.answered,
            agreed: asked.agreed,
        }),
    };
    let event = Event { kind: "origin.transition", timestamp: Moment(claim.since), data };
    // What is made of texts and numbers alone can be written.
    serde_json::to_string(&event).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use heck_core::entry::{Ballot, Confirmation as Asked, Minted, Scope};
    use heck_core::id::{Boot, Name, NodeId, Writer};
    use heck_core::probe::Reply;
    use heck_core::time::Time;

    pub(in crate::output::webhook) fn claim(writer: u64, state: HealthState, since: u64) -> Claim {
        let writer = Writer { node: NodeId(writer), boot: Boot(1) };
        let previous =
            if state == HealthState::Healthy { HealthState::Unhealthy } else { HealthState::Healthy };
        Claim {
            scope: Scope::CLUSTER,
            origin: Name::new("web").unwrap(),
            generation: Minted { writer, counter: 7 },
            ballot: Ballot { epoch: 1, rank: 1, writer, sequence: 1 },
            hold: Hold::Held,
            state,
            previous,
            since: Time(since),
            confirmation: Asked { asked: 2, answered: 2, agreed: 1 },
            cause: (state == HealthState::Unhealthy).then_some(Reply::Status(503)),
        }
    }

    #[test]
    fn a_change_is_news_unless_it_is_a_first_look_at_a_healthy_origin() {
        let down = claim(1, HealthState::Unhealthy, 5);
        assert!(is_transition(&down));
        assert!(!is_transition(&Claim { hold: Hold::Released, ..down.clone() }));
        assert!(!is_transition(&Claim { previous: HealthState::Unhealthy, ..down.clone() }));
        assert!(is_transition(&Claim { previous: HealthState::Unknown, ..down }));
        let up = claim(1, HealthState::Healthy, 5);
        assert!(is_transition(&up));
        assert!(!is_transition(&Claim { previous: HealthState::Unknown, ..up }));
    }

    #[test]
    fn a_change_keeps_its_identity_when_another_carries_it_on_and_no_two_share_one() {
        let first = claim(1, HealthState::Unhealthy, 5);
        let mut carried = first.clone();
        carried.ballot.epoch = 2;
        carried.ballot.writer.node = NodeId(9);
        assert_eq!(id(&first), id(&carried));
        let mut other_life = first.clone();
        other_life.generation.counter = 8;
        let others = [claim(1, HealthState::Unhealthy, 6), claim(1, HealthState::Healthy, 5), other_life];
        assert!(others.iter().all(|other| id(other) != id(&first)));
    }

    #[test]
    fn the_body_says_what_changed_why_and_who_found_it() {
        let tags = BTreeSet::from(["eu".to_owned()]);
        let body = body(&claim(1, HealthState::Unhealthy, 1_700_000_000_123_000), &tags, "n1");
        assert_eq!(
            body,
            r#"{"type":"origin.transition","timestamp":"2023-11-14T22:13:20.123Z","data":{"origin":"web","tags":["eu"],"from":"healthy","to":"unhealthy","since":"2023-11-14T22:13:20.123Z","node":"n1","reason":"status","status_code":503,"confirmation":{"asked":2,"answered":2,"agreed":1}}}"#
        );
    }
}
