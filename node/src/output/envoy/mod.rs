//! Endpoints for Envoy (EDS), in the JSON form of its protocol: over REST, and as a file that it watches.
//!
//! A cluster of Envoy is a tag of heck. Which messages and fields there are is Envoy's
//! (`envoy/config/endpoint/v3/endpoint.proto`, `envoy/service/discovery/v3/discovery.proto`).

mod file;

pub(super) use file::follow;

use super::{Outlook, Places, Verdict};
use crate::api::{HealthRow, Table};
use crate::origin::Host;
use heck_core::id::Name;
use serde::Serialize;
use serde_json::Value;
use std::net::IpAddr;
use utoipa::ToSchema;
use xxhash_rust::xxh3::xxh3_64;

/// What kind of resources these are.
pub(crate) const TYPE_URL: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

/// An answer to Envoy: `envoy.service.discovery.v3.DiscoveryResponse`.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct DiscoveryResponse {
    /// Stands for the content: the same on all nodes that know the same, another one when something has changed.
    pub version_info: String,
    /// The endpoints of each cluster.
    pub resources: Vec<Assignment>,
    /// `type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment`.
    pub type_url: &'static str,
}

/// The endpoints of one cluster.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct Assignment {
    #[serde(rename = "@type")]
    kind: &'static str,
    /// The cluster: a tag.
    cluster_name: String,
    /// One group of endpoints.
    #[schema(value_type = Vec<Object>)]
    endpoints: [Group; 1],
}

#[derive(Serialize, Debug)]
struct Group {
    lb_endpoints: Vec<Member>,
}

#[derive(Serialize, Debug)]
struct Member {
    endpoint: Endpoint,
    health_status: &'static str,
    metadata: Value,
}

#[derive(Serialize, Debug)]
struct Endpoint {
    address: Value,
}

impl DiscoveryResponse {
    /// The clusters of these names; of all tags when there are none. A tag that no origin has is a cluster without
    /// endpoints: left out, it would keep Envoy waiting.
    pub(crate) fn of(outlook: &Outlook, wanted: &[String]) -> Self {
        let places = outlook.directory.places();
        let health = outlook.model.health.borrow().clone();
        let assign = |tag: &str, names: &[Name]| Assignment::of(tag, names, &places, &health, outlook);
        let resources: Vec<Assignment> = if wanted.is_empty() {
            places.tags().map(|(tag, names)| assign(tag, names)).collect()
        } else {
            wanted.iter().map(|tag| assign(tag, places.tagged(tag))).collect()
        };
        // What is made of texts and numbers alone can be written.
        let content = serde_json::to_vec(&resources).unwrap_or_default();
        Self { version_info: format!("{:016x}", xxh3_64(&content)), resources, type_url: TYPE_URL }
    }
}

impl Assignment {
    fn of(tag: &str, names: &[Name], places: &Places, health: &Table<HealthRow>, outlook: &Outlook) -> Self {
        let member = |name: &Name| {
            let place = places.get(name)?;
            // Envoy takes addresses here, and nothing that would have to be looked up.
            let Host::Ip(ip) = place.endpoint.host else { return None };
            let verdict = outlook.caution.judge(health.get(name).map(|row| &row.value));
            Some(Member::of(name, ip, place.endpoint.port, health_status(verdict)?))
        };
        Self {
            kind: TYPE_URL,
            cluster_name: tag.to_owned(),
            endpoints: [Group { lb_endpoints: names.iter().filter_map(member).collect() }],
        }
    }
}

impl Member {
    fn of(name: &Name, ip: IpAddr, port: u16, health_status: &'static str) -> Self {
        let address =
            serde_json::json!({ "socket_address": { "address": ip.to_string(), "port_value": port } });
        let metadata = serde_json::json!({ "filter_metadata": { "heck": { "origin": name.as_str() } } });
        Self { endpoint: Endpoint { address }, health_status, metadata }
    }
}

/// What Envoy calls a verdict. What is in maintenance is left out: when too few endpoints are healthy, Envoy uses
/// those as well that are not.
const fn health_status(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Up => Some("HEALTHY"),
        Verdict::Degraded => Some("DEGRADED"),
        Verdict::Untested => Some("UNKNOWN"),
        Verdict::Draining => Some("DRAINING"),
        Verdict::Down(_) => Some("UNHEALTHY"),
        Verdict::Maintenance => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_maintenance_is_no_endpoint_and_all_else_has_a_status_of_envoys() {
        assert_eq!(health_status(Verdict::Maintenance), None);
        let known = ["UNKNOWN", "HEALTHY", "UNHEALTHY", "DRAINING", "TIMEOUT", "DEGRADED"];
        let verdicts =
            [Verdict::Up, Verdict::Degraded, Verdict::Untested, Verdict::Draining, Verdict::Down("timeout")];
        let said: Vec<_> = verdicts.into_iter().filter_map(health_status).collect();
        assert_eq!(said, ["HEALTHY", "DEGRADED", "UNKNOWN", "DRAINING", "UNHEALTHY"]);
        assert!(said.iter().all(|status| known.contains(status)));
    }

    #[test]
    fn an_endpoint_is_written_as_envoy_reads_it() {
        let name = Name::new("web0").unwrap();
        let member = Member::of(&name, "2001:db8::7".parse().unwrap(), 8_080, "HEALTHY");
        let json = serde_json::to_value(member).unwrap();
        assert_eq!(json["endpoint"]["address"]["socket_address"]["address"], "2001:db8::7");
        assert_eq!(json["endpoint"]["address"]["socket_address"]["port_value"], 8_080);
        assert_eq!(json["health_status"], "HEALTHY");
        assert_eq!(json["metadata"]["filter_metadata"]["heck"]["origin"], "web0");
    }
}
