//! The API of a node that runs: its settings made into those of the library.

use crate::api::{ApiConfig, ApiLimits, ApiServer, RequestRate, TlsFiles, Token, TokenScope, serve};
use crate::data_dir::DataDir;
use crate::handle::NodeHandle;
use crate::seal::Keyring;
use crate::settings::Settings;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use tracing::warn;

/// Most bytes of a file of tokens.
const TOKENS_LIMIT: u64 = 1 << 20;

/// Takes the API's address before anything else is done, and looks whether its files can be used.
pub(super) fn listen(settings: &Settings) -> Result<TcpListener, String> {
    let (addr, api) = (settings.http, &settings.api);
    match (&api.certificate, &api.key, &api.client_ca) {
        (Some(_), None, _) | (None, Some(_), _) => {
            return Err("`api.certificate` and `api.key` go together: set both or neither".to_owned());
        }
        (None, None, Some(_)) => {
            return Err("`api.client_ca` needs `api.certificate` and `api.key`: only in TLS clients show certificates"
                .to_owned());
        }
        _ => {}
    }
    if let Some(files) = tls_files(settings) {
        files.check().map_err(|error| format!("TLS of the API: {error}"))?;
    }
    api.read_tokens.as_deref().map_or_else(|| Ok(Vec::new()), read_tokens)?;
    TcpListener::bind(addr).map_err(|error| {
        format!("cannot serve the API at {addr}: {error}\n  help: `--http IP:PORT` takes another address")
    })
}

fn tls_files(settings: &Settings) -> Option<TlsFiles> {
    let api = &settings.api;
    let files = api.certificate.clone().zip(api.key.clone());
    files.map(|(certificate, key)| TlsFiles { certificate, key, client_ca: api.client_ca.clone() })
}

/// Opens the API.
pub(super) fn open(
    listener: TcpListener,
    node: NodeHandle,
    settings: &Settings,
    data: &DataDir,
    keyring: Option<Keyring>,
) -> Result<ApiServer, String> {
    let api = &settings.api;
    let token = data.api_token().map_err(|error| error.to_string())?;
    let mut tokens = vec![Token::new(&token, TokenScope::Write).map_err(|error| error.to_string())?];
    if let Some(path) = &api.read_tokens {
        tokens.extend(read_tokens(path)?);
    }
    let is_on_loopback = settings.http.ip().is_loopback();
    let tls = tls_files(settings);
    if tls.is_none() && !is_on_loopback {
        let addr = settings.http;
        warn!(%addr, "the API speaks plain HTTP, so tokens can be overheard: set `api.certificate` and `api.key`");
    }
    let limits = ApiLimits {
        connections: api.connections as usize,
        streams: api.streams as usize,
        waiting_per_client: api.waiting_per_client as usize,
        rate: (api.requests_per_s > 0)
            .then(|| RequestRate { per_s: api.requests_per_s, burst: api.requests_per_s.saturating_mul(2) }),
        ..ApiLimits::default()
    };
    let config = ApiConfig {
        tokens,
        open_reads: is_on_loopback,
        tls,
        metrics_per_origin: api.metrics_per_origin,
        dashboard: api.dashboard,
        keyring,
        outputs: settings.outputs.of_api(),
        limits,
    };
    serve(listener, node, config).map_err(|error| error.to_string())
}

/// The tokens of a file: one on each line, `#` begins a comment.
fn read_tokens(path: &Path) -> Result<Vec<Token>, String> {
    let complain = |what: &dyn std::fmt::Display| format!("api.read_tokens: {}: {what}", path.display());
    let length = fs::metadata(path).map_err(|error| complain(&error))?.len();
    if length > TOKENS_LIMIT {
        return Err(complain(&format_args!("it has {length} bytes, allowed are {TOKENS_LIMIT}")));
    }
    let text = fs::read_to_string(path).map_err(|error| complain(&error))?;
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let tokens = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(at, line)| {
        Token::new(line, TokenScope::Read).map_err(|error| complain(&format_args!("line {at}: {error}")))
    });
    tokens.collect()
}

/// Where clients find it.
pub(super) fn url(settings: &Settings, addr: SocketAddr) -> String {
    let scheme = if settings.api.certificate.is_some() { "https" } else { "http" };
    format!("{scheme}://{addr}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_tls_that_do_not_go_together_are_refused_before_anything_opens() {
        let file = || Some("file.pem".into());
        let mut settings = Settings { http: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
        assert!(listen(&settings).is_ok());
        settings.api.client_ca = file();
        assert!(listen(&settings).unwrap_err().contains("`api.client_ca` needs"));
        settings.api.key = file();
        assert!(listen(&settings).unwrap_err().contains("go together"));
        settings.api.certificate = file();
        assert!(listen(&settings).unwrap_err().contains("file.pem: "));
    }

    #[test]
    fn tokens_stand_one_on_a_line_and_one_that_is_none_is_named_by_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        fs::write(&path, "# dashboards\n0123456789abcdef\n\n  fedcba9876543210\n").unwrap();
        assert_eq!(read_tokens(&path).unwrap().len(), 2);
        fs::write(&path, "0123456789abcdef\nshort\n").unwrap();
        assert!(read_tokens(&path).unwrap_err().contains("line 2: a token has at least 16 characters"));
        assert!(read_tokens(&dir.path().join("none")).is_err());
    }
}
