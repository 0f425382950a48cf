//! A job in parts: what `merge` writes, says and ends with is what one run of all does, and parts that do not belong
//! together are refused.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{contents, ended, heck_sim, path};

/// Exit code, standard output and standard error.
type Ended = (i32, String, String);

/// Runs a command whole in one folder, and in `parts` parts and joined in another; gives how the whole and each part ended.
#[track_caller]
fn assert_parts_make_the_whole(command: &[&str], parts: u32) -> (Ended, Vec<Ended>) {
    let (whole, split) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let expected = ended(&heck_sim(whole.path(), command));
    let of_parts: Vec<Ended> = (1..=parts)
        .map(|part| {
            // The number of threads must not show in a part either.
            let (shard, jobs) = (format!("{part}/{parts}"), (1 + part % 2).to_string());
            ended(&heck_sim(split.path(), &[command, &["--shard", &shard, "--jobs", &jobs]].concat()))
        })
        .collect();
    let names: Vec<PathBuf> = contents(split.path()).into_keys().collect();
    assert!(names.iter().all(|name| name.starts_with("parts")), "parts judge and draw nothing: {names:?}");
    assert_eq!(names.len(), parts as usize, "{of_parts:?}");
    // The last one first: their order must not show.
    let mut merge = vec!["merge"];
    merge.extend(names.iter().rev().filter_map(|name| name.to_str()));
    merge.extend(command.iter().filter(|word| **word == "--quiet"));
    let mut joined = ended(&heck_sim(split.path(), &merge));
    if command[0] == "swarm" {
        assert!(joined.1.ends_with(&format!(" events; joined from {parts} parts\n")), "{}", joined.1);
        assert_eq!(without_pace(&joined.1), without_pace(&expected.1));
        joined.1.clone_from(&expected.1);
    }
    assert_eq!(joined, expected, "what joining ended with, and what a run of all did");
    fs::remove_dir_all(split.path().join("parts")).expect("removed");
    let (one, other) = (contents(whole.path()), contents(split.path()));
    let differing: Vec<_> = one.keys().filter(|name| one.get(*name) != other.get(*name)).collect();
    assert!(differing.is_empty() && one.len() == other.len(), "{differing:?}");
    (expected, of_parts)
}

