//! What a check of an origin asks for, beside its policy: all that the core carries without looking at it.

use super::endpoint::{Endpoint, Host, Scheme};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Most redirects that a check may follow.
const REDIRECTS_LIMIT: u8 = 10;
/// Longest tag, method, and name of a secret, in bytes.
const WORD_LIMIT: usize = 64;
/// Memory that a compiled pattern may take, in bytes.
pub(crate) const REGEX_LIMIT_BYTES: usize = 1 << 18;

/// Headers that the checker sets itself: another value would break the exchange.
const OWN_HEADERS: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The value of a header.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "a text, or { secret = \"name of a file in the node's secrets folder\" }")]
pub enum HeaderText {
    /// As it stands here, which every node of the cluster and every reader of the API can see.
    Plain(String),
    /// What a file on the node that checks contains.
    Secret(Secret),
}

/// The name of a file in the secrets folder of the node that checks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Its name, without any folder.
    pub secret: String,
}

/// What a check asks for. In [`heck_core::entry::OriginSpec::target`] it is the plain URL when nothing else is set, and
/// one JSON object otherwise.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// Where: `http://`, `https://`, `tcp://host:port`, `grpc://host:port/service` or `grpcs://host:port/service`.
    pub url: String,
    /// The method of the request; GET unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Headers of the request, by their names in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, HeaderText>,
    /// What the `Host` header and TLS (server name, certificate) are to say instead of the URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The body of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What the body of the answer has to contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// A regular expression that the body of the answer has to match somewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_regex: Option<String>,
    /// How many redirects are followed, 0 to 10.
    #[serde(skip_serializing_if = "is_default")]
    pub redirects: u8,
    /// A file of PEM certificates on the node that checks: the only authorities that count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Whether any certificate will do.
    #[serde(skip_serializing_if = "is_default")]
    pub insecure: bool,
    /// Whether the connection is kept for the next check.
    #[serde(skip_serializing_if = "is_default")]
    pub keep_alive: bool,
    /// Words to find the origin by.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
}

/// A part of a target is not as it has to be.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{key}` is {}: {allowed}", Shown(.value))]
pub struct TargetError {
    /// Which part.
    pub key: &'static str,
    /// What it is.
    pub value: String,
    /// What it may be.
    pub allowed: String,
}

