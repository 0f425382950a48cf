//! TLS settings of probes, and what certificates say of their end.
//!
//! Sessions are never resumed: a check is to see the handshake and the certificate that a new client would see.

use super::local_files::LocalFiles;
use super::plan::Trust;
use super::report::{Fault, Hindrance, is_own};
use heck_core::probe::Failure;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// Settings that are kept; more files of authorities than these are read each time.
const KEPT_LIMIT: usize = 256;
/// How long they are used before what they were made from is read again.
const FRESH: Duration = Duration::from_secs(60);

/// TLS settings by whose word counts.
#[derive(Debug)]
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    kept: Mutex<BTreeMap<Trust, (Instant, ClientConfig)>>,
}

impl Tls {
    pub(super) fn new() -> Self {
        Self { provider: Arc::new(ring::default_provider()), kept: Mutex::default() }
    }

    /// The settings for whose word counts, read from disk where that is long ago.
    ///
    /// # Errors
    /// When there are no authorities, or they cannot be read: the fault of this node.
    pub(super) async fn config(&self, trust: &Trust, files: &LocalFiles) -> Result<ClientConfig, Fault> {
        if let Some(config) = self.kept(trust) {
            return Ok(config);
        }
        let roots = match trust {
            Trust::Anyone => None,
            Trust::System => Some(system_roots().await?),
            Trust::File(path) => Some(roots_of(path, &files.read(path).await?)?),
        };
        let config = self.build(roots)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|_, (at, _)| now.saturating_duration_since(*at) < FRESH);
        if kept.len() < KEPT_LIMIT {
            kept.insert(trust.clone(), (now, config.clone()));
        }
        Ok(config)
    }

    fn kept(&self, trust: &Trust) -> Option<ClientConfig> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, config) = kept.get(trust)?;
        (at.elapsed() < FRESH).then(|| config.clone())
    }

    fn build(&self, roots: Option<RootCertStore>) -> Result<ClientConfig, Fault> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::own(Hindrance::Settings, &error.to_string()))?;
        let mut config = match roots {
            Some(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
            None => {
                let anyone = Anyone(self.provider.signature_verification_algorithms);
                builder.dangerous().with_custom_certificate_verifier(Arc::new(anyone)).with_no_client_auth()
            }
        };
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// TLS settings of a client that is no check: with the authorities of a file, or those of the system.
///
/// # Errors
/// When there are no authorities, or they cannot be read.
pub(crate) async fn client_config(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let trust = ca.map_or(Trust::System, |path| Trust::File(path.into()));
    Tls::new().config(&trust, &LocalFiles::new(None)).await.map_err(|fault| match fault {
        Fault::Own(_, text) | Fault::Origin(_, text) => text.into(),
    })
}

/// TLS settings for a client that speaks without encryption, and yet has to have some.
pub(crate) fn no_authorities() -> Result<ClientConfig, String> {
    Tls::new().build(Some(RootCertStore::empty())).map_err(|fault| format!("{fault:?}"))
}

async fn system_roots() -> Result<RootCertStore, Fault> {
    let loaded = tokio::task::spawn_blocking(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        roots
    });
    match loaded.await {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        _ => Err(Fault::own(
            Hindrance::Settings,
            "this node's system has no certificates of authorities: install them, or set `ca` of the origin",
        )),
    }
}

fn roots_of(path: &Path, pem: &[u8]) -> Result<RootCertStore, Fault> {
    let fault = |text: &str| Fault::own(Hindrance::Settings, &format!("{}: {text}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| fault(&error.to_string()))?;
        roots.add(certificate).map_err(|error| fault(&error.to_string()))?;
    }
    if roots.is_empty() { Err(fault("the file holds no certificate in PEM form")) } else { Ok(roots) }
}

/// Whose fault an error is that has to do with TLS or with means of this node, and when the certificate ended, if that is
/// it. None of any other error.
pub(super) fn fault_within(error: &(dyn Error + 'static)) -> Option<(Fault, Option<i64>)> {
    let mut next = Some(error);
    while let Some(inner) = next {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return Some((Fault::origin(Failure::Tls, &tls.to_string()), ended(tls)));
        }
        next = inner.source();
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            if is_own(io) {
                return Some((Fault::of_io(io, Failure::Connect), None));
            }
            // Its source would be that of the error within, which may be the one that is looked for.
            next = io.get_ref().map(|within| within as &(dyn Error + 'static)).or(next);
        }
    }
    None
}

/// The same of a handshake that failed, which is the origin's fault unless something else is found.
pub(super) fn fault(error: &io::Error) -> (Fault, Option<i64>) {
    fault_within(error).unwrap_or_else(|| (Fault::origin(Failure::Tls, &error.to_string()), None))
}

fn ended(error: &rustls::Error) -> Option<i64> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
            i64::try_from(not_after.as_secs()).ok()
        }
        _ => None,
    }
}

/// When a certificate ends, in Unix seconds; none when it cannot be read.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    let certificate = Certificate::from_der(der).ok()?;
    let end = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    i64::try_from(end.as_secs()).ok()
}

/// Takes any certificate; that the server has the key to it is still verified.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
