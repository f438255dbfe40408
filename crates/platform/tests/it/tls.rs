//! Into TLS: what is dropped, what is refused, how long it may take.

use std::sync::Arc;
use std::time::Duration;

use platform::tls::{Identity, Side, enter_tls};
use platform::{
    ClientTls, Clock, Disk, Interrupt, Pump, RealDisk, Start, Stream, SystemClock, TlsFacts,
    Verified, serve,
};
use rustls::crypto::aws_lc_rs;
use rustls::{AlertDescription, ClientConfig, Error, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::support::{Echo, Seen, loopback, memory, pump, pump_with_tls};

const MINUTE: Duration = Duration::from_secs(60);

type Running = JoinHandle<Option<Interrupt>>;

/// A server over loopback; its certificate stands in the folder.
async fn server(start: Start) -> (TempDir, Box<dyn Stream>, Arc<std::sync::Mutex<Seen>>, Running) {
    let dir = tempfile::tempdir().unwrap();
    let pump = pump_with_tls(dir.path());
    let (server, client) = loopback().await;
    let (echo, seen) = Echo::new(MINUTE);
    let task = tokio::spawn(async move { serve(server, start, echo, &pump).await.why });
    (dir, client, seen, task)
}

fn trusting(dir: &TempDir) -> ClientTls {
    ClientTls::verified_only_by(&RealDisk, &[&dir.path().join("ca.pem")]).unwrap()
}

async fn enter(
    client: Box<dyn Stream>,
    tls: &ClientTls,
    server_name: &str,
) -> Result<(Box<dyn Stream>, TlsFacts), platform::tls::TlsError> {
    enter_tls(client, Side::Client { tls, server_name }, &SystemClock, MINUTE).await
}

async fn line(stream: &mut dyn Stream) -> String {
    let mut text = String::new();
    while !text.ends_with('\n') {
        text.push(char::from(stream.read_u8().await.unwrap()));
    }
    text
}

#[tokio::test]
async fn what_came_before_tls_is_dropped() {
    let (dir, mut client, seen, task) = server(Start::Clear).await;
    client.write_all(b"STARTTLS\ninjected\n").await.unwrap();
    assert_eq!(line(&mut *client).await, "hello\n");
    assert_eq!(line(&mut *client).await, "go\n");
    let (mut client, facts) = enter(client, &trusting(&dir), "mx.example.org").await.unwrap();
    client.write_all(b"one\nQUIT\n").await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "ok one\nbye\n");
    drop(client);
    assert_eq!(task.await.unwrap(), None);

    let seen = seen.lock().unwrap();
    assert_eq!(seen.lines, ["STARTTLS", "one", "QUIT"]);
    let server = seen.tls.clone().unwrap();
    assert_eq!((server.version, &*server.cipher), (facts.version, &*facts.cipher));
    assert_eq!(server.server_name.as_deref(), Some("mx.example.org"));
    assert_eq!(facts.version, "TLSv1.3");
    assert!(facts.cipher.starts_with("TLS_AES_") || facts.cipher.starts_with("TLS_CHACHA20"));
    assert_eq!(facts.verified, Verified::WebPki);
    let certificate = facts.certificate.unwrap();
    assert_eq!(certificate.subject, "CN=mx.example.org");
    assert_eq!(certificate.fingerprint.len(), 64);
    assert!(certificate.names.iter().any(|name| name == "mx.example.org"), "{certificate:?}");
    assert!(!certificate.issuer.is_empty() && certificate.expires.is_some(), "{certificate:?}");
    assert_eq!(facts.unverified, None);
}

/// Clear text instead of a handshake, from the start or behind STARTTLS.
#[tokio::test]
async fn garbage_gets_an_alert_and_the_door() {
    for (start, clear) in [(Start::Tls, ""), (Start::Clear, "STARTTLS\n")] {
        let (_dir, mut client, seen, task) = server(start).await;
        client.write_all(clear.as_bytes()).await.unwrap();
        if start == Start::Clear {
            line(&mut *client).await;
            line(&mut *client).await;
        }
        // More than a handshake reads at once: the rest must not turn the alert into a reset.
        let garbage = b"EHLO client.example.com\r\n".repeat(2000);
        client.write_all(&garbage).await.unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.first(), Some(&21), "an alert record (RFC 8446 §5.1): {rest:?}");
        drop(client);
        let Some(Interrupt::TlsFailed(why)) = task.await.unwrap() else { panic!("no reason") };
        assert!(why.contains("handshake failed"), "{why}");
        assert!(seen.lock().unwrap().lines.iter().all(|line| line == "STARTTLS"));
    }
}

