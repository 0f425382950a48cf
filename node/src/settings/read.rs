//! Puts the settings together: what a flag says counts before a variable, a variable before the file, the file
//! before the default.

use super::Settings;
use super::table::{Setting, find, settings};
use crate::report::{Place, Problem, Problems, SourceText, nearest};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Everything that settings are read from.
#[derive(Clone, Default, Debug)]
pub struct Sources {
    /// The file's name and text.
    pub file: Option<(String, String)>,
    /// Variables by name. Those that name no setting are passed over: a variable that begins with `HECK_` may be for
    /// a client, or come from a container's environment.
    pub variables: BTreeMap<String, String>,
    /// The values of flags by the key of their setting.
    pub flags: BTreeMap<&'static str, Vec<String>>,
}

/// Where each setting was given.
#[derive(Clone, Default, Debug)]
pub struct Given(BTreeMap<&'static str, Place>);

impl Given {
    /// Where the setting with this key was given.
    #[must_use]
    pub fn place(&self, key: &str) -> Place {
        self.0.get(key).cloned().unwrap_or(Place::Default)
    }

    /// A problem with the value of the setting with this key.
    #[must_use]
    pub fn problem(&self, key: &str, what: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem { place: self.place(key), what: what.into(), help: help.into() }
    }
}

/// A value as it was written, in whichever way.
struct Written {
    texts: Vec<String>,
    place: Place,
}

impl Sources {
    /// Reads all settings, and where each was given.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, in the order of file, variables and flags.
    pub fn read(&self) -> Result<(Settings, Given), Problems> {
        let mut problems = Vec::new();
        let mut written = BTreeMap::new();
        if let Some((name, text)) = &self.file {
            read_file(&SourceText::new(name, text), &mut written, &mut problems);
        }
        for setting in settings() {
            if let Some(text) = self.variables.get(&setting.variable()) {
                let place = Place::Variable(setting.variable());
                written.insert(setting.key, Written { texts: vec![text.clone()], place });
            }
        }
        for (key, texts) in &self.flags {
            if let Some(setting) = find(key) {
                let place = Place::Flag(setting.flag());
                written.insert(setting.key, Written { texts: texts.clone(), place });
            }
        }
        let mut read = Settings::default();
        let mut given = Given::default();
        for (key, Written { texts, place }) in written {
            let Some(setting) = find(key) else { continue };
            if let Err(help) = (setting.field)(&mut read).read(&texts) {
                let what = format!("`{key}` is `{}`", texts.join(", "));
                problems.push(Problem { place: place.clone(), what, help });
            }
            given.0.insert(setting.key, place);
        }
        if problems.is_empty() {
            let Err((key, what, help)) = read.validate() else { return Ok((read, given)) };
            problems.push(given.problem(key, what, help));
        }
        Err(Problems(problems))
    }
}

fn read_file(
    source: &SourceText,
    written: &mut BTreeMap<&'static str, Written>,
    problems: &mut Vec<Problem>,
) {
    let table = match DeTable::parse(source.text()) {
        Ok(table) => table,
        Err(error) => return problems.push(source.toml_problem(&error)),
    };
    let mut file = File { source, written, problems };
    file.table(table.get_ref(), "");
}

struct File<'a> {
    source: &'a SourceText,
    written: &'a mut BTreeMap<&'static str, Written>,
    problems: &'a mut Vec<Problem>,
}

impl File<'_> {
    fn table(&mut self, table: &DeTable<'_>, section: &str) {
        for (key, value) in table {
            let dotted = if section.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{section}.{}", key.get_ref())
            };
            let is_section = settings().any(|setting| setting.section() == dotted);
            match (find(&dotted), value.get_ref()) {
                (Some(setting), _) => self.value(setting, value),
                (None, DeValue::Table(inner)) if is_section => self.table(inner, &dotted),
                _ => self.unknown(key, &dotted),
            }
        }
    }

    fn value(&mut self, setting: &Setting, value: &Spanned<DeValue<'_>>) {
        let place = self.source.place(&value.span());
        let texts = match value.get_ref() {
            DeValue::Array(items) if setting.is_list() => {
                items.iter().map(|item| scalar(item.get_ref())).collect::<Option<Vec<_>>>()
            }
            value => scalar(value).map(|text| vec![text]),
        };
        match texts {
            Some(texts) => {
                self.written.insert(setting.key, Written { texts, place });
            }
            None => {
                let what = format!("`{}` is no value of this kind", setting.key);
                let list = if setting.is_list() { ", or a list of such," } else { "" };
                let help = format!("{}{list} is allowed", setting.metavar);
                self.problems.push(Problem { place, what, help });
            }
        }
    }

    fn unknown(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, dotted: &str) {
        let keys = settings().map(|setting| setting.key);
        let help = match nearest(dotted, keys) {
            Some(near) => format!("did you mean `{near}`? `heck config` prints all settings"),
            None => "`heck config` prints all settings".to_owned(),
        };
        let place = self.source.place(&key.span());
        self.problems.push(Problem { place, what: format!("there is no setting `{dotted}`"), help });
    }
}

