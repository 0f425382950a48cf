//! Golden trace hashes: small scenarios under several seeds do on every machine, in debug and in release, exactly
//! what they did when their hashes were written down.

mod recorded;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use heck_core::time::Span;
use heck_sim::replay::{End, Recording, play};
use heck_sim::run::{Options, run_scenario};
use heck_sim::scenario::ScenarioFile;

const SEEDS: u32 = 3;

/// Per scenario and point of its sweep, the hash and the number of events of each seed.
type Hashes = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn measured() -> Hashes {
    let files = fs::read_dir(folder().join("scenarios")).expect("the tests have scenarios");
    let paths = files.map(|file| file.expect("an entry").path());
    let hashes = paths.map(|path| {
        let file = ScenarioFile::load(&path, &[format!("run.runs={SEEDS}")]);
        let file = file.unwrap_or_else(|error| panic!("{error}"));
        let outcome = run_scenario(&file, &Options::default(), &|| ()).expect("the scenario can be run");
        let points = outcome.points.iter().map(|point| {
            let label = if point.label.is_empty() { "all" } else { &point.label };
            let show = |run: &heck_sim::report::outcome::RunOutcome| {
                format!("{:016x}, {} events", run.trace_hash, run.events)
            };
            (label.to_owned(), point.runs.iter().map(show).collect())
        });
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        (name, points.collect())
    });
    hashes.collect()
}

#[test]
fn small_scenarios_do_what_they_did() {
    let path = folder().join("golden/hashes.toml");
    let measured = measured();
    if std::env::var_os("HECK_REWRITE").is_some() {
        let table = toml::to_string(&measured).expect("hashes are TOML");
        let head = "# Trace hash and number of events of each small scenario under seeds 1, 2, … Written by\n\
                    # `HECK_REWRITE=1 cargo test -p heck-sim --test golden`.\n\n";
        fs::write(&path, format!("{head}{table}")).expect("the file can be written");
    }
    let text = fs::read_to_string(&path).expect("the golden hashes are there");
    let kept: Hashes = toml::from_str(&text).expect("the golden hashes are a table of lists");
    let nothing = BTreeMap::new();
    let mut changes = String::new();
    for name in measured.keys().chain(kept.keys().filter(|name| !measured.contains_key(*name))) {
        let (now, then) = (measured.get(name).unwrap_or(&nothing), kept.get(name).unwrap_or(&nothing));
        if now != then {
            writeln!(changes, "{name}:\n  kept {then:?}\n  now  {now:?}").expect("text grows");
        }
    }
    assert!(
        changes.is_empty(),
        "the runs of small scenarios are no longer what they were:\n{changes}\nWhere the protocol, the \
         simulator or a scenario of the tests was changed on purpose, accept this with\n  HECK_REWRITE=1 cargo \
         test -p heck-sim --test golden\nand commit sim/tests/golden/hashes.toml with the change. Where nothing \
         was, or debug and release differ, a run depends on something that it must not: a clock, an order of \
         hashing, memory, threads, floating point."
    );
}

/// The recording that is kept was written by a debug build; this test runs in release builds too.
#[test]
fn a_recording_of_another_build_replays_in_this_one() {
    let path = folder().join("golden/node.rec");
    if std::env::var_os("HECK_REWRITE").is_some() {
        let [first, second] = recorded::recorded(Span::from_secs(15));
        fs::write(path.with_extension("rec.1"), first).expect("the file can be written");
        fs::write(&path, second).expect("the file can be written");
    }
    let recording = Recording::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(recording.parts.len(), 2);
    let played = play(&recording, None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        (&played.end, played.confirmed),
        (&End::Whole, 1),
        "step {}: the core does not do what it did when the recording was made. Where that was changed on purpose, accept \
         it with\n  HECK_REWRITE=1 cargo test -p heck-sim --test golden\nand commit sim/tests/golden/node.rec and \
         node.rec.1 with the change",
        played.replay.steps()
    );
    assert!(played.same > 20, "{} steps", played.same);
}