#[tokio::test]
async fn alpn_is_strict() {
    type Outcome = Result<Option<&'static str>, AlertDescription>;
    #[rustfmt::skip]
    let table: [(&[&str], Outcome, &str); 4] = [
        (&[], Ok(None), "most mail clients offer none"),
        (&["smtp"], Ok(Some("smtp")), "ours"),
        (&["http/1.1", "smtp"], Ok(Some("smtp")), "ours among others"),
        (&["h2", "http/1.1"], Err(AlertDescription::NoApplicationProtocol), "a browser"),
    ];
    for (offered, expected, why) in table {
        let (dir, client, seen, task) = server(Start::Tls).await;
        let mut roots = RootCertStore::empty();
        let ca = RealDisk.read_whole(&dir.path().join("ca.pem"), 9999).unwrap();
        let ca = rustls::pki_types::pem::PemObject::from_pem_slice(&ca).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = offered.iter().map(|id| id.as_bytes().to_vec()).collect();
        let connector = TlsConnector::from(Arc::new(config));
        let name = "localhost".try_into().unwrap();
        let outcome = async {
            let mut stream = connector.connect(name, client).await?;
            stream.write_all(b"QUIT\n").await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            assert_eq!(text, "hello\nbye\n");
            std::io::Result::Ok(())
        };
        match (outcome.await, expected) {
            (Ok(()), Ok(id)) => {
                assert_eq!(task.await.unwrap(), None, "{why}");
                assert_eq!(seen.lock().unwrap().tls.clone().unwrap().alpn.as_deref(), id, "{why}");
            }
            (Err(error), Err(alert)) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                assert_eq!(inner, Some(&Error::AlertReceived(alert)), "{why}");
            }
            (outcome, _) => panic!("{why}: {outcome:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_ten_seconds() {
    for octets in [&b""[..], b"\x16\x03\x01"] {
        let dir = tempfile::tempdir().unwrap();
        let pump = pump_with_tls(dir.path());
        let (server, mut client) = memory(1024);
        client.write_all(octets).await.unwrap();
        let (echo, _) = Echo::new(MINUTE);
        let before = SystemClock.monotonic();
        let ended = serve(server, Start::Tls, echo, &pump).await;
        let took = SystemClock.monotonic().saturating_sub(before);
        let why = "no TLS handshake within 10 s".to_owned();
        assert_eq!(ended.why, Some(Interrupt::TlsFailed(why)));
        assert!(took.as_secs().abs_diff(10) <= 1, "T15: {took:?}");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"", "nothing is said in clear text");
    }
}

#[tokio::test]
async fn tls_that_is_not_there() {
    let (server, mut client) = loopback().await;
    let (echo, seen) = Echo::new(MINUTE);
    let task = tokio::spawn(async move { serve(server, Start::Clear, echo, &pump()).await });
    client.write_all(b"STARTTLS\n").await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello\ngo\n");
    assert!(matches!(task.await.unwrap().why, Some(Interrupt::TlsFailed(_))));
    assert_eq!(seen.lock().unwrap().tls, None);
}

/// Who is verified by which client: name asked for, whether it is let in, why.
#[tokio::test]
async fn clients_verify_as_they_are_told() {
    #[rustfmt::skip]
    let table = [
        ("mx.example.org",  true,  "its host name"),
        ("MX.example.org.", true,  "in another spelling"),
        ("localhost",       true,  "on this machine"),
        ("127.0.0.1",       true,  "by address"),
        ("::1",             true,  "by address"),
        ("example.org",     false, "the domain is not the host"),
        ("192.0.2.1",       false, "another address"),
    ];
    for (name, good, why) in table {
        let (dir, client, _, _task) = server(Start::Tls).await;
        let outcome = enter(client, &trusting(&dir), name).await;
        assert_eq!(outcome.is_ok(), good, "{why}: {:?}", outcome.err());

        let (dir, client, _, _task) = server(Start::Tls).await;
        let ca = dir.path().join("ca.pem");
        let noting = ClientTls::opportunistic(&RealDisk, &[&ca]).unwrap();
        let (_, facts) = enter(client, &noting, name).await.unwrap();
        assert_eq!(facts.verified == Verified::WebPki, good, "{why}");

        let (_dir, client, _, _task) = server(Start::Tls).await;
        let strangers = ClientTls::opportunistic(&RealDisk, &[]).unwrap();
        let (_, facts) = enter(client, &strangers, name).await.unwrap();
        assert_eq!(facts.verified, Verified::No, "{why}");
        assert!(facts.unverified.is_some(), "{why}");
    }
}

#[tokio::test]
async fn odd_names_are_errors_only_where_they_matter() {
    let (dir, client, _, _task) = server(Start::Tls).await;
    let error = enter(client, &trusting(&dir), "a b").await.err().unwrap();
    assert_eq!(error.to_string(), "\"a b\" cannot be the name of a TLS server");
    let (_dir, client, _, _task) = server(Start::Tls).await;
    let anybody = ClientTls::opportunistic(&RealDisk, &[]).unwrap();
    let (_, facts) = enter(client, &anybody, "a b").await.unwrap();
    assert_eq!(facts.server_name, None);
}

#[tokio::test]
async fn a_certificate_is_exchanged_while_the_server_runs() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let make = |dir: &TempDir, name| {
        Identity::self_signed(&RealDisk, &SystemClock, dir.path(), name, &[]).unwrap()
    };
    let identity = make(&one, "one.example.org");
    let tls = platform::ServerTls::new(&identity, platform::tls::ALPN_SMTP).unwrap();
    let pump = Arc::new(Pump { tls: Some(tls), ..pump() });
    let anybody = ClientTls::opportunistic(&RealDisk, &[]).unwrap();
    for expected in ["CN=one.example.org", "CN=two.example.org"] {
        let (server, client) = loopback().await;
        let pump = Arc::clone(&pump);
        let (echo, _) = Echo::new(MINUTE);
        let task = tokio::spawn(async move { serve(server, Start::Tls, echo, &pump).await.why });
        let (mut client, facts) = enter(client, &anybody, expected).await.unwrap();
        assert_eq!(facts.certificate.unwrap().subject, expected);
        client.shutdown().await.unwrap();
        drop(client);
        assert_eq!(task.await.unwrap(), Some(Interrupt::PeerGone));
        identity.replace_by(&make(&two, "two.example.org"));
    }
}
