//! The variables by which OpenTelemetry's own programs are told what to do, as far as a node follows them.

use super::config::{header, url, url_below};
use super::share::Share;
use reqwest::header::{HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// The standard variables of a process.
#[derive(Clone, Default, Debug)]
pub(crate) struct Standard(BTreeMap<String, String>);

impl Standard {
    /// Those of these variables that are. An empty one is as good as none.
    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_one = |(name, value): &(String, String)| name.starts_with("OTEL_") && !value.trim().is_empty();
        Self(variables.into_iter().filter(is_one).collect())
    }

    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        Self::new(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim())
    }

    /// The variable for traces, or the one for everything.
    fn of_exporter(&self, what: &str) -> Option<(String, &str)> {
        ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].iter().find_map(|prefix| {
            let name = format!("{prefix}{what}");
            self.get(&name).map(|value| (name, value))
        })
    }

    /// Whether nobody is to be told of traces, whatever else is set.
    pub(super) fn is_disabled(&self) -> bool {
        self.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || self.get("OTEL_TRACES_EXPORTER") == Some("none")
    }

    pub(super) fn endpoint(&self) -> Result<Option<Url>, String> {
        let Some((name, text)) = self.of_exporter("ENDPOINT") else { return Ok(None) };
        // What is for traces alone is taken as it stands.
        let read = if name.contains("TRACES") { url(text) } else { url_below(text) };
        read.map(Some).map_err(|what| format!("{name} is `{text}`: {what}"))
    }

    pub(super) fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        let Some((name, text)) = self.of_exporter("HEADERS") else { return Ok(Vec::new()) };
        pairs(text)
            .map(|(key, value)| header(&key, &value).map_err(|what| format!("{name}: {what}")))
            .collect()
    }

    pub(super) fn timeout(&self) -> Result<Option<Duration>, String> {
        let Some((name, text)) = self.of_exporter("TIMEOUT") else { return Ok(None) };
        let millis = text.parse().map_err(|_| format!("{name} is `{text}`: milliseconds are allowed"))?;
        Ok(Some(Duration::from_millis(millis)))
    }

    pub(super) fn service_name(&self) -> Option<String> {
        let of_resource = || self.resource().into_iter().find(|(key, _)| key == "service.name");
        self.get("OTEL_SERVICE_NAME").map(str::to_owned).or_else(|| of_resource().map(|(_, name)| name))
    }

    pub(super) fn resource(&self) -> Vec<(String, String)> {
        self.get("OTEL_RESOURCE_ATTRIBUTES").map(|text| pairs(text).collect()).unwrap_or_default()
    }

    /// The share of requests that are traced. A client that says whether its own are is always followed.
    pub(super) fn ratio(&self) -> Result<Option<Share>, String> {
        let (name, argument) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
        let Some(sampler) = self.get(name) else { return Ok(None) };
        match sampler.strip_prefix("parentbased_").unwrap_or(sampler) {
            "always_on" => Ok(Some(Share::ALL)),
            "always_off" => Ok(Some(Share::NONE)),
            "traceidratio" => {
                let text = self.get(argument).unwrap_or("1");
                let wrong = |()| format!("{argument} is `{text}`: a number from 0 to 1 is allowed");
                text.parse().map(Some).map_err(wrong)
            }
            _ => Err(format!(
                "{name} is `{sampler}`: allowed are always_on, always_off and traceidratio, with `parentbased_` before them or not"
            )),
        }
    }
}

/// Pairs as `a=b,c=d`, with percents for what has no place there.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split(',').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        Some((decoded(key.trim()), decoded(value.trim())))
    })
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let digits =
            after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(variables: &[(&str, &str)]) -> Standard {
        Standard::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn what_is_for_traces_alone_counts_before_what_is_for_everything() {
        let both = standard(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/here"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "9000"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb, x-tenant = 7"),
            ("HECK_OTHER", "x"),
        ]);
        assert_eq!(both.endpoint().unwrap().unwrap().as_str(), "http://traces:4318/here");
        assert_eq!(both.timeout(), Ok(Some(Duration::from_secs(9))));
        let headers = both.headers().unwrap();
        assert_eq!((headers[0].1.as_bytes(), headers[1].0.as_str()), (&b"a,b"[..], "x-tenant"));
        assert!(standard(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).endpoint().unwrap().is_none());
    }

    #[test]
    fn samplers_are_known_by_name_and_others_are_refused() {
        let ratio = |sampler, argument| {
            standard(&[("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)]).ratio()
        };
        assert_eq!(ratio("always_on", ""), Ok(Some(Share::ALL)));
        assert_eq!(ratio("parentbased_always_off", ""), Ok(Some(Share::NONE)));
        assert_eq!(
            ratio("traceidratio", "0.25").map(|share| share.map(|share| share.to_string())),
            Ok(Some("0.25".into()))
        );
        assert!(ratio("traceidratio", "2").unwrap_err().contains("OTEL_TRACES_SAMPLER_ARG"));
        assert!(ratio("jaeger_remote", "").unwrap_err().contains("always_on"));
    }

    #[test]
    fn percents_stand_for_bytes_and_otherwise_for_themselves() {
        assert_eq!(decoded("a%20b%C3%A4"), "a bä");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }
}
