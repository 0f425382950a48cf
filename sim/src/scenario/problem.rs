//! What is wrong with a scenario, where, and what would be right.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode, SourceSpan,
};

use super::tree::{Node, Place};

/// A text that was read: a file, or an argument of the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Path of the file, or the name of the argument.
    pub name: String,
    /// All of its text.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Key that it is about, dotted from the top of the file; empty for a syntax error.
    pub key: String,
    /// What is wrong, the offending value included.
    pub what: String,
    /// What would be right.
    pub allowed: String,
}

/// The problems found so far.
#[derive(Clone, Default, Debug)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes that the value of `key`, `node`, is wrong: `"120%"` + `is more than 100%`.
    pub fn value(&mut self, node: &Node, key: &str, what: impl fmt::Display, allowed: impl Into<String>) {
        self.at(node.place, key, format!("{} {what}", node.show()), allowed);
    }

    /// Notes a problem at any place.
    pub fn at(&mut self, place: Place, key: &str, what: impl Into<String>, allowed: impl Into<String>) {
        let problem = Problem { place, key: key.to_owned(), what: what.into(), allowed: allowed.into() };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The report: all problems in the order of the text, with the sources that they point into.
    #[must_use]
    pub fn into_report(mut self, sources: Vec<Source>) -> Report {
        self.0.sort_by_key(|problem| problem.place);
        Report { sources, problems: self.0 }
    }
}

/// Everything that is wrong with one scenario. [`fmt::Display`] gives one line per problem,
/// `file:line:column: key: what is wrong; allowed: what would be right`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The texts that were read; places point into them.
    pub sources: Vec<Source>,
    /// What is wrong, in the order of the text.
    pub problems: Vec<Problem>,
}

impl Report {
    /// The report for people: each problem with the lines that it points at.
    #[must_use]
    pub fn render(&self, color: bool, width: usize) -> String {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_links(false)
            .with_context_lines(1);
        let sources: Vec<_> = self
            .sources
            .iter()
            .map(|source| Arc::new(NamedSource::new(&source.name, source.text.clone())))
            .collect();
        let mut out = String::new();
        for problem in &self.problems {
            let labelled = Labelled { problem, source: sources.get(problem.place.source).cloned() };
            // Writing to a `String` cannot fail; a renderer that gives up leaves the plain line.
            if handler.render_report(&mut out, &labelled).is_err() {
                out.push_str(&self.line(problem));
            }
            out.push('\n');
        }
        out
    }

    fn line(&self, problem: &Problem) -> String {
        let Place { source, start, .. } = problem.place;
        let (name, line, column) = match self.sources.get(source) {
            Some(source) => {
                let before = source.text.get(..start).unwrap_or(&source.text);
                let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
                let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
                (source.name.as_str(), line, before[line_start..].chars().count() + 1)
            }
            None => ("", 1, 1),
        };
        let allowed = match problem.allowed.as_str() {
            "" => String::new(),
            allowed => format!("; allowed: {allowed}"),
        };
        format!("{name}:{line}:{column}: {}{allowed}", headline(problem))
    }
}

fn headline(problem: &Problem) -> String {
    match problem.key.as_str() {
        "" => problem.what.clone(),
        key => format!("{key}: {}", problem.what),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{}", self.line(problem))?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// One problem beside its source, as miette wants it.
#[derive(Debug)]
struct Labelled<'a> {
    problem: &'a Problem,
    source: Option<Arc<NamedSource<String>>>,
}

impl fmt::Display for Labelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&headline(self.problem))
    }
}

impl std::error::Error for Labelled<'_> {}

impl Diagnostic for Labelled<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.problem.allowed.is_empty())
            .then(|| Box::new(format!("allowed: {}", self.problem.allowed)) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Place { start, end, .. } = self.problem.place;
        let span = SourceSpan::from((start, end.saturating_sub(start)));
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))))
    }
}