/// Without how fast it went, which is not told of parts.
fn without_pace(said: &str) -> Option<&str> {
    said.rsplit_once(" events; ").map(|(before, _)| before)
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

#[test]
fn a_sweep_in_three_parts_is_the_whole_sweep() {
    let file = path("bursts");
    let (whole, parts) = assert_parts_make_the_whole(&["run", text_of(&file)], 3);
    assert_eq!(whole.0, 0, "{whole:?}");
    for (number, part) in (1..).zip(parts) {
        let said = format!(
            "scenarios/bursts: part {number}/3, 2 of 6 runs\nparts/{number}-of-3.part: `heck-sim merge` joins, judges \
             and draws all parts\n"
        );
        assert_eq!(part, (0, said, String::new()));
    }
}

#[test]
fn a_plain_scenario_in_more_parts_than_runs_is_the_whole_one() {
    let file = path("formed-loss");
    let command = ["run", text_of(&file), "--runs", "3", "--seed", "70", "--wire"];
    let (whole, _) = assert_parts_make_the_whole(&command, 5);
    assert_eq!(whole.0, 0, "{whole:?}");
}

#[test]
fn a_part_is_the_same_bytes_on_one_thread_and_on_three() {
    let folder = workplace();
    let part = |jobs: &str| {
        let command = ["run", "topic/small.toml", "--runs", "16", "--jobs", jobs];
        write_part(folder.path(), &command, "1/2", jobs);
        fs::read(folder.path().join(jobs).join("1-of-2.part")).expect("a part")
    };
    assert!(part("1") == part("3"), "threads show");
}

#[test]
fn several_scenarios_with_checks_of_origins_are_joined_one_after_the_other() {
    let (one, other) = (path("weather"), path("zones"));
    let (whole, _) = assert_parts_make_the_whole(&["run", text_of(&one), text_of(&other), "--quiet"], 2);
    assert_eq!((whole.0, whole.1.as_str()), (0, ""), "{whole:?}");
}

#[test]
fn a_failed_expectation_fails_the_whole_and_no_part() {
    let file = path("formed-loss");
    let strict = ["run", text_of(&file), "--set", "expect.rounds_to_all_max=0.001", "--quiet"];
    let (whole, parts) = assert_parts_make_the_whole(&strict, 2);
    assert_eq!((whole.0, whole.1.as_str()), (1, ""));
    assert!(whole.2.contains("expected "), "{whole:?}");
    assert!(parts.iter().all(|part| *part == (0, String::new(), String::new())), "{parts:?}");
}

#[test]
fn a_broken_invariant_fails_the_whole_and_the_part_that_met_it() {
    let file = path("formed-loss");
    // Half of the nodes cannot hear of what is written in the last half second.
    let hasty = ["run", text_of(&file), "--set", "measure.quiet=500ms", "--quiet", "--runs", "3"];
    let (whole, parts) = assert_parts_make_the_whole(&hasty, 3);
    assert_eq!(whole.0, 1, "{whole:?}");
    assert!(whole.2.contains("agreement after quiet"), "{whole:?}");
    for (code, _, said) in parts {
        assert_eq!(code, 1);
        assert!(
            said.contains(": agreement after quiet") && said.contains("; replay: heck-sim run "),
            "{said}"
        );
        assert!(whole.2.contains(&said), "{said}");
    }
}

/// A comparison of three systems at two losses.
const COMPARISON: &str = r#"
question = "q"
source = "s"
expectation = "e"
run = { duration = "30s", runs = 2 }
cluster.nodes = 8
network = { latency = { uniform = { min = "5ms", max = "40ms" } }, loss = "10%" }
workload.warmup = "5s"
[compare]
systems = ["heck", "bimodal-ranges", "broadcast-kv"]
messages = 20
theory = true
expect = [{ system = "broadcast-kv", measure = "delivered", least = 2 }]
[sweep]
key = "network.loss"
values = ["10%", "50%"]
"#;

#[test]
fn a_comparison_in_parts_is_the_whole_one_and_fails_as_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("topic/systems.toml");
    fs::create_dir(folder.path().join("topic")).expect("a folder");
    fs::write(&file, COMPARISON).expect("written");
    let (whole, parts) = assert_parts_make_the_whole(&["run", text_of(&file)], 3);
    assert_eq!(whole.0, 1, "no share is 2: {whole:?}");
    assert!(parts.iter().all(|(code, said, _)| *code == 0 && said.contains("4 of 12 runs")), "{parts:?}");
    let modest = ["run", text_of(&file), "--set", "compare.expect.0.least=0"];
    assert_eq!(assert_parts_make_the_whole(&modest, 2).0.0, 0);
}

#[test]
fn a_swarm_in_parts_counts_what_the_whole_does() {
    let (whole, _) = assert_parts_make_the_whole(&["swarm", "--seed", "3", "--seeds", "4"], 3);
    assert_eq!(whole.0, 0, "{whole:?}");
}

#[test]
fn json_of_parts_is_that_of_the_whole() {
    let (folder, file) = (tempfile::tempdir().expect("a folder"), path("formed-loss"));
    let command = ["run", text_of(&file), "--runs", "2"];
    let whole = ended(&heck_sim(folder.path(), &[&command[..], &["--json", "--out", "whole"]].concat()));
    for shard in ["1/2", "2/2"] {
        ended(&heck_sim(folder.path(), &[&command[..], &["--shard", shard]].concat()));
    }
    let joined = ended(&heck_sim(folder.path(), &["merge", "parts", "--json", "--out", "joined"]));
    assert_eq!(joined, whole);
    assert!(joined.1.starts_with('{'), "{joined:?}");
}

