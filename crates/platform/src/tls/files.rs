//! Certificates and keys in PEM files, with errors that say which file and why.
//!
//! Standards: RFC 7468 (PEM).

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Identity, TlsError, provider};
use crate::clock::{Clock, Timestamp};
use crate::disk::Disk;

/// Largest file of certificates or keys, in octets: a bundle of all the world's authorities
/// has a quarter of that.
const PEM_OCTETS_MAX: usize = 1024 * 1024;

impl Identity {
    /// Reads a certificate chain and its key (PEM), and refuses what clients would refuse.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, the key is open to everybody or belongs to another
    /// certificate, or the certificate is not valid now. Each names file and reason.
    pub fn from_files(
        disk: &dyn Disk,
        clock: &dyn Clock,
        certificate: &Path,
        key: &Path,
    ) -> Result<Self, TlsError> {
        let chain = read_certificates(disk, certificate)?;
        if disk.others_may_read(key).map_err(TlsError::file(key))? {
            return Err(TlsError::KeyReadableByOthers { path: key.to_owned() });
        }
        let octets = read(disk, key)?;
        let not_pem = |_| TlsError::NotPem { path: key.to_owned(), expected: "private key" };
        let private_key = PrivateKeyDer::from_pem_slice(&octets).map_err(not_pem)?;
        let (from, to) = validity(&chain).ok_or_else(|| no_certificate(certificate))?;
        if clock.now() < from || clock.now() > to {
            return Err(TlsError::NotValidNow { path: certificate.to_owned(), from, to });
        }
        match CertifiedKey::from_der(chain, private_key, &provider()) {
            Ok(pair) => Ok(Self::new(pair, to)),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(TlsError::KeyMismatch {
                    key: key.to_owned(),
                    certificate: certificate.to_owned(),
                })
            }
            Err(error) => Err(TlsError::Unusable(error)),
        }
    }
}

/// All certificates of a file, at least one.
pub(super) fn read_certificates(
    disk: &dyn Disk,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let octets = read(disk, path)?;
    let certificates = CertificateDer::pem_slice_iter(&octets).collect::<Result<Vec<_>, _>>();
    certificates.ok().filter(|found| !found.is_empty()).ok_or_else(|| no_certificate(path))
}

/// Start and end of the life of a chain's first certificate.
fn validity(chain: &[CertificateDer<'_>]) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    let validity = certificate.validity();
    let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_seconds(time.timestamp());
    Some((moment(validity.not_before), moment(validity.not_after)))
}

fn no_certificate(path: &Path) -> TlsError {
    TlsError::NotPem { path: path.to_owned(), expected: "certificate" }
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, TlsError> {
    disk.read_whole(path, PEM_OCTETS_MAX).map_err(TlsError::file(path))
}
