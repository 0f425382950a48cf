//! From a question to an answer, both as bytes.

use super::index::{Found, Index, label};
use crate::origin::Host;
use crate::output::{Outlook, Place, Verdict};
use heck_core::id::Name as Origin;
use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, SOA, SRV};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest answer over UDP: what passes everywhere without fragments.
const UDP_LIMIT: usize = 1_232;
/// Longest answer over UDP to a question without EDNS (RFC 1035).
const PLAIN_UDP_LIMIT: usize = 512;
/// Most records of an answer. Of more origins each question gets others.
const RECORDS: usize = 128;

/// The zone that is answered for.
#[derive(Debug)]
pub(super) struct Zone {
    name: Name,
    ttl_s: u32,
    /// The address of this server.
    server: IpAddr,
    index: Mutex<Arc<Index>>,
}

/// What is known of a question besides the question.
struct Asked<'a> {
    query: &'a Query,
    index: &'a Index,
    outlook: &'a Outlook,
    /// Turns lists, so that not every client begins with the same origin.
    turn: usize,
}

/// An origin that may be used, and where it is.
struct Usable<'a> {
    place: &'a Place,
    verdict: Verdict,
}

impl Zone {
    pub(super) fn new(name: Name, ttl_s: u32, server: IpAddr) -> Self {
        Self { name, ttl_s, server, index: Mutex::default() }
    }

    /// The answer to what a client sent; none to what is no question.
    pub(super) fn answer(
        &self,
        bytes: &[u8],
        outlook: &Outlook,
        is_ready: bool,
        is_udp: bool,
    ) -> Option<Vec<u8>> {
        let request = match Message::from_vec(bytes) {
            Ok(request) => request,
            Err(_) => return malformed(bytes),
        };
        if request.metadata.message_type != MessageType::Query {
            return None;
        }
        let mut answer = Message::response(request.metadata.id, request.metadata.op_code);
        answer.metadata = Metadata::response_from_request(&request.metadata);
        answer.add_queries(request.queries.iter().take(1).cloned());
        let mut room = if is_udp { PLAIN_UDP_LIMIT } else { usize::from(u16::MAX) };
        if let Some(asked) = &request.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_LIMIT as u16).set_version(0);
            answer.set_edns(edns);
            if is_udp {
                room = usize::from(asked.max_payload()).clamp(PLAIN_UDP_LIMIT, UDP_LIMIT);
            }
        }
        self.fill(&mut answer, &request, outlook, is_ready);
        let written = answer.to_vec().ok()?;
        if written.len() <= room {
            return Some(written);
        }
        // What is additional may be missing; the rest may not.
        answer.additionals.clear();
        match answer.to_vec() {
            Ok(written) if written.len() <= room => Some(written),
            _ => answer.truncate().to_vec().ok(),
        }
    }

    fn fill(&self, answer: &mut Message, request: &Message, outlook: &Outlook, is_ready: bool) {
        let code = |answer: &mut Message, code| answer.metadata.response_code = code;
        if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            return code(answer, ResponseCode::BADVERS);
        }
        if request.metadata.op_code != OpCode::Query {
            return code(answer, ResponseCode::NotImp);
        }
        let [query] = &request.queries[..] else { return code(answer, ResponseCode::FormErr) };
        let is_transfer = matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
        if query.query_class() != DNSClass::IN || is_transfer || !self.name.zone_of(query.name()) {
            return code(answer, ResponseCode::Refused);
        }
        if !is_ready {
            // The client asks another server.
            return code(answer, ResponseCode::ServFail);
        }
        answer.metadata.authoritative = true;
        let index = self.index(outlook);
        let asked = Asked { query, index: &index, outlook, turn: usize::from(request.metadata.id) };
        let is_known = self.answer_query(answer, &asked);
        if !is_known {
            code(answer, ResponseCode::NXDomain);
        }
        if answer.answers.is_empty() {
            answer.add_authority(self.soa());
        }
    }

    /// Adds what answers a question; whether its name is known at all.
    fn answer_query(&self, answer: &mut Message, asked: &Asked<'_>) -> bool {
        let name = asked.query.name().clone();
        let kind = asked.query.query_type();
        match asked.index.find(&self.labels(&name).iter().map(String::as_str).collect::<Vec<_>>()) {
            Found::Nothing => return false,
            Found::Parent => {}
            Found::Apex => match kind {
                RecordType::SOA => _ = answer.add_answer(self.soa()),
                RecordType::NS => {
                    let server = self.below("ns").map(|server| RData::NS(NS(server)));
                    answer.add_answers(server.map(|server| self.record(name, server)));
                }
                _ => {}
            },
            Found::Server if !self.server.is_unspecified() => {
                answer.add_answers(addr(self.server, kind).map(|data| self.record(name, data)));
            }
            Found::Server => {}
            Found::Addr(ip) => _ = answer.add_answers(addr(ip, kind).map(|data| self.record(name, data))),
            Found::Origins { names, is_service } => match kind {
                RecordType::SRV => self.add_services(answer, &name, &asked.usable(names)),
                _ if is_service => {}
                _ => self.add_addrs(answer, &name, kind, &asked.usable(names)),
            },
        }
        true
    }

    /// Adds the addresses of origins. One origin at a name of its own leads to that; among several, those with names have no
    /// place in a list of addresses.
    fn add_addrs(&self, answer: &mut Message, name: &Name, kind: RecordType, usable: &[Usable<'_>]) {
        if let [only] = usable
            && let Host::Name(host) = &only.place.endpoint.host
        {
            if matches!(kind, RecordType::A | RecordType::AAAA | RecordType::CNAME) {
                let host = absolute(host).map(|host| RData::CNAME(CNAME(host)));
                answer.add_answers(host.map(|host| self.record(name.clone(), host)));
            }
            return;
        }
        let mut seen = BTreeSet::new();
        for usable in usable {
            if let Host::Ip(ip) = usable.place.endpoint.host
                && seen.insert(ip)
                && seen.len() <= RECORDS
            {
                answer.add_answers(addr(ip, kind).map(|data| self.record(name.clone(), data)));
            }
        }
    }

    fn add_services(&self, answer: &mut Message, name: &Name, usable: &[Usable<'_>]) {
        let mut addrs = BTreeSet::new();
        for Usable { place, verdict } in usable.iter().take(RECORDS) {
            let target = match &place.endpoint.host {
                Host::Name(host) => absolute(host),
                Host::Ip(ip) => self.below(&format!("{}.addr", label(*ip))),
            };
            let Some(target) = target else { continue };
            if let Host::Ip(ip) = place.endpoint.host
                && addrs.insert(ip)
            {
                let kind = if ip.is_ipv4() { RecordType::A } else { RecordType::AAAA };
                let record = addr(ip, kind).map(|data| self.record(target.clone(), data));
                answer.add_additionals(record);
            }
            // What is degraded is used when nothing better is left.
            let priority = u16::from(*verdict == Verdict::Degraded);
            let service = SRV::new(priority, 1, place.endpoint.port, target);
            answer.add_answer(self.record(name.clone(), RData::SRV(service)));
        }
    }

    fn index(&self, outlook: &Outlook) -> Arc<Index> {
        let places = outlook.directory.places();
        // What the lock guards is whole at any time.
        let mut held = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&held.places, &places) {
            *held = Arc::new(Index::of(places));
        }
        held.clone()
    }

    /// The labels of a name before those of the zone, in lower case.
    fn labels(&self, name: &Name) -> Vec<String> {
        let count = usize::from(name.num_labels()).saturating_sub(usize::from(self.name.num_labels()));
        let text = |label: &[u8]| String::from_utf8_lossy(label).to_ascii_lowercase();
        name.iter().take(count).map(text).collect()
    }

    /// A name below the zone.
    fn below(&self, relative: &str) -> Option<Name> {
        Name::from_ascii(relative).ok()?.append_domain(&self.name).ok()
    }

    fn record(&self, name: Name, data: RData) -> Record {
        Record::from_rdata(name, self.ttl_s, data)
    }

    /// What says how long to remember that there is nothing.
    fn soa(&self) -> Record {
        let below = |label| self.below(label).unwrap_or_else(|| self.name.clone());
        let (refresh_s, retry_s, expire_s) = (3_600, 600, 86_400);
        let soa = SOA::new(below("ns"), below("hostmaster"), 1, refresh_s, retry_s, expire_s, self.ttl_s);
        self.record(self.name.clone(), RData::SOA(soa))
    }
}

