//! An origin as files, the API and the command line show it.

use super::period::Period;
use super::statuses::Statuses;
use super::target::{HeaderText, Target, TargetError, is_default};
use heck_core::config::ConfigError;
use heck_core::entry::{Admin, OriginSpec, TARGET_LIMIT};
use heck_core::id::{Name, NameError};
use heck_core::policy::{Policy, Rule};
use heck_core::time::Span;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use utoipa::ToSchema;

/// What an operator wants of an origin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AdminState {
    /// Checked, and used when healthy.
    #[default]
    Enabled,
    /// Checked, but new traffic should go elsewhere.
    Draining,
    /// Neither checked nor used.
    Maintenance,
}

/// An origin, completely. What is left out is as usual, and what is as usual is left out when it is written.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginDocument {
    /// Its name, unique in the cluster: 1 to 255 bytes.
    pub name: String,
    /// Where it is checked: `http://`, `https://`, `tcp://host:port`, or `grpc://host:port/service` and `grpcs://` for gRPC's health protocol.
    pub url: String,
    /// The method of the request; GET unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What the `Host` header and TLS (server name, certificate) are to say instead of the URL's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The body of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Statuses that count as good; 200 to 299 unless set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expected_statuses: Statuses,
    /// What the body of the answer has to contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// A regular expression that the body of the answer has to match somewhere. Excludes `body_contains`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_regex: Option<String>,
    /// How many redirects are followed, 0 to 10; 0 unless set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub redirects: u8,
    /// A file of PEM certificates on the node that checks: the only authorities that count. Those of the node's system
    /// unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ca: Option<PathBuf>,
    /// Whether any certificate will do; not unless set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub insecure: bool,
    /// Whether the connection is kept for the next check; not unless set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keep_alive: bool,
    /// Time between two checks, 100 ms to 1 day; 5 s unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Period>,
    /// Time between two checks while the state is changing, 100 ms to `interval`; the lesser of 1 s and `interval`
    /// unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fast_interval: Option<Period>,
    /// How long one check may take, 1 ms to 1 hour; 2 s unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// Successes in a row that make an unhealthy origin healthy, 1 to 1,000; 2 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rise: Option<u16>,
    /// Failures in a row that make a healthy origin unhealthy, 1 to 1,000; 3 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fall: Option<u16>,
    /// How many of the last checks count, 1 to 64. Excludes `rise` and `fall`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u8>,
    /// How many checks of the window have to succeed, 1 to `window`. Goes with `window`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u8>,
    /// How many checks of a new origin count as having succeeded before the first, 0 to `window`; one less than
    /// `threshold` unless set, so that the first check decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<u8>,
    /// An answer that takes longer shows a degraded origin; 1 ms to `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<Period>,
    /// How many others are asked before it is called down, 0 to 16; as many as is usual in the cluster unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmers: Option<u8>,
    /// What the operator wants; `enabled` unless set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub admin: AdminState,
    /// Words to find the origin by: each up to 64 bytes, without white space and commas.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Headers of the request; their names are written in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, HeaderText>,
}

/// Why a document describes no origin. Whoever wrote it can mend it; nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum DocumentError {
    /// The name is none.
    #[error("`name` is no name: {0}")]
    Name(NameError),
    /// A part of the request is not as it has to be.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A setting of the policy is outside its range.
    #[error("`{}` is {}: allowed are {} to {}", .0.key, setting(.0.key, .0.value), setting(.0.key, .0.min),
        setting(.0.key, .0.max))]
    Policy(ConfigError),
    /// Two settings exclude each other, or one does not go without the other.
    #[error("`{key}` is set: {rule}")]
    Combination {
        /// Which setting.
        key: &'static str,
        /// What is allowed.
        rule: &'static str,
    },
    /// Two headers have the same name.
    #[error("`headers` has {0:?} twice: names of headers are the same in capitals")]
    HeaderTwice(String),
    /// What is asked for is too long for the cluster to carry.
    #[error(
        "url, method, host, body, headers, tags and what the answer has to match take {0} bytes together: allowed are \
        {TARGET_LIMIT}"
    )]
    TooLong(usize),
}

