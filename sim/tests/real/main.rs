//! `heck-sim run --real` with real processes of `heck`. Needs Linux, root, and the programs `ip` and `nft`; elsewhere what
//! starts processes is skipped, and a line says why.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use heck_sim::cli::{self, Exit, Output};
use heck_sim::real::Machine;

/// When set to 1, a machine without namespaces fails the tests instead of skipping them.
const REQUIRED: &str = "HECK_REQUIRE_NAMESPACES";
/// One cluster at a time: two processors do not carry several.
static TURN: Mutex<()> = Mutex::new(());

/// Five nodes and all that can be done with them, in a few seconds.
const SMALL: &str = include_str!("small.toml");

/// The program of the nodes and a turn to start some; none where this machine lends no namespaces.
fn ready() -> Option<(PathBuf, MutexGuard<'static, ()>)> {
    let heck = heck();
    if let Err(why) = Machine::new(&heck) {
        let lends_none = why.to_string().starts_with("this machine lends no network namespaces");
        let required = std::env::var(REQUIRED).is_ok_and(|value| value == "1");
        assert!(lends_none && !required, "no scenario can be run for real: {why}");
        let _ =
            std::io::stderr().write_all(format!("SKIPPED a test with real processes: {why}\n").as_bytes());
        return None;
    }
    Some((heck, TURN.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// The program `heck` of the same build. Tests of the workspace make it; for those of this package alone it takes `cargo
/// build -p heck-node`.
fn heck() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    test.parent().and_then(Path::parent).expect("it lies in `deps`").join("heck")
}

/// A run of [`SMALL`] under way.
struct Run {
    child: Child,
    err: BufReader<std::process::ChildStderr>,
    folder: tempfile::TempDir,
}

impl Run {
    fn start(heck: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let topic = folder.path().join("real");
        fs::create_dir(&topic).expect("the folder takes another one");
        let file = topic.join("small.toml");
        fs::write(&file, SMALL).expect("it takes a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_heck-sim"));
        command.args(["run", "--real", "--heck"]).arg(heck).arg(&file);
        command.arg("--out").arg(folder.path().join("results"));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let err = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, err, folder }
    }

    /// Waits until it says this.
    fn says(&mut self, part: &str) {
        let mut said = String::new();
        while !said.contains(part) {
            let read = self.err.read_line(&mut said).expect("it is text");
            assert!(read > 0, "it never said {part:?}, but {said:?}");
        }
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }

    /// Waits for its end, and gives what it said after all that was waited for.
    fn end(&mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.err.read_to_string(&mut said).expect("it is text");
        (self.child.wait().expect("it ends"), said)
    }

    /// What there is of it on this machine: namespaces, folders, processes.
    fn traces(&self) -> Vec<String> {
        let listed = Command::new("ip").args(["netns", "list"]).output().expect("namespaces are listed");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).expect("a folder").flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let processes = names(Path::new("/proc")).into_iter().map(|process| {
            let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        });
        let namespaces = listed.lines().map(str::to_owned);
        let all = namespaces.chain(names(&std::env::temp_dir())).chain(processes);
        let prefix = format!("heck-sim-{}-", self.child.id());
        all.filter(|trace| trace.contains(&prefix)).collect()
    }
}

