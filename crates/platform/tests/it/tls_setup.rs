//! Certificates and keys: files with faults, and those that we make.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use platform::tls::{Identity, TlsError};
use platform::{ClientTls, Disk, RealDisk, SystemClock, Timestamp};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::support::Stopped;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn read(dir: &Path, name: &str) -> Vec<u8> {
    RealDisk.read_whole(&dir.join(name), 9999).unwrap()
}

fn write(path: &Path, text: &str) {
    RealDisk.write_whole(path, text.as_bytes()).unwrap();
}

/// A certificate that lives from 2020 to 2030, and its key.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["mx.example.org".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn files_with_faults_are_named() {
    const IN_2025: i64 = 1_750_000_000;
    let (certificate, key) = pair();
    let (other, _) = pair();
    type Row<'a> = (Option<&'a str>, Option<&'a str>, u32, i64, &'a str, &'a str);
    #[rustfmt::skip]
    let table: [Row<'_>; 10] = [
        // certificate, key, mode of the key, now, error without the folder, why
        (Some(&certificate), Some(&key), 0o600, IN_2025, "", "as it should be"),
        (Some(&certificate), Some(&key), 0o640, IN_2025, "", "a group for keys is common"),
        (Some(&certificate), Some(&key), 0o644, IN_2025, "key.pem can be read by every user of this system; run: chmod o= key.pem", "open key"),
        (None, Some(&key), 0o600, IN_2025, "cannot use cert.pem: No such file or directory (os error 2)", "missing"),
        (Some(&certificate), None, 0o600, IN_2025, "cannot use key.pem: No such file or directory (os error 2)", "missing"),
        (Some("nothing"), Some(&key), 0o600, IN_2025, "cert.pem has no certificate in PEM format", "not PEM"),
        (Some(&certificate), Some(&certificate), 0o600, IN_2025, "key.pem has no private key in PEM format", "wrong way round"),
        (Some(&other), Some(&key), 0o600, IN_2025, "the key in key.pem does not match the certificate in cert.pem", "of another certificate"),
        (Some(&certificate), Some(&key), 0o600, 1_900_000_000, "the certificate in cert.pem is valid from 2020-01-01T00:00:00Z to 2030-01-01T00:00:00Z, not now", "expired"),
        (Some(&certificate), Some(&key), 0o600, 1_500_000_000, "the certificate in cert.pem is valid from 2020-01-01T00:00:00Z to 2030-01-01T00:00:00Z, not now", "too early"),
    ];
    for (certificate, key, mode, now, expected, why) in table {
        let dir = tempfile::tempdir().unwrap();
        let (cert_path, key_path) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        if let Some(certificate) = certificate {
            write(&cert_path, certificate);
        }
        if let Some(key) = key {
            write(&key_path, key);
            std::fs::set_permissions(&key_path, PermissionsExt::from_mode(mode)).unwrap();
        }
        let clock = Stopped(Timestamp::from_seconds(now));
        let outcome = Identity::from_files(&RealDisk, &clock, &cert_path, &key_path);
        let text = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(text.replace(&format!("{}/", dir.path().display()), ""), expected, "{why}");
    }
}

#[test]
fn our_own_certificate_is_kept_while_it_fits() {
    const START: Timestamp = Timestamp::from_seconds(1_795_573_330);
    let dir = tempfile::tempdir().unwrap();
    let make = |days: u32, name: &str, addresses: &[IpAddr]| {
        let clock = Stopped(START + DAY * days);
        let identity = Identity::self_signed(&RealDisk, &clock, dir.path(), name, addresses);
        assert!(identity.unwrap().expires() > clock.0 + DAY * 30);
        (read(dir.path(), "ca.pem"), read(dir.path(), "cert.pem"))
    };
    let extra = IpAddr::from([127, 0, 0, 7]);
    let first = make(0, "mx.example.org", &[]);
    type Row<'a> = (u32, &'a str, &'a [IpAddr], bool, bool, &'a str);
    #[rustfmt::skip]
    let steps: [Row<'_>; 6] = [
        // day, name, addresses, same authority, same certificate, why
        (1,    "MX.example.org",   &[],      true,  true,  "the same name"),
        (300,  "mx.example.org",   &[],      true,  true,  "far from its end"),
        (370,  "mx.example.org",   &[],      true,  false, "30 days before its end"),
        (371,  "mail.example.org", &[],      true,  false, "another name"),
        (372,  "mail.example.org", &[extra], true,  false, "one more address"),
        (7000, "mail.example.org", &[extra], false, false, "the authority must outlive it"),
    ];
    let mut before = first;
    for (day, name, addresses, same_authority, same_certificate, why) in steps {
        let now = make(day, name, addresses);
        assert_eq!(now.0 == before.0, same_authority, "authority: {why}");
        assert_eq!(now.1 == before.1, same_certificate, "certificate: {why}");
        before = now;
    }
}

#[test]
fn our_own_files_are_mended_and_closed_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new/tls");
    let make = || Identity::self_signed(&RealDisk, &SystemClock, &dir, "mx.example.org", &[]);
    make().unwrap();
    #[rustfmt::skip]
    let table = [
        // file that is broken, whether the authority stays, why
        ("key.pem",    true,  "the certificate is made anew"),
        ("cert.pem",   true,  "the certificate is made anew"),
        ("ca-key.pem", false, "the authority can sign no more"),
        ("ca.pem",     false, "nobody could verify"),
    ];
    for (name, stays, why) in table {
        let authority = read(&dir, "ca.pem");
        write(&dir.join(name), "broken");
        make().unwrap();
        assert_eq!(read(&dir, "ca.pem") == authority, stays, "{why}");
        ClientTls::verified_only_by(&RealDisk, &[&dir.join("ca.pem")]).unwrap();
    }
    for name in ["ca.pem", "ca-key.pem", "cert.pem", "key.pem"] {
        let mode = dir.join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[test]
fn what_cannot_be_set_up_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = Identity::self_signed(&RealDisk, &SystemClock, dir.path(), "a b", &[]);
    assert!(matches!(error, Err(TlsError::ServerName { .. })), "{error:?}");
    let error = ClientTls::verified_only_by(&RealDisk, &[]);
    assert!(matches!(error, Err(TlsError::NoAuthorities)), "{error:?}");
    let error = ClientTls::verified(&RealDisk, &[&dir.path().join("missing.pem")]);
    assert!(error.unwrap_err().to_string().contains("missing.pem"));
}
