//! The files of parts: what they must not survive, what is found by a swarm with a planted bug, and other programs' parts.

use std::fs;
use std::path::{Path, PathBuf};

use heck_core::mutant::{Mutant, Planted};
use heck_core::time::Span;
use heck_sim::cli::{self, Exit, Output};
use heck_sim::compare::outcome::{Moment, SystemRun};
use heck_sim::report::answers::Answers;
use heck_sim::report::outcome::{CheckOutcome, RunOutcome, UpdateOutcome, Violation};
use heck_sim::run::Options;
use heck_sim::shard::Shard;
use heck_sim::shard::job::{Header, Job, RunJob, ScenarioJob, SwarmJob};
use heck_sim::shard::part::Writer;
use heck_sim::shard::read::{Part, Parts};
use heck_sim::swarm::hunt::{Broken, Fallen};
use heck_sim::swarm::{Failure, Find, Tally, hunt};
use postcard::to_allocvec;
use xxhash_rust::xxh3::xxh3_64;

use crate::{contents, load, run_planted};

/// So many runs may make a find small.
const SHRINK_RUNS: u32 = 8;

/// What the command line says in this very process, whose build is that of the parts that the tests write.
fn said(args: &[&str]) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = [&["heck-sim"], args].concat();
    let exit = cli::run(args, &mut Output { out: &mut out, err: &mut err, color: false });
    let text = |bytes| String::from_utf8(bytes).expect("output is text");
    (exit, text(out), text(err))
}

fn shard(part: u32, of: u32) -> Shard {
    Shard::new(part, of).expect("a part")
}

fn header(part: u32, of: u32, seeds: u64) -> Header {
    Header::new(shard(part, of), Job::Swarm(SwarmJob { seed: 1, seeds, shrink_runs: SHRINK_RUNS }))
        .expect("a build")
}

/// What `swarm --seeds … --shard part/of` writes, with a bug planted in every node.
fn write_planted(folder: &Path, planted: Planted, (part, of): (u32, u32), seeds: u64) -> PathBuf {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let header = header(part, of, seeds);
    let numbers: Vec<u64> = header.shard.numbers(seeds).map(|number| 1 + number).collect();
    let mut writer = Writer::create(folder, &header).expect("a file");
    let mut tally = Tally::default();
    hunt(&pool, &numbers, (planted, SHRINK_RUNS), &mut tally, |find| {
        writer.record(&find).map_err(std::io::Error::other)
    })
    .expect("a hunt");
    writer.finish(&tally).expect("written")
}

#[test]
fn finds_of_a_swarm_in_parts_are_those_of_the_whole_made_small_and_drawn() {
    let folder = tempfile::tempdir().expect("a folder");
    let (seeds, planted) = (5, Planted::new(Mutant::DotlessRemove));
    let out = folder.path().join("out");
    let joined = |parts: &Path| {
        let ended = said(&["merge", parts.to_str().expect("text"), "--out", out.to_str().expect("text")]);
        let files = contents(&out);
        fs::remove_dir_all(&out).expect("removed");
        (ended, files)
    };
    let (whole, split) = (folder.path().join("whole"), folder.path().join("split"));
    write_planted(&whole, planted, (1, 1), seeds);
    for part in 1..=3 {
        write_planted(&split, planted, (part, 3), seeds);
    }
    let (expected, files) = joined(&whole);
    let (ended, of_parts) = joined(&split);
    assert_eq!(expected.0, Exit::Failed, "{expected:?}");
    assert_eq!(ended.0, Exit::Failed, "{ended:?}");
    assert_eq!(ended.1, expected.1.replace("from 1 parts", "from 3 parts"));
    let finds = files.keys().filter(|name| name.extension().is_some_and(|ending| ending == "toml")).count();
    assert!(finds >= 2, "too few to see their order: {:?}", files.keys());
    assert!(files.keys().any(|name| name.extension().is_some_and(|ending| ending == "png")));
    assert!(of_parts == files, "{:?} and {:?}", of_parts.keys(), files.keys());
}

#[test]
fn no_byte_of_a_part_can_change_and_none_can_go_unnoticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tally = Tally { tried: 3, failed: 1, events: 1 << 40, ..Tally::default() };
    tally.coverage.add_file(&"network.loss = \"5%\"".parse().expect("a table"));
    let mut writer = Writer::create(folder.path(), &header(1, 1, 3)).expect("a file");
    writer.record(&"first").expect("written");
    writer.record(&"second").expect("written");
    let path = writer.finish(&tally).expect("written");
    let good = fs::read(&path).expect("a part");
    let mut part = Part::open(&path).expect("whole");
    assert_eq!(part.record::<String>().expect("read").as_deref(), Some("first"));
    assert_eq!(part.record::<String>().expect("read").as_deref(), Some("second"));
    assert_eq!(part.record::<String>().expect("read"), None);
    assert_eq!(part.record::<String>().expect("read"), None, "the end stays the end");
    assert_eq!(part.end::<Tally>().expect("read"), tally);
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).expect("written");
        assert!(Part::open(&path).is_err(), "{length} of {} bytes", good.len());
    }
    for index in 0..good.len() {
        for flip in [1, 128] {
            let mut bad = good.clone();
            bad[index] ^= flip;
            fs::write(&path, &bad).expect("written");
            assert!(Part::open(&path).is_err(), "byte {index} of {}", good.len());
        }
    }
}

