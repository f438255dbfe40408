//! Certificates of our own authority, for a start without anybody's help.
//!
//! The authority lives long, so that whoever trusts `ca.pem` once need not again; the
//! server's certificate is made anew well before it ends, and whenever the names change.
//!
//! ```text
//!   ca.pem + ca-key.pem ─signs→ cert.pem + key.pem
//! ```
//!
//! Standards: RFC 5280 (certificates).
//! Not here: certificates that strangers trust (ACME, files).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};

use super::client::verifier;
use super::files::read_certificates;
use super::{Identity, TlsError};
use crate::clock::{Clock, Timestamp};
use crate::disk::Disk;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Life of the authority: longer than the machine's.
const AUTHORITY_DAYS: u32 = 20 * 365;
/// Life of the server's certificate: the longest that clients of all makers take.
const CERTIFICATE_DAYS: u32 = 397;
/// It is made anew this long before its end.
const RENEW_DAYS: u32 = 30;
/// Longest common name (RFC 5280 appendix A.1, ub-common-name).
const COMMON_NAME_MAX: usize = 64;
/// Largest of our own PEM files, in octets.
const OWN_PEM_OCTETS_MAX: usize = 64 * 1024;

impl Identity {
    /// A certificate of our own authority for `hostname`, `localhost`, the loopback addresses
    /// and `addresses`: the one in `dir` if it still fits, otherwise a new one.
    ///
    /// Clients verify it with the file `ca.pem`. Call it again, say once a day, and
    /// [`replace_by`](Self::replace_by) the outcome: so it never ends. One caller at a time.
    ///
    /// # Errors
    ///
    /// When `dir` cannot be read or written, or `hostname` is not a host name.
    pub fn self_signed(
        disk: &dyn Disk,
        clock: &dyn Clock,
        dir: &Path,
        hostname: &str,
        addresses: &[IpAddr],
    ) -> Result<Self, TlsError> {
        disk.make_dir(dir).map_err(TlsError::file(dir))?;
        let workshop = Workshop { disk, now: clock.now(), dir };
        let names = names(hostname, addresses)?;
        let authority = match workshop.authority()? {
            Some(authority) => authority,
            None => workshop.make_authority(hostname)?,
        };
        let (certificate, key) = (workshop.path("cert.pem"), workshop.path("key.pem"));
        if workshop.certificate_fits(&names)
            && let Ok(identity) = Self::from_files(disk, clock, &certificate, &key)
            && identity.expires() > workshop.now + DAY * RENEW_DAYS
        {
            return Ok(identity);
        }
        workshop.make_certificate(hostname, names, &authority)?;
        Self::from_files(disk, clock, &certificate, &key)
    }
}

/// What the server is called, all of it.
fn names(hostname: &str, addresses: &[IpAddr]) -> Result<Vec<SanType>, TlsError> {
    let mut texts = vec![hostname.to_ascii_lowercase(), "localhost".to_owned()];
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    texts.extend(loopback.iter().chain(addresses).map(IpAddr::to_string));
    texts.sort();
    texts.dedup();
    for text in &texts {
        if ServerName::try_from(text.as_str()).is_err() {
            return Err(TlsError::ServerName { name: text.clone() });
        }
    }
    let params = CertificateParams::new(texts).map_err(TlsError::NotMade)?;
    Ok(params.subject_alt_names)
}

struct Workshop<'a> {
    disk: &'a dyn Disk,
    now: Timestamp,
    dir: &'a Path,
}

