//! Scenarios by their names: `partition/split-and-heal` for `scenarios/partition/split-and-heal.toml`.

use std::path::{Path, PathBuf};

use super::list::scenario_paths;
use crate::scenario::name_of;

/// Where scenarios are looked up by name, in the folder where the program is started.
const FOLDER: &str = "scenarios";
/// So many near names are proposed.
const NEAR: usize = 3;

/// The file that is meant: the one at this path if there is one, else that of the scenario with this name. Of a question
/// that only one topic asks the name alone is enough.
///
/// # Errors
/// In words, when there is no such file, or when a name is meant and there is no such scenario, or several.
pub(super) fn find(given: &Path) -> Result<PathBuf, String> {
    find_in(Path::new(FOLDER), given)
}

fn find_in(folder: &Path, given: &Path) -> Result<PathBuf, String> {
    let is_name = given.extension().is_none() && given.is_relative();
    if !is_name && !given.exists() {
        return Err(no_such_file(folder, given));
    }
    if !is_name || given.is_file() {
        // Whatever is wrong with it is said when it is read.
        return Ok(given.to_owned());
    }
    let wanted = given.to_string_lossy().replace('\\', "/");
    let paths = scenario_paths(folder).unwrap_or_default();
    if paths.is_empty() {
        let folder = folder.display();
        return Err(format!(
            "{wanted}: is no file, and there is no folder `{folder}` here to look the name up in"
        ));
    }
    let named: Vec<(String, PathBuf)> = paths.into_iter().map(|path| (name_of(&path), path)).collect();
    let question = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let fits = |name: &str| name == wanted || question(name) == wanted;
    let found: Vec<&(String, PathBuf)> = named.iter().filter(|(name, _)| fits(name)).collect();
    match found.as_slice() {
        [(_, path)] => Ok(path.clone()),
        [] => {
            let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
            let near = near(&wanted, &names).join(", ");
            Err(format!("{wanted}: there is no such scenario; near names: {near}; `heck-sim list` shows all"))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!("{wanted}: several scenarios have this name: {}", names.join(", ")))
        }
    }
}

/// That there is no file at a path, and which scenarios have names near to it.
fn no_such_file(folder: &Path, given: &Path) -> String {
    let paths = scenario_paths(folder).unwrap_or_default();
    let named: Vec<String> = paths.iter().map(|path| name_of(path)).collect();
    let names: Vec<&str> = named.iter().map(String::as_str).collect();
    let near = near(&name_of(given), &names).join(", ");
    let hint = if near.is_empty() { near } else { format!("; near names: {near}") };
    format!("{}: there is no such file{hint}", given.display())
}

/// The names nearest to `wanted`, or to their part behind the topic, the nearest first.
fn near<'a>(wanted: &str, names: &[&'a str]) -> Vec<&'a str> {
    let distance = |name: &str| {
        let whole = strsim::damerau_levenshtein(wanted, name);
        let question = name.rsplit('/').next().unwrap_or_default();
        whole.min(strsim::damerau_levenshtein(wanted.rsplit('/').next().unwrap_or_default(), question) + 1)
    };
    let mut names = names.to_vec();
    names.sort_by_key(|name| (distance(name), *name));
    names.truncate(NEAR);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(given: &str) -> Result<String, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        find_in(&folder, Path::new(given)).map(|path| name_of(&path))
    }

    #[test]
    fn a_scenario_is_found_by_its_name_and_by_its_question_alone() {
        assert_eq!(found("partition/split-and-heal").as_deref(), Ok("partition/split-and-heal"));
        assert_eq!(found("long-split").as_deref(), Ok("partition/long-split"));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert_eq!(find_in(Path::new("nowhere"), &path), Ok(path), "a path stays one");
    }

    #[test]
    fn what_is_not_found_or_not_one_names_what_there_is() {
        let error = found("partition/split-and-heel").unwrap_err();
        assert!(error.contains("near names: partition/split-and-heal, "), "{error}");
        let error = found("membership/split-and-heal").unwrap_err();
        assert!(error.contains("near names: partition/split-and-heal, "), "{error}");
        let error = found("starved").unwrap_err();
        assert!(
            error.ends_with("several scenarios have this name: membership/starved, weather/starved"),
            "{error}"
        );
        let error = found("elsewhere/split-and-heel.toml").unwrap_err();
        let begin =
            "elsewhere/split-and-heel.toml: there is no such file; near names: partition/split-and-heal, ";
        assert!(error.starts_with(begin), "{error}");
        let error = find_in(Path::new("nowhere"), Path::new("a/b.toml")).unwrap_err();
        assert_eq!(error, "a/b.toml: there is no such file");
        let error = find_in(Path::new("nowhere"), Path::new("a/b")).unwrap_err();
        assert_eq!(error, "a/b: is no file, and there is no folder `nowhere` here to look the name up in");
    }
}