#[test]
fn records_that_change_places_are_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::create(folder.path(), &header(1, 1, 3)).expect("a file");
    writer.record(&vec![1_u8; 40]).expect("written");
    writer.record(&vec![2_u8; 40]).expect("written");
    let path = writer.finish(&Tally::default()).expect("written");
    let good = fs::read(&path).expect("a part");
    let at = |byte: u8| good.windows(40).position(|bytes| bytes == [byte; 40]).expect("it is there") - 18;
    let (first, second) = (at(1), at(2));
    let mut bad = good.clone();
    bad[first..first + 58].copy_from_slice(&good[second..second + 58]);
    bad[second..second + 58].copy_from_slice(&good[first..first + 58]);
    assert_ne!(bad, good);
    fs::write(&path, bad).expect("written");
    assert!(Part::open(&path).is_err());
}

#[test]
fn runs_come_back_bit_by_bit_and_a_part_with_fewer_of_them_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = load("weather", &["run.runs=3"]);
    let mut runs: Vec<RunOutcome> =
        (1..=3).map(|seed| run_planted(&file, seed, Planted::NONE, &Options::default())).collect();
    runs[0] = full_run();
    let job = RunJob {
        sets: Vec::new(),
        wire: false,
        scenarios: vec![ScenarioJob::of("weather.toml", String::new(), &file)],
    };
    let write = |part: u32, leave: usize| {
        let header = Header::new(shard(part, 2), Job::Run(job.clone())).expect("a build");
        let mut writer = Writer::create(folder.path(), &header).expect("a file");
        for number in shard(part, 2).numbers(3).skip(leave) {
            writer.record(&runs[number as usize]).expect("written");
        }
        Part::open(&writer.finish(&()).expect("written"))
    };
    let made = shard(1, 2).numbers(3).count();
    let told = format!("1-of-2.part: has {} runs where part 1/2 has {made}", made - 1);
    let error = write(1, 1).map(|part| part.path).expect_err("a run is missing").to_string();
    assert!(error.ends_with(&told), "{error}");
    let parts = vec![write(2, 0).expect("whole"), write(1, 0).expect("whole")];
    let this = (env!("CARGO_PKG_VERSION"), parts[0].header.build);
    let mut parts = Parts::of_one_job(parts, this, false).expect("one job");
    assert!(parts.runs::<RunOutcome>(3).expect("read") == runs);
}

#[test]
fn parts_of_other_versions_and_builds_are_refused_and_builds_only_until_they_are_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, part: u32, change: &dyn Fn(&mut Header)| {
        let mut header = header(part, 2, 0);
        change(&mut header);
        let folder = folder.path().join(name);
        Writer::create(&folder, &header).expect("a file").finish(&Tally::default()).expect("written")
    };
    let other_version = |header: &mut Header| header.heck_sim = "0.0.1".to_owned();
    let other_build = |header: &mut Header| header.build ^= 1;
    let joined = |parts: [&Path; 2], more: &[&str]| {
        let out = folder.path().join("out");
        let [one, two] = parts.map(|part| part.to_str().expect("text"));
        said(&[&["merge", one, two, "--out", out.to_str().expect("text")], more].concat())
    };
    let (one, two) = (write("good", 1, &|_| ()), write("good", 2, &|_| ()));
    assert_eq!(joined([&one, &two], &[]).0, Exit::Success);
    let old = [write("old", 1, &other_version), write("old", 2, &other_version)];
    let (exit, _, err) = joined([&old[0], &old[1]], &["--other-builds"]);
    assert_eq!(exit, Exit::BadInput);
    assert!(err.contains("was written by heck-sim 0.0.1, and this is "), "{err}");
    let (exit, _, err) = joined([&one, &old[1]], &[]);
    assert_eq!(exit, Exit::BadInput);
    assert!(err.contains("differ in the version: heck-sim "), "{err}");
    let built = [write("built", 1, &other_build), write("built", 2, &other_build)];
    for (parts, told) in [
        ([built[0].as_path(), &built[1]], "was written by another build of heck-sim "),
        ([&one, &built[1]], "were written by different builds"),
    ] {
        let (exit, _, err) = joined(parts, &[]);
        assert_eq!(exit, Exit::BadInput);
        assert!(err.contains(told) && err.contains("--other-builds"), "{err}");
        assert_eq!(joined(parts, &["--other-builds"]).0, Exit::Success);
    }
}

