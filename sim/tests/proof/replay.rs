//! `heck-sim replay` from outside: what it finds, its exit codes, and what it shows.

use std::fs;
use std::path::Path;

use heck_core::Node;
use heck_core::effects::Effects;
use heck_core::input::{Command, Input};
use heck_core::recording::{Frame, Reader, Scribe};
use heck_core::time::{Span, Time};

use crate::recorded::{BEGAN, name, recorded};
use crate::{ended, heck_sim};

const LENGTH: Span = Span::from_secs(30);

fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = recorded(LENGTH);
    fs::write(folder.path().join("n.rec.1"), first).expect("written");
    fs::write(folder.path().join("n.rec"), second).expect("written");
    folder
}

fn replay(folder: &Path, args: &[&str]) -> (i32, String, String) {
    ended(&heck_sim(folder, &[&["replay"], args].concat()))
}

/// How many steps the first line says were the same.
fn steps(out: &str, file: &str) -> u64 {
    let line =
        out.lines().find_map(|line| line.strip_prefix(&format!("{file}: "))?.split_once(" steps the same"));
    line.unwrap_or_else(|| panic!("{out}")).0.parse().expect("a number")
}

#[test]
fn a_recording_in_two_files_is_replayed_in_one_and_each_by_itself() {
    let folder = workplace();
    let (code, out, err) = replay(folder.path(), &["n.rec"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("checkpoints confirmed: 1"), "{out}");
    let both = steps(&out, "n.rec");
    let (code, out, _) = replay(folder.path(), &["n.rec.1"]);
    let first = steps(&out, "n.rec.1");
    assert_eq!(code, 0);
    fs::remove_file(folder.path().join("n.rec.1")).expect("removed");
    let (code, out, _) = replay(folder.path(), &["n.rec"]);
    assert_eq!((code, first + steps(&out, "n.rec")), (0, both));
    fs::write(folder.path().join("n.rec.1"), "another").expect("written");
    let (code, out, _) = replay(folder.path(), &["n.rec"]);
    assert!(code == 0 && out.contains("n.rec.1 is no earlier part of it"), "{out}");
}

#[test]
fn the_state_is_shown_at_any_time_the_same_each_time() {
    let folder = workplace();
    let at = |until: &str| {
        let (code, out, err) = replay(folder.path(), &["n.rec", "--until", until, "--inspect"]);
        assert_eq!((code, err.as_str()), (0, ""));
        out
    };
    let early = at("3500ms");
    let shown = [
        "at +3.500000s, 2026-01-31T12:00:03.500000Z",
        "node n life 1 phase Serving",
        "members: 2 known, 2 take part",
        "owns: ",
        "  up  ",
        "contexts: 1 writers",
        "n life 1 Keys: 4 of 4 seen",
        "live entries: Registry 2, Keys 4",
    ];
    for part in shown {
        assert!(early.contains(part), "{part:?} is not in {early}");
    }
    assert_eq!(early, at("3500ms"));
    assert_eq!(early, at("2026-01-31T12:00:03.5Z"));
    let late = at("25s");
    assert!(late.contains("gone  ") && late.contains("suspect, counted"), "{late}");
    assert!(late.contains("  up  healthy  said by n"), "{late}");
    assert!(late.contains("  down  unknown: nobody has said yet"), "{late}");
    let (code, _, err) = replay(folder.path(), &["n.rec", "--until", "noon"]);
    assert!(code == 2 && err.contains("allowed is a time since the beginning"), "{err}");
}

#[test]
fn a_step_that_differs_exits_1_and_is_named_with_what_is_wanted_now() {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, _] = recorded(LENGTH);
    let mut reader = Reader::new(&first).expect("a recording");
    let Ok(Some(Frame::Checkpoint { state, .. })) = reader.next_frame() else { panic!("it begins so") };
    let mut node = Node::from_checkpoint(state).expect("it is one");
    // What is written down is another value than the one that the node took.
    let (mut scribe, mut bytes, mut effects) = (Scribe::new(1), Vec::new(), Effects::default());
    scribe.begin_file(&node, BEGAN, &mut bytes);
    let put = |value: &[u8]| Command::PutKey { name: name("k"), value: value.into() };
    node.step(BEGAN, Input::Command { token: 9, command: &put(b"taken") }, &mut effects);
    scribe.begin_step(BEGAN, Input::Command { token: 9, command: &put(b"written") });
    scribe.end_step(&effects, &mut bytes);
    fs::write(folder.path().join("n.rec"), bytes).expect("written");
    let (code, out, err) = replay(folder.path(), &["n.rec"]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    for part in ["n.rec: differs at byte ", "step 1 at +0.000000s", "command 9: PutKey", "wants now: record"]
    {
        assert!(out.contains(part), "{part:?} is not in {out}");
    }
}

/// When the checks of the recorded node are due, whatever they are.
const LATER: Time = Time(BEGAN.0 + 60_000_000);

/// A node with a state that contradicts itself, and so panics when it is stepped.
fn broken_node(state: &[u8]) -> Node {
    let panics = |node: &[u8]| {
        let Ok(mut node) = Node::from_checkpoint(node) else { return false };
        let step = || node.step(LATER, Input::Timeout, &mut Effects::default());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(step)).is_err()
    };
    let damaged = (0..state.len()).rev().flat_map(|at| (0..8).map(move |bit| (at, bit)));
    let mut damaged = damaged.map(|(at, bit)| {
        let mut state = state.to_vec();
        state[at] ^= 1 << bit;
        state
    });
    let state = damaged.find(|state| panics(state)).expect("some damage makes a node panic");
    Node::from_checkpoint(&state).expect("it is one")
}

