//! HTTP checks: one request or, where redirects are followed, several, each guarded anew.

use super::https::{Ask, Https};
use super::plain::{Plain, is_usable};
use super::plan::{Exchange, Expected, Plan};
use super::prober::{Kept, Prober, Progress, Stage};
use super::report::{Fault, Hindrance};
use super::tcp;
use crate::origin::{Endpoint, HeaderText, Host, Scheme};
use crate::trace::current;
use bytes::Bytes;
use heck_core::probe::Failure;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, COOKIE, HOST, HeaderMap, HeaderValue, LOCATION, USER_AGENT,
};
use hyper::{Method, Request, StatusCode, Uri};
use std::borrow::Cow;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// How probes introduce themselves.
pub(super) const AGENT: HeaderValue = HeaderValue::from_static(concat!("heck/", env!("CARGO_PKG_VERSION")));

/// One request of a check: the first, or one that a redirect led to.
struct Hop<'a> {
    endpoint: Cow<'a, Endpoint>,
    method: Method,
    authority: HeaderValue,
    server_name: Option<&'a str>,
    /// Whether it goes where the origin's own headers are meant for.
    is_home: bool,
    body: Bytes,
    is_last: bool,
}

/// The answer to one request.
struct Answer {
    status: StatusCode,
    location: Option<String>,
    body: Option<Vec<u8>>,
}

/// Carries out a check and says which status it ended with.
pub(super) async fn check(
    prober: &Prober,
    plan: &Plan,
    exchange: &Exchange,
    kept: &mut Option<Kept>,
    progress: &mut Progress,
    deadline: Instant,
) -> Result<u16, Fault> {
    let mut hop = Hop {
        endpoint: Cow::Borrowed(&plan.endpoint),
        method: exchange.method.clone(),
        authority: exchange.authority.clone(),
        server_name: exchange.server_name.as_deref(),
        is_home: true,
        body: exchange.body.clone(),
        is_last: exchange.redirects == 0,
    };
    let mut left = exchange.redirects;
    loop {
        let mut check = Check { prober, plan, exchange, hop: &hop, progress, deadline };
        let answer = check.ask(kept).await?;
        progress.status = Some(answer.status.as_u16());
        let location = answer.location.filter(|_| !hop.is_last && answer.status.is_redirection());
        let Some(location) = location else {
            return judge(exchange, answer.status, answer.body.as_deref());
        };
        left -= 1;
        hop = hop.follow(&plan.endpoint, answer.status, &location)?;
        hop.is_last = left == 0;
    }
}

fn judge(exchange: &Exchange, status: StatusCode, body: Option<&[u8]>) -> Result<u16, Fault> {
    match (&exchange.expected, body) {
        (Some(expected), Some(body)) if !expected.is_met(body) => {
            let what = match expected {
                Expected::Text(text) => format!("contain {text:?}"),
                Expected::Pattern(pattern) => format!("match {:?}", pattern.as_str()),
            };
            let text = format!("it answered {status}, but its body does not {what}");
            Err(Fault::origin(Failure::Protocol, &text))
        }
        _ => Ok(status.as_u16()),
    }
}

impl Hop<'_> {
    /// The request to which a redirect leads.
    fn follow(&self, home: &Endpoint, status: StatusCode, location: &str) -> Result<Hop<'static>, Fault> {
        let fault =
            |text: &str| Fault::origin(Failure::Protocol, &format!("it redirects to {location:?}: {text}"));
        let mut url = Url::parse(&format!("{}/", self.base()))
            .and_then(|base| base.join(&self.endpoint.path))
            .and_then(|base| base.join(location))
            .map_err(|error| fault(&error.to_string()))?;
        url.set_fragment(None);
        let endpoint = Endpoint::parse(url.as_str()).map_err(|error| fault(&error.to_string()))?;
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
            || self.method == Method::HEAD;
        let authority =
            HeaderValue::try_from(endpoint.authority()).map_err(|error| fault(&error.to_string()))?;
        Ok(Hop {
            is_home: self.is_home && is_same_place(&endpoint, home),
            authority,
            server_name: None,
            method: if keeps_method { self.method.clone() } else { Method::GET },
            body: if keeps_method { self.body.clone() } else { Bytes::new() },
            endpoint: Cow::Owned(endpoint),
            is_last: false,
        })
    }

    fn base(&self) -> String {
        let scheme = if self.endpoint.scheme == Scheme::Https { "https" } else { "http" };
        format!("{scheme}://{}", self.endpoint.authority())
    }
}

fn is_same_place(one: &Endpoint, other: &Endpoint) -> bool {
    one.scheme == other.scheme && one.host == other.host && one.port == other.port
}

/// What one request needs.
struct Check<'a> {
    prober: &'a Prober,
    plan: &'a Plan,
    exchange: &'a Exchange,
    hop: &'a Hop<'a>,
    progress: &'a mut Progress,
    deadline: Instant,
}