/// A setting of the policy as its document shows it.
fn setting(key: &str, value: u64) -> String {
    match key {
        "interval" | "fast_interval" | "timeout" | "slow" => format!("\"{}\"", Period(Span(value))),
        _ => value.to_string(),
    }
}

/// The lesser of what is usual and the interval, which it must not exceed.
fn usual_fast_interval(interval: Span) -> Span {
    Policy::default().fast_interval.min(interval)
}

impl OriginDocument {
    /// An origin that is checked as is usual.
    #[must_use]
    pub fn new(name: &str, url: &str) -> Self {
        Self { name: name.to_owned(), url: url.to_owned(), ..Self::default() }
    }

    /// What the core is told.
    ///
    /// # Errors
    /// Names the first setting that is not as it has to be, with what is allowed.
    pub fn to_spec(&self) -> Result<(Name, OriginSpec), DocumentError> {
        let name = Name::new(&self.name).map_err(DocumentError::Name)?;
        let target = self.target()?;
        target.validate()?;
        let policy = self.policy()?;
        policy.validate().map_err(DocumentError::Policy)?;
        let carried = target.to_carried();
        if carried.len() > TARGET_LIMIT {
            return Err(DocumentError::TooLong(carried.len()));
        }
        let admin = match self.admin {
            AdminState::Enabled => Admin::Enabled,
            AdminState::Draining => Admin::Draining,
            AdminState::Maintenance => Admin::Disabled,
        };
        Ok((name, OriginSpec { target: carried.into(), admin, policy: Arc::new(policy) }))
    }

    /// What the core holds, as a document. A target that this version cannot read stands in `url` as it is.
    #[must_use]
    pub fn from_spec(name: &Name, spec: &OriginSpec) -> Self {
        let target = Target::read(&spec.target).unwrap_or_else(|_| Target::of_url(&spec.target));
        let (policy, usual) = (&*spec.policy, Policy::default());
        let unusual = |span: Span, usual: Span| (span != usual).then_some(Period(span));
        let mut document = Self {
            name: name.as_str().to_owned(),
            url: target.url,
            method: target.method,
            host: target.host,
            body: target.body,
            expected_statuses: Statuses(policy.expected),
            body_contains: target.body_contains,
            body_regex: target.body_regex,
            redirects: target.redirects,
            ca: target.ca,
            insecure: target.insecure,
            keep_alive: target.keep_alive,
            interval: unusual(policy.interval, usual.interval),
            fast_interval: unusual(policy.fast_interval, usual_fast_interval(policy.interval)),
            timeout: unusual(policy.timeout, usual.timeout),
            slow: policy.slow.map(Period),
            confirmers: policy.confirmers,
            admin: match spec.admin {
                Admin::Enabled => AdminState::Enabled,
                Admin::Draining => AdminState::Draining,
                Admin::Disabled => AdminState::Maintenance,
            },
            tags: target.tags,
            headers: target.headers,
            ..Self::default()
        };
        match policy.rule {
            Rule::Streaks { rise, fall } => {
                document.rise = (rise != USUAL_RISE).then_some(rise);
                document.fall = (fall != USUAL_FALL).then_some(fall);
            }
            Rule::Window { size, threshold, initial } => {
                document.window = Some(size);
                document.threshold = Some(threshold);
                document.initial = (initial != threshold.saturating_sub(1)).then_some(initial);
            }
        }
        document
    }

    /// What a check asks for.
    fn target(&self) -> Result<Target, DocumentError> {
        let mut headers = BTreeMap::new();
        for (name, value) in &self.headers {
            let name = name.to_ascii_lowercase();
            if headers.insert(name.clone(), value.clone()).is_some() {
                return Err(DocumentError::HeaderTwice(name));
            }
        }
        Ok(Target {
            url: self.url.clone(),
            method: self.method.clone().filter(|method| method != "GET"),
            headers,
            host: self.host.clone(),
            body: self.body.clone(),
            body_contains: self.body_contains.clone(),
            body_regex: self.body_regex.clone(),
            redirects: self.redirects,
            ca: self.ca.clone(),
            insecure: self.insecure,
            keep_alive: self.keep_alive,
            tags: self.tags.clone(),
        })
    }

