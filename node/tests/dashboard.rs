//! The dashboard in a real browser: `tests/browser` drives a Chromium without a window against real processes.
//!
//! It wants `node`, Chromium at `/usr/bin/chromium` or where `HECK_CHROMIUM` says, and `npm ci` in that folder. Where
//! one is missing a line says so and the test counts as passed, unless `HECK_REQUIRE_BROWSER=1`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// When set to 1, a machine without a browser fails the test instead of skipping it.
const REQUIRED: &str = "HECK_REQUIRE_BROWSER";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

/// What is missing for the tests to run.
fn missing() -> Option<String> {
    let chromium = env::var("HECK_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if !Path::new(&chromium).exists() {
        return Some(format!("there is no browser at {chromium} (Debian: chromium)"));
    }
    if !Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some("there is no `node` (Debian: nodejs)".to_owned());
    }
    let library = folder().join("node_modules/playwright-core");
    (!library.exists()).then(|| format!("run `npm ci` in {}", folder().display()))
}

/// Runs files of tests, as many at once as they are. One of them that is alone has the machine for itself.
fn run(files: &[&str]) {
    let mut command = Command::new("node");
    command.current_dir(folder()).env("HECK_BINARY", env!("CARGO_BIN_EXE_heck"));
    command
        .args(["--test", "--test-reporter=spec", &format!("--test-concurrency={}", files.len())])
        .args(files);
    let output = command.output().expect("node starts");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{files:?}: {}", output.status);
    assert!(text.contains("fail 0") && !text.contains("tests 0"), "{files:?} have tests");
}

#[test]
fn the_dashboard_holds_what_it_promises_in_a_browser() {
    if let Some(what) = missing() {
        assert!(env::var(REQUIRED).as_deref() != Ok("1"), "{REQUIRED}=1, and {what}");
        eprintln!("skipped: {what}");
        return;
    }
    run(&["live.test.mjs", "find.test.mjs", "faults.test.mjs"]);
    run(&["many.test.mjs"]);
}
