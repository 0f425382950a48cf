//! Reading the message log from a position.

use super::position::{Position, lane};
use heck_core::codec::NUMBER_LIMIT;
use heck_core::entry::{Body, Entry};
use heck_core::id::{Dot, SHARDS, Shard, Store, Writer};
use heck_core::interval::{IntervalSet, Range};
use heck_core::node::View;
use heck_core::time::Time;
use std::sync::Arc;

/// Messages of one look, and bytes of their payloads.
const PAGE: usize = 256;
const PAGE_BYTES: usize = 1 << 20;
/// Messages that one look goes through at most, whoever wants them; with gaps somewhat more.
const VISITS: usize = 4_096;

/// A message as it is handed to clients.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub entry: Arc<Entry>,
    /// Who published it; none when that member is no longer known.
    pub writer_name: Option<String>,
    pub age_ms: u64,
}

/// Messages that expired before the subscriber had them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Gap {
    pub writer: Writer,
    pub writer_name: Option<String>,
    /// The first and the last missing one; the last is not known once the life of the writer is long over.
    pub first: u64,
    pub last: Option<u64>,
}

/// What a subscriber gets.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Message(Message),
    Gap(Gap),
}

/// One look at the log.
pub(crate) struct Page {
    pub items: Vec<Item>,
    /// Whether there is more.
    pub more: bool,
}

fn log_lanes(view: View<'_>) -> impl Iterator<Item = (Writer, &IntervalSet)> {
    let lanes = (0..SHARDS).flat_map(move |shard| view.state().context().lanes_of(Shard(shard as u8)));
    lanes.filter(|(lane, _)| lane.store == Store::Log).map(|(lane, seen)| (lane.writer, seen))
}

/// The first live message of a writer in a range, and what it cost to find it.
fn first_live<'a>(
    view: View<'a>,
    writer: Writer,
    range: Range,
    visited: &mut usize,
) -> Option<&'a Arc<Entry>> {
    let first = Dot { lane: lane(writer), counter: range.first };
    *visited += 1;
    if let Some(entry) = view.state().entry(&first) {
        return Some(entry);
    }
    // Only behind a gap it has to be looked for.
    let mut of_shard = view.state().entries_in(first.lane.shard).inspect(|_| *visited += 1);
    let found = of_shard.find(|entry| entry.dot >= first)?;
    (found.dot.lane == first.lane && found.dot.counter <= range.last).then_some(found)
}

/// The position before all messages that this node still holds.
pub(crate) fn start(view: View<'_>) -> Position {
    let mut position = Position::default();
    for (writer, seen) in log_lanes(view) {
        let mut expired = seen.clone();
        let lane = lane(writer);
        for entry in view.state().entries_in(lane.shard).filter(|entry| entry.dot.lane == lane) {
            expired.remove(entry.dot.counter);
        }
        position.insert_all(writer, &expired);
    }
    position
}

/// The position behind everything that this node has heard of.
pub(crate) fn now(view: View<'_>) -> Position {
    let mut position = Position::default();
    for (writer, seen) in log_lanes(view) {
        position.insert_all(writer, seen);
    }
    position
}

fn name_of(view: View<'_>, writer: Writer) -> Option<String> {
    view.members().get(writer.node).map(|member| member.name.as_str().to_owned())
}

/// Describes a message that is live here.
pub(crate) fn message(view: View<'_>, now: Time, entry: Arc<Entry>) -> Message {
    let age_ms = view.state().message_age(&entry.dot, now).as_us() / 1_000;
    Message { writer_name: name_of(view, entry.dot.lane.writer), entry, age_ms }
}

/// Whether a message is of a topic, where one is asked for.
pub(crate) fn is_of(entry: &Entry, topic: Option<&str>) -> bool {
    match &entry.body {
        Body::Message { topic: of, .. } => topic.is_none_or(|topic| of.as_str() == topic),
        _ => false,
    }
}

/// Reads on from a position and moves it behind what is handed over. Messages of one writer come in their order.
pub(crate) fn read(view: View<'_>, now: Time, position: &mut Position, topic: Option<&str>) -> Page {
    let mut page = Page { items: Vec::new(), more: false };
    say_what_was_fenced(view, position, &mut page.items);
    let (mut bytes, mut visited) = (0, 0);
    for (writer, seen) in log_lanes(view) {
        let mut missing: Vec<Range> = Vec::new();
        let none = IntervalSet::new();
        seen.for_each_missing_in(position.of(writer).unwrap_or(&none), |range| missing.push(range));
        if missing.is_empty() {
            continue;
        }
        for range in missing {
            let mut next = range.first;
            while next <= range.last {
                if page.items.len() >= PAGE || bytes >= PAGE_BYTES || visited >= VISITS {
                    page.more = true;
                    return page;
                }
                let rest = Range { first: next, last: range.last };
                let Some(entry) = first_live(view, writer, rest, &mut visited) else {
                    gap(view, writer, next, range.last, position, &mut page.items);
                    break;
                };
                let counter = entry.dot.counter;
                gap(view, writer, next, counter - 1, position, &mut page.items);
                position.insert(writer, counter);
                next = counter + 1;
                if is_of(entry, topic) {
                    bytes += entry.wire_len() as usize;
                    page.items.push(Item::Message(message(view, now, entry.clone())));
                }
            }
        }
    }
    page
}

fn gap(
    view: View<'_>,
    writer: Writer,
    first: u64,
    last: u64,
    position: &mut Position,
    items: &mut Vec<Item>,
) {
    if first <= last {
        position.insert_range(writer, Range { first, last });
        items.push(Item::Gap(Gap { writer, writer_name: name_of(view, writer), first, last: Some(last) }));
    }
}

/// Of lives that are behind a fence nobody knows any more how much they said: a subscriber that was away since then
/// is told from where on something may be missing.
fn say_what_was_fenced(view: View<'_>, position: &mut Position, items: &mut Vec<Item>) {
    let context = view.state().context();
    let is_fenced =
        |writer: Writer| context.lane(&lane(writer)).is_some_and(|seen| seen.contains(NUMBER_LIMIT));
    for writer in position.writers().filter(|writer| is_fenced(*writer)).collect::<Vec<_>>() {
        let first = position.of(writer).map_or(1, |had| had.max() + 1);
        items.push(Item::Gap(Gap { writer, writer_name: name_of(view, writer), first, last: None }));
        position.forget(writer);
    }
}

/// The dot of a message as clients know it.
pub(crate) fn id(dot: &Dot) -> String {
    let writer = dot.lane.writer;
    format!("{:016x}-{:x}-{}", writer.node.0, writer.boot.0, dot.counter)
}
