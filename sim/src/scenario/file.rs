//! From a file and the arguments of the command line to a checked scenario and the points of its sweep.

use std::path::{Path, PathBuf};

use super::Scenario;
use super::problem::{Problems, Report, Source};
use super::read::Value as _;
use super::tree::{Item, Node, Place};
use super::validate::{unswept, validate};

/// Why a scenario file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file, or an argument that changes it, is wrong.
    #[error("{0}")]
    Invalid(Report),
}

/// One point of a sweep, or the whole scenario where nothing is swept.
#[derive(Clone, PartialEq, Debug)]
pub struct Point {
    /// Name of its curve; empty where nothing is swept.
    pub label: String,
    /// The scenario with the values of this point, and without the sweep.
    pub scenario: Scenario,
}

/// A checked scenario file.
#[derive(Clone, PartialEq, Debug)]
pub struct ScenarioFile {
    /// `topic/question`, which is also where its results go.
    pub name: String,
    /// The scenario as it is written, sweep included.
    pub scenario: Scenario,
    /// What is to be run: one point for each value of the sweep, or the scenario itself.
    pub points: Vec<Point>,
}

impl ScenarioFile {
    /// Reads the file at `path` and applies `sets`, each of them `section.key=value`.
    ///
    /// # Errors
    /// When the file cannot be read, or is wrong.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self, LoadError> {
        let bytes = std::fs::read(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })?;
        let shown = path.display().to_string();
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&shown, &text, sets),
            Err(error) => {
                let end = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(&error.as_bytes()[..end]).into_owned();
                let mut problems = Problems::default();
                problems.at(
                    Place { source: 0, start: end, end },
                    "",
                    "is no UTF-8 text from here on",
                    "UTF-8",
                );
                Err(problems.into_report(vec![Source { name: shown, text }]))
            }
        }
        .map_err(LoadError::Invalid)
    }

    /// Checks `text`, which stands at `path`, with `sets` applied to it.
    ///
    /// # Errors
    /// When it is wrong: a report of all that is.
    pub fn parse(path: &str, text: &str, sets: &[String]) -> Result<Self, Report> {
        let mut sources = vec![Source { name: path.to_owned(), text: text.to_owned() }];
        sources.extend(sets.iter().map(|set| Source { name: "--set".to_owned(), text: set.clone() }));
        let mut problems = Problems::default();
        let mut root = match Node::parse_document(text, 0) {
            Ok(root) => root,
            Err(error) => {
                problems.at(error.place, "", error.message, "");
                return Err(problems.into_report(sources));
            }
        };
        for (index, set) in sets.iter().enumerate() {
            apply_argument(&mut root, set, index + 1, &mut problems);
        }
        match checked(&root, &mut problems)
            .map(|scenario| (points(&root, &scenario, &mut problems), scenario))
        {
            Some((points, scenario)) if problems.is_empty() => {
                Ok(Self { name: name_of(Path::new(path)), scenario, points })
            }
            _ => Err(problems.into_report(sources)),
        }
    }
}

/// `topic/question` of a scenario file: its folder and its name without the ending.
#[must_use]
pub fn name_of(path: &Path) -> String {
    let question = path.file_stem().unwrap_or_default().to_string_lossy();
    match path.parent().and_then(Path::file_name) {
        Some(topic) => format!("{}/{question}", topic.to_string_lossy()),
        None => question.into_owned(),
    }
}

fn checked(root: &Node, problems: &mut Problems) -> Option<Scenario> {
    let scenario = Scenario::read(root, "", problems)?;
    validate(&scenario, root, problems);
    Some(scenario)
}

/// Applies one `--set section.key=value`, which is source number `source`.
fn apply_argument(root: &mut Node, argument: &str, source: usize, problems: &mut Problems) {
    let whole = Place { source, start: 0, end: argument.len() };
    let allowed = "section.key=value, such as network.loss=50%";
    let Some((key, value)) = argument.split_once('=') else {
        problems.at(whole, "", "has no `=`", allowed);
        return;
    };
    let key_place = Place { source, start: 0, end: key.len() };
    let path = path_of(key, key_place);
    if path.iter().any(|(part, _)| part.is_empty()) {
        problems.at(key_place, "", format!("`{key}` is no key"), allowed);
        return;
    }
    let value = Node::parse_value(value, source, key.len() + 1);
    put(root, &path, value, problems);
}