impl<'a> Asked<'a> {
    /// Which of these origins may be used, beginning with another one each time.
    fn usable(&self, names: &[Origin]) -> Vec<Usable<'a>> {
        let health = self.outlook.model.health.borrow().clone();
        let places = &self.index.places;
        let usable = |name: &Origin| {
            let verdict = self.outlook.caution.judge(health.get(name).map(|row| &row.value));
            verdict.is_usable().then_some(())?;
            Some(Usable { place: places.get(name)?, verdict })
        };
        let mut usable: Vec<Usable<'a>> = names.iter().filter_map(usable).collect();
        let turn = self.turn.checked_rem(usable.len()).unwrap_or_default();
        usable.rotate_left(turn);
        usable
    }
}

/// An address as a record of this kind, if it is one.
fn addr(ip: IpAddr, kind: RecordType) -> Option<RData> {
    match (ip, kind) {
        (IpAddr::V4(ip), RecordType::A) => Some(RData::A(A(ip))),
        (IpAddr::V6(ip), RecordType::AAAA) => Some(RData::AAAA(AAAA(ip))),
        _ => None,
    }
}

/// The host of a URL as a name that is complete; none when it is longer than DNS allows.
fn absolute(host: &str) -> Option<Name> {
    let mut name = Name::from_ascii(host).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The answer to bytes that are no message but begin like a question.
fn malformed(bytes: &[u8]) -> Option<Vec<u8>> {
    let (&[high, low, flags], true) = (bytes.first_chunk()?, bytes.len() >= 12) else { return None };
    let is_response = flags & 0x80 != 0;
    let id = u16::from_be_bytes([high, low]);
    let answer = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
    if is_response { None } else { answer.to_vec().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_gets_its_number_back_unless_it_is_an_answer_or_too_short() {
        let mut bytes = vec![0x12, 0x34, 0x01, 0, 0, 9, 0, 0, 0, 0, 0, 0];
        assert!(Message::from_vec(&bytes).is_err());
        let answer = Message::from_vec(&malformed(&bytes).unwrap()).unwrap();
        assert_eq!(answer.metadata.id, 0x1234);
        assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
        assert_eq!(answer.metadata.message_type, MessageType::Response);
        bytes[2] |= 0x80;
        assert_eq!(malformed(&bytes), None, "two servers must not go on answering each other");
        assert_eq!(malformed(&bytes[..11]), None);
        assert_eq!(malformed(&[]), None);
    }
}
