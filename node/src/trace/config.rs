//! The settings of traces, put together from those of the node and the standard variables.

use super::share::Share;
use super::standard::Standard;
use crate::files;
use crate::settings::Tracing as Settings;
use reqwest::header::{HeaderName, HeaderValue};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;
use url::Url;

/// Where a collector takes traces, under its own address.
const PATH: &str = "/v1/traces";
/// Most bytes of the file of headers.
const HEADERS_LIMIT: u64 = 64 << 10;
/// How long an attempt may take unless set, and what may be set.
const TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(300);

/// What is traced, and who is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceConfig {
    /// Where the collector takes traces.
    pub url: Url,
    /// Further headers of what is sent there. Values are shown in no log.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A file of PEM certificates: the only authorities that count for the collector; unset, those of the system.
    pub ca: Option<PathBuf>,
    /// How long an attempt to tell it may take.
    pub timeout: Duration,
    /// What the node is: the attributes of the resource, its name left out.
    pub resource: Vec<(String, String)>,
    /// Of the API's requests that do not say so themselves.
    pub requests: Share,
    /// Of the probes of origins.
    pub probes: Share,
    /// Of the steps that no traced change has led to.
    pub steps: Share,
    /// Whether origins are told of the span of their probe, by `traceparent`.
    pub tells_origins: bool,
}