/// A value in quotes, cut where it is long.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut: String = self.0.chars().take(80).collect();
        let rest = if cut.len() < self.0.len() { "..." } else { "" };
        write!(f, "{cut:?}{rest}")
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Target {
    /// A target of which nothing but its URL is set.
    #[must_use]
    pub fn of_url(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// Reads what the core carries. Fields of a later version are skipped; nothing is validated.
    ///
    /// # Errors
    /// When it begins like an object and is none.
    pub fn read(carried: &str) -> Result<Self, serde_json::Error> {
        if carried.starts_with('{') { serde_json::from_str(carried) } else { Ok(Self::of_url(carried)) }
    }

    /// What the core is to carry.
    #[must_use]
    pub fn to_carried(&self) -> String {
        if *self == Self::of_url(&self.url) {
            return self.url.clone();
        }
        // All keys are texts and every value is one that JSON has, paths aside: those come from text.
        serde_json::to_string(self).unwrap_or_else(|_| self.url.clone())
    }

    /// Checks all parts, and takes the URL apart.
    ///
    /// # Errors
    /// Names the first part that is not as it has to be.
    pub fn validate(&self) -> Result<Endpoint, TargetError> {
        let endpoint =
            Endpoint::parse(&self.url).map_err(|error| fault("url", &self.url, &error.to_string()))?;
        self.validate_request()?;
        self.validate_match()?;
        self.validate_tags()?;
        self.validate_for(endpoint.scheme)?;
        Ok(endpoint)
    }

    fn validate_request(&self) -> Result<(), TargetError> {
        if let Some(method) = &self.method {
            let is_word = (1..=WORD_LIMIT).contains(&method.len())
                && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
            if !is_word || method == "CONNECT" || method == "TRACE" {
                let allowed =
                    "allowed are methods in capitals, such as GET, HEAD or POST, but CONNECT and TRACE";
                return Err(fault("method", method, allowed));
            }
        }
        if let Some(host) = &self.host {
            let url = format!("http://{host}");
            let is_authority = Endpoint::parse(&url).is_ok_and(|endpoint| endpoint.path == "/")
                && !host.contains(['/', '?']);
            if !is_authority {
                return Err(fault("host", host, "allowed is a host, with a port behind a colon if need be"));
            }
        }
        self.headers.iter().try_for_each(|(name, value)| validate_header(name, value))
    }

    fn validate_match(&self) -> Result<(), TargetError> {
        if let Some(pattern) = &self.body_regex {
            if let Some(text) = &self.body_contains {
                return Err(fault("body_contains", text, "allowed is either this or `body_regex`"));
            }
            regex::bytes::RegexBuilder::new(pattern)
                .size_limit(REGEX_LIMIT_BYTES)
                .build()
                .map_err(|error| fault("body_regex", pattern, &error.to_string()))?;
        }
        if self.redirects > REDIRECTS_LIMIT {
            return Err(fault("redirects", &self.redirects.to_string(), "allowed are 0 to 10"));
        }
        Ok(())
    }

    fn validate_tags(&self) -> Result<(), TargetError> {
        let is_tag = |tag: &str| {
            (1..=WORD_LIMIT).contains(&tag.len())
                && !tag.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',')
        };
        match self.tags.iter().find(|tag| !is_tag(tag)) {
            Some(tag) => {
                Err(fault("tags", tag, "allowed are up to 64 bytes without white space, commas and controls"))
            }
            None => Ok(()),
        }
    }

    /// Whether each part has a meaning for the scheme: what is set and does nothing would mislead.
    fn validate_for(&self, scheme: Scheme) -> Result<(), TargetError> {
        let plain = Self::default();
        let call_parts = [("headers", !self.headers.is_empty()), ("host", self.host != plain.host)];
        let http_parts = [
            ("method", self.method != plain.method),
            ("body", self.body != plain.body),
            ("body_contains", self.body_contains != plain.body_contains),
            ("body_regex", self.body_regex != plain.body_regex),
            ("redirects", self.redirects != plain.redirects),
            ("keep_alive", self.keep_alive),
        ];
        let is_encrypted = matches!(scheme, Scheme::Https | Scheme::Grpcs);
        let is_grpc = matches!(scheme, Scheme::Grpc | Scheme::Grpcs);
        let is_set = |(_, is_set): &(&str, bool)| *is_set;
        if scheme == Scheme::Tcp
            && let Some((key, _)) = http_parts.into_iter().chain(call_parts).find(is_set)
        {
            return Err(fault(key, "set", "a tcp:// origin is asked for a connection only"));
        }
        if is_grpc && let Some((key, _)) = http_parts.into_iter().find(is_set) {
            return Err(fault(key, "set", "a grpc:// origin is asked for its health only"));
        }
        let is_of_grpc = |name: &&String| name.starts_with("grpc-") || *name == "content-type";
        if is_grpc && let Some(name) = self.headers.keys().find(is_of_grpc) {
            return Err(fault("headers", name, "this header is gRPC's own"));
        }
        if let Some(host) = self.host.as_deref().filter(|_| is_encrypted)
            && Endpoint::parse(&format!("http://{host}")).is_ok_and(|named| matches!(named.host, Host::Ip(_)))
        {
            return Err(fault(
                "host",
                host,
                "TLS asks for a server by name: allowed are names, not addresses",
            ));
        }
        // A plain origin may lead to an encrypted one.
        let is_tls = is_encrypted || (scheme == Scheme::Http && self.redirects > 0);
        let shown = |path: &Path| path.display().to_string();
        match &self.ca {
            Some(path) if !is_tls => {
                return Err(fault("ca", &shown(path), "only https:// and grpcs:// have certificates"));
            }
            Some(path) if self.insecure => {
                return Err(fault("ca", &shown(path), "with `insecure` any certificate will do"));
            }
            Some(path) if !path.is_absolute() => {
                return Err(fault("ca", &shown(path), "allowed is an absolute path on the nodes"));
            }
            _ => {}
        }
        if self.insecure && !is_tls {
            return Err(fault("insecure", "true", "only https:// and grpcs:// have certificates"));
        }
        Ok(())
    }
}

fn validate_header(name: &str, value: &HeaderText) -> Result<(), TargetError> {
    let is_token =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(fault("headers", name, "allowed are names of headers, without colon and white space"));
    }
    if OWN_HEADERS.contains(&name) {
        let allowed = "this header is the checker's own (for `host` and `keep_alive` there are settings)";
        return Err(fault("headers", name, allowed));
    }
    match value {
        HeaderText::Plain(text) if text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') => {
            Err(fault("headers", text, "allowed are values without control characters"))
        }
        HeaderText::Secret(Secret { secret }) if !is_file_name(secret) => {
            Err(fault("headers", secret, "allowed are names of files of letters, digits, `.`, `_` and `-`"))
        }
        _ => Ok(()),
    }
}

