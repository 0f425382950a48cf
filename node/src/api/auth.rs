//! Who may do what: bearer tokens with a scope each.

use super::App;
use super::dashboard;
use super::problem::{Kind, Problem};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use std::fmt;
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// What a token allows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TokenScope {
    /// To look at everything but keys of the seal.
    Read,
    /// To look at and change everything.
    Write,
}

/// A secret that clients send as `Authorization: Bearer …`, and what it allows.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    secret: String,
    scope: TokenScope,
}

/// Fewest bytes of a token's secret: what can be guessed is no secret.
const SECRET_MIN: usize = 16;

/// Why a text is no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// It can be guessed.
    #[error("a token has at least {SECRET_MIN} characters, this one has {0}")]
    TooShort(usize),
    /// It cannot stand in a header.
    #[error("a token has only letters, digits and `-._~+/=`")]
    Characters,
}

impl Token {
    /// A token.
    ///
    /// # Errors
    /// When the secret is short, or has characters that no bearer token has (RFC 6750, section 2.1).
    pub fn new(secret: &str, scope: TokenScope) -> Result<Self, TokenError> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if !secret.bytes().all(is_fit) {
            return Err(TokenError::Characters);
        }
        if secret.len() < SECRET_MIN {
            return Err(TokenError::TooShort(secret.len()));
        }
        Ok(Self { secret: secret.to_owned(), scope })
    }
}

impl fmt::Debug for Token {
    /// Without the secret: it must not end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// What a path needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Need {
    Nothing,
    Read,
    Write,
}

/// Life signs, the description of the interface and the dashboard's files, in which nothing of the cluster stands, are
/// open to everybody; all that changes something, and what is
/// said of keys, needs a token that allows writes.
fn need(method: &Method, path: &str) -> Need {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    match path {
        "/livez" | "/readyz" | "/healthz" | "/openapi.json" => Need::Nothing,
        _ if dashboard::is_path(path) && is_read => Need::Nothing,
        _ if path.starts_with("/v1/keys") => Need::Write,
        // A question that is too long for a path.
        "/v3/discovery:endpoints" => Need::Read,
        _ if is_read => Need::Read,
        _ => Need::Write,
    }
}

/// The scope of the token that a request bears; none without a token.
fn scope(headers: &HeaderMap, tokens: &[Token]) -> Result<Option<TokenScope>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let (scheme, given) = text.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(
            Problem::new(Kind::Unauthorized, "the Authorization header is not `Bearer TOKEN`").next(HOW)
        );
    }
    // Every token is compared in full, so that the time tells nothing about any of them but its length.
    let found = tokens.iter().fold(None, |found, token| {
        let is_same = bool::from(token.secret.as_bytes().ct_eq(given.trim().as_bytes()));
        if is_same { found.max(Some(token.scope)) } else { found }
    });
    found
        .map(Some)
        .ok_or_else(|| Problem::new(Kind::Unauthorized, "this node does not know the token").next(HOW))
}

const HOW: &str = "Send `Authorization: Bearer TOKEN` with the token in the file `api-token` of the node's data folder; \
    `heck` takes it from HECK_TOKEN.";

/// A page on the web can make a browser on this machine ask for a name of its own that leads here. Such a request
/// says that name, and gets nothing without a token.
fn is_addressed_plainly(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let without_port = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    without_port.eq_ignore_ascii_case("localhost") || without_port.parse::<IpAddr>().is_ok()
}

/// Lets a request pass that may do what it asks.
pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let need = need(request.method(), request.uri().path());
    if need == Need::Nothing {
        // Whoever asks for signs of life may send what another service wants.
        return Ok(next.run(request).await);
    }
    let held = scope(request.headers(), &app.config.tokens)?;
    match (need, held) {
        (Need::Nothing, _) | (Need::Read | Need::Write, Some(TokenScope::Write)) | (Need::Read, Some(_)) => {}
        (Need::Read, None) if app.config.open_reads && is_addressed_plainly(request.headers()) => {}
        (Need::Write, Some(TokenScope::Read)) => {
            return Err(Problem::new(Kind::Forbidden, "the token allows reading only; nothing was changed")
                .next("Use a token with the scope `write`."));
        }
        (Need::Read, None) => {
            return Err(Problem::new(Kind::Unauthorized, "this node is not read without a token").next(HOW));
        }
        (Need::Write, None) => {
            return Err(
                Problem::new(Kind::Unauthorized, "writes need a token; nothing was changed").next(HOW)
            );
        }
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_token_is_long_enough_and_never_shown() {
        assert_eq!(Token::new("short", TokenScope::Read), Err(TokenError::TooShort(5)));
        assert_eq!(Token::new("with a space in it", TokenScope::Read), Err(TokenError::Characters));
        let token = Token::new("0123456789abcdef", TokenScope::Write).unwrap();
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn only_addresses_and_localhost_count_as_plainly_addressed() {
        let plain = |host| {
            is_addressed_plainly(&HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]))
        };
        for host in ["127.0.0.1:7401", "[::1]:7401", "localhost", "LOCALHOST:1", "10.0.0.7"] {
            assert!(plain(host), "{host}");
        }
        for host in ["evil.example:7401", "", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert!(!plain(host), "{host}");
        }
    }
}
