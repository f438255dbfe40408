//! The client's side: whom to trust.
//!
//! Standards: RFC 5280 and RFC 9525 (verification), RFC 7435 (opportunistic security).

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::files::read_certificates;
use super::{TlsError, Verified, provider};
use crate::disk::Disk;

/// A client's side of TLS.
#[derive(Clone, Debug)]
pub struct ClientTls {
    pub(super) config: Arc<ClientConfig>,
    trust: Trust,
}

#[derive(Clone, Debug)]
enum Trust {
    /// The handshake has verified the server.
    Verified,
    /// The handshake lets everybody in; this would have verified the server.
    Noted(Option<Arc<WebPkiServerVerifier>>),
}

impl ClientTls {
    /// Trusts the system's certificate authorities and those in the PEM files `ca_files`.
    pub fn verified(disk: &dyn Disk, ca_files: &[&Path]) -> Result<Self, TlsError> {
        let roots = authorities(disk, ca_files, system_authorities())?;
        Self::with_roots(roots)
    }

    /// Trusts the certificate authorities in the PEM files `ca_files` and no others.
    pub fn verified_only_by(disk: &dyn Disk, ca_files: &[&Path]) -> Result<Self, TlsError> {
        let roots = authorities(disk, ca_files, RootCertStore::empty())?;
        Self::with_roots(roots)
    }

    /// Encrypts with whoever answers, and only notes whether its certificate would have been
    /// good (RFC 7435): enough against those who listen, not against those who interfere.
    pub fn opportunistic(disk: &dyn Disk, ca_files: &[&Path]) -> Result<Self, TlsError> {
        let roots = authorities(disk, ca_files, system_authorities())?;
        let noted = if roots.is_empty() { None } else { Some(verifier(roots)?) };
        let provider = provider();
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), trust: Trust::Noted(noted) })
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, TlsError> {
        if roots.is_empty() {
            return Err(TlsError::NoAuthorities);
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_webpki_verifier(verifier(roots)?)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), trust: Trust::Verified })
    }

    /// Whether a server that does not prove who it is is let in.
    pub(super) fn takes_anybody(&self) -> bool {
        matches!(self.trust, Trust::Noted(_))
    }

    /// What proves, after a handshake, that the server is `name`.
    /// The error says why nothing does.
    pub(super) fn proof(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Result<Verified, String> {
        match (&self.trust, chain) {
            (Trust::Verified, _) => Ok(Verified::WebPki),
            (Trust::Noted(Some(verifier)), [first, rest @ ..]) => verifier
                .verify_server_cert(first, rest, name, &[], UnixTime::now())
                .map(|_| Verified::WebPki)
                .map_err(|error| error.to_string()),
            (Trust::Noted(None), _) => Err("we know no certificate authorities".to_owned()),
            (Trust::Noted(_), []) => Err("it showed no certificate".to_owned()),
        }
    }
}

pub(super) fn verifier(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| TlsError::Unusable(Error::General(error.to_string())))
}

fn system_authorities() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "cannot read some of the system's certificate authorities");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}

fn authorities(
    disk: &dyn Disk,
    ca_files: &[&Path],
    mut roots: RootCertStore,
) -> Result<RootCertStore, TlsError> {
    for path in ca_files {
        for certificate in read_certificates(disk, path)? {
            roots.add(certificate).map_err(TlsError::Unusable)?;
        }
    }
    Ok(roots)
}

/// Takes every certificate; only checks that the server has its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