impl TraceConfig {
    /// Everything that a request asks for or a client wants traced goes to this place, and nothing else.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            headers: Vec::new(),
            ca: None,
            timeout: TIMEOUT,
            resource: vec![("service.name".to_owned(), "heck".to_owned())],
            requests: Share::ALL,
            probes: Share::NONE,
            steps: Share::NONE,
            tells_origins: false,
        }
    }

    /// Reads the settings and, where these say nothing, the standard variables. None where nobody is to be told.
    ///
    /// # Errors
    /// Says which of them makes no sense, and what is allowed.
    pub(crate) fn read(settings: &Settings, standard: &Standard) -> Result<Option<Self>, String> {
        if standard.is_disabled() {
            return Ok(None);
        }
        let url = match &settings.endpoint {
            Some(text) => {
                url_below(text).map_err(|what| format!("`tracing.endpoint` is `{text}`: {what}"))?
            }
            None => match standard.endpoint()? {
                Some(url) => url,
                None => return Ok(None),
            },
        };
        let mut headers = standard.headers()?;
        if let Some(path) = &settings.headers {
            headers = read_headers(path)
                .map_err(|what| format!("`tracing.headers`: {}: {what}", path.display()))?;
        }
        let timeout = settings.timeout.or(standard.timeout()?).unwrap_or(TIMEOUT);
        if !TIMEOUTS.contains(&timeout) {
            return Err(format!("`tracing.timeout` is {timeout:?}: allowed are \"10ms\" to \"5m\""));
        }
        let mut resource = standard.resource();
        resource.retain(|(key, _)| key != "service.name" && key != "service.version");
        let name = settings.service_name.clone().or_else(|| standard.service_name());
        resource.push(("service.name".to_owned(), name.unwrap_or_else(|| "heck".to_owned())));
        resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        Ok(Some(Self {
            headers,
            ca: settings.ca.clone(),
            timeout,
            resource,
            requests: settings.sample_ratio.or(standard.ratio()?).unwrap_or(Share::ALL),
            probes: settings.probe_ratio,
            steps: settings.step_ratio,
            tells_origins: settings.tell_origins,
            ..Self::new(url)
        }))
    }

    /// Whom it tells, for people. A path may be a secret of the collector's.
    pub(crate) fn place(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// A collector's URL.
pub(super) fn url(text: &str) -> Result<Url, String> {
    let allowed = "allowed are http://HOST:PORT and https://HOST:PORT, with or without a path";
    let url = Url::parse(text).map_err(|error| format!("{error}; {allowed}"))?;
    let is_fit = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_fit {
        return Err(allowed.to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong into a URL: `tracing.headers` has a place for them".to_owned());
    }
    Ok(url)
}

/// A collector's URL, under which it takes traces at the usual path.
pub(super) fn url_below(text: &str) -> Result<Url, String> {
    let mut url = url(text)?;
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(PATH) {
        url.set_path(&format!("{path}{PATH}"));
    }
    Ok(url)
}

/// A header, whose value is shown in no log.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let key =
        HeaderName::try_from(name.trim()).map_err(|_| format!("`{}` is no name of a header", name.trim()))?;
    let mut value = HeaderValue::try_from(value.trim())
        .map_err(|_| format!("the value of `{key}` cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok((key, value))
}

/// The headers of a file: one on each line, `#` begins a comment.
fn read_headers(path: &Path) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let text = files::read_small(path, HEADERS_LIMIT).map_err(|error| error.to_string())?;
    let text = text.ok_or_else(|| "it is not there".to_owned())?;
    if files::is_open_to_others(path) {
        warn!(path = %path.display(), "the headers for the collector of traces can be read by others: chmod 600");
    }
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| {
            let (name, value) = line.split_once(':').ok_or(format!("line {at} is not `name: value`"))?;
            header(name, value).map_err(|what| format!("line {at}: {what}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn settings(endpoint: &str) -> Settings {
        Settings { endpoint: Some(endpoint.to_owned()), ..Settings::default() }
    }

    fn read(settings: &Settings, standard: &[(&str, &str)]) -> Result<Option<TraceConfig>, String> {
        let variables = standard.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        TraceConfig::read(settings, &Standard::new(variables))
    }

    #[test]
    fn traces_go_to_the_usual_path_below_an_endpoint() {
        for (endpoint, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example/", "https://otel.example/v1/traces"),
            ("https://otel.example/tenant/7/", "https://otel.example/tenant/7/v1/traces"),
            ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
        ] {
            let config = read(&settings(endpoint), &[]).unwrap().expect("someone is told");
            assert_eq!(config.url.as_str(), url);
        }
        for wrong in ["127.0.0.1:4318", "grpc://a:4317", "http://", "http://u:p@a/"] {
            let error = read(&settings(wrong), &[]).unwrap_err();
            assert!(
                error.contains("`tracing.endpoint`") && error.contains("URL") || error.contains("allowed"),
                "{error}"
            );
        }
    }

    #[test]
    fn nobody_is_told_unless_a_setting_or_a_standard_variable_says_whom() {
        assert_eq!(read(&Settings::default(), &[]), Ok(None));
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318");
        assert!(read(&Settings::default(), &[endpoint]).unwrap().is_some());
        assert_eq!(read(&settings("http://a:4318"), &[("OTEL_SDK_DISABLED", "true")]), Ok(None));
    }

    #[test]
    fn the_nodes_own_settings_count_before_standard_variables() {
        let standard = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://theirs:4318"),
            ("OTEL_SERVICE_NAME", "theirs"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod%20eu,service.name=lost"),
        ];
        let theirs = read(&Settings::default(), &standard).unwrap().unwrap();
        assert_eq!(theirs.url.as_str(), "http://theirs:4318/v1/traces");
        assert_eq!((theirs.requests.to_string().as_str(), theirs.timeout.as_millis()), ("0.5", 1_500));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert!(theirs.resource.contains(&pair("service.name", "theirs")));
        assert!(theirs.resource.contains(&pair("deployment.environment.name", "prod eu")));
        let own = Settings {
            service_name: Some("own".into()),
            sample_ratio: Some(Share::ALL),
            timeout: Some(Duration::from_secs(2)),
            ..settings("http://own:1")
        };
        let own = read(&own, &standard).unwrap().unwrap();
        assert_eq!(own.url.as_str(), "http://own:1/v1/traces");
        assert_eq!((own.requests, own.timeout.as_secs()), (Share::ALL, 2));
        assert!(own.resource.contains(&pair("service.name", "own")));
        assert_eq!(own.resource.iter().filter(|(key, _)| key == "service.name").count(), 1);
    }

    #[test]
    fn headers_come_from_a_file_and_are_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("headers");
        fs::write(&path, "# for the collector\nAuthorization: Bearer s3cret\n\nx-tenant: 7\n").unwrap();
        let with = Settings { headers: Some(path.clone()), ..settings("http://a") };
        let config = read(&with, &[]).unwrap().unwrap();
        assert_eq!(config.headers.len(), 2);
        assert_eq!(config.headers[0].1, "Bearer s3cret");
        assert!(!format!("{config:?}").contains("s3cret"));
        fs::write(&path, "\nno header\n").unwrap();
        assert!(read(&with, &[]).unwrap_err().contains("line 2 is not `name: value`"));
        let none = Settings { headers: Some("none".into()), ..settings("http://a") };
        assert!(read(&none, &[]).unwrap_err().contains("`tracing.headers`: none: it is not there"));
    }

    #[test]
    fn a_timeout_outside_of_its_range_is_refused() {
        for millis in [1, 301_000] {
            let settings = Settings { timeout: Some(Duration::from_millis(millis)), ..settings("http://a") };
            assert!(read(&settings, &[]).unwrap_err().contains("`tracing.timeout`"));
        }
    }
}