impl Workshop<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The text of one of our files; `None` when there is none.
    fn read(&self, name: &str) -> Result<Option<String>, TlsError> {
        let path = self.path(name);
        match self.disk.read_whole(&path, OWN_PEM_OCTETS_MAX) {
            Ok(octets) => Ok(String::from_utf8(octets).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(TlsError::file(&path)(error)),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<(), TlsError> {
        let path = self.path(name);
        self.disk.write_whole(&path, text.as_bytes()).map_err(TlsError::file(&path))
    }

    /// The authority that is there, if it outlives a certificate made today.
    fn authority(&self) -> Result<Option<Issuer<'static, KeyPair>>, TlsError> {
        let (Some(certificate), Some(key)) = (self.read("ca.pem")?, self.read("ca-key.pem")?)
        else {
            return Ok(None);
        };
        let Ok(key) = KeyPair::from_pem(&key) else { return Ok(None) };
        let Ok(chain) = read_certificates(self.disk, &self.path("ca.pem")) else {
            return Ok(None);
        };
        let Some(facts) = chain.first().and_then(|first| facts(first)) else { return Ok(None) };
        let outlives = facts.to > self.now + DAY * (CERTIFICATE_DAYS + 1);
        if facts.public_key != key.public_key_raw() || facts.from > self.now || !outlives {
            return Ok(None);
        }
        Ok(Issuer::from_ca_cert_pem(&certificate, key).ok())
    }

    fn make_authority(&self, hostname: &str) -> Result<Issuer<'static, KeyPair>, TlsError> {
        let key = KeyPair::generate().map_err(TlsError::NotMade)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Posthouse");
        let mut name = format!("Certificate authority of {hostname}");
        name.truncate(COMMON_NAME_MAX); // the host name is ASCII, it was checked
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        self.live(&mut params, AUTHORITY_DAYS);
        let key_pem = key.serialize_pem();
        let authority = CertifiedIssuer::self_signed(params, key).map_err(TlsError::NotMade)?;
        self.write("ca-key.pem", &key_pem)?;
        self.write("ca.pem", &authority.pem())?;
        tracing::info!(dir = %self.dir.display(), "made a certificate authority of our own");
        let key = KeyPair::from_pem(&key_pem).map_err(TlsError::NotMade)?;
        Issuer::from_ca_cert_pem(&authority.pem(), key).map_err(TlsError::NotMade)
    }

    /// Whether the certificate that is there is signed by the authority that is there and has
    /// exactly these names. Its life and key are looked at when it is loaded.
    fn certificate_fits(&self, names: &[SanType]) -> bool {
        let chain = |name| read_certificates(self.disk, &self.path(name)).unwrap_or_default();
        let (authority, own) = (chain("ca.pem"), chain("cert.pem"));
        let ([authority], [own]) = (authority.as_slice(), own.as_slice()) else { return false };
        let mut roots = RootCertStore::empty();
        if roots.add(authority.clone()).is_err() {
            return false;
        }
        let Ok(verifier) = verifier(roots) else { return false };
        let Ok(name) = ServerName::try_from("localhost") else { return false };
        let seconds = u64::try_from(self.now.seconds()).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let signed = verifier.verify_server_cert(own, &[], &name, &[], now).is_ok();
        signed && facts(own).is_some_and(|facts| facts.names == names_as_text(names))
    }

    fn make_certificate(
        &self,
        hostname: &str,
        names: Vec<SanType>,
        authority: &Issuer<'static, KeyPair>,
    ) -> Result<(), TlsError> {
        let key = KeyPair::generate().map_err(TlsError::NotMade)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if hostname.len() <= COMMON_NAME_MAX {
            params.distinguished_name.push(DnType::CommonName, hostname);
        }
        params.subject_alt_names = names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        self.live(&mut params, CERTIFICATE_DAYS);
        let certificate = params.signed_by(&key, authority).map_err(TlsError::NotMade)?;
        self.write("key.pem", &key.serialize_pem())?;
        self.write("cert.pem", &certificate.pem())?;
        tracing::info!(dir = %self.dir.display(), hostname, "made a certificate for this server");
        Ok(())
    }

    /// From the begin of yesterday, for clients whose clocks are behind, for so many days.
    fn live(&self, params: &mut CertificateParams, days: u32) {
        let (year, month, day) = (self.now - DAY).date();
        params.not_before = date_time_ymd(year, month, day);
        params.not_after = params.not_before + DAY * days;
    }
}

/// What we compare of a certificate.
struct Facts {
    from: Timestamp,
    to: Timestamp,
    names: Vec<String>,
    public_key: Vec<u8>,
}

fn facts(certificate: &[u8]) -> Option<Facts> {
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let general_names = match certificate.subject_alternative_name() {
        Ok(Some(extension)) => extension.value.general_names.as_slice(),
        _ => &[],
    };
    let mut names: Vec<String> = general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            GeneralName::IPAddress(octets) => address(octets).unwrap_or_default(),
            other => format!("{other:?}"),
        })
        .collect();
    names.sort();
    let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_seconds(time.timestamp());
    Some(Facts {
        from: moment(certificate.validity().not_before),
        to: moment(certificate.validity().not_after),
        names,
        public_key: certificate.public_key().subject_public_key.data.to_vec(),
    })
}

fn address(octets: &[u8]) -> Option<String> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(|octets| IpAddr::from(octets).to_string()),
        16 => <[u8; 16]>::try_from(octets).ok().map(|octets| IpAddr::from(octets).to_string()),
        _ => None,
    }
}

fn names_as_text(names: &[SanType]) -> Vec<String> {
    let mut texts: Vec<String> = names
        .iter()
        .map(|name| match name {
            SanType::DnsName(name) => name.as_str().to_owned(),
            SanType::IpAddress(address) => address.to_string(),
            other => format!("{other:?}"),
        })
        .collect();
    texts.sort();
    texts
}
