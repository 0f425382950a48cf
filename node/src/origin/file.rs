//! The origins file: all origins of one source, in TOML or JSON.
//!
//! ```toml
//! source = "edge"        # unless set, the setting `origins.source`
//!
//! [[origins]]
//! name = "web"
//! url = "http://10.0.0.7:8080/healthz"
//! ```

use super::document::OriginDocument;
use crate::report::{Place, Problem, Problems, SourceText, nearest};
use heck_core::entry::OriginSpec;
use heck_core::id::Name;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Most problems that are told of one file.
const PROBLEMS: usize = 20;
const KEYS: [&str; 2] = ["source", "origins"];

/// What an origins file says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OriginsFile {
    /// The label that its origins share, if the file says one.
    pub source: Option<Name>,
    /// Its origins by name.
    pub origins: BTreeMap<Name, OriginSpec>,
}

impl OriginsFile {
    /// Reads a file of this name and text: JSON when the name ends so, TOML otherwise.
    ///
    /// # Errors
    /// What is wrong with it, with line and column.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problems> {
        let mut reader = Reader {
            source: SourceText::new(name, text),
            file: Self::default(),
            places: BTreeMap::new(),
            problems: Vec::new(),
        };
        if name.to_ascii_lowercase().ends_with(".json") {
            reader.json(text);
        } else {
            reader.toml(text);
        }
        let Reader { file, mut problems, .. } = reader;
        if problems.is_empty() {
            return Ok(file);
        }
        if problems.len() > PROBLEMS {
            problems.truncate(PROBLEMS);
            let what = format!("more than {PROBLEMS} problems: the others are not shown");
            problems.push(Problem { place: Place::Default, what, help: String::new() });
        }
        Err(Problems(problems))
    }
}

struct Reader {
    source: SourceText,
    file: OriginsFile,
    /// Where each name was first given.
    places: BTreeMap<Name, Place>,
    problems: Vec<Problem>,
}

/// One origin as it was read, and where its parts stand.
struct Written {
    document: OriginDocument,
    span: Range<usize>,
    keys: BTreeMap<String, Range<usize>>,
}

impl Reader {
    fn problem(&mut self, span: &Range<usize>, what: impl Into<String>, help: impl Into<String>) {
        let place = self.source.place(span);
        self.problems.push(Problem { place, what: what.into(), help: help.into() });
    }

    fn unknown(&mut self, key: &str, span: &Range<usize>) {
        let help = match nearest(key, KEYS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`source` and `origins` are allowed here".to_owned(),
        };
        self.problem(span, format!("there is no key `{key}`"), help);
    }

    fn toml(&mut self, text: &str) {
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => return self.problems.push(self.source.toml_problem(&error)),
        };
        for (key, value) in table {
            let span = value.span();
            match (&**key.get_ref(), value.into_inner()) {
                ("source", DeValue::String(text)) => self.label(&text, &span),
                ("source", _) => self.problem(&span, "`source` is no text", ""),
                ("origins", DeValue::Array(items)) => {
                    for item in items {
                        self.toml_origin(item);
                    }
                }
                ("origins", _) => {
                    self.problem(&span, "`origins` is no list of tables", "write `[[origins]]`");
                }
                (unknown, _) => self.unknown(unknown, &key.span()),
            }
        }
    }

    fn toml_origin(&mut self, value: Spanned<DeValue<'_>>) {
        let span = value.span();
        let keys = match value.get_ref() {
            DeValue::Table(table) => {
                table.iter().map(|(key, value)| (key.get_ref().to_string(), value.span())).collect()
            }
            _ => BTreeMap::new(),
        };
        match OriginDocument::deserialize(ValueDeserializer::from(value)) {
            Ok(document) => self.origin(&Written { document, span, keys }),
            Err(error) => {
                let place = error.span().unwrap_or(span);
                self.problem(&place, error.message(), "");
            }
        }
    }

    fn json(&mut self, text: &str) {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Json<'a> {
            source: Option<String>,
            #[serde(borrow)]
            origins: Vec<&'a RawValue>,
        }
        let json: Json<'_> = match serde_json::from_str(text) {
            Ok(json) => json,
            Err(error) => return self.json_problem(text, 0, &error),
        };
        if let Some(label) = json.source {
            let start = text.find("\"source\"").unwrap_or_default();
            self.label(&label, &(start..start + "\"source\"".len()));
        }
        for raw in json.origins {
            // The part is borrowed from the text.
            let start = raw.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
            match serde_json::from_str::<OriginDocument>(raw.get()) {
                Ok(document) => {
                    let span = start..start + raw.get().len();
                    let keys = keys_of(raw.get(), start);
                    self.origin(&Written { document, span, keys });
                }
                Err(error) => self.json_problem(raw.get(), start, &error),
            }
        }
    }

    /// Notes what the parser of JSON says about the part of the text that begins at `start`.
    fn json_problem(&mut self, part: &str, start: usize, error: &serde_json::Error) {
        let before: usize =
            part.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = start + before + error.column().saturating_sub(1);
        let text = error.to_string();
        // The parser counts lines from the beginning of the part, and this place is told anyway.
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what).to_owned();
        self.problem(&(at..at + 1), what, "");
    }

    fn label(&mut self, text: &str, span: &Range<usize>) {
        match Name::new(text) {
            Ok(name) => self.file.source = Some(name),
            Err(error) => self.problem(span, format!("`source` is no label: {error}"), ""),
        }
    }

    fn origin(&mut self, written: &Written) {
        let (name, spec) = match written.document.to_spec() {
            Ok(read) => read,
            Err(error) => {
                let what = error.to_string();
                // The error names the key first; where that was left out, the whole entry is meant.
                let key = what.split('`').nth(1).unwrap_or_default();
                let span = written.keys.get(key).unwrap_or(&written.span).clone();
                return self.problem(&span, what, "");
            }
        };
        let span = written.keys.get("name").unwrap_or(&written.span);
        let place = self.source.place(span);
        if let Some(first) = self.places.get(&name) {
            let help = format!("it was first given at {first}");
            return self.problem(span, format!("the origin `{name}` is given twice"), help);
        }
        self.places.insert(name.clone(), place);
        self.file.origins.insert(name, spec);
    }
}