/// A TOML value as the text that a flag would have.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Sources {
        Sources { file: Some(("h.toml".into(), text.into())), ..Sources::default() }
    }

    fn wrong(text: &str) -> String {
        file(text).read().unwrap_err().to_string()
    }

    /// Three valid values of a setting that differ from its default, by trying what could be one.
    fn others(setting: &Setting) -> [String; 3] {
        let default = setting.show(&Settings::default());
        let candidates = [
            "one",
            "two",
            "three",
            "127.0.0.1:1",
            "127.0.0.1:2",
            "127.0.0.1:3",
            "601",
            "602",
            "603",
            "2001",
            "2002",
            "2003",
            "3",
            "5",
            "6",
            "31s",
            "32s",
            "33s",
            "501ms",
            "502ms",
            "503ms",
            "10.0.0.0/8",
            "10.1.0.0/16",
            "fd00::/8",
            "65MiB",
            "66MiB",
            "67MiB",
            "true",
            "false",
            "off",
            "warn",
            "debug",
            "json",
            "text",
            "zones",
            "cluster",
            "down",
            "up",
            "origins",
            "any",
            "0.5",
            "0.25",
            "0.125",
        ];
        let takes = |text: &&str| {
            let sources =
                Sources { flags: [(setting.key, vec![(*text).to_owned()])].into(), ..Sources::default() };
            sources.read().is_ok_and(|(read, _)| setting.show(&read) != default)
        };
        let mut found: Vec<String> =
            candidates.iter().filter(|text| takes(text)).map(|text| (*text).into()).collect();
        assert!(!found.is_empty(), "no value for {}", setting.key);
        // A choice between two words has one other value only.
        while found.len() < 3 {
            found.push(found[0].clone());
        }
        [found[0].clone(), found[1].clone(), found[2].clone()]
    }

    #[test]
    fn each_setting_can_be_given_in_each_way_and_the_nearer_one_counts() {
        for setting in settings() {
            let [in_file, in_variable, in_flag] = others(setting);
            let section = setting.section();
            let head = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
            let mut sources = file(&format!("{head}{} = {in_file:?}\n", setting.short_key()));
            let expect = |sources: &Sources, text: &str| {
                let alone =
                    Sources { flags: [(setting.key, vec![text.to_owned()])].into(), ..Sources::default() };
                let (read, given) = sources.read().unwrap();
                assert_eq!(read, alone.read().unwrap().0, "{}", setting.key);
                given.place(setting.key)
            };
            assert!(matches!(expect(&sources, &in_file), Place::File { .. }));
            sources.variables.insert(setting.variable(), in_variable.clone());
            assert!(matches!(expect(&sources, &in_variable), Place::Variable(_)));
            sources.flags.insert(setting.key, vec![in_flag.clone()]);
            assert!(matches!(expect(&sources, &in_flag), Place::Flag(_)));
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line_and_column_and_what_was_probably_meant() {
        let shown = wrong("weight = 1\n[log]\n  levle = \"warn\"\n");
        assert!(
            shown.starts_with("h.toml:3:3: there is no setting `log.levle`\n  3 |   levle = \"warn\"\n"),
            "{shown}"
        );
        assert!(shown.contains("did you mean `log.level`?"), "{shown}");
        assert!(wrong("[nonsense]\nx = 1").starts_with("h.toml:1:2: there is no setting `nonsense`"));
        assert!(wrong("log = 7").starts_with("h.toml:1:1: there is no setting `log`"));
    }

    #[test]
    fn a_wrong_value_is_shown_where_it_stands_with_what_is_allowed() {
        let shown = wrong("bind = \"here\"");
        assert!(shown.contains("h.toml:1:8: `bind` is `here`"), "{shown}");
        assert!(shown.contains("help: an IP address and a port are allowed"), "{shown}");
        let shown = wrong("[protocol]\nrepair_interval = \"1us\"");
        assert!(shown.contains("h.toml:2:19: `protocol.repair_interval` is \"1us\""), "{shown}");
        assert!(shown.contains("help: allowed are \"10ms\" to \"1h\""), "{shown}");
        assert!(wrong("weight = [1]").contains("`weight` is no value of this kind"));
        let variables = [("HECK_WEIGHT".to_owned(), "much".to_owned())].into();
        let shown = Sources { variables, ..Sources::default() }.read().unwrap_err().to_string();
        assert_eq!(shown, "HECK_WEIGHT: `weight` is `much`\n  help: a whole number up to 65535 is allowed");
    }

    #[test]
    fn all_problems_are_told_at_once_and_a_syntax_error_has_its_place() {
        let shown = wrong("weight = \"much\"\nbind = 7\nzzz = 1\n");
        assert_eq!(shown.matches("h.toml:").count(), 3, "{shown}");
        assert!(wrong("weight = \n").starts_with("h.toml:1:"));
    }

    #[test]
    fn lists_can_be_lists_and_texts_and_an_empty_text_unsets() {
        let (read, _) = file("join = [\"a:1\", \"b:2\"]").read().unwrap();
        assert_eq!(read.join.len(), 2);
        let mut sources = file("join = \"a:1, b:2\"\nzone = \"west\"");
        assert_eq!(sources.read().unwrap().0.join, read.join);
        sources.variables = [("HECK_JOIN".into(), String::new()), ("HECK_ZONE".into(), String::new())].into();
        let (read, _) = sources.read().unwrap();
        assert!(read.join.is_empty() && read.zone.is_none());
    }
}
