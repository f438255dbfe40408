//! A zone served over UDP and TCP, asked by the stub resolver.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use dns::{
    CNAMES_MAX, DnsError, Kind, MX_MAX, Resolver, Security, StubOptions, Trouble, Trust, Zone,
};

use crate::support::{Shifted, asking, asking_by, domain, serve};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);

/// A zone with something of everything.
fn zone() -> Zone {
    let zone = Zone::new();
    zone.mx("example.org", 20, "backup.example.org.")
        .mx("Example.ORG.", 10, "mx.example.org")
        .a("mx.example.org", Ipv4Addr::new(192, 0, 2, 1))
        .aaaa("mx.example.org", Ipv6Addr::LOCALHOST)
        .a("backup.example.org", Ipv4Addr::new(192, 0, 2, 2))
        .ptr(IpAddr::from([192, 0, 2, 1]), "mx.example.org")
        .txt("example.org", "v=spf1 mx -all")
        .txt("example.org", &"long ".repeat(200))
        .mx("nomail.example.org", 0, ".")
        .cname("alias.example.org", "example.org")
        .cname("astray.example.org", "missing.example.org");
    zone
}

#[tokio::test]
async fn questions_are_answered() {
    let server = serve(&zone()).await;
    let resolver = asking(&[server.address()], LONG);

    let answer = resolver.mx(&domain("example.org")).await.unwrap();
    let hosts: Vec<_> =
        answer.records.iter().map(|mx| (mx.preference, mx.host.clone().unwrap())).collect();
    let expected = [(10, domain("mx.example.org")), (20, domain("backup.example.org"))];
    assert_eq!(hosts, expected);
    assert_eq!((answer.ttl, answer.security), (Duration::from_secs(300), Security::Insecure));
    assert_eq!(resolver.mx(&domain("alias.example.org")).await.unwrap(), answer, "over a CNAME");

    let null = resolver.mx(&domain("nomail.example.org")).await.unwrap();
    assert!(matches!(&null.records[..], [mx] if mx.is_null()), "{null:?}");

    let addresses = resolver.addresses(&domain("mx.example.org")).await.unwrap();
    let expected = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::from([192, 0, 2, 1])];
    assert_eq!(addresses.records, expected, "IPv6 first");
    let addresses = resolver.addresses(&domain("backup.example.org")).await.unwrap();
    assert_eq!(addresses.records, [IpAddr::from([192, 0, 2, 2])], "one kind is enough");

    let texts = resolver.txt(&domain("example.org")).await.unwrap();
    assert_eq!(texts.records, [b"v=spf1 mx -all".to_vec(), b"long ".repeat(200)]);

    let names = resolver.ptr(IpAddr::from([192, 0, 2, 1])).await.unwrap();
    assert_eq!(names.records, [domain("mx.example.org")]);
}

/// "No" in its ways.
#[tokio::test]
async fn no_is_said_precisely() {
    let server = serve(&zone()).await;
    let resolver = asking(&[server.address()], LONG);
    let no_such = |name| DnsError::NoSuchDomain { name: domain(name) };
    let none = |name| DnsError::NoRecords { name: domain(name), kind: Kind::Mx };
    #[rustfmt::skip]
    let table = [
        ("mx.example.org",      none("mx.example.org"),         "it has addresses only"),
        ("org",                 none("org"),                    "it only stands above others"),
        ("missing.example.org", no_such("missing.example.org"), "nothing has this name"),
        ("astray.example.org",  no_such("astray.example.org"),  "RFC 6604: the end of the CNAMEs decides"),
        ("[192.0.2.1]", DnsError::NotAName { name: domain("[192.0.2.1]") }, "an address is no name"),
    ];
    for (name, expected, why) in table {
        let error = resolver.mx(&domain(name)).await.unwrap_err();
        assert_eq!(error, expected, "{why}");
        assert!(!error.is_temporary(), "{why}");
    }
    let error = resolver.addresses(&domain("missing.example.org")).await.unwrap_err();
    assert_eq!(error, no_such("missing.example.org"));
    let error = resolver.ptr(IpAddr::from([192, 0, 2, 99])).await.unwrap_err();
    assert!(matches!(error, DnsError::NoSuchDomain { .. }), "{error}");
}

