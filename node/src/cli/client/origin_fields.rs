//! The keys of an origin's document as flags.

use super::connection::Failure;
use serde_json::{Map, Value};

/// What is set of an origin. What is not given is as usual; the node says what is allowed.
#[derive(clap::Args, Debug)]
pub(super) struct Fields {
    /// Time between two checks, such as `5s` or `500ms`.
    #[arg(long, value_name = "TIME")]
    interval: Option<String>,
    /// Time between two checks while the state is changing.
    #[arg(long, value_name = "TIME")]
    fast_interval: Option<String>,
    /// How long one check may take.
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// An answer that takes longer shows a degraded origin.
    #[arg(long, value_name = "TIME")]
    slow: Option<String>,
    /// Successes in a row that make an unhealthy origin healthy.
    #[arg(long, value_name = "NUMBER")]
    rise: Option<u16>,
    /// Failures in a row that make a healthy origin unhealthy.
    #[arg(long, value_name = "NUMBER")]
    fall: Option<u16>,
    /// Instead of `--rise` and `--fall`: how many of the last checks count.
    #[arg(long, value_name = "NUMBER", requires = "threshold", conflicts_with_all = ["rise", "fall"])]
    window: Option<u8>,
    /// How many checks of the window have to succeed.
    #[arg(long, value_name = "NUMBER", requires = "window")]
    threshold: Option<u8>,
    /// How many checks of a new origin count as having succeeded before the first.
    #[arg(long, value_name = "NUMBER", requires = "window")]
    initial: Option<u8>,
    /// How many others are asked before it is called down.
    #[arg(long, value_name = "NUMBER")]
    confirmers: Option<u8>,
    /// The method of the request.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// A header of the request; `NAME: secret:FILE` takes the value from a file in the secrets folder of the node that
    /// checks. May be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// What the Host header and TLS are to say instead of the URL's host.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The body of the request.
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// Statuses that count as good, such as `200-299,301`.
    #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
    expect: Vec<String>,
    /// What the body of the answer has to contain.
    #[arg(long, value_name = "TEXT")]
    body_contains: Option<String>,
    /// What the body of the answer has to match somewhere.
    #[arg(long, value_name = "REGEX")]
    body_regex: Option<String>,
    /// How many redirects are followed.
    #[arg(long, value_name = "NUMBER")]
    redirects: Option<u8>,
    /// A PEM file on the nodes with the only authorities that count.
    #[arg(long, value_name = "PATH")]
    ca: Option<String>,
    /// Any certificate will do.
    #[arg(long)]
    insecure: bool,
    /// Keeps the connection for the next check.
    #[arg(long)]
    keep_alive: bool,
    /// A word to find the origin by. May be repeated.
    #[arg(long = "tag", value_name = "WORD")]
    tags: Vec<String>,
    /// Where the origin comes from; `api` unless set.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

impl Fields {
    /// The document of an origin with this URL.
    pub(super) fn document(&self, url: &str) -> Result<Value, Failure> {
        let mut keys = Map::new();
        let texts = [
            ("interval", &self.interval),
            ("fast_interval", &self.fast_interval),
            ("timeout", &self.timeout),
            ("slow", &self.slow),
            ("method", &self.method),
            ("host", &self.host),
            ("body", &self.body),
            ("body_contains", &self.body_contains),
            ("body_regex", &self.body_regex),
            ("ca", &self.ca),
            ("source", &self.source),
        ];
        keys.insert("url".to_owned(), url.into());
        keys.extend(texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text.clone()?.into()))));
        let numbers = [
            ("rise", self.rise),
            ("fall", self.fall),
            ("window", self.window.map(u16::from)),
            ("threshold", self.threshold.map(u16::from)),
            ("initial", self.initial.map(u16::from)),
            ("confirmers", self.confirmers.map(u16::from)),
            ("redirects", self.redirects.map(u16::from)),
        ];
        keys.extend(numbers.into_iter().filter_map(|(key, number)| Some((key.to_owned(), number?.into()))));
        let switches = [("insecure", self.insecure), ("keep_alive", self.keep_alive)];
        keys.extend(switches.into_iter().filter(|(_, on)| *on).map(|(key, _)| (key.to_owned(), true.into())));
        if !self.tags.is_empty() {
            keys.insert("tags".to_owned(), self.tags.clone().into());
        }
        if !self.expect.is_empty() {
            let status =
                |text: &String| text.parse::<u16>().map_or_else(|_| text.clone().into(), Value::from);
            keys.insert("expected_statuses".to_owned(), self.expect.iter().map(status).collect());
        }
        if !self.headers.is_empty() {
            let headers: Result<Map<String, Value>, Failure> =
                self.headers.iter().map(|text| header(text)).collect();
            keys.insert("headers".to_owned(), headers?.into());
        }
        Ok(keys.into())
    }
}

fn header(text: &str) -> Result<(String, Value), Failure> {
    let (name, value) = text.split_once(':').ok_or_else(|| {
        Failure::Usage(format!("`--header {text}`: write `NAME: VALUE`, or `NAME: secret:FILE`"))
    })?;
    let value = value.trim();
    let value = match value.strip_prefix("secret:") {
        Some(file) => serde_json::json!({ "secret": file.trim() }),
        None => value.into(),
    };
    Ok((name.trim().to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::OriginDocument;
    use clap::{Args as _, Command, FromArgMatches as _};

    fn document(args: &[&str]) -> Result<Value, Failure> {
        let command = Fields::augment_args(Command::new("add"));
        let matches = command.try_get_matches_from([&["add"], args].concat()).unwrap();
        Fields::from_arg_matches(&matches).unwrap().document("https://a/")
    }

    #[test]
    fn every_flag_becomes_a_key_that_a_document_has() {
        let flags = "--interval=10s --fast-interval=2s --timeout=3s --slow=1s --window=5 --threshold=3 --initial=1 \
            --confirmers=1 --method=HEAD --header=x-a:b --header=x-b:secret:token --host=h --body=b \
            --expect=200-299,301 --body-contains=ok --redirects=2 --ca=/ca.pem --keep-alive --tag=eu --tag=web";
        let mut value =
            document(&flags.split(' ').filter(|flag| !flag.is_empty()).collect::<Vec<_>>()).unwrap();
        value["name"] = "a".into();
        let read: OriginDocument = serde_json::from_value(value.clone()).unwrap();
        read.to_spec().unwrap();
        // What was given is all there.
        assert_eq!(serde_json::to_value(&read).unwrap(), value);
        assert_eq!(value.as_object().unwrap().len(), 18 + 2);
    }

    #[test]
    fn a_header_without_a_colon_is_refused() {
        assert!(document(&["--header=nonsense"]).is_err());
    }
}
