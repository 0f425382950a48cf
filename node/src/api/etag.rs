//! Entity tags and the conditions of requests (RFC 9110, sections 8.8.3 and 13).

use super::problem::{Kind, Problem};
use axum::http::{HeaderMap, HeaderValue, header};
use heck_core::id::Dot;

/// An entity tag without its quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tag(String);

impl Tag {
    /// The tag of the entry that a dot stands for: the same on all nodes.
    pub(crate) fn of_dot(dot: &Dot) -> Self {
        let writer = dot.lane.writer;
        Self(format!("{:x}-{:x}-{:x}-{:x}", writer.node.0, writer.boot.0, dot.lane.shard.0, dot.counter))
    }

    /// The tag of something that has this fingerprint.
    pub(crate) fn of_print(print: u64) -> Self {
        Self(format!("{print:016x}"))
    }

    /// As a header's value, with quotes.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.quoted()).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
    }
}

/// A list of tags in a condition.
enum Tags {
    Any,
    Listed(Vec<Tag>),
}

impl Tags {
    fn of(headers: &HeaderMap, name: &header::HeaderName) -> Result<Option<Self>, Problem> {
        let mut listed = Vec::new();
        for value in headers.get_all(name) {
            let text = value.to_str().map_err(|_| unreadable(name))?;
            if text.trim() == "*" {
                return Ok(Some(Self::Any));
            }
            for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
                // Tags of heck stand for the content that matters, so weak and strong compare alike.
                let tag = tag.strip_prefix("W/").unwrap_or(tag);
                let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
                listed.push(Tag(inner.ok_or_else(|| unreadable(name))?.to_owned()));
            }
        }
        Ok((!listed.is_empty()).then_some(Self::Listed(listed)))
    }

    fn hold(&self, current: Option<&Tag>) -> bool {
        match (self, current) {
            (Self::Any, current) => current.is_some(),
            (Self::Listed(tags), Some(current)) => tags.contains(current),
            (Self::Listed(_), None) => false,
        }
    }
}

fn unreadable(name: &header::HeaderName) -> Problem {
    Problem::new(Kind::BadRequest, format!("`{name}` is neither `*` nor a list of quoted tags"))
        .next("Repeat the ETag header of an answer as it was, with its quotes.")
}

/// The conditions of a request.
pub(crate) struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

impl Conditions {
    /// No conditions.
    pub(crate) const fn none() -> Self {
        Self { if_match: None, if_none_match: None }
    }

    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let if_match = Tags::of(headers, &header::IF_MATCH)?;
        Ok(Self { if_match, if_none_match: Tags::of(headers, &header::IF_NONE_MATCH)? })
    }

    /// Whether a write may go ahead on what is there now.
    pub(crate) fn allow_write(&self, current: Option<&Tag>) -> Result<(), Problem> {
        let allowed = self.if_match.as_ref().is_none_or(|tags| tags.hold(current))
            && self.if_none_match.as_ref().is_none_or(|tags| !tags.hold(current));
        if allowed {
            return Ok(());
        }
        let now = current
            .map_or_else(|| "there is none now".to_owned(), |tag| format!("it is {} now", tag.quoted()));
        Err(Problem::new(Kind::PreconditionFailed, format!("{now}; nothing was changed"))
            .next("Get it again, look at what changed, and repeat the write with the new ETag."))
    }

    /// Whether the client has this already.
    pub(crate) fn has(&self, current: &Tag) -> bool {
        self.if_none_match.as_ref().is_some_and(|tags| tags.hold(Some(current)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(name: header::HeaderName, value: &'static str) -> Result<Conditions, Problem> {
        Conditions::of(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]))
    }

    #[test]
    fn if_match_wants_one_of_the_tags_and_if_none_match_none_of_them() {
        let (held, other) = (Tag("a".into()), Tag("c".into()));
        let listed = conditions(header::IF_MATCH, "\"b\", W/\"a\"").unwrap();
        assert!(listed.allow_write(Some(&held)).is_ok());
        assert!(listed.allow_write(Some(&other)).is_err());
        assert!(listed.allow_write(None).is_err());
        let new_only = conditions(header::IF_NONE_MATCH, "*").unwrap();
        assert!(new_only.allow_write(None).is_ok());
        assert!(new_only.allow_write(Some(&held)).is_err());
        assert!(conditions(header::IF_NONE_MATCH, "\"a\"").unwrap().has(&held));
        assert!(!conditions(header::IF_NONE_MATCH, "\"a\"").unwrap().has(&other));
    }

    #[test]
    fn a_tag_without_quotes_is_refused() {
        assert_eq!(
            conditions(header::IF_MATCH, "a").err().map(|problem| problem.status().as_u16()),
            Some(400)
        );
    }
}