/// Whatever goes wrong says nothing about the domain, and passes with the trouble.
#[tokio::test]
async fn trouble_is_temporary() {
    #[rustfmt::skip]
    let table = [
        // trouble, patience, what is said of it
        (Trouble::ServFail,      LONG,  "failed (SERVFAIL)"),
        (Trouble::Refused,       LONG,  "refused to answer"),
        (Trouble::Silence,       SHORT, "did not answer"),
        (Trouble::WrongId,       SHORT, "did not answer"),
        (Trouble::WrongQuestion, SHORT, "did not answer"),
        (Trouble::Garbage,       SHORT, "did not answer"),
    ];
    for (trouble, patience, expected) in table {
        let zone = zone();
        let server = serve(&zone).await;
        let resolver = asking(&[server.address()], patience);
        zone.trouble_everywhere(Some(trouble));
        for name in ["example.org", "missing.example.org"] {
            let error = resolver.mx(&domain(name)).await.unwrap_err();
            assert!(error.is_temporary(), "{trouble:?}");
            assert!(error.to_string().ends_with(expected), "{error}");
            let error = resolver.addresses(&domain(name)).await.unwrap_err();
            assert!(error.is_temporary(), "{trouble:?}");
            let direct = Resolver::mx(&zone, &domain(name)).await.unwrap_err();
            assert!(direct.is_temporary(), "the zone itself says so too: {trouble:?}");
        }
        zone.trouble_everywhere(None);
        let healed = asking(&[server.address()], LONG);
        assert!(healed.mx(&domain("example.org")).await.is_ok(), "{trouble:?} is not kept");
    }
}

#[tokio::test]
async fn there_is_a_second_round_and_a_second_server() {
    let zone = zone();
    let server = serve(&zone).await;
    for trouble in [Trouble::ServFail, Trouble::Refused] {
        zone.trouble_next("example.org", trouble, 1);
        let resolver = asking(&[server.address()], LONG);
        assert!(resolver.mx(&domain("example.org")).await.is_ok(), "{trouble:?}, then well");
    }
    let (silent, failing) = (Zone::new(), Zone::new());
    silent.trouble_everywhere(Some(Trouble::Silence));
    failing.trouble_everywhere(Some(Trouble::ServFail));
    let (silent, failing) = (serve(&silent).await, serve(&failing).await);
    let resolver =
        asking(&[silent.address(), failing.address(), server.address()], Duration::from_secs(1));
    assert!(resolver.mx(&domain("example.org")).await.is_ok());
    let nobody = asking(&[], LONG).mx(&domain("example.org")).await.unwrap_err();
    assert!(nobody.is_temporary(), "{nobody}");
}

#[tokio::test]
async fn what_does_not_fit_comes_over_tcp() {
    let zone = zone();
    for number in 0..200_u16 {
        zone.mx("many.example.org", 1000 - number, &format!("mx{number}.example.org"));
    }
    zone.trouble("mx.example.org", Some(Trouble::Truncated));
    let server = serve(&zone).await;
    let resolver = asking(&[server.address()], LONG);
    let answer = resolver.mx(&domain("many.example.org")).await.unwrap();
    assert_eq!(answer.records.len(), MX_MAX);
    assert_eq!(
        answer.records[0].host,
        Some(domain("mx199.example.org")),
        "the best, not the first"
    );
    assert!(answer.records.is_sorted_by_key(|mx| mx.preference));
    let addresses = resolver.addresses(&domain("mx.example.org")).await.unwrap();
    assert_eq!(addresses.records.len(), 2, "an answer that was cut without need");
}