impl Check<'_> {
    async fn ask(&mut self, kept: &mut Option<Kept>) -> Result<Answer, Fault> {
        let endpoint = &*self.hop.endpoint;
        let addrs = self.prober.addresses(endpoint, self.progress, self.deadline).await?;
        let headers = self.headers().await?;
        if endpoint.scheme == Scheme::Https {
            // In a box, since it is large and every other probe would carry its size.
            Box::pin(self.ask_https(addrs, headers, kept)).await
        } else {
            self.ask_plain(&addrs, headers, kept).await
        }
    }

    async fn headers(&self) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::with_capacity(4 + self.exchange.headers.len());
        headers.insert(HOST, self.hop.authority.clone());
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if !self.keeps() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // What is meant for the origin, secrets above all, goes nowhere else.
        if self.hop.is_home {
            own_headers(self.prober, self.exchange, &mut headers).await?;
        }
        Ok(headers)
    }

    /// Whether the connection is kept: only that of a check which needs one request.
    fn keeps(&self) -> bool {
        self.plan.keep_alive && self.exchange.redirects == 0
    }

    fn wants_body(&self) -> bool {
        self.exchange.expected.is_some()
    }

    async fn ask_plain(
        &mut self,
        addrs: &[SocketAddr],
        headers: HeaderMap,
        kept: &mut Option<Kept>,
    ) -> Result<Answer, Fault> {
        let request = self.request(headers)?;
        if let Some(Kept::Plain(stream, addr)) = kept.take()
            && addrs.contains(&addr)
            && is_usable(&stream)
        {
            // The other side, or what lies between, may end a kept connection at any time and without a word: only a
            // new one tells something.
            let half = self.deadline - self.deadline.saturating_duration_since(Instant::now()) / 2;
            let again = self.exchange_plain(stream, addr, request.clone(), kept);
            if let Ok(Ok(answer)) = timeout_at(half, again).await {
                return Ok(answer);
            }
        }
        self.progress.enter(Stage::Connect);
        let (stream, addr) = tcp::connect(addrs, self.deadline).await?;
        self.progress.phases.connect = Some(self.progress.lap());
        if !self.hop.body.is_empty() {
            // The end of a long body would wait for word of its beginning.
            stream.set_nodelay(true).map_err(|error| Fault::of_io(&error, Failure::Connect))?;
        }
        self.exchange_plain(stream, addr, request, kept).await
    }

    fn request(&self, headers: HeaderMap) -> Result<Request<Full<Bytes>>, Fault> {
        let fault = |error: &dyn std::fmt::Display| Fault::origin(Failure::Protocol, &error.to_string());
        let mut request = Request::new(Full::new(self.hop.body.clone()));
        *request.method_mut() = self.hop.method.clone();
        *request.uri_mut() = Uri::try_from(self.hop.endpoint.path.as_str()).map_err(|error| fault(&error))?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn exchange_plain(
        &mut self,
        stream: TcpStream,
        addr: SocketAddr,
        request: Request<Full<Bytes>>,
        kept: &mut Option<Kept>,
    ) -> Result<Answer, Fault> {
        self.progress.enter(Stage::Answer);
        let mut plain = Plain::begin(stream).await?;
        let head = plain.ask(request).await?;
        self.progress.phases.answer = Some(self.progress.lap());
        let (status, location) = (head.status(), location(head.headers()));
        if !self.wants_body() && !self.keeps() {
            return Ok(Answer { status, location, body: None });
        }
        self.progress.enter(Stage::Body);
        let (body, is_whole) = plain.read(head).await?;
        if self.wants_body() {
            self.progress.phases.body = Some(self.progress.lap());
        }
        if is_whole && self.keeps() {
            *kept = plain.keep().await.map(|stream| Kept::Plain(stream, addr));
        }
        Ok(Answer { status, location, body: Some(body) })
    }

    async fn ask_https(
        &mut self,
        addrs: Vec<SocketAddr>,
        headers: HeaderMap,
        kept: &mut Option<Kept>,
    ) -> Result<Answer, Fault> {
        self.progress.enter(Stage::Prepare);
        let client = match kept.take() {
            Some(Kept::Https(client)) if client.is_for(&addrs) => client,
            _ => {
                let config = self.prober.tls.config(&self.exchange.trust, &self.prober.files).await?;
                Https::new(addrs, config, self.keeps())?
            }
        };
        let endpoint = &*self.hop.endpoint;
        let host = match self.hop.server_name {
            Some(name) => Host::Name(name.to_owned()),
            None => endpoint.host.clone(),
        };
        let ask = Ask {
            method: self.hop.method.clone(),
            url: format!("https://{host}:{}{}", endpoint.port, endpoint.path),
            headers,
            body: self.hop.body.clone(),
        };
        self.progress.enter(Stage::Answer);
        self.progress.lap();
        let head = client.ask(ask).await.map_err(|(fault, ended)| {
            self.progress.cert_not_after = ended;
            fault
        })?;
        self.progress.phases.answer = Some(self.progress.lap());
        self.progress.cert_not_after = head.cert_not_after;
        let (status, location) = (head.response.status(), location(head.response.headers()));
        let mut body = None;
        if self.wants_body() || self.keeps() {
            self.progress.enter(Stage::Body);
            body = Some(head.read().await?);
            if self.wants_body() {
                self.progress.phases.body = Some(self.progress.lap());
            }
        }
        if self.keeps() {
            *kept = Some(Kept::Https(client));
        }
        Ok(Answer { status, location, body })
    }
}

/// Adds the headers that the origin's operator wants, and before them that of the probe's trace.
///
/// # Errors
/// When a secret cannot be read or is no value of a header: the fault of this node.
pub(super) async fn own_headers(
    prober: &Prober,
    exchange: &Exchange,
    headers: &mut HeaderMap,
) -> Result<(), Fault> {
    if let Some(context) = current::probe()
        && let Ok(value) = HeaderValue::try_from(context.to_header())
    {
        headers.insert("traceparent", value);
    }
    for (name, value) in &exchange.headers {
        let value = match value {
            HeaderText::Plain(text) => HeaderValue::from_str(text),
            HeaderText::Secret(secret) => {
                HeaderValue::from_bytes(&prober.files.secret(&secret.secret).await?)
            }
        };
        let mut value = value.map_err(|_| {
            Fault::own(Hindrance::Settings, &format!("the value of the header {name} is none"))
        })?;
        value.set_sensitive(*name == AUTHORIZATION || *name == COOKIE);
        headers.insert(name.clone(), value);
    }
    Ok(())
}

fn location(headers: &HeaderMap) -> Option<String> {
    headers.get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
