//! Where an origin is: the URL of its check, taken apart.

use std::fmt;
use std::net::IpAddr;
use thiserror::Error;
use url::{Position, Url};

/// Longest name of a gRPC service, in bytes.
const SERVICE_LIMIT: usize = 255;

/// How an origin is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scheme {
    /// HTTP/1.1 without encryption.
    Http,
    /// HTTP over TLS.
    Https,
    /// A TCP connection and nothing more.
    Tcp,
    /// gRPC's health protocol without encryption.
    Grpc,
    /// The same over TLS.
    Grpcs,
}

/// The machine that a URL names.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// A name to be resolved.
    Name(String),
    /// An address. Every way to write one ends here: `0x7f.1`, `2130706433` and `127.0.0.1` are the same.
    Ip(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// The URL of a check.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Endpoint {
    /// How to speak to it.
    pub scheme: Scheme,
    /// Where it is.
    pub host: Host,
    /// On which port, that of the scheme unless the URL says otherwise.
    pub port: u16,
    /// Path and query, from the first `/` on; empty for TCP. For gRPC `/` and the name of the service, or nothing.
    pub path: String,
}

/// Why a text is no URL of a check.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "{0}; allowed are http://host[:port]/path, https://host[:port]/path, tcp://host:port, grpc://host:port/service and \
     grpcs://host:port/service"
)]
pub struct UrlError(String);

impl Endpoint {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// When it is none, when its scheme is another than http, https, tcp, grpc and grpcs, or when it holds what a check has no use
    /// for: credentials or a fragment.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let fault = |fault: &str| Err(UrlError(fault.to_owned()));
        // The parser of URLs would drop these without a word.
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return fault("it contains white space or control characters");
        }
        if let Some(authority) = text.strip_prefix("tcp://") {
            let authority = authority.strip_suffix('/').unwrap_or(authority);
            if authority.contains(['/', '?', '#', '@']) {
                return fault("behind tcp:// stands more than a host and a port");
            }
            let (host, port) = host_and_port(authority)?;
            return Ok(Self { scheme: Scheme::Tcp, host, port, path: String::new() });
        }
        for (prefix, scheme) in [("grpc://", Scheme::Grpc), ("grpcs://", Scheme::Grpcs)] {
            if let Some(rest) = text.strip_prefix(prefix) {
                return Self::parse_grpc(scheme, rest);
            }
        }
        let url = Url::parse(text).map_err(|error| UrlError(error.to_string()))?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return fault(&format!("its scheme is {other}")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return fault("it contains credentials, which belong into a header with a secret");
        }
        if url.fragment().is_some() {
            return fault("it contains a fragment, which is never sent");
        }
        let Some(host) = url.host() else { return fault("it names no host") };
        match url.port_or_known_default() {
            None | Some(0) => fault("its port is 0"),
            Some(port) => {
                let path = url[Position::BeforePath..Position::AfterQuery].to_owned();
                Ok(Self { scheme, host: host.into(), port, path })
            }
        }
    }

    fn parse_grpc(scheme: Scheme, rest: &str) -> Result<Self, UrlError> {
        let (authority, service) = rest.split_once('/').unwrap_or((rest, ""));
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        if !service.bytes().all(is_part) || service.len() > SERVICE_LIMIT {
            return Err(UrlError(format!(
                "the name of its service is none of up to {SERVICE_LIMIT} letters, digits, `.`, `_`, `-` and `/`"
            )));
        }
        if authority.contains(['?', '#', '@']) {
            return Err(UrlError(
                "between grpc:// and the service stands more than a host and a port".to_owned(),
            ));
        }
        let (host, port) = host_and_port(authority)?;
        let path = if service.is_empty() { String::new() } else { format!("/{service}") };
        Ok(Self { scheme, host, port, path })
    }

    /// Whether it speaks HTTP as a browser does.
    #[must_use]
    pub const fn is_http(&self) -> bool {
        matches!(self.scheme, Scheme::Http | Scheme::Https)
    }

    /// Whether it is asked by gRPC.
    #[must_use]
    pub const fn is_grpc(&self) -> bool {
        matches!(self.scheme, Scheme::Grpc | Scheme::Grpcs)
    }

    /// Host and port, the port left out when it is that of the scheme: the usual `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => self.host.to_string(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