/// Whether it names a file and leads nowhere else.
fn is_file_name(name: &str) -> bool {
    (1..=WORD_LIMIT).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn fault(key: &'static str, value: &str, allowed: &str) -> TargetError {
    TargetError { key, value: value.to_owned(), allowed: allowed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(carried: &str) -> Target {
        Target::read(carried).unwrap()
    }

    #[test]
    fn a_target_is_its_url_until_something_else_is_set() {
        let mut target = Target::of_url("http://a/");
        assert_eq!(target.to_carried(), "http://a/");
        target.method = Some("HEAD".into());
        assert_eq!(target.to_carried(), r#"{"url":"http://a/","method":"HEAD"}"#);
        assert_eq!(read(&target.to_carried()), target);
        assert_eq!(read("http://a/"), Target::of_url("http://a/"));
    }

    #[test]
    fn fields_of_a_later_version_are_skipped_and_what_is_no_object_is_refused() {
        assert_eq!(read(r#"{"url":"http://a/","http3":{"x":[1]}}"#), Target::of_url("http://a/"));
        assert!(Target::read("{").is_err());
    }

    #[test]
    fn each_part_that_is_wrong_is_named_with_what_is_allowed() {
        for (carried, key, allowed) in [
            (r#"{"url":"ftp://a/"}"#, "url", "http://host"),
            (r#"{"url":"http://a/","method":"get"}"#, "method", "capitals"),
            (r#"{"url":"http://a/","method":"CONNECT"}"#, "method", "capitals"),
            (r#"{"url":"http://a/","host":"b/c"}"#, "host", "a host"),
            (r#"{"url":"http://a/","host":"b\r\nx: y"}"#, "host", "a host"),
            (r#"{"url":"https://a/","host":"0x7f.1"}"#, "host", "names"),
            (r#"{"url":"http://a/","headers":{"a b":"c"}}"#, "headers", "names of headers"),
            (r#"{"url":"http://a/","headers":{"connection":"close"}}"#, "headers", "checker's own"),
            (r#"{"url":"http://a/","headers":{"x":"a\r\nb"}}"#, "headers", "control"),
            (r#"{"url":"http://a/","headers":{"x":{"secret":"../key"}}}"#, "headers", "names of files"),
            (r#"{"url":"http://a/","headers":{"x":{"secret":".."}}}"#, "headers", "names of files"),
            (r#"{"url":"http://a/","body_regex":"("}"#, "body_regex", "unclosed"),
            (r#"{"url":"http://a/","body_regex":"(\\w{1,99}){99}"}"#, "body_regex", "size limit"),
            (r#"{"url":"http://a/","body_regex":"a","body_contains":"a"}"#, "body_contains", "either"),
            (r#"{"url":"http://a/","redirects":11}"#, "redirects", "0 to 10"),
            (r#"{"url":"http://a/","tags":["a b"]}"#, "tags", "white space"),
            (r#"{"url":"http://a/","tags":[""]}"#, "tags", "64 bytes"),
            (r#"{"url":"http://a/","insecure":true}"#, "insecure", "only https"),
            (r#"{"url":"http://a/","ca":"/ca.pem"}"#, "ca", "only https"),
            (r#"{"url":"https://a/","ca":"ca.pem"}"#, "ca", "absolute"),
            (r#"{"url":"https://a/","ca":"/ca.pem","insecure":true}"#, "ca", "any certificate"),
            (r#"{"url":"tcp://a:1","method":"GET"}"#, "method", "connection only"),
            (r#"{"url":"tcp://a:1","keep_alive":true}"#, "keep_alive", "connection only"),
            (r#"{"url":"tcp://a:1","insecure":true}"#, "insecure", "only https"),
            (r#"{"url":"grpc://a:1","method":"GET"}"#, "method", "health only"),
            (r#"{"url":"grpc://a:1","keep_alive":true}"#, "keep_alive", "health only"),
            (r#"{"url":"grpc://a:1","insecure":true}"#, "insecure", "grpcs"),
            (r#"{"url":"grpc://a:1","headers":{"grpc-timeout":"1S"}}"#, "headers", "gRPC's own"),
            (r#"{"url":"grpcs://a:1","host":"127.0.0.1"}"#, "host", "names"),
        ] {
            let error = read(carried).validate().unwrap_err();
            assert_eq!(error.key, key, "{carried}");
            assert!(error.to_string().contains(allowed), "{carried}: {error}");
        }
    }

    #[test]
    fn what_a_check_can_ask_for_is_allowed() {
        for carried in [
            "http://a/",
            "tcp://a:1",
            r#"{"url":"tcp://a:1","tags":["db","eu-1"]}"#,
            r#"{"url":"http://a/","redirects":3,"insecure":true}"#,
            r#"{"url":"https://10.0.0.1/","host":"shop.example:444","ca":"/etc/ca.pem","keep_alive":true}"#,
            r#"{"url":"http://a/","method":"POST","body":"ping","headers":{"x":"y","authorization":{"secret":"k.1"}}}"#,
            r#"{"url":"http://a/","body_regex":"^ok|fine$"}"#,
            "grpc://a:1/shop.v1.Cart",
            r#"{"url":"grpcs://10.0.0.1:443","host":"shop.example","insecure":true,"headers":{"authorization":{"secret":"k"}}}"#,
        ] {
            let validated = read(carried).validate();
            assert!(validated.is_ok(), "{carried}: {validated:?}");
        }
    }

    #[test]
    fn a_long_value_is_cut_in_the_error() {
        let error = Target::of_url(&"x".repeat(5_000)).validate().unwrap_err().to_string();
        assert!(error.len() < 400, "{error}");
    }
}