    fn policy(&self) -> Result<Policy, DocumentError> {
        let usual = Policy::default();
        let span = |period: Option<Period>, usual: Span| period.map_or(usual, |period| period.0);
        let interval = span(self.interval, usual.interval);
        Ok(Policy {
            interval,
            fast_interval: span(self.fast_interval, usual_fast_interval(interval)),
            timeout: span(self.timeout, usual.timeout),
            rule: self.rule()?,
            slow: self.slow.map(|period| period.0),
            expected: self.expected_statuses.0,
            confirmers: self.confirmers,
        })
    }

    fn rule(&self) -> Result<Rule, DocumentError> {
        let combination = |key, rule| Err(DocumentError::Combination { key, rule });
        match (self.window, self.threshold, self.initial) {
            (Some(_), _, _) if self.rise.is_some() || self.fall.is_some() => {
                combination("window", "it excludes `rise` and `fall`")
            }
            (Some(size), Some(threshold), initial) => {
                let initial = initial.unwrap_or(threshold.saturating_sub(1));
                Ok(Rule::Window { size, threshold, initial })
            }
            (Some(_), None, _) => combination("window", "it needs `threshold`"),
            (None, Some(_), _) => combination("threshold", "it needs `window`"),
            (None, None, Some(_)) => combination("initial", "it needs `window` and `threshold`"),
            (None, None, None) => Ok(Rule::Streaks {
                rise: self.rise.unwrap_or(USUAL_RISE),
                fall: self.fall.unwrap_or(USUAL_FALL),
            }),
        }
    }
}

