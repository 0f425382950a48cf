//! What a probe of an origin sends and expects, read from its target once.

use crate::origin::{Endpoint, HeaderText, Host, REGEX_LIMIT_BYTES, Scheme, Target};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a probe does.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where.
    pub endpoint: Endpoint,
    /// Whether the connection is kept for the next probe.
    pub keep_alive: bool,
    /// What is said over the connection; nothing to a TCP origin.
    pub exchange: Option<Box<Exchange>>,
}

/// A request, and what its answer has to be.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub method: Method,
    /// Host and port as the `Host` header says them.
    pub authority: HeaderValue,
    /// The name that TLS asks for and verifies, where it is not the URL's host.
    pub server_name: Option<Box<str>>,
    pub headers: Vec<(HeaderName, HeaderText)>,
    pub body: Bytes,
    pub expected: Option<Expected>,
    pub redirects: u8,
    pub trust: Trust,
}

/// What the body of an answer has to hold.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Text(Box<str>),
    Pattern(Arc<regex::bytes::Regex>),
}

/// Whose word for a certificate counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Trust {
    /// That of the authorities that this machine trusts.
    System,
    /// That of the authorities in this file.
    File(Arc<Path>),
    /// Anyone's.
    Anyone,
}

impl Plan {
    /// Reads a target. Its settings were validated when it was written; another version may have written it.
    ///
    /// # Errors
    /// Says what this version does not understand.
    pub(crate) fn read(carried: &str) -> Result<Self, String> {
        let target = Target::read(carried).map_err(|error| error.to_string())?;
        let endpoint = target.validate().map_err(|error| error.to_string())?;
        let keep_alive = target.keep_alive;
        if endpoint.scheme == Scheme::Tcp {
            return Ok(Self { endpoint, keep_alive, exchange: None });
        }
        let exchange = Some(Box::new(Exchange::new(target, &endpoint)?));
        Ok(Self { endpoint, keep_alive, exchange })
    }
}

impl Exchange {
    fn new(target: Target, endpoint: &Endpoint) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let authority = target.host.clone().unwrap_or_else(|| endpoint.authority());
        let named = target.host.as_deref().and_then(|host| Endpoint::parse(&format!("http://{host}")).ok());
        let server_name = match named.map(|endpoint| endpoint.host) {
            Some(Host::Name(name)) => Some(name.into_boxed_str()),
            _ => None,
        };
        let mut headers = Vec::with_capacity(target.headers.len());
        for (name, value) in target.headers {
            headers.push((HeaderName::from_bytes(name.as_bytes()).map_err(|error| text(&error))?, value));
        }
        let expected = match (target.body_contains, target.body_regex) {
            (Some(contained), _) => Some(Expected::Text(contained.into())),
            (None, Some(pattern)) => {
                let pattern = regex::bytes::RegexBuilder::new(&pattern)
                    .size_limit(REGEX_LIMIT_BYTES)
                    .dfa_size_limit(REGEX_LIMIT_BYTES)
                    .build();
                Some(Expected::Pattern(Arc::new(pattern.map_err(|error| text(&error))?)))
            }
            (None, None) => None,
        };
        let method = target.method.as_deref().unwrap_or("GET");
        Ok(Self {
            method: Method::from_bytes(method.as_bytes()).map_err(|error| text(&error))?,
            authority: HeaderValue::try_from(authority).map_err(|error| text(&error))?,
            server_name,
            headers,
            body: target.body.map(Bytes::from).unwrap_or_default(),
            expected,
            redirects: target.redirects,
            trust: trust(target.ca, target.insecure),
        })
    }
}

fn trust(ca: Option<PathBuf>, insecure: bool) -> Trust {
    match ca {
        Some(path) => Trust::File(path.into()),
        None if insecure => Trust::Anyone,
        None => Trust::System,
    }
}

impl Expected {
    /// Whether a body is as it should be.
    pub(crate) fn is_met(&self, body: &[u8]) -> bool {
        match self {
            Self::Text(text) if text.is_empty() => true,
            Self::Text(text) => body.windows(text.len()).any(|part| part == text.as_bytes()),
            Self::Pattern(pattern) => pattern.is_match(body),
        }
    }
}