#[test]
fn swarms_of_other_seeds_or_effort_are_no_parts_of_one_job() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = [(1, 4, 8), (2, 4, 8), (1, 5, 8), (1, 4, 0)];
    let parts = jobs.map(|(seed, seeds, shrink_runs)| {
        let job = Job::Swarm(SwarmJob { seed, seeds, shrink_runs });
        let folder = folder.path().join(format!("{seed}-{seeds}-{shrink_runs}"));
        let header = Header::new(shard(2, 2), job).expect("a build");
        Writer::create(&folder, &header).expect("a file").finish(&Tally::default()).expect("written")
    });
    let first = write_planted(folder.path(), Planted::NONE, (1, 2), 0);
    for (part, told) in parts[1..].iter().zip(["the seed: ", "the number of seeds: ", "the --shrink-runs: "])
    {
        let parts = [&parts[0], part].map(|path| Part::open(path).expect("whole"));
        let this = (env!("CARGO_PKG_VERSION"), parts[0].header.build);
        let wrong = Parts::of_one_job(parts.into(), this, false).expect_err("they differ");
        assert!(wrong[0].contains(told), "{told:?} is not told: {wrong:?}");
    }
    assert!(first.ends_with("1-of-2.part"));
}

/// A run with something in each place that may be empty.
fn full_run() -> RunOutcome {
    let mut answers = Answers::default();
    answers.note(true);
    answers.note_age(Some(Span::from_secs(3)));
    let update = UpdateOutcome {
        kind: "key written".to_owned(),
        node: 1,
        population: 2,
        reached_us: vec![3, 1 << 40],
        observed_us: 5,
        delivery_ratio_p95: Some(1.25),
    };
    let violation = Violation {
        check: "no regress".to_owned(),
        time_us: 6,
        node: Some(7),
        detail: "so".to_owned(),
        replay: "run".to_owned(),
    };
    RunOutcome {
        seed: u64::MAX,
        datagrams_per_node_round: 0.1,
        updates: vec![update],
        checks: Some(CheckOutcome { moved: 0.7, ..CheckOutcome::default() }),
        answers,
        removed_since_us: Some(8),
        violations: vec![violation],
        ..RunOutcome::default()
    }
}

/// One of everything that is written, but for what a swarm has counted, which grows with what there is to meet.
fn one_of_each() -> Vec<Vec<u8>> {
    let system = SystemRun {
        took_us: vec![(1, 2)],
        all_us: vec![Some(3), None],
        wait_us: Some(4),
        moments: vec![Moment { at_us: 5, ..Moment::default() }],
        ..SystemRun::default()
    };
    let failure = Failure { check: "c".to_owned(), detail: "d".to_owned(), trace_hash: 1 };
    let broken = Broken {
        failure: failure.clone(),
        file: "f".to_owned(),
        small: failure,
        runs: 2,
        picture: Some("svg".to_owned()),
    };
    let find = Find { seed: 3, what: Fallen::Broken(broken.into()) };
    let refused = Find { seed: 3, what: Fallen::Refused("r".to_owned()) };
    let scenario = ScenarioJob {
        path: "p".to_owned(),
        name: "n".to_owned(),
        text: "t".to_owned(),
        seed: 4,
        hash: 5,
        runs: 6,
    };
    let job = Job::Run(RunJob { sets: vec!["s".to_owned()], wire: true, scenarios: vec![scenario] });
    let job =
        Header { heck_sim: "0".to_owned(), build: 1, ..Header::new(shard(2, 3), job).expect("a build") };
    let swarm = Job::Swarm(SwarmJob { seed: 1, seeds: 3, shrink_runs: 8 });
    let swarm =
        Header { heck_sim: "0".to_owned(), build: 1, ..Header::new(shard(1, 2), swarm).expect("a build") };
    let bytes = [
        to_allocvec(&full_run()),
        to_allocvec(&system),
        to_allocvec(&find),
        to_allocvec(&refused),
        to_allocvec(&job),
        to_allocvec(&swarm),
    ];
    bytes.into_iter().map(|bytes| bytes.expect("bytes")).collect()
}

#[test]
fn another_layout_of_what_is_written_has_another_number_of_the_format() {
    let hash = xxh3_64(&one_of_each().concat());
    assert_eq!(
        format!("{hash:016x}"),
        "21031160ed68234f",
        "the layout has changed: give `FORMAT` in sim/src/shard/part.rs another number, and this test the new hash"
    );
}