#[test]
fn a_scenario_runs_on_real_processes_and_both_curves_are_drawn() {
    let Some((heck, _turn)) = ready() else { return };
    let mut run = Run::start(&heck);
    let (status, said) = run.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let folder = run.folder.path().join("results/real/small");
    let read =
        |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (agreement, runs, manifest) = (read("agreement.csv"), read("runs.csv"), read("manifest.toml"));
    let told = ["key written", "message published", "origin added", "origin removed"];
    let found = ["crash known", "join known", "leave known", "origin down known", "origin up known"];
    for kind in told.iter().chain(&found) {
        assert!(agreement.lines().any(|line| line.starts_with(kind)), "{kind} is not in {agreement}");
    }
    for kind in told.iter().chain(&["join known", "leave known", "origin down known"]) {
        let row = runs.lines().find(|row| row.starts_with("real,") && row.contains(kind));
        assert!(row.is_some_and(|row| row.contains(",false,")), "{kind} has to reach all: {row:?}");
    }
    let sent = |key: &str| {
        let line = manifest.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.and_then(|number| number.parse::<f64>().ok()).unwrap_or_else(|| panic!("{key}: {manifest}"))
    };
    for key in ["datagrams_per_node_round", "datagram_bytes_per_node_s"] {
        let (real, simulated) = (sent(key), sent(&format!("simulated_{key}")));
        assert!(
            real > 0.5 * simulated && real < 2.0 * simulated,
            "{key}: {simulated} simulated, {real} real"
        );
    }
    assert!(manifest.contains("[real]") && manifest.contains("writes_refused = 0\n"), "{manifest}");
    assert!(read("agreement.svg").contains("simulated, 3 runs") && folder.join("agreement.png").is_file());
    assert_eq!(run.traces(), [""; 0], "left behind");
}

#[test]
fn an_interrupted_run_leaves_no_namespace_process_or_folder_and_no_results() {
    let Some((heck, _turn)) = ready() else { return };
    for (signal, when) in [("INT", "formed and filled"), ("TERM", "real run 1 of 1")] {
        let mut run = Run::start(&heck);
        run.says(when);
        run.signal(signal);
        let (status, said) = run.end();
        assert_eq!(status.code(), Some(130), "{signal}: {said}");
        assert!(said.contains("interrupted"), "{said}");
        assert_eq!(run.traces(), [""; 0], "left behind after SIG{signal}");
        assert!(!run.folder.path().join("results").exists(), "it ended before there was anything to write");
    }
}

#[test]
fn what_a_killed_run_left_behind_is_removed_by_the_next() {
    let Some((heck, _turn)) = ready() else { return };
    let mut run = Run::start(&heck);
    run.says("formed and filled");
    run.signal("KILL");
    run.end();
    let left = run.traces();
    assert!(left.iter().any(|trace| trace.ends_with("router")), "a router in {left:?}");
    assert!(left.iter().any(|trace| trace.contains("--name=node-3")), "a process in {left:?}");
    let (_stop, removed) = Machine::new(&heck).and_then(|machine| machine.prepare()).expect("it is removed");
    assert!(removed >= 8, "six hosts, a router and a folder are more than {removed}");
    assert_eq!(run.traces(), [""; 0], "left behind");
}

#[test]
fn what_cannot_be_run_for_real_is_refused_before_anything_starts() {
    let out = tempfile::tempdir().expect("a folder");
    let (topic, results) = (out.path().join("real"), out.path().join("results"));
    fs::create_dir(&topic).expect("the folder takes another one");
    let file = topic.join("small.toml");
    fs::write(&file, SMALL).expect("it takes a file");
    let (file, results) = (file.to_str().expect("text"), results.to_str().expect("text"));
    let refused = |more: &[&str]| {
        let (mut said, mut err) = (Vec::new(), Vec::new());
        let args = [&["heck-sim", "run", file, "--out", results][..], more].concat();
        let exit = cli::run(args, &mut Output { out: &mut said, err: &mut err, color: false });
        assert_eq!((exit, said.as_slice()), (Exit::BadInput, &[][..]));
        assert!(!Path::new(results).exists());
        String::from_utf8(err).expect("text")
    };
    let err = refused(&["--real", "--set", "network.latency=40ms", "--set", "network.duplicate=1%"]);
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert!(lines[0].contains("small.toml: cannot be run for real: network.latency: "), "{err}");
    assert!(lines[1].contains("network.duplicate: "), "{err}");
    if ready().is_some() {
        let err = refused(&["--real", "--heck", "/no/such/heck"]);
        assert!(err.contains("/no/such/heck") && err.contains("cargo build --release -p heck-node"), "{err}");
    }
}