#[test]
fn a_core_that_panics_exits_1_and_the_step_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let [_, second] = recorded(LENGTH);
    let mut reader = Reader::new(&second).expect("a recording");
    let Ok(Some(Frame::Checkpoint { state, .. })) = reader.next_frame() else { panic!("it begins so") };
    let (mut scribe, mut bytes) = (Scribe::new(1), Vec::new());
    scribe.begin_file(&broken_node(state), BEGAN, &mut bytes);
    scribe.begin_step(LATER, Input::Timeout);
    scribe.abandon_step(&mut bytes);
    fs::write(folder.path().join("n.rec"), bytes).expect("written");
    let (code, out, err) = replay(folder.path(), &["n.rec", "--inspect"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.starts_with("n.rec: the core panics in the step at byte "), "{out}");
    assert!(out.contains("  step 1 at +60.000000s, 2026-01-31T12:01:00.000000Z: a timeout"), "{out}");
    assert!(err.contains("panicked at"), "{err}");
}

#[test]
fn what_is_damaged_exits_2_what_is_cut_off_0_and_what_is_not_there_3() {
    let folder = workplace();
    let path = folder.path().join("n.rec.1");
    let whole = fs::read(&path).expect("a file");
    let mut flipped = whole.clone();
    let middle = whole.len() - 100;
    flipped[middle] ^= 1;
    fs::write(&path, flipped).expect("written");
    let (code, out, err) = replay(folder.path(), &["n.rec.1"]);
    assert_eq!(code, 2, "{out}");
    assert!(err.starts_with("n.rec.1: the frame that begins at byte "), "{err}");
    fs::write(&path, &whole[..middle]).expect("written");
    let (code, out, err) = replay(folder.path(), &["n.rec.1"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("the file ends within the frame that begins at byte "), "{out}");
    fs::write(&path, "years of work").expect("written");
    let (code, out, err) = replay(folder.path(), &["n.rec.1", "n.rec"]);
    assert_eq!((code, err.as_str()), (2, "n.rec.1: it is no recording of a node\n"));
    assert!(out.contains("n.rec: "), "the others are replayed all the same: {out}");
    let (code, _, err) = replay(folder.path(), &["missing.rec"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.starts_with("missing.rec: "), "{err}");
}