fn path_of(key: &str, place: Place) -> Vec<(String, Place)> {
    key.split('.').map(|part| (part.trim().to_owned(), place)).collect()
}

fn put(root: &mut Node, path: &[(String, Place)], value: Node, problems: &mut Problems) {
    if let Err(left) = root.set(path, value) {
        let key = |parts: &[(String, Place)]| {
            parts.iter().map(|(part, _)| part.as_str()).collect::<Vec<_>>().join(".")
        };
        let parent = key(&path[..path.len() - left]);
        let what = format!("there is no such place: `{parent}` is no table or has no entry with this number");
        problems.at(path[0].1, &key(path), what, "a key of the file; entries of a list count from 0");
    }
}

/// The points of the sweep, each checked like a file of its own.
fn points(root: &Node, scenario: &Scenario, problems: &mut Problems) -> Vec<Point> {
    let Some(sweep) = &scenario.sweep else {
        unswept(scenario, root, problems);
        return vec![Point { label: String::new(), scenario: scenario.clone() }];
    };
    if !problems.is_empty() {
        return Vec::new();
    }
    let mut base = root.clone();
    base.remove("sweep");
    let mut points = Vec::new();
    let mut add = |label: String, changes: &[(&str, Place, &Node)], problems: &mut Problems| {
        let mut changed = base.clone();
        for &(key, place, value) in changes {
            change(&mut changed, &base, key, place, value, problems);
        }
        if let Some(scenario) = checked(&changed, problems) {
            points.push(Point { label, scenario });
        }
    };
    let Some(written) = root.get("sweep") else { return points };
    if let Some(key) = &sweep.key {
        let place = written.place_of(&["key"]);
        for (value, node) in sweep.values.iter().zip(items(written.get("values"))) {
            add(value.label(), &[(key, place, node)], problems);
        }
    }
    for (point, node) in sweep.point.iter().zip(items(written.get("point"))) {
        let mut changes = Vec::new();
        if let Some(set) = node.get("set") {
            leaves(set, "", &mut changes);
        }
        let changes: Vec<_> =
            changes.iter().map(|(key, place, node)| (key.as_str(), *place, *node)).collect();
        add(point.label.clone(), &changes, problems);
    }
    points
}

/// Puts one swept value into `changed`, unless an argument of the command line has set the same key.
fn change(changed: &mut Node, base: &Node, key: &str, place: Place, value: &Node, problems: &mut Problems) {
    let parts: Vec<_> = key.split('.').map(str::trim).collect();
    if let Some(node) = parts.iter().try_fold(base, |node, part| node.get(part))
        && node.place.source != 0
        && value.place.source == 0
    {
        problems.at(node.place, key, "is changed by the sweep anyway", "a key that the sweep leaves alone");
        return;
    }
    if parts.first() == Some(&"sweep") || parts.contains(&"") {
        problems.at(place, key, "cannot be swept", "a dotted key such as \"network.loss\"");
        return;
    }
    put(changed, &path_of(key, place), value.clone(), problems);
}

fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.item) {
        Some(Item::Array(items)) => items,
        _ => &[],
    }
}

/// The dotted keys below `node`, with `"a.b" = 1` and `a.b = 1` meaning the same.
fn leaves<'a>(node: &'a Node, key: &str, out: &mut Vec<(String, Place, &'a Node)>) {
    let Item::Table(entries) = &node.item else { return };
    for entry in entries {
        let path = super::read::join(key, &entry.key);
        // A table behind a dotted key is a value of that key, such as a distribution of latencies.
        if matches!(entry.node.item, Item::Table(_)) && !entry.key.contains('.') {
            leaves(&entry.node, &path, out);
        } else {
            out.push((path, entry.key_place, &entry.node));
        }
    }
}
