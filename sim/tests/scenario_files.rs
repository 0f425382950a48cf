//! The scenarios that are shipped: all right, all listed, and their language documented.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use heck_core::rng::Seed;
use heck_sim::cli::{self, Exit, Output};
use heck_sim::scenario::{ScenarioFile, reference};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// The command's exit code, its results and its complaints.
fn heck_sim(args: &[&str]) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = [&["heck-sim"], args].concat();
    let exit = cli::run(args, &mut Output { out: &mut out, err: &mut err, color: false });
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// Every shipped scenario by its path below the folder, sorted.
fn shipped() -> Vec<(String, ScenarioFile)> {
    let mut files = Vec::new();
    for topic in fs::read_dir(folder()).unwrap() {
        let topic = topic.unwrap().path();
        let inside = if topic.is_dir() { fs::read_dir(&topic).unwrap().collect() } else { Vec::new() };
        for file in inside {
            let path = file.unwrap().path();
            let loaded = ScenarioFile::load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
            let name = path.strip_prefix(folder()).unwrap().to_string_lossy().replace('\\', "/");
            files.push((name, loaded));
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// Compares a generated page with the committed one; with `HECK_REWRITE=1`, writes it.
fn assert_page(name: &str, expected: &str) {
    let path = folder().join(name);
    if std::env::var_os("HECK_REWRITE").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert!(found == expected, "scenarios/{name} is out of date: run the tests with HECK_REWRITE=1");
}

#[test]
fn every_shipped_scenario_is_right_and_reads_back() {
    let files = shipped();
    assert!(files.len() >= 14, "{}", files.len());
    for (name, file) in files {
        assert_eq!(format!("{}.toml", file.name), name);
        let again = ScenarioFile::parse(&name, &file.scenario.resolved_toml(), &[]).unwrap();
        assert_eq!(again, file, "{name}");
        for point in &file.points {
            let faults = point.scenario.fault.len();
            assert!(point.scenario.schedule(Seed(1)).len() >= faults, "{name}");
        }
    }
}

#[test]
fn the_index_states_each_question_and_its_expectation() {
    let mut page = String::from(
        "# Scenarios\n\n\
         Each file asks one question; run it with `cargo run --release -p heck-sim -- run scenarios/<file>`.\n\
         In the folder above, `heck-sim run <topic>/<question>` does as well, and `heck-sim list` shows them all.\n\
         [LANGUAGE.md](LANGUAGE.md) lists every key. This index is written from the files by the tests\n\
         (`HECK_REWRITE=1 cargo test -p heck-sim --test scenario_files`), and they fail when it is out of date.\n",
    );
    let mut topic = String::new();
    for (name, file) in shipped() {
        let this = name.split('/').next().unwrap_or_default();
        if topic != this {
            topic = this.to_owned();
            write!(page, "\n## {topic}\n\n| file | question | source | expected |\n|---|---|---|---|\n")
                .unwrap();
        }
        let scenario = &file.scenario;
        let cells = [&scenario.question, &scenario.source, &scenario.expectation]
            .map(|text| text.replace('|', "\\|"));
        writeln!(page, "| [{name}]({name}) | {} |", cells.join(" | ")).unwrap();
    }
    assert_page("README.md", &page);
}

#[test]
fn the_language_page_is_what_the_parser_reads() {
    assert_page("LANGUAGE.md", &reference());
}

#[test]
fn check_says_ok_or_what_is_wrong_and_how_it_ended() {
    let tiny = folder().join("smoke/tiny.toml");
    let tiny = tiny.to_str().unwrap();
    let (exit, out, err) = heck_sim(&["check", tiny]);
    assert_eq!((exit, err.as_str()), (Exit::Success, ""));
    assert_eq!(out, format!("{tiny}: ok, 1 curve\n"));

    let (exit, out, err) = heck_sim(&["check", tiny, "--set", "network.loss=150%", "--set", "run.runs=0"]);
    assert_eq!((exit, out.as_str()), (Exit::BadInput, ""));
    assert!(err.contains("[--set:1:14]") && err.ends_with(": 2 problems\n"), "{err}");

    let (exit, out, _) = heck_sim(&["check", tiny, "--resolved", "--set", "run.seed=77"]);
    assert_eq!(exit, Exit::Success);
    assert!(out.contains("seed = 77\n") && out.contains("mtu = \"1472B\"\n"), "{out}");

    let (exit, _, err) = heck_sim(&["check", tiny, "does/not/exist.toml"]);
    assert_eq!(exit, Exit::Io);
    assert!(err.starts_with("does/not/exist.toml: "), "{err}");

    let (exit, _, err) = heck_sim(&["check", "partition/split-and-heel"]);
    assert_eq!(exit, Exit::BadInput);
    assert!(err.starts_with("partition/split-and-heel: "), "{err}");

    assert_eq!(heck_sim(&["check"]).0, Exit::BadInput);
    assert_eq!(heck_sim(&["wander"]).0, Exit::BadInput);
    assert_eq!(heck_sim(&["--help"]).0, Exit::Success);
}

#[test]
fn a_file_that_is_no_text_is_bad_input() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), b"question = \"\xff\"").unwrap();
    let (exit, _, err) = heck_sim(&["check", file.path().to_str().unwrap()]);
    assert_eq!(exit, Exit::BadInput);
    assert!(err.contains("is no UTF-8 text from here on"), "{err}");
}

#[test]
fn list_tells_question_and_expectation_as_text_and_as_json() {
    let dir = folder();
    let dir = dir.to_str().unwrap();
    let (exit, out, err) = heck_sim(&["list", dir]);
    assert_eq!((exit, err.as_str()), (Exit::Success, ""));
    let (exit, json, _) = heck_sim(&["list", dir, "--json"]);
    assert_eq!(exit, Exit::Success);
    let listed: serde_json::Value = serde_json::from_str(&json).unwrap();
    let listed = listed.as_array().unwrap();
    let files = shipped();
    assert_eq!(listed.len(), files.len());
    for (entry, (_, file)) in listed.iter().zip(&files) {
        assert_eq!(entry["name"], file.name);
        assert_eq!(entry["question"], file.scenario.question);
        assert_eq!(entry["expectation"], file.scenario.expectation);
        assert!(out.contains(&file.scenario.question) && out.contains(&file.scenario.expectation));
    }
    assert_eq!(heck_sim(&["list", "does/not/exist"]).0, Exit::Io);
}
