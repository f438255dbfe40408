//! Mail that leaves by one host which wants a login: another server of ours.
//!
//! Standards: RFC 6409, RFC 3207 §4.1 (what a certificate must prove), RFC 4954.
//! Not here: routes by MX (`postfix.rs`, `hostile_hosts.rs`).

use std::net::Ipv4Addr;

use dns::Zone;
use e2e::letters::{assert_same_below_trace, field, odd};
use e2e::names::Names;
use e2e::wait::until;
use e2e::{Folder, PASSWORD, Plan, Server, Site};

/// The name in the provider's certificate.
const HOST: &str = "smtp.provider.test";

/// A server that delivers for others, with the account `office`.
fn provider() -> (Site, Server) {
    let plan = Plan {
        hostname: HOST,
        domain: "provider.test",
        accounts: &["office", "eve"],
        ..Plan::default()
    };
    let site = Site::new(&plan);
    let server = site.start();
    (site, server)
}

/// A server that hands everything to that one, trusting these authorities only.
fn customer(provider: &Server, host: &str, password: &str, authorities: &str) -> Customer {
    let zone = Zone::new();
    zone.a(host, Ipv4Addr::LOCALHOST);
    let names = Names::serve(&zone);
    let folder = Folder::new();
    let file = folder.write_secret("password", format!("{password}\n"));
    let sections = format!(
        "[dns]\nservers = [\"{}\"]\n[outbound]\nallow_private = true\nrelay = {{ host = \"{host}:{}\", tls = \"starttls\", \
         username = \"office@provider.test\", password_file = \"{file}\" }}\n[queue]\nretry = [\"1s\"]\n",
        names.address(),
        provider.port("submission/starttls"),
    );
    let environment = [("SSL_CERT_FILE", authorities), ("SSL_CERT_DIR", "/nonexistent")];
    // The author's address is one of the provider's: it lets a login send as itself only.
    let plan = Plan {
        domain: "provider.test",
        accounts: &["office"],
        sections: &sections,
        environment: &environment,
        ..Plan::default()
    };
    let site = Site::new(&plan);
    let server = site.start();
    Customer { site, server, _names: names, _password: folder }
}

struct Customer {
    site: Site,
    server: Server,
    _names: Names,
    _password: Folder,
}

impl Customer {
    /// Waits until an attempt has failed for now, and tells what is said of it.
    fn await_deferral(&self) -> String {
        until("a deferral", || {
            let queue = self.site.json(&["queue", "list"]);
            let recipient = queue.first()?.pointer("/recipients/0")?;
            let is_deferred = recipient.get("state")? == "deferred";
            is_deferred.then(|| recipient.to_string())
        })
    }
}

fn submit(server: &Server) -> Vec<u8> {
    let sent = String::from_utf8(odd("eve@elsewhere.test")).expect("UTF-8");
    let sent = sent.replace("ada@home.test", "office@provider.test").into_bytes();
    let mut author = server.author("office@provider.test");
    author.say("MAIL FROM:<office@provider.test> BODY=8BITMIME", 250);
    author.say("RCPT TO:<eve@elsewhere.test>", 250);
    author.content(&sent, 250);
    sent
}

#[test]
fn mail_goes_out_through_a_login_that_the_certificate_has_earned() {
    let (provider_site, provider) = provider();
    provider_site.posthouse(&["domain", "add", "elsewhere.test"]).succeed();
    provider_site.posthouse(&["alias", "add", "eve@elsewhere.test", "eve@provider.test"]).succeed();
    let Customer { site, server, .. } = &customer(&provider, HOST, PASSWORD, &provider_site.ca());
    let sent = submit(server);
    let messages = provider.await_messages("eve@provider.test", 1);
    let message = messages.first().expect("one");
    assert_same_below_trace(message, &sent);
    let received = field(message, "Received").expect("a trace field");
    assert!(received.contains("with ESMTPSA (TLSv1.3"), "{received}");
    until("an empty queue", || site.json(&["queue", "list"]).is_empty().then_some(()));
}

#[test]
fn no_password_goes_to_a_host_that_has_not_proved_itself() {
    let (provider_site, provider) = provider();
    let elsewhere = Site::default();
    let _its_certificate = elsewhere.start();
    #[rustfmt::skip]
    let rows = [
        (HOST, elsewhere.ca(), "another authority is trusted"),
        ("mail.provider.test", provider_site.ca(), "the certificate is for another name"),
    ];
    for (host, authorities, why) in rows {
        let customer = customer(&provider, host, PASSWORD, &authorities);
        submit(&customer.server);
        customer.await_deferral();
        let log = provider.log_text();
        assert!(!log.contains("logged in"), "{why}: a password went out: {log}");
    }
}

#[test]
fn a_server_that_could_prove_no_smart_host_does_not_start() {
    let sections =
        "[outbound]\nrelay = { host = \"smtp.provider.test:587\", tls = \"starttls\" }\n";
    let environment = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    let site = Site::new(&Plan { sections, environment: &environment, ..Plan::default() });
    let finished = site.posthouse(&["serve"]).finish();
    assert_eq!(finished.code, Some(1), "{}", finished.words());
    assert!(finished.words().contains("ca-certificates"), "the remedy: {}", finished.words());
}

#[test]
fn a_login_that_is_refused_waits_and_is_said() {
    let (provider_site, provider) = provider();
    let customer = customer(&provider, HOST, "wrong", &provider_site.ca());
    submit(&customer.server);
    customer.await_deferral();
    let queue = customer.site.json(&["queue", "list"]);
    let id = queue.first().and_then(|entry| entry["id"].as_str()).expect("it waits");
    let trace = customer.site.posthouse(&["trace", id, "-v"]).succeed().output();
    assert!(trace.contains("535 5.7.8"), "the host's words: {trace}");
    assert_eq!(customer.site.messages("office@provider.test"), 0, "it is no reason to bounce");
}