#[tokio::test]
async fn cnames_end() {
    let zone = zone();
    zone.cname("loop.example.org", "pool.example.org")
        .cname("pool.example.org", "loop.example.org");
    zone.cname("self.example.org", "self.example.org");
    for length in [CNAMES_MAX, CNAMES_MAX + 1] {
        for step in 1..length {
            zone.cname(
                &format!("c{step}.of{length}.example.org"),
                &format!("c{}.of{length}.example.org", step + 1),
            );
        }
        zone.cname(&format!("c{length}.of{length}.example.org"), "example.org");
    }
    let server = serve(&zone).await;
    let resolver = asking(&[server.address()], LONG);
    #[rustfmt::skip]
    let table = [
        ("loop.example.org",      Some("go round in circles"), "D04: two in a loop"),
        ("self.example.org",      Some("go round in circles"), "one that names itself"),
        ("c1.of10.example.org",   None,                        "as many as there may be"),
        ("c1.of11.example.org",   Some("more than 10 CNAMEs"), "D04: one too many"),
    ];
    for (name, expected, why) in table {
        let outcome = resolver.mx(&domain(name)).await;
        let direct = Resolver::mx(&zone, &domain(name)).await;
        match (outcome, expected) {
            (Ok(_), None) => assert!(direct.is_ok(), "{why}"),
            (Err(error), Some(expected)) => {
                assert!(error.is_temporary() && error.to_string().contains(expected), "{error}");
                assert!(direct.unwrap_err().is_temporary(), "{why}");
            }
            (outcome, _) => panic!("{why}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn answers_are_kept_for_their_time() {
    let zone = zone();
    zone.ttl(Duration::from_secs(60));
    let server = serve(&zone).await;
    let clock = Arc::new(Shifted::default());
    let options = StubOptions::new(vec![server.address()]);
    let resolver = asking_by(Arc::<Shifted>::clone(&clock), options);
    #[rustfmt::skip]
    let table = [
        // seconds later, questions that reach the server, why
        (0,  3, "asked for the first time"),
        (30, 0, "known, also that there is none"),
        (31, 3, "their time is over"),
    ];
    for (seconds, expected, why) in table {
        clock.forward(seconds);
        let before = zone.questions();
        let left = resolver.mx(&domain("example.org")).await.unwrap().ttl;
        assert!(
            left <= Duration::from_secs(if expected == 0 { 30 } else { 60 }),
            "{why}: {left:?}"
        );
        assert!(resolver.mx(&domain("MISSING.example.org")).await.is_err());
        assert!(resolver.lookup(&domain("backup.example.org"), Kind::Aaaa).await.is_err());
        assert_eq!(zone.questions() - before, expected, "{why}");
    }
    zone.remove("example.org").trouble("example.org", Some(Trouble::ServFail));
    clock.forward(61);
    for _ in 0..2 {
        let before = zone.questions();
        assert!(resolver.mx(&domain("example.org")).await.unwrap_err().is_temporary());
        assert_eq!(zone.questions() - before, 2, "a failure is not kept: asked in two rounds");
    }
}

#[tokio::test]
async fn security_counts_from_those_we_trust() {
    let zone = zone();
    let server = serve(&zone).await;
    #[rustfmt::skip]
    let table = [
        (Security::Secure,   Trust::Loopback, Security::Secure,        "a validating server on this machine"),
        (Security::Insecure, Trust::Loopback, Security::Insecure,      "a zone that is not signed"),
        (Security::Secure,   Trust::Nobody,   Security::Indeterminate, "a claim that counts for nothing"),
        (Security::Secure,   Trust::All,      Security::Secure,        "by configuration"),
    ];
    for (served, trust, expected, why) in table {
        zone.security(served);
        let mut options = StubOptions::new(vec![server.address()]);
        options.trust = trust;
        let resolver = asking_by(Arc::new(Shifted::default()), options);
        let answer = resolver.mx(&domain("example.org")).await.unwrap();
        assert_eq!(answer.security, expected, "{why}");
    }
}
