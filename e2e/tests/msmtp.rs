//! msmtp submits, with each mechanism that both know.
//!
//! Standards: RFC 6409, RFC 3207, RFC 4954, RFC 5802.
//! Not here: delivery between servers (`postfix.rs`).

use e2e::letters::{assert_same_below_trace, odd, with_lf};
use e2e::{PASSWORD, Run, Server, Site, lacks};

fn msmtp(site: &Site, server: &Server, label: &str, mechanism: &str, password: &str) -> Run {
    let starttls = if label.ends_with("starttls") { "on" } else { "off" };
    let name = format!("msmtprc-{}-{mechanism}", label.replace('/', "-"));
    let configuration = format!(
        "account default\nhost localhost\nport {}\nfrom ada@home.test\n\
         tls on\ntls_starttls {starttls}\ntls_trust_file {}\n\
         auth {mechanism}\nuser ada@home.test\npassword {password}\n",
        server.port(label),
        site.ca(),
    );
    let file = site.folder.write_secret(&name, configuration);
    Run::new("msmtp").args(["--file", &file])
}

#[test]
fn every_mechanism_submits_over_every_kind_of_tls() {
    if lacks(&["msmtp"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    let sent = odd("bob@home.test");
    let mut count = 0;
    for label in ["submission/starttls", "submission/implicit"] {
        for mechanism in ["plain", "login", "scram-sha-256"] {
            msmtp(&site, &server, label, mechanism, PASSWORD)
                .args(["bob@home.test"])
                .input(with_lf(&sent))
                .succeed();
            count += 1;
            let messages = server.await_messages("bob@home.test", count);
            assert_same_below_trace(messages.last().expect("one"), &sent);
        }
    }
}

#[test]
fn a_wrong_password_is_refused_by_every_mechanism() {
    if lacks(&["msmtp"]) {
        return;
    }
    const EX_NOPERM: i32 = 77; // sysexits.h
    let site = Site::default();
    let server = site.start();
    for mechanism in ["plain", "login", "scram-sha-256"] {
        let finished = msmtp(&site, &server, "submission/starttls", mechanism, "wrong")
            .args(["bob@home.test"])
            .input(with_lf(&odd("bob@home.test")))
            .finish();
        assert_eq!(finished.code, Some(EX_NOPERM), "{mechanism}: {}", finished.words());
        assert!(finished.words().contains("535 5.7.8"), "{mechanism}: {}", finished.words());
    }
    assert_eq!(site.messages("bob@home.test"), 0);
}

#[test]
fn blind_copies_stay_blind() {
    if lacks(&["msmtp"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    // msmtp takes the recipients from the header and, told so, leaves Bcc in it.
    msmtp(&site, &server, "submission/starttls", "plain", PASSWORD)
        .args(["--read-recipients", "--undisclosed-recipients=off", "--remove-bcc-headers=off"])
        .input(
            "From: ada@home.test\nTo: ada@home.test\nBcc: bob@home.test\nSubject: psst\n\nHello\n",
        )
        .succeed();
    for reader in ["ada@home.test", "bob@home.test"] {
        let messages = server.await_messages(reader, 1);
        let text = String::from_utf8_lossy(messages.first().expect("one")).into_owned();
        let (header, _) = text.split_once("\r\n\r\n").expect("a header");
        let seen = header.replace("Delivered-To: bob@home.test", "");
        assert!(!seen.contains("bob"), "{reader} sees the blind copy: {header}");
        assert!(header.contains("\r\nDate: ") && header.contains("\r\nMessage-ID: "), "{header}");
    }
}
