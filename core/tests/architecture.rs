//! The house rules that a compiler does not check: who may import whom, and how long a file may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules of the core from the ground up. A layer imports from the layers below it, and leaves and data also
/// from their own; mechanisms never import each other.
const LAYERS: [(&str, &[&str]); 4] = [
    ("leaves", &["time", "id", "rng", "hash", "interval", "overlay", "spread", "mutant", "words"]),
    (
        "data",
        &[
            "entry", "packet", "codec", "config", "state", "recent", "member", "input", "effects", "limits",
            "policy", "probe", "settings",
        ],
    ),
    (
        "mechanisms",
        &[
            "broadcast",
            "repair",
            "heartbeat",
            "sync",
            "ownership",
            "journal",
            "membership",
            "check",
            "witness",
        ],
    ),
    ("composition", &["node", "recording", "lib"]),
];
const MECHANISMS: usize = 2;

/// About 500 lines are the aim; beyond this a file holds two concepts.
const LONGEST_FILE: usize = 600;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    rust.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// The code of a file without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a readable file");
    let text = text.split("#[cfg(test)]\nmod tests {").next().expect("a split has a first part");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The module of the core that a file belongs to: the first part of its path.
fn module(path: &Path, src: &Path) -> String {
    let inside = path.strip_prefix(src).expect("a file of the core");
    let first = inside.iter().next().expect("a path has a part").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module)).unwrap_or_else(|| {
        panic!("`{module}` is a new module of the core: say in LAYERS which layer it belongs to")
    })
}

/// The modules that a piece of code names as `crate::module`.
fn imports(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn modules_of_the_core_import_downwards_and_mechanisms_never_each_other() {
    let src = workspace().join("core/src");
    let mut wrong = BTreeMap::new();
    for path in sources(&src) {
        let importer = module(&path, &src);
        let code = code(&path);
        assert!(!code.contains("crate::{"), "{}: one `use crate::module` for each module", path.display());
        for imported in imports(&code) {
            let (above, below) = (layer(&importer), layer(imported));
            if importer != imported && (below > above || (below == above && above == MECHANISMS)) {
                wrong.insert((importer.clone(), imported.to_owned()), path.clone());
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layers: {wrong:#?}");
}

#[test]
fn the_core_has_no_clock_no_runtime_and_no_ambient_randomness() {
    let core = workspace().join("core");
    let banned =
        ["std::", "SystemTime", "Instant", "tokio", "tracing", "rand::", "getrandom", "HashMap", "HashSet"];
    for path in sources(&core.join("src")) {
        let code = code(&path).replace("extern crate std;", "");
        let found: Vec<_> = banned.iter().filter(|word| code.contains(**word)).collect();
        assert!(found.is_empty(), "{} contains {found:?}", path.display());
    }
    let manifest = fs::read_to_string(core.join("Cargo.toml")).expect("the manifest");
    let after = manifest.split("[dependencies]").nth(1).expect("the core has dependencies");
    let dependencies = after.split("\n[").next().expect("a split has a first part");
    let names: Vec<_> = dependencies.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).collect();
    let known = ["", "#", "postcard", "rand_chacha", "serde", "smallvec", "xxhash-rust"];
    assert!(names.iter().all(|name| known.contains(name)), "a new dependency of the core: {names:?}");
}

#[test]
fn simulator_and_node_never_import_each_other_and_the_core_neither() {
    let apart: [(&str, &[&str]); 3] =
        [("core", &["heck-sim", "heck-node"]), ("sim", &["heck-node"]), ("node", &["heck-sim"])];
    for (krate, strangers) in apart {
        let folder = workspace().join(krate);
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest");
        for stranger in strangers {
            let depends = manifest.lines().any(|line| line.starts_with(stranger));
            assert!(!depends, "{krate} depends on {stranger}");
            let path_to = format!("{}::", stranger.replace('-', "_"));
            let user = sources(&folder).into_iter().find(|path| code(path).contains(&path_to));
            assert!(user.is_none(), "{user:?} uses {stranger}");
        }
    }
}

#[test]
fn charts_and_tables_stay_in_the_simulators_reports() {
    let src = workspace().join("sim/src");
    for path in sources(&src).into_iter().filter(|path| !path.starts_with(src.join("report"))) {
        let code = code(&path);
        let found: Vec<_> = ["plotters::", "csv::Writer", "csv::Reader", "resvg::"]
            .into_iter()
            .filter(|word| code.contains(word))
            .collect();
        assert!(found.is_empty(), "{} contains {found:?}", path.display());
    }
}

#[test]
fn no_file_is_longer_than_one_concept_needs() {
    for krate in ["core", "sim", "node"] {
        for path in sources(&workspace().join(krate).join("src")) {
            let text = fs::read_to_string(&path).expect("a readable file");
            let without_tests =
                text.split("#[cfg(test)]\nmod tests {").next().expect("a split has a first part");
            let lines = without_tests.lines().count();
            assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn the_layers_are_told_apart() {
    assert_eq!(
        imports("use crate::state::State;\nfn f(a: &crate::packet::Packet) {}").collect::<Vec<_>>(),
        ["state", "packet"]
    );
    assert!(
        layer("time") < layer("state") && layer("state") < layer("repair") && layer("sync") < layer("node")
    );
}