/// As in [`Policy::default`], which a test holds them to.
const USUAL_RISE: u16 = 2;
const USUAL_FALL: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::option::of;
    use proptest::prelude::*;

    fn read(text: &str) -> OriginDocument {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refused(text: &str) -> String {
        read(text).to_spec().unwrap_err().to_string()
    }

    #[test]
    fn an_origin_of_which_only_name_and_url_are_set_is_checked_as_usual() {
        let document = read(r#"{"name":"a","url":"http://a/"}"#);
        assert_eq!(document, OriginDocument::new("a", "http://a/"));
        let (name, spec) = document.to_spec().unwrap();
        assert_eq!(spec, OriginSpec::new("http://a/"), "the usual rise and fall included");
        assert_eq!(OriginDocument::from_spec(&name, &spec), document);
        assert_eq!(serde_json::to_string(&document).unwrap(), r#"{"name":"a","url":"http://a/"}"#);
    }

    #[test]
    fn a_document_says_the_same_in_json_and_in_toml() {
        let json = r#"{"name":"shop","url":"https://10.0.0.7/","expected_statuses":["200-299",301],
            "interval":"2s","slow":"500ms","window":5,"threshold":3,"initial":4,"admin":"draining",
            "tags":["eu"],"headers":{"X-Probe":"heck","authorization":{"secret":"shop"}}}"#;
        let toml = r#"
            name = "shop"
            url = "https://10.0.0.7/"
            expected_statuses = ["200-299", 301]
            interval = "2s"
            slow = "500ms"
            window = 5
            threshold = 3
            initial = 4
            admin = "draining"
            tags = ["eu"]
            headers = { X-Probe = "heck", authorization = { secret = "shop" } }"#;
        let from_toml: OriginDocument = toml::from_str(toml).unwrap();
        assert_eq!(read(json), from_toml);
        let written = toml::to_string(&from_toml).unwrap();
        assert_eq!(toml::from_str::<OriginDocument>(&written).unwrap(), from_toml, "{written}");
        let (_, spec) = from_toml.to_spec().unwrap();
        assert_eq!(spec.policy.rule, Rule::Window { size: 5, threshold: 3, initial: 4 });
        assert_eq!(spec.policy.fast_interval, Span::from_secs(1));
        assert!(spec.target.contains(r#""x-probe":"heck""#), "{}", spec.target);
    }

    #[test]
    fn unknown_keys_and_values_of_another_kind_are_errors_with_their_place() {
        for (toml, wrong) in [
            ("name = 'a'\nurl = 'http://a/'\nintervall = '5s'", "unknown field `intervall`"),
            ("name = 'a'\nurl = 'http://a/'\ninterval = '5x'", "5x"),
            ("name = 'a'\nurl = 'http://a/'\nadmin = 'off'", "unknown variant `off`"),
            ("name = 'a'\nurl = 'http://a/'\nrise = 70000", "70000"),
            ("name = 'a'\nurl = 'http://a/'\nheaders = { x = 5 }", "secret"),
            ("name = 'a'\nurl = 'http://a/'\nheaders = { x = { secret = 'a', b = 1 } }", "secret"),
        ] {
            let error = toml::from_str::<OriginDocument>(toml).unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains("line 3"), "{error}");
        }
        let error = toml::from_str::<OriginDocument>("name = 'a'").unwrap_err().to_string();
        assert!(error.contains("missing field `url`"), "{error}");
    }

    #[test]
    fn a_setting_outside_its_range_is_named_as_it_was_written() {
        let with = |part: &str| refused(&format!(r#"{{"name":"a","url":"http://a/",{part}}}"#));
        assert_eq!(with(r#""interval":"50ms""#), r#"`interval` is "50ms": allowed are "100ms" to "1d""#);
        assert_eq!(with(r#""slow":"3s""#), r#"`slow` is "3s": allowed are "1ms" to "2s""#);
        assert_eq!(with(r#""rise":0"#), "`rise` is 0: allowed are 1 to 1000");
        assert_eq!(with(r#""window":5,"threshold":6"#), "`threshold` is 6: allowed are 1 to 5");
        assert_eq!(with(r#""confirmers":17"#), "`confirmers` is 17: allowed are 0 to 16");
        assert_eq!(with(r#""method":"get""#).split(':').next(), Some("`method` is \"get\""));
    }

    #[test]
    fn settings_that_do_not_go_together_are_named() {
        let with = |part: &str| refused(&format!(r#"{{"name":"a","url":"http://a/",{part}}}"#));
        assert_eq!(
            with(r#""window":5,"threshold":3,"rise":2"#),
            "`window` is set: it excludes `rise` and `fall`"
        );
        assert_eq!(with(r#""window":5"#), "`window` is set: it needs `threshold`");
        assert_eq!(with(r#""threshold":5"#), "`threshold` is set: it needs `window`");
        assert_eq!(with(r#""initial":5"#), "`initial` is set: it needs `window` and `threshold`");
        assert!(with(r#""headers":{"X-A":"1","x-a":"2"}"#).contains("\"x-a\" twice"));
        assert!(refused(r#"{"name":"","url":"http://a/"}"#).starts_with("`name` is no name"));
    }

    #[test]
    fn an_origin_that_is_too_long_to_carry_is_refused_with_its_length() {
        let long = format!(r#"{{"name":"a","url":"http://a/","body":"{}"}}"#, "x".repeat(2_100));
        let error = refused(&long);
        assert!(error.contains("2129 bytes") && error.contains("2048"), "{error}");
    }

    #[test]
    fn a_short_interval_shortens_the_fast_one_unless_that_is_set() {
        let mut document = read(r#"{"name":"a","url":"http://a/","interval":"500ms"}"#);
        let (name, spec) = document.to_spec().unwrap();
        assert_eq!(spec.policy.fast_interval, Span::from_ms(500));
        assert_eq!(OriginDocument::from_spec(&name, &spec), document);
        document.fast_interval = Some(Period(Span::from_secs(1)));
        assert!(
            matches!(document.to_spec(), Err(DocumentError::Policy(error)) if error.key == "fast_interval")
        );
    }

    #[test]
    fn a_target_that_cannot_be_read_is_shown_as_it_is() {
        let name = Name::new("a").unwrap();
        let document = OriginDocument::from_spec(&name, &OriginSpec::new("{odd"));
        assert_eq!(document, OriginDocument::new("a", "{odd"));
        assert!(document.to_spec().is_err());
    }

    fn word() -> impl Strategy<Value = String> {
        "[a-z][a-z0-9]{0,8}"
    }

    fn period(ms: std::ops::Range<u64>) -> impl Strategy<Value = Option<Period>> {
        of(ms.prop_map(|ms| Period(Span::from_ms(ms))))
    }

    fn target() -> impl Strategy<Value = OriginDocument> {
        let url = prop_oneof!["http://[a-z]{1,9}:[1-9][0-9]{2}/[a-z?=&%20]{0,9}", "https://[a-z]{1,9}/"];
        let header = (word(), prop_oneof!["[ -~]{0,9}", "\\PC{0,5}"].prop_map(HeaderText::Plain));
        let headers =
            proptest::collection::btree_map("x-[a-z]{1,9}", header.prop_map(|(_, value)| value), 0..3);
        let tags = proptest::collection::btree_set(word(), 0..3);
        let bodies = (of("\\PC{0,20}"), of("\\PC{0,20}"), 0_u8..=10, any::<bool>());
        (url, of("HEAD|POST"), headers, of(word()), tags, bodies).prop_map(
            |(url, method, headers, host, tags, (body, body_contains, redirects, keep_alive))| {
                OriginDocument {
                    method,
                    headers,
                    host,
                    tags,
                    body,
                    body_contains,
                    redirects,
                    keep_alive,
                    ..OriginDocument::new("a", &url)
                }
            },
        )
    }

    fn rule() -> impl Strategy<Value = Rule> {
        prop_oneof![
            (1_u16..=1_000, 1_u16..=1_000).prop_map(|(rise, fall)| Rule::Streaks { rise, fall }),
            (1_u8..=64, 0_u8..64, 0_u8..=64).prop_map(|(size, threshold, initial)| Rule::Window {
                size,
                threshold: threshold % size + 1,
                initial: initial % (size + 1),
            }),
        ]
    }

    fn with_rule(document: &mut OriginDocument, rule: Rule) {
        match rule {
            Rule::Streaks { rise, fall } => (document.rise, document.fall) = (Some(rise), Some(fall)),
            Rule::Window { size, threshold, initial } => {
                document.window = Some(size);
                (document.threshold, document.initial) = (Some(threshold), Some(initial));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(402),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn every_document_comes_back_from_the_core_from_json_and_from_toml(
            mut document in target(),
            spans in (period(1_000..80_000), period(100..1_000), period(100..9_000), period(1..100)),
            rule in rule(),
            confirmers in of(0_u8..=16),
            admin in prop_oneof![Just(AdminState::Enabled), Just(AdminState::Draining), Just(AdminState::Maintenance)],
        ) {
            (document.interval, document.fast_interval, document.timeout, document.slow) = spans;
            with_rule(&mut document, rule);
            document.confirmers = confirmers;
            document.admin = admin;
            let (name, spec) = document.to_spec().map_err(|error| TestCaseError::fail(error.to_string()))?;
            let shown = OriginDocument::from_spec(&name, &spec);
            // What is shown may leave out what is as usual; it means the same.
            prop_assert_eq!(shown.to_spec(), Ok((name.clone(), spec)));
            let json = serde_json::to_string(&shown).unwrap();
            let read = serde_json::from_str(&json).ok();
            prop_assert_eq!(read.as_ref(), Some(&shown), "{}", json);
            let toml = toml::to_string(&shown).unwrap();
            let read = toml::from_str(&toml).ok();
            prop_assert_eq!(read.as_ref(), Some(&shown), "{}", toml);
        }
    }
}