#[test]
fn what_a_part_cannot_do_is_refused() {
    let (folder, file) = (tempfile::tempdir().expect("a folder"), path("formed-loss"));
    let run = ["run", text_of(&file), "--shard"];
    for (args, told) in [
        ([&run[..], &["0/3"]].concat(), "wanted is K/N"),
        ([&run[..], &["4/3"]].concat(), "wanted is K/N"),
        ([&run[..], &["1/2", "--json"]].concat(), "--json"),
        ([&run[..], &["1/2", "--real"]].concat(), "--real"),
        (vec!["swarm", "--minutes", "1", "--shard", "1/2"], "--minutes"),
        (vec!["swarm", "--print", "--shard", "1/2"], "--print"),
    ] {
        let (code, out, err) = ended(&heck_sim(folder.path(), &args));
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(told), "{args:?}: {err}");
    }
    // Something else stands where the part would go.
    fs::create_dir(folder.path().join("parts")).expect("a folder");
    fs::write(folder.path().join("parts/1-of-2.part"), "years of work").expect("written");
    for command in [&run[..], &["swarm", "--seeds", "2", "--shard"]] {
        let (code, _, err) = ended(&heck_sim(folder.path(), &[command, &["1/2"]].concat()));
        assert_eq!(code, 2);
        assert!(err.contains("parts/1-of-2.part is no part of a job: not replaced"), "{err}");
    }
    let left = contents(folder.path());
    assert_eq!(left.into_values().collect::<Vec<_>>(), [b"years of work"]);
    let (code, _, err) =
        ended(&heck_sim(folder.path(), &[&run[..], &["1/2", "--out", "parts/1-of-2.part"]].concat()));
    assert_eq!(code, 3, "{err}");
}

/// A workplace with the scenario `topic/small`, which takes no time and has no limits.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(path("formed-loss")).expect("a scenario");
    let text = text.replace("nodes = 20", "nodes = 6").replace("50s", "6s").replace("\"35s\"", "\"0s\"");
    let text = text.split("[expect]").next().expect("a beginning");
    for (topic, text) in [("topic", text.to_owned()), ("edited/topic", text.replace("6s", "7s"))] {
        fs::create_dir_all(folder.path().join(topic)).expect("a folder");
        fs::write(folder.path().join(topic).join("small.toml"), text).expect("written");
    }
    fs::write(folder.path().join("topic/other.toml"), text).expect("written");
    folder
}

/// Writes a part of a command into a folder of this name.
fn write_part(workplace: &Path, command: &[&str], shard: &str, name: &str) {
    let (code, _, err) = ended(&heck_sim(workplace, &[command, &["--shard", shard, "--out", name]].concat()));
    assert_eq!((code, err.as_str()), (0, ""), "{name}");
}

/// A workplace with both parts of a job in `job`.
fn with_job() -> tempfile::TempDir {
    let folder = workplace();
    for shard in ["1/2", "2/2"] {
        write_part(folder.path(), &["run", "topic/small.toml"], shard, "job");
    }
    folder
}

