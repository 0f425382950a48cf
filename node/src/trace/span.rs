//! A span that has ended, as it is told to a collector.

use super::context::Context;
use std::borrow::Cow;

/// What a span is to others, with the numbers of OTLP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

/// A value of an attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    Text(Cow<'static, str>),
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// A span. Times are microseconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub name: Cow<'static, str>,
    pub kind: Kind,
    pub context: Context,
    /// The span that it is a part of, in the same trace.
    pub parent: Option<u64>,
    /// Whether that one is another process's.
    pub is_parent_remote: bool,
    /// A span that led to it.
    pub link: Option<Context>,
    pub begun_us: u64,
    pub ended_us: u64,
    pub attributes: Vec<(&'static str, Value)>,
    /// What went wrong, if anything did.
    pub error: Option<Cow<'static, str>>,
}

impl Span {
    /// A span without a parent that has just begun.
    pub(crate) fn new(
        name: impl Into<Cow<'static, str>>,
        kind: Kind,
        context: Context,
        begun_us: u64,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            context,
            parent: None,
            is_parent_remote: false,
            link: None,
            begun_us,
            ended_us: begun_us,
            attributes: Vec::new(),
            error: None,
        }
    }

    /// The same as a part of another.
    pub(crate) const fn within(mut self, parent: u64) -> Self {
        self.parent = Some(parent);
        self
    }

    /// The same as a part of another process's.
    pub(crate) const fn within_remote(mut self, parent: u64) -> Self {
        (self.parent, self.is_parent_remote) = (Some(parent), true);
        self
    }

    /// The same with an attribute.
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push((key, value.into()));
        self
    }
}
