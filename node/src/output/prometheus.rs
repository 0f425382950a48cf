//! Targets for Prometheus, as its `http_sd_configs` reads them: all origins, always.

use super::{Caution, Places, Verdict};
use crate::api::{HealthRow, OriginRow, Table};
use crate::origin::Scheme;
use heck_core::entry::Body;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One origin with what Prometheus may make labels of.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct TargetGroup {
    /// Host and port of the origin.
    targets: [String; 1],
    /// `__meta_heck_origin`, `_url`, `_scheme`, `_path`, `_tags` (`,a,b,`), `_source`, `_owner`, `_state`, `_stale`, `_usable`.
    labels: BTreeMap<&'static str, String>,
}

/// The targets of all origins by name, or of those with a tag.
pub(crate) fn targets(
    origins: &Table<OriginRow>,
    health: &Table<HealthRow>,
    places: &Places,
    caution: Caution,
    tag: Option<&str>,
) -> Vec<TargetGroup> {
    let wanted = origins.after(None).filter(|(_, row)| tag.is_none_or(|tag| row.value.tags.contains(tag)));
    let groups = wanted.filter_map(|(name, row)| {
        let place = places.get(name)?;
        let Body::Origin { source, .. } = &row.value.entry.body else { return None };
        let health = health.get(name).map(|row| &row.value);
        let labels = BTreeMap::from([
            ("__meta_heck_origin", name.as_str().to_owned()),
            ("__meta_heck_url", place.url.clone()),
            ("__meta_heck_scheme", scheme(place.endpoint.scheme).to_owned()),
            ("__meta_heck_path", place.endpoint.path.clone()),
            ("__meta_heck_tags", tags(&row.value)),
            ("__meta_heck_source", source.as_str().to_owned()),
            (
                "__meta_heck_owner",
                health.and_then(|row| row.owner.as_ref()).map_or("", |owner| owner.as_str()).to_owned(),
            ),
            ("__meta_heck_state", health.map_or("unknown", |row| row.state.name()).to_owned()),
            ("__meta_heck_stale", health.is_none_or(|row| row.is_stale).to_string()),
            ("__meta_heck_verdict", verdict(caution.judge(health)).to_owned()),
        ]);
        let endpoint = &place.endpoint;
        Some(TargetGroup { targets: [format!("{}:{}", endpoint.host, endpoint.port)], labels })
    });
    groups.collect()
}

const fn scheme(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::Tcp => "tcp",
        Scheme::Grpc => "grpc",
        Scheme::Grpcs => "grpcs",
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => "up",
        Verdict::Degraded => "degraded",
        Verdict::Untested => "untested",
        Verdict::Draining => "draining",
        Verdict::Maintenance => "maintenance",
        Verdict::Down(_) => "down",
    }
}

/// The tags with a comma before and behind each, so that a regular expression finds a whole one.
fn tags(row: &OriginRow) -> String {
    if row.tags.is_empty() {
        return String::new();
    }
    let tags: Vec<&str> = row.tags.iter().map(String::as_str).collect();
    format!(",{},", tags.join(","))
}