#[test]
fn parts_that_are_no_whole_job_are_refused_and_nothing_is_written() {
    let folder = with_job();
    let [one, two] = [Path::new("job/1-of-2.part"), Path::new("job/2-of-2.part")];
    let refused = |parts: &[&Path], told: &str| {
        let parts: Vec<&str> = parts.iter().copied().map(text_of).collect();
        let (code, out, err) = ended(&heck_sim(folder.path(), &[&["merge"], &parts[..]].concat()));
        assert_eq!((code, out.as_str()), (2, ""), "{parts:?}: {err}");
        assert!(err.contains(told), "{told:?} is not told: {err}");
        assert!(!folder.path().join("results").exists() && !folder.path().join("swarm-out").exists());
    };
    refused(&[one], "of 2 parts one is missing: 2\n");
    refused(&[two, one, two], "part 2/2 is there twice: job/2-of-2.part and job/2-of-2.part\n");
    let begin = "job/1-of-2.part and ";
    let others: [(&str, &[&str], &str); 6] = [
        ("scenario", &["topic/other.toml"], "scenario: topic/small and topic/other\n"),
        ("text", &["edited/topic/small.toml"], "text of scenario topic/small (its hash): "),
        (
            "settings",
            &["topic/small.toml", "--set", "network.loss=20%"],
            "settings: none and network.loss=20%\n",
        ),
        ("seed", &["topic/small.toml", "--seed", "9"], "seed of topic/small: 1 and 9\n"),
        ("encoding", &["topic/small.toml", "--wire"], "encoding: none and --wire\n"),
        ("swarm", &["--seeds", "1"], "command: heck-sim run and heck-sim swarm\n"),
    ];
    for (name, args, told) in others {
        let verb = if name == "swarm" { "swarm" } else { "run" };
        write_part(folder.path(), &[&[verb], args].concat(), "2/2", name);
        let other = Path::new(name).join("2-of-2.part");
        let other_name = other.display();
        refused(
            &[one, &other],
            &format!("{begin}{other_name} are no parts of one job: they differ in the {told}"),
        );
    }
    write_part(folder.path(), &["run", "topic/small.toml"], "3/3", "more");
    refused(&[one, Path::new("more")], "differ in the number of parts: 2 parts and 3 parts\n");
    refused(&[Path::new("topic")], "there is no part of a job: no file ends in `.part`\n");
    refused(&[Path::new("topic/small.toml")], "topic/small.toml: is no part of a job");
    write_part(folder.path(), &["swarm", "--seeds", "1"], "1/2", "swarm");
    let (code, _, err) = ended(&heck_sim(folder.path(), &["merge", "swarm", "--json"]));
    assert_eq!(code, 2);
    assert!(err.contains("no summary as JSON"), "{err}");
    let (code, _, err) = ended(&heck_sim(folder.path(), &["merge", "nowhere.part"]));
    assert_eq!(code, 3);
    assert!(err.starts_with("cannot read nowhere.part: "), "{err}");
    // They are good otherwise.
    let (code, _, err) = ended(&heck_sim(folder.path(), &["merge", "job"]));
    assert_eq!((code, err.as_str()), (0, ""));
}

#[test]
fn a_folder_of_something_else_is_refused_before_anything_is_joined() {
    let folder = workplace();
    let theirs = folder.path().join("results/topic/small");
    fs::create_dir_all(&theirs).expect("a folder");
    fs::write(theirs.join("thesis.tex"), "years of work").expect("written");
    write_part(folder.path(), &["run", "topic/other.toml", "topic/small.toml"], "1/1", "job");
    let (code, out, err) = ended(&heck_sim(folder.path(), &["merge", "job"]));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("does not look like results"), "{err}");
    assert_eq!(contents(&folder.path().join("results")).len(), 1, "the first scenario was joined");
}

#[test]
fn a_part_that_is_damaged_or_ends_early_is_refused() {
    let folder = with_job();
    let file = folder.path().join("job/2-of-2.part");
    let good = fs::read(&file).expect("a part");
    let refused = |bytes: &[u8], told: &str| {
        fs::write(&file, bytes).expect("written");
        let (code, out, err) = ended(&heck_sim(folder.path(), &["merge", "job"]));
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.starts_with("job/2-of-2.part: ") && err.contains(told), "{told:?} is not told: {err}");
        assert!(!folder.path().join("results").exists());
    };
    refused(&good[..good.len() / 2], "ends early");
    refused(&good[..good.len() - 1], "ends early");
    refused(&[&good[..], b"x"].concat(), "is damaged: 1 bytes follow its end");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 4;
    refused(&flipped, "is damaged");
    let mut later = good.clone();
    later[14] = b'2';
    refused(&later, "is a part of format 2, of which this program knows 1");
    refused(b"", "is no part of a job");
    fs::write(&file, &good).expect("written");
    assert_eq!(ended(&heck_sim(folder.path(), &["merge", "job"])).0, 0);
}