/// Where the keys of a JSON object that begins at `start` stand; a text that looks like a key passes for one.
fn keys_of(object: &str, start: usize) -> BTreeMap<String, Range<usize>> {
    let mut keys = BTreeMap::new();
    let quotes = object.match_indices('"').map(|(at, _)| at).collect::<Vec<_>>();
    for pair in quotes.windows(2) {
        let inner = &object[pair[0] + 1..pair[1]];
        if object[pair[1] + 1..].trim_start().starts_with(':') {
            keys.entry(inner.to_owned()).or_insert(start + pair[0]..start + pair[1] + 1);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(name: &str, text: &str) -> String {
        OriginsFile::parse(name, text).unwrap_err().to_string()
    }

    const TOML: &str = "source = \"edge\"\n\n[[origins]]\nname = \"a\"\nurl = \"http://a.test/\"\ninterval = \"2s\"\n\n\
                        [[origins]]\nname = \"b\"\nurl = \"tcp://b.test:53\"\n";
    const JSON: &str = r#"{
  "source": "edge",
  "origins": [
    {"name": "a", "url": "http://a.test/", "interval": "2s"},
    {"name": "b", "url": "tcp://b.test:53"}
  ]
}"#;

    #[test]
    fn both_forms_say_the_same() {
        let toml = OriginsFile::parse("o.toml", TOML).unwrap();
        assert_eq!(OriginsFile::parse("o.json", JSON).unwrap(), toml);
        assert_eq!(toml.source, Some(Name::new("edge").unwrap()));
        assert_eq!(toml.origins.len(), 2);
        assert_eq!(OriginsFile::parse("o.toml", "").unwrap(), OriginsFile::default());
        assert_eq!(OriginsFile::parse("o.json", "{\"origins\": []}").unwrap(), OriginsFile::default());
    }

    #[test]
    fn syntax_errors_have_their_place() {
        assert!(wrong("o.toml", "[[origins]]\nname = \n").starts_with("o.toml:2:"));
        let shown = wrong("o.json", "{\n  \"origins\": [\n    {\"name\": }\n  ]\n}");
        assert!(shown.starts_with("o.json:3:"), "{shown}");
        assert!(wrong("o.json", "").starts_with("o.json:1:1"));
    }

    #[test]
    fn unknown_keys_and_wrong_values_have_their_place_in_both_forms() {
        let cases = [
            ("interval = \"2s\"", "intervall = \"2s\"", "o.toml:6:1"),
            ("interval = \"2s\"", "interval = \"1ms\"", "o.toml:6:12: `interval` is \"1ms\""),
            ("interval = \"2s\"", "interval = 2", "o.toml:6:12"),
            ("source", "sauce", "o.toml:1:1: there is no key `sauce`"),
            ("name = \"b\"", "name = \"a\"", "o.toml:9:8: the origin `a` is given twice"),
            ("tcp://b.test:53", "ftp://b.test", "o.toml:10:7"),
            ("name = \"b\"\n", "", "o.toml:8:"),
        ];
        for (from, to, place) in cases {
            let shown = wrong("o.toml", &TOML.replacen(from, to, 1));
            assert!(shown.starts_with(place), "{shown}");
        }
        let cases = [
            ("\"interval\"", "\"intervall\"", "o.json:4:"),
            ("2s", "1ms", "o.json:4:44: `interval` is \"1ms\""),
            ("\"source\"", "\"sauce\"", "o.json:2:"),
            ("\"b\"", "\"a\"", "o.json:5:6: the origin `a` is given twice"),
            ("tcp://b.test:53", "ftp://b.test", "o.json:5:19"),
        ];
        for (from, to, place) in cases {
            let shown = wrong("o.json", &JSON.replacen(from, to, 1));
            assert!(shown.starts_with(place), "{shown}");
        }
    }

    #[test]
    fn all_problems_are_told_up_to_a_number() {
        let one = "[[origins]]\nname = \"\"\nurl = \"http://a/\"\n";
        assert_eq!(wrong("o.toml", &one.repeat(3)).matches("`name`").count(), 3);
        let shown = wrong("o.toml", &one.repeat(50));
        assert!(shown.matches("`name`").count() == PROBLEMS && shown.contains("more than 20"), "{shown}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd_to_be_read_or_refused(text in "[\\[\\]{}\":, a-z\\n=.ü]{0,80}") {
            let _ = OriginsFile::parse("o.json", &text);
            let _ = OriginsFile::parse("o.toml", &text);
        }
    }
}
