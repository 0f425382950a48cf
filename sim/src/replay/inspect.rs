//! What a node knows at a time, as text in an order that depends on nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use heck_core::entry::{Body, Scope};
use heck_core::id::{Name, NodeId, Shard, Store, Writer};
use heck_core::interval::IntervalSet;
use heck_core::node::View;
use heck_core::time::{Span, Time};

use super::words::show_addr;

/// Shows a node: its members with what is held of them, the origins that it owns, the health of all with its age, what was
/// seen of each writer, and how much there is of everything.
#[must_use]
pub fn inspect(view: View<'_>, now: Time) -> String {
    let mut text = String::new();
    let me = view.writer();
    line(&mut text, format_args!("node {} life {} phase {:?}", view.name(), me.boot.0, view.phase()));
    members(view, now, &mut text);
    owned(view, now, &mut text);
    health(view, now, &mut text);
    contexts(view, &mut text);
    counts(view, &mut text);
    text
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(what);
    text.push('\n');
}

/// A node by its name where that is known.
fn name_of(view: View<'_>, node: NodeId) -> String {
    view.members().get(node).map_or_else(|| format!("{:016x}", node.0), |member| member.name.to_string())
}

fn show_scope(scope: Scope) -> String {
    match scope {
        Scope::CLUSTER => "cluster".to_owned(),
        Scope::NO_ZONE => "nodes without a zone".to_owned(),
        Scope(zone) => format!("zone {zone:016x}"),
    }
}

fn show_secs(span: Span) -> String {
    format!("{}.{:06}s", span.as_us() / 1_000_000, span.as_us() % 1_000_000)
}

fn members(view: View<'_>, now: Time, text: &mut String) {
    let members = view.members();
    line(text, format_args!("members: {} known, {} take part", members.known(), members.len()));
    let by_name: BTreeMap<&Name, _> = members.all().map(|member| (&member.name, member)).collect();
    for (name, member) in by_name {
        let standing = format!("{:?}", member.standing).to_lowercase();
        let counted = if view.is_counted(member, now) { "counted" } else { "not counted" };
        let (addr, weight) = (show_addr(member.addr), member.weight);
        let (boot, incarnation) = (member.life.boot.0, member.life.incarnation);
        line(
            text,
            format_args!(
                "  {name}  {addr}  {standing}, {counted}  life {boot}.{incarnation}  weight {weight}"
            ),
        );
    }
}

fn origins(view: View<'_>) -> BTreeSet<&Name> {
    view.state().entries_of(Store::Registry).filter_map(|entry| entry.body.map_name()).collect()
}

fn owned(view: View<'_>, now: Time, text: &mut String) {
    let (scope, me) = (view.own_scope(), view.writer().node);
    let all = origins(view);
    let own: Vec<&Name> =
        all.iter().copied().filter(|origin| view.owner(scope, origin, now) == Some(me)).collect();
    line(text, format_args!("owns: {} of {} origins in {}", own.len(), all.len(), show_scope(scope)));
    for origin in own {
        match view.check(origin) {
            Some(status) => line(
                text,
                format_args!(
                    "  {origin}  {} for {} checks  last outcome {} ago",
                    status.state.name(),
                    status.consecutive,
                    show_secs(now.since(status.told))
                ),
            ),
            None => line(text, format_args!("  {origin}  not checked yet")),
        }
    }
}

fn health(view: View<'_>, now: Time, text: &mut String) {
    let claims = view.state().entries_of(Store::Health).filter_map(|entry| entry.claim());
    let told: BTreeSet<(&Name, Scope)> = claims.map(|claim| (&claim.origin, claim.scope)).collect();
    let all = origins(view);
    line(text, format_args!("health: {} claims of {} origins", told.len(), all.len()));
    for (origin, scope) in &told {
        let Some(health) = view.health(*scope, origin, now) else { continue };
        let age = health.age.map_or_else(
            || "unknown".to_owned(),
            |age| format!("{} (up to {} more)", show_secs(age), show_secs(health.age_bound)),
        );
        let stale = if health.is_stale { ", stale" } else { "" };
        let owner = health.owner.map_or_else(|| "nobody".to_owned(), |owner| name_of(view, owner));
        line(
            text,
            format_args!(
                "  {origin}  {}  said by {} ({:?})  owner {owner}  age {age}{stale}  {}",
                health.state.name(),
                name_of(view, health.writer.node),
                health.hold,
                show_scope(*scope)
            ),
        );
    }
    let untold = all.iter().filter(|origin| !told.iter().any(|(told, _)| told == *origin));
    for origin in untold {
        line(text, format_args!("  {origin}  unknown: nobody has said yet"));
    }
}

fn show_ranges(seen: &IntervalSet) -> String {
    let range = |range: &heck_core::interval::Range| match range.first == range.last {
        true => range.first.to_string(),
        false => format!("{}-{}", range.first, range.last),
    };
    seen.ranges().iter().map(range).collect::<Vec<_>>().join(",")
}

fn contexts(view: View<'_>, text: &mut String) {
    let context = view.state().context();
    let mut lanes: BTreeMap<(Writer, Store), Vec<String>> = BTreeMap::new();
    for shard in (0..=u8::MAX).map(Shard) {
        for (lane, seen) in context.lanes_of(shard) {
            let ranges = lanes.entry((lane.writer, lane.store)).or_default();
            ranges.push(format!("{:02x}:{}", shard.0, show_ranges(seen)));
        }
    }
    let writers: BTreeSet<Writer> = lanes.keys().map(|(writer, _)| *writer).collect();
    line(text, format_args!("contexts: {} writers, state {:016x}", writers.len(), view.hash()));
    for ((writer, store), ranges) in &lanes {
        let progress = context.progress(*writer, *store);
        line(
            text,
            format_args!(
                "  {} life {} {:?}: {} of {} seen  {}",
                name_of(view, writer.node),
                writer.boot.0,
                store,
                progress.count,
                progress.serial,
                ranges.join(" ")
            ),
        );
    }
    let fenced = view.members().all().filter_map(|member| Some((member, context.fence_of(member.node)?)));
    for (member, boot) in fenced {
        line(text, format_args!("  {} lives up to {}: fenced, all seen", member.name, boot.0));
    }
}

fn counts(view: View<'_>, text: &mut String) {
    let state = view.state();
    let live = Store::ALL.map(|store| format!("{store:?} {}", state.entries_of(store).count()));
    line(text, format_args!("live entries: {}", live.join(", ")));
    let values = state.entries_of(Store::Keys).filter_map(|entry| match &entry.body {
        Body::Key { value, .. } => Some(value.len()),
        _ => None,
    });
    let (bytes, messages) = state.log_size();
    line(text, format_args!("bytes: {} in keys, {bytes} in {messages} messages", values.sum::<usize>()));
    let [doubts, awaited, news, gone] = view.membership_sizes();
    line(
        text,
        format_args!(
            "membership: {doubts} doubted, {awaited} waited for, {news} news, {gone} remembered as gone"
        ),
    );
    let [checked, handed, _, beaten] = view.check_sizes();
    line(
        text,
        format_args!("checks: {checked} origins, {handed} being handed over, {beaten} claims given way"),
    );
    let [_, _, _, recent, streams, waiting, _] = view.private_sizes();
    line(text, format_args!("queues: {recent} recent entries, {streams} streams, {waiting} commands wait"));
    let delivery = u64::from(view.delivery()) * 1_000 / 65_536;
    line(text, format_args!("datagrams that arrive: {}.{} %", delivery / 10, delivery % 10));
}
