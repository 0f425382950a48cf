//! Which origins a client wants.

use super::model::{HealthRow, OriginRow, Table};
use super::problem::{Kind, Problem};
use heck_core::entry::{Body, HealthState};
use heck_core::id::Name;
use std::sync::Arc;

/// A filter: an origin has to meet all that is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    tag: Option<String>,
    states: Vec<HealthState>,
    owner: Option<String>,
    source: Option<String>,
}

impl Filter {
    pub(crate) fn new(
        tag: Option<String>,
        state: Option<&str>,
        owner: Option<String>,
        source: Option<String>,
    ) -> Result<Self, Problem> {
        let states = state.iter().flat_map(|list| list.split(',')).map(|name| {
            let known = HealthState::ALL.into_iter().find(|state| state.name() == name.trim());
            known.ok_or_else(|| {
                let all = HealthState::ALL.map(HealthState::name).join(", ");
                Problem::new(Kind::Invalid, format!("`state` is `{name}`, allowed are {all}"))
            })
        });
        Ok(Self { tag, states: states.collect::<Result<_, _>>()?, owner, source })
    }

    /// Whether an origin meets what is asked of its description.
    pub(crate) fn wants_origin(&self, origin: &OriginRow) -> bool {
        let has_source = match (&self.source, &origin.entry.body) {
            (None, _) => true,
            (Some(wanted), Body::Origin { source, .. }) => source.as_str() == wanted,
            (Some(_), _) => false,
        };
        has_source && self.tag.as_ref().is_none_or(|tag| origin.tags.contains(tag))
    }

    /// Whether it meets what is asked of its health.
    pub(crate) fn wants_health(&self, health: &HealthRow) -> bool {
        let has_owner = self
            .owner
            .as_deref()
            .is_none_or(|owner| health.owner.as_ref().is_some_and(|name| name.as_str() == owner));
        has_owner && (self.states.is_empty() || self.states.contains(&health.state))
    }

    /// Whether it asks of descriptions.
    pub(crate) const fn asks_of_origins(&self) -> bool {
        self.tag.is_some() || self.source.is_some()
    }

    /// Whether it asks of health.
    pub(crate) const fn asks_of_health(&self) -> bool {
        self.owner.is_some() || !self.states.is_empty()
    }

    /// Whether it meets everything, by its health and a table of descriptions.
    pub(crate) fn wants(&self, name: &Name, health: &HealthRow, origins: &Arc<Table<OriginRow>>) -> bool {
        self.wants_health(health)
            && (!self.asks_of_origins() || origins.get(name).is_some_and(|row| self.wants_origin(&row.value)))
    }

    /// Whether it meets everything, by its description and a table of health.
    pub(crate) fn wants_by(&self, name: &Name, origin: &OriginRow, health: &Arc<Table<HealthRow>>) -> bool {
        self.wants_origin(origin)
            && (!self.asks_of_health() || health.get(name).is_some_and(|row| self.wants_health(&row.value)))
    }
}