/// A host and the port that has to stand behind it.
fn host_and_port(authority: &str) -> Result<(Host, u16), UrlError> {
    let fault = |fault: &str| Err(UrlError(fault.to_owned()));
    let parts = authority.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.ends_with(':'));
    let Some((host, port)) = parts else { return fault("it has no port") };
    // `parse` alone would take "+80".
    let port = Some(port).filter(|port| !port.starts_with('+')).and_then(|port| port.parse().ok());
    let Some(port) = port.filter(|port| *port > 0) else {
        return fault("its port is none from 1 to 65535");
    };
    let host = url::Host::parse(host).map_err(|error| UrlError(error.to_string()))?;
    Ok((host.into(), port))
}

impl<S: AsRef<str>> From<url::Host<S>> for Host {
    fn from(host: url::Host<S>) -> Self {
        match host {
            url::Host::Domain(name) => Self::Name(name.as_ref().to_owned()),
            url::Host::Ipv4(ip) => Self::Ip(ip.into()),
            url::Host::Ipv6(ip) => Self::Ip(ip.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Scheme, String, u16, String) {
        let endpoint = Endpoint::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (endpoint.scheme, endpoint.host.to_string(), endpoint.port, endpoint.path)
    }

    #[test]
    fn urls_of_all_schemes_are_taken_apart() {
        let cases = [
            ("http://a.example", (Scheme::Http, "a.example", 80, "/")),
            ("https://A.example:8443/x/y?z=1", (Scheme::Https, "a.example", 8443, "/x/y?z=1")),
            ("http://[2001:db8::7]:8080/", (Scheme::Http, "[2001:db8::7]", 8080, "/")),
            ("tcp://10.0.0.7:5432", (Scheme::Tcp, "10.0.0.7", 5432, "")),
            ("tcp://10.0.0.7:80/", (Scheme::Tcp, "10.0.0.7", 80, "")),
            ("tcp://[::1]:1", (Scheme::Tcp, "[::1]", 1, "")),
            ("tcp://db.example:5432", (Scheme::Tcp, "db.example", 5432, "")),
            ("grpc://10.0.0.7:50051", (Scheme::Grpc, "10.0.0.7", 50_051, "")),
            ("grpc://10.0.0.7:50051/", (Scheme::Grpc, "10.0.0.7", 50_051, "")),
            ("grpcs://[::1]:443/shop.v1.Cart", (Scheme::Grpcs, "[::1]", 443, "/shop.v1.Cart")),
        ];
        for (text, (scheme, host, port, path)) in cases {
            assert_eq!(parsed(text), (scheme, host.to_owned(), port, path.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        for host in ["127.0.0.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.1", "0x7f.1", "１２７.0.0.1"]
        {
            for url in [format!("http://{host}/"), format!("tcp://{host}:80"), format!("grpc://{host}:80")] {
                let endpoint = Endpoint::parse(&url).unwrap();
                assert_eq!(endpoint.host, Host::Ip([127, 0, 0, 1].into()), "{url}");
            }
        }
    }

    #[test]
    fn what_is_no_url_of_a_check_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "relative"),
            ("10.0.0.7", "relative"),
            ("ftp://a/", "scheme is ftp"),
            ("file:///etc/passwd", "scheme is file"),
            ("http://", "empty host"),
            ("http://a:99999/", "port"),
            ("http://a:0/", "port is 0"),
            ("http://me:secret@a/", "credentials"),
            ("http://me@a/", "credentials"),
            ("http://a/#x", "fragment"),
            ("http://a/ b", "white space"),
            ("http://a/\n", "white space"),
            ("http://256.1.1.1/", "IPv4"),
            ("tcp://a", "no port"),
            ("tcp://:80", "no port"),
            ("tcp://::1:80", "invalid"),
            ("tcp://a:0", "1 to 65535"),
            ("tcp://a:http", "1 to 65535"),
            ("tcp://a:+80", "1 to 65535"),
            ("tcp://a:80/path", "more than a host and a port"),
            ("tcp://me@a:80", "more than a host and a port"),
            ("grpc://a", "no port"),
            ("grpc://a:0/x", "1 to 65535"),
            ("grpc://me@a:80/x", "more than a host and a port"),
            ("grpc://a:80/x?y", "name of its service"),
            ("grpcs://a:80/x%2e", "name of its service"),
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("allowed are"), "{text}: {error}");
        }
    }

    #[test]
    fn the_host_header_leaves_out_the_usual_port() {
        for (text, authority) in [
            ("http://a:80/", "a"),
            ("https://a/", "a"),
            ("https://a:80/", "a:80"),
            ("http://[::1]:8080/", "[::1]:8080"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().authority(), authority);
        }
    }
}
