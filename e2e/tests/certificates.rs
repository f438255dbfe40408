//! Certificates that an administrator brings: good ones, wrong ones, and new ones meanwhile.
//!
//! Standards: RFC 8446, RFC 5280.
//! Not here: certificates of our own making (all other files), versions of TLS (`connections.rs`).

use e2e::wait::until;
use e2e::{Dialog, Folder, Plan, Server, Site};
use rcgen::{CertificateParams, KeyPair};

const LISTENERS: &[(&str, &str, &str)] =
    &[("submission", "127.0.0.1:0", "implicit"), ("pop3", "127.0.0.1:0", "implicit")];
const SECTIONS: &str = "[tls]\nmode = \"files\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";

/// Writes a certificate for `localhost` and its key, as `NAME.pem` and `NAME.key`.
fn make(folder: &Folder, name: &str, last_year: i32) {
    let key = KeyPair::generate().expect("a key");
    let mut wanted = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    wanted.not_after = rcgen::date_time_ymd(last_year, 1, 1);
    let certificate = wanted.self_signed(&key).expect("a certificate");
    folder.write(&format!("{name}.pem"), certificate.pem());
    folder.write_secret(&format!("{name}.key"), key.serialize_pem());
}

fn put(site: &Site, certificate: &str, key: &str) {
    site.folder.write("cert.pem", site.folder.read(certificate));
    site.folder.write_secret("key.pem", site.folder.read(key));
}

fn site() -> Site {
    let site = Site::new(&Plan { listeners: LISTENERS, sections: SECTIONS, ..Plan::default() });
    make(&site.folder, "first", 2999);
    make(&site.folder, "second", 2999);
    put(&site, "first.pem", "first.key");
    site
}

/// Whether a client that trusts this certificate alone gets through.
fn trusts(site: &Site, server: &Server, certificate: &str) -> bool {
    let mut dialog = Dialog::connect(server.address("pop3/implicit"));
    dialog.try_enter_tls(&site.folder.text_path(certificate))
}

#[test]
fn certificates_of_the_administrator_are_used_and_renewed() {
    let site = site();
    let server = site.start();
    assert!(trusts(&site, &server, "first.pem"));
    assert!(!trusts(&site, &server, "second.pem"), "the test can tell them apart");
    put(&site, "second.pem", "second.key");
    server.hang_up();
    until("the new certificate", || trusts(&site, &server, "second.pem").then_some(()));
    // C02, T14: a broken one does not replace a good one.
    site.folder.write("cert.pem", "-----BEGIN NONSENSE-----\n");
    server.hang_up();
    until("a word about it", || server.log_text().contains("cert.pem").then_some(()));
    assert!(trusts(&site, &server, "second.pem"), "the old one is still used");
}

#[test]
fn a_certificate_that_cannot_work_is_refused_at_the_start_by_name() {
    let site = site();
    make(&site.folder, "expired", 2020);
    #[rustfmt::skip]
    let rows = [
        ("first.pem", "second.key", "key.pem", "T14: the key of another one"),
        ("expired.pem", "expired.key", "cert.pem", "T14: expired"),
        ("first.key", "first.key", "cert.pem", "no certificate in it"),
        ("first.pem", "first.pem", "key.pem", "no key in it"),
    ];
    for (certificate, key, named, why) in rows {
        put(&site, certificate, key);
        let finished = site.posthouse(&["serve"]).finish();
        assert_eq!(finished.code, Some(1), "{why}: {}", finished.words());
        let words = finished.words();
        let line = words.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(line.contains(named) || line.contains("cert.pem"), "{why}: {words}");
    }
}
