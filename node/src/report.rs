//! What is wrong with something that an operator wrote, where it stands, and what would be right.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Longest piece of a line that a report shows, in characters.
const SHOWN: usize = 100;

/// A text that was read, such as a file.
#[derive(Clone, Debug)]
pub(crate) struct SourceText {
    name: Arc<str>,
    text: Arc<str>,
}

/// Where something was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a file.
    File {
        /// Its name.
        name: Arc<str>,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What stands on that line.
        text: String,
        /// How many characters of it are meant.
        len: usize,
    },
    /// In the flag of this name.
    Flag(String),
    /// In the environment variable of this name.
    Variable(String),
    /// Nowhere: it is what holds unless something else is said.
    Default,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where it was written.
    pub place: Place,
    /// What is wrong, the key and the value included.
    pub what: String,
    /// What is allowed or to be done; empty when there is nothing to say.
    pub help: String,
}

/// All that was found wrong; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problems(pub Vec<Problem>);

impl SourceText {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where these bytes stand.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_text = self.text[line_start..].lines().next().unwrap_or_default();
        let line_end = line_start + line_text.len();
        let end = self.text.floor_char_boundary(span.end).clamp(start, line_end.max(start));
        Place::File {
            name: self.name.clone(),
            line: before.matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            text: line_text.to_owned(),
            len: self.text[start..end].chars().count(),
        }
    }

    /// A problem with the text as a whole as TOML: what its parser says, where it says so.
    pub(crate) fn toml_problem(&self, error: &toml::de::Error) -> Problem {
        let place = self.place(&error.span().unwrap_or_default());
        Problem { place, what: error.message().to_owned(), help: String::new() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line, column, .. } => write!(f, "{name}:{line}:{column}"),
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        if let Place::File { line, column, text, len, .. } = &self.place {
            let number = line.to_string();
            // Tabs and the like would shift the marks under the line.
            let plain: String =
                text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
            let marks = "^".repeat((*len).clamp(1, SHOWN));
            let (margin, indent) = (" ".repeat(number.len()), " ".repeat(column - 1));
            write!(f, "\n  {number} | {plain}")?;
            if *column <= SHOWN {
                write!(f, "\n  {margin} | {indent}{marks}")?;
            }
        }
        if self.help.is_empty() { Ok(()) } else { write!(f, "\n  help: {}", self.help) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The one of `known` that `typed` was probably meant to be.
pub(crate) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (strsim::jaro_winkler(typed, name), name));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.8).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_the_line_and_marks_what_is_meant() {
        let text = SourceText::new("h.toml", "a = 1\nwäre = \"übel\"\n");
        let start = text.text().find('"').unwrap();
        let place = text.place(&(start..text.text().len() - 1));
        let problem = Problem { place, what: "`wäre` is wrong".into(), help: "try `a`".into() };
        let shown =
            "h.toml:2:8: `wäre` is wrong\n  2 | wäre = \"übel\"\n    |        ^^^^^^\n  help: try `a`";
        assert_eq!(problem.to_string(), shown);
    }

    #[test]
    fn any_span_has_a_place_even_one_beyond_the_text_or_within_a_character() {
        let text = SourceText::new("t", "ü\n\nü");
        for start in 0..9 {
            for end in 0..9 {
                let place = text.place(&(start..end));
                assert!(matches!(place, Place::File { line: 1..=3, column: 1..=2, .. }), "{place:?}");
            }
        }
        assert!(matches!(
            SourceText::new("t", "").place(&(0..7)),
            Place::File { line: 1, column: 1, len: 0, .. }
        ));
    }

    #[test]
    fn a_typing_error_finds_what_was_meant_and_nonsense_finds_nothing() {
        assert_eq!(nearest("intervl", ["timeout", "interval"]), Some("interval"));
        assert_eq!(nearest("xyz", ["timeout", "interval"]), None);
    }
}
