//! The settings of the API.

use super::auth::Token;
use super::rate::RequestRate;
use super::tls::TlsFiles;
use crate::output::ApiOutputs;
use crate::seal::Keyring;
use std::time::Duration;

/// Bounds on what clients can take up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiLimits {
    /// Connections at once, of one address half as many; a further one is answered with 503. 512 unless set.
    pub connections: usize,
    /// Event streams at once. 256 unless set.
    pub streams: usize,
    /// Event streams and long polls that one address may have open. 64 unless set.
    pub waiting_per_client: usize,
    /// How often one address may ask; unset, as often as it can. 1,000 per second and 2,000 at once unless set.
    pub rate: Option<RequestRate>,
    /// How long an answer may take to begin, the body of the request included; a long poll has the time that it waits
    /// on top. 10 s unless set.
    pub deadline: Duration,
    /// How long the header of a request may take, idle time of the connection included. 60 s unless set.
    pub header_timeout: Duration,
    /// How long TLS may take to shake hands. 5 s unless set.
    pub handshake: Duration,
    /// How long a client may take nothing of an answer that waits for it. 30 s unless set.
    pub write_timeout: Duration,
    /// Headers of a request. 64 unless set.
    pub headers: usize,
    /// Bytes of all headers of a request; at least 8 KiB. 64 KiB unless set.
    pub header_bytes: usize,
    /// Bytes of a body. 128 KiB unless set.
    pub body_bytes: usize,
    /// Bytes of the body of an import. 64 MiB unless set.
    pub import_bytes: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            connections: 512,
            streams: 256,
            waiting_per_client: 64,
            rate: Some(RequestRate { per_s: 1_000, burst: 2_000 }),
            deadline: Duration::from_secs(10),
            header_timeout: Duration::from_secs(60),
            handshake: Duration::from_secs(5),
            write_timeout: Duration::from_secs(30),
            headers: 64,
            header_bytes: 64 << 10,
            body_bytes: 128 << 10,
            import_bytes: 64 << 20,
        }
    }
}

/// The settings of the API.
#[derive(Clone, Debug, Default)]
pub struct ApiConfig {
    /// Who may do what. Without a token for writing, nobody can write.
    pub tokens: Vec<Token>,
    /// Whether reading needs no token. For a node whose API is bound to loopback; requests must then name an
    /// address or `localhost` in their Host header.
    pub open_reads: bool,
    /// TLS, if it is spoken.
    pub tls: Option<TlsFiles>,
    /// Whether the metrics have series for each origin.
    pub metrics_per_origin: bool,
    /// Whether the dashboard is served.
    pub dashboard: bool,
    /// The keys of gossip, which clients may change; none where it is not sealed.
    pub keyring: Option<Keyring>,
    /// Lists for programs that discover what to use.
    pub outputs: ApiOutputs,
    /// Bounds on what clients can take up.
    pub limits: ApiLimits,
}
