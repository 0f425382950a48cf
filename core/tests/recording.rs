//! What a node does can be written down and done again: a checkpoint is the whole node, and a replay of a recording wants
//! what was recorded, or names the first step that differs.

mod common;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use common::{Cluster, Weather, addr, name};
use heck_core::Node;
use heck_core::config::{Config, Detector, MembershipConfig};
use heck_core::effects::{Effects, Event};
use heck_core::entry::OriginSpec;
use heck_core::hash::name_hash;
use heck_core::id::Boot;
use heck_core::input::{Command, Input, OwnedInput};
use heck_core::mutant::{Mutant, Planted};
use heck_core::node::CHECKPOINT_LAYOUT;
use heck_core::probe::{Failure, Reply};
use heck_core::recording::{Damage, Difference, Frame, Reader, Replay, Scribe, Taken, Unreadable};
use heck_core::rng::{Seed, Stream};
use heck_core::time::{Span, Time};

/// What sees a step: the place and life of the node, the node after it, and what it is about.
type Seen<'a> = (usize, &'a mut Node, Time, Input<'a>, &'a Effects);

/// A fleet with all that can happen to one: lost and late datagrams, origins that go down, writes of all kinds, a node that
/// crashes and comes back, one that loses its disk, one that leaves, streams that are cut. Gives back what happened.
fn eventful(
    config: Config,
    seed: u64,
    mut seen: impl FnMut(Seen<'_>) + 'static,
) -> (Vec<(Time, usize, Event)>, u64, Vec<u64>) {
    let weather = Weather { loss_permille: 200, duplicate_permille: 50, ..Weather::default() };
    let mut cluster = Cluster::formed(5, config, weather, seed);
    cluster.origins = Box::new(|node, probe, now| {
        let is_down = now.0 / 20_000_000 % 2 == 1 && probe.origin.as_str() < "origin-3";
        match (is_down, node) {
            (true, _) => Some((Reply::Failed(Failure::Connect), Span::from_ms(3))),
            (false, 4) => None,
            (false, _) => Some((Reply::Status(200), Span::from_ms(15))),
        }
    });
    cluster.watch = Box::new(move |at, node, now, input, effects| seen((at, node, now, input, effects)));
    for number in 0..6 {
        let spec = OriginSpec::new("http://10.0.0.7/");
        let origin = name(&format!("origin-{number}"));
        cluster.command(number % 5, &Command::PutOrigin { name: origin, spec, source: name("test") });
    }
    let large: Arc<[u8]> = vec![7; 5_000].into();
    for round in 0..30_u8 {
        let at = usize::from(round % 5);
        let key = name(&format!("key-{}", round % 7));
        let value = if round % 10 == 9 { large.clone() } else { vec![round; 40].into() };
        cluster.command_as(at, u64::from(round), &Command::PutKey { name: key.clone(), value });
        cluster.command(at, &Command::Publish { topic: name("topic"), payload: vec![round; 9].into() });
        match round {
            6 => cluster.crash(3),
            9 => cluster.start(3, true),
            12 => cluster.command(2, &Command::DeleteKey { name: key }),
            14 => cluster.command(1, &Command::CheckNow { name: name("origin-2") }),
            15 => cluster.cut_streams(),
            17 => cluster.crash(1),
            18 => cluster.start_empty(1, Boot(2_000)),
            22 => cluster.command(0, &Command::RemoveOrigin { name: name("origin-5") }),
            25 => cluster.command(4, &Command::Leave),
            _ => {}
        }
        cluster.run_for(Span::from_ms(2_500));
    }
    let states = cluster.running().map(|node| name_hash(&node.checkpoint())).collect();
    (cluster.events, cluster.bytes, states)
}

fn config(seed: u64) -> Config {
    let detectors = [Detector::Evidence, Detector::Lifeguard, Detector::Swim];
    let membership = MembershipConfig {
        detector: detectors[seed as usize % 3],
        reap_after: Span::from_secs(20),
        ..MembershipConfig::default()
    };
    Config { membership: Some(membership), fence_after: Span::from_secs(15), ..Config::default() }
}

#[test]
fn a_node_that_is_restored_from_its_checkpoint_does_what_the_one_would_have_done() {
    for seed in 0..6 {
        let on = eventful(config(seed), seed, |_| {});
        let mut draw = Stream::new(Seed(seed), 77);
        let replaced = eventful(config(seed), seed, move |(_, node, ..)| {
            if draw.below(10) == 0 {
                let bytes = node.checkpoint();
                let again = Node::from_checkpoint(&bytes).expect("it is one");
                assert!(again.checkpoint() == bytes, "a restored node has the same checkpoint");
                *node = again;
            }
        });
        assert!(on == replaced, "the two part under seed {seed}");
    }
}

/// A recording of one node of a fleet, until it crashes or the run ends.
#[derive(Default)]
struct Tape {
    scribe: Option<Scribe>,
    bytes: Vec<u8>,
    boot: Boot,
    steps: u64,
}

/// Records the node at a place, from its first step in a life on; `doctor` says what is written down of an input. Another
/// checkpoint follows after each 150 steps.
fn recorded(
    config: Config,
    seed: u64,
    place: usize,
    doctor: impl Fn(u64, OwnedInput) -> OwnedInput + 'static,
) -> Vec<u8> {
    let tape = Rc::new(RefCell::new(Tape::default()));
    let writing = tape.clone();
    eventful(config, seed, move |(at, node, now, input, effects)| {
        let boot = node.view().writer().boot;
        let Tape { scribe, bytes, boot: life, steps } = &mut *writing.borrow_mut();
        if at != place || (scribe.is_some() && *life != boot) {
            return;
        }
        let Some(scribe) = scribe else {
            let mut new = Scribe::new(seed);
            new.begin_file(node, now, bytes);
            (*scribe, *life) = (Some(new), boot);
            return;
        };
        let input = doctor(*steps, OwnedInput::from(input));
        scribe.begin_step(now, input.as_input());
        scribe.end_step(effects, bytes);
        *steps += 1;
        if steps.is_multiple_of(150) {
            scribe.checkpoint(node, now, bytes);
        }
    });
    tape.take().bytes
}

fn as_it_was(_: u64, input: OwnedInput) -> OwnedInput {
    input
}

/// Replays to the end or to the first difference: what became of the frames, and the difference.
fn replayed(bytes: &[u8]) -> (Replay, Vec<Taken>, Option<Difference>) {
    let mut reader = Reader::new(bytes).expect("a recording");
    let (mut replay, mut taken) = (Replay::default(), Vec::new());
    while let Some(frame) = reader.next_frame().expect("whole frames") {
        match replay.take(&frame) {
            Ok(what) => taken.push(what),
            Err(difference) => return (replay, taken, Some(difference)),
        }
    }
    (replay, taken, None)
}

#[test]
fn a_recording_replays_with_the_same_effects_and_meets_its_checkpoints() {
    for (seed, place) in [(0, 0), (1, 2), (2, 4)] {
        let bytes = recorded(config(seed), seed, place, as_it_was);
        let (replay, taken, difference) = replayed(&bytes);
        assert_eq!(difference, None, "step {} of seed {seed}", replay.steps());
        let count = |what| taken.iter().filter(|taken| **taken == what).count();
        assert!(count(Taken::Confirmed) > 1, "{}", count(Taken::Confirmed));
        assert_eq!(count(Taken::Same) as u64, replay.steps());
        assert_eq!(count(Taken::Begun), 1);
    }
}

#[test]
fn a_core_that_does_something_else_is_found_at_the_first_step_in_which_it_does() {
    // The recorded node has the bug; the one that replays has none.
    let planted = Config { planted: Planted::new(Mutant::AcknowledgeEarly), ..config(0) };
    let bytes = recorded(planted, 0, 0, as_it_was);
    let (replay, _, difference) = replayed(&bytes);
    assert_eq!(difference, Some(Difference::Effects));
    let wrote = matches!(
        replay.input(),
        Some(OwnedInput::Command { command: Command::PutOrigin { .. } | Command::PutKey { .. }, .. })
    );
    assert!(wrote, "the first write is acknowledged in another step: {:?}", replay.input());
    let done = replay.effects().events.iter().any(|event| matches!(event, Event::Done { .. }));
    assert!(!done, "what is wanted now is what the sound core wants");
}

#[test]
fn an_input_that_is_another_than_the_node_took_is_found_where_it_stands() {
    let honest = recorded(config(0), 0, 0, as_it_was);
    let (_, taken, _) = replayed(&honest);
    let middle = taken.len() as u64 / 2;
    let bytes = recorded(config(0), 0, 0, move |step, input| match input {
        OwnedInput::Command { token, command: Command::PutKey { name, value } } if step >= middle => {
            let mut other = value.to_vec();
            other[0] ^= 1;
            OwnedInput::Command { token, command: Command::PutKey { name, value: other.into() } }
        }
        other => other,
    });
    let (replay, _, difference) = replayed(&bytes);
    assert_eq!(difference, Some(Difference::Effects));
    assert!(replay.steps() > middle);
    assert!(matches!(replay.input(), Some(OwnedInput::Command { command: Command::PutKey { .. }, .. })));
}

/// A node by itself that takes some writes, in a small recording. `passed_over` of its steps are not written down.
fn small(passed_over: std::ops::Range<u64>) -> Vec<u8> {
    let cluster = Cluster::cold(1, Config::default(), Weather::default(), 3);
    let mut node = Node::from_checkpoint(&cluster.node(0).checkpoint()).expect("it is one");
    let (mut scribe, mut bytes, mut effects) = (Scribe::new(5), Vec::new(), Effects::default());
    scribe.begin_file(&node, Time::ZERO, &mut bytes);
    for step in 0..20_u64 {
        let now = Time(step * 1_000_000);
        let join = Command::Join { peers: [].into() };
        let write = Command::PutKey { name: name("k"), value: vec![step as u8; 30].into() };
        let command = if step == 0 { &join } else { &write };
        let input = if step % 2 == 0 { Input::Command { token: step, command } } else { Input::Timeout };
        effects.clear();
        node.step(now, input, &mut effects);
        if passed_over.contains(&step) {
            scribe.pass_over_step();
            if step + 1 == passed_over.end {
                scribe.checkpoint(&node, now, &mut bytes);
            }
            continue;
        }
        scribe.begin_step(now, input);
        scribe.end_step(&effects, &mut bytes);
    }
    bytes
}

/// All frames up to the end or to the damage, and where each begins.
fn frames(bytes: &[u8]) -> (Vec<(u64, Frame<'_>)>, Option<Damage>) {
    let mut reader = Reader::new(bytes).expect("the header is whole");
    let mut frames = Vec::new();
    loop {
        let offset = reader.offset();
        match reader.next_frame() {
            Ok(Some(frame)) => frames.push((offset, frame)),
            Ok(None) => return (frames, None),
            Err(damage) => return (frames, Some(damage)),
        }
    }
}

#[test]
fn a_recording_that_is_cut_off_is_read_up_to_the_cut_and_says_so() {
    let bytes = small(0..0);
    let (whole, damage) = frames(&bytes);
    assert_eq!(damage, None);
    let header = whole[0].0 as usize;
    for cut in header..bytes.len() {
        let (read, damage) = frames(&bytes[..cut]);
        assert_eq!(read[..], whole[..read.len()]);
        let begun = whole.iter().map(|(offset, _)| *offset).rfind(|offset| (*offset as usize) < cut);
        let ends = whole.iter().any(|(offset, _)| *offset as usize == cut);
        let expected = if ends { None } else { begun.map(Damage::Torn) };
        assert_eq!(damage, expected, "cut at {cut}");
    }
    for cut in 0..header {
        assert_eq!(Reader::new(&bytes[..cut]).err(), Some(Unreadable::Header), "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_is_found_in_its_frame_and_all_before_it_is_read() {
    let bytes = small(0..0);
    let (whole, _) = frames(&bytes);
    let header = whole[0].0 as usize;
    for at in (0..bytes.len()).step_by(3) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        if at < header {
            assert!(Reader::new(&bytes).is_err(), "at {at}");
            continue;
        }
        let (read, damage) = frames(&bytes);
        let begun = whole.iter().map(|(offset, _)| *offset).rfind(|offset| *offset as usize <= at);
        // A length that leads behind the end looks like a cut.
        let named = damage.map(|(Damage::Torn(offset) | Damage::Broken(offset))| offset);
        assert_eq!(named, begun, "at {at}");
        assert_eq!(read[..], whole[..read.len()]);
    }
}

#[test]
fn what_is_no_recording_is_told_from_one_that_this_core_cannot_read() {
    let bytes = small(0..0);
    assert_eq!(Reader::new(b"#!/bin/sh").err(), Some(Unreadable::Foreign));
    assert_eq!(Reader::new(b"").err(), Some(Unreadable::Header));
    let mut later = bytes.clone();
    later[8] = 2;
    assert_eq!(Reader::new(&later).err(), Some(Unreadable::Format(2)));
    // A header of another layout, with the sum that belongs to it.
    let mut other = bytes;
    let layout = CHECKPOINT_LAYOUT + 1;
    other[12..16].copy_from_slice(&layout.to_le_bytes());
    let said = 8 + 4 + 4 + 8 + 4 + 1 + usize::from(other[28]);
    let sum = name_hash(&other[..said]);
    other[said..said + 8].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(Reader::new(&other).err(), Some(Unreadable::Layout(layout)));
}

#[test]
fn steps_that_are_missing_are_counted_and_the_replay_goes_on_behind_them() {
    let (replay, taken, difference) = replayed(&small(5..9));
    assert_eq!(difference, None);
    assert_eq!(taken.iter().filter(|taken| matches!(taken, Taken::Missing(4))).count(), 1, "{taken:?}");
    assert_eq!(replay.steps(), 20);
}

#[test]
fn a_step_from_which_the_node_did_not_come_back_is_the_last_of_a_recording() {
    let cluster = Cluster::cold(1, Config::default(), Weather::default(), 3);
    let (mut scribe, mut bytes) = (Scribe::new(5), Vec::new());
    scribe.begin_file(cluster.node(0), Time::ZERO, &mut bytes);
    scribe.begin_step(Time(7), Input::StreamRefused { peer: addr(3) });
    scribe.abandon_step(&mut bytes);
    let (replay, taken, difference) = replayed(&bytes);
    assert_eq!((taken, difference), (vec![Taken::Begun, Taken::CameBack], None));
    assert_eq!(replay.input(), Some(&OwnedInput::StreamRefused { peer: addr(3) }));
    assert_eq!(replay.now(), Time(7));
}

#[test]
fn bytes_that_are_no_checkpoint_are_refused() {
    let bytes = Cluster::cold(1, Config::default(), Weather::default(), 3).node(0).checkpoint();
    assert!(Node::from_checkpoint(&bytes).is_ok());
    for cut in 0..bytes.len() {
        assert!(Node::from_checkpoint(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert!(Node::from_checkpoint(&[&bytes[..], &[0]].concat()).is_err());
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let all = paths.into_iter().flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    all.collect()
}

/// All that a checkpoint is made of, as the source says it, without comments.
fn shape() -> String {
    let mut shape = String::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&path).expect("a readable file");
        let mut lines = text.lines().map(str::trim).filter(|line| !line.starts_with("///"));
        while let Some(line) = lines.next() {
            if !line.contains("derive(serde::Serialize, serde::Deserialize)") {
                continue;
            }
            for line in lines.by_ref() {
                shape.push_str(line);
                shape.push('\n');
                if line == "}" || line.ends_with(");") {
                    break;
                }
            }
        }
    }
    shape
}

#[test]
fn a_state_of_another_shape_has_another_layout() {
    const KNOWN: (u32, u64) = (4, 15_454_141_487_465_013_352);
    let is = (CHECKPOINT_LAYOUT, name_hash(shape().as_bytes()));
    assert_eq!(
        is, KNOWN,
        "what a checkpoint is made of has changed: raise CHECKPOINT_LAYOUT, so that recordings of before are refused \
         instead of misread, and write both numbers here"
    );
}
