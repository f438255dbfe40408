//! The zone: wildcards, and that it answers directly as it does over the network.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use dns::{DnsError, Kind, Resolver, Zone};

use crate::support::{asking, domain, serve};

/// A name and the first label of what is found there.
type Row = (&'static str, Result<&'static str, &'static str>, &'static str);

fn host(outcome: Result<dns::Answer<Vec<dns::Mx>>, DnsError>) -> Result<String, String> {
    match outcome {
        Ok(answer) => Ok(answer.records[0].host.clone().unwrap().to_string()),
        Err(DnsError::NoSuchDomain { .. }) => Err("no such".to_owned()),
        Err(DnsError::NoRecords { .. }) => Err("none".to_owned()),
        Err(other) => Err(other.to_string()),
    }
}

#[tokio::test]
async fn wildcards_stand_for_the_rest() {
    let zone = Zone::new();
    zone.mx("one.example", 10, "mx.one.example")
        .a("mx.one.example", Ipv4Addr::LOCALHOST)
        .mx("*.two.example", 10, "mx.two.example")
        .mx("deep.in.two.example", 10, "deep.two.example");
    let server = serve(&zone).await;
    #[rustfmt::skip]
    let rows: [Row; 7] = [
        ("one.example",         Ok("mx.one.example"),   "an entry of its own"),
        ("mx.one.example",      Err("none"),            "an entry without MX"),
        ("other.example",       Err("no such"),         "nothing stands for it"),
        ("any.two.example",     Ok("mx.two.example"),   "the wildcard does"),
        ("a.b.two.example",     Ok("mx.two.example"),   "RFC 4592 §2.1.1: for deeper names too"),
        ("in.two.example",      Err("none"),            "RFC 4592 §2.2.2: a name above others exists"),
        ("deep.in.two.example", Ok("deep.two.example"), "its own entry comes first"),
    ];
    let check = async |rows: &[Row]| {
        let resolver = asking(&[server.address()], Duration::from_secs(20));
        for (name, expected, why) in rows {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(host(Resolver::mx(&zone, &domain(name)).await), expected, "{why}");
            assert_eq!(host(resolver.mx(&domain(name)).await), expected, "over the network: {why}");
        }
    };
    check(&rows).await;
    zone.mx("*", 0, "sink.example");
    #[rustfmt::skip]
    check(&[
        ("other.example",   Ok("sink.example"),   "all others, from now on"),
        ("gmail.test",      Ok("sink.example"),   "all others, whatever their top"),
        ("one.example",     Ok("mx.one.example"), "but not those with entries"),
        ("any.two.example", Ok("mx.two.example"), "nor those with nearer wildcards"),
        ("mx.one.example",  Err("none"),          "nor their hosts"),
    ]).await;
}

#[tokio::test]
async fn directly_and_over_the_network_are_the_same() {
    let zone = Zone::new();
    zone.mx("example.org", 10, "mx.example.org")
        .txt("example.org", "text")
        .txt("empty.example.org", "")
        .address("mx.example.org", IpAddr::from([192, 0, 2, 1]))
        .address("mx.example.org", "2001:db8::1".parse().unwrap())
        .cname("alias.example.org", "mx.example.org")
        .ptr(IpAddr::from([192, 0, 2, 1]), "mx.example.org")
        .mx("odd.example.org", 10, "-no_host-.example.org");
    let server = serve(&zone).await;
    let resolver = asking(&[server.address()], Duration::from_secs(20));
    let names = [
        "example.org",
        "mx.example.org",
        "alias.example.org",
        "empty.example.org",
        "org",
        "missing.example.org",
        "1.2.0.192.in-addr.arpa",
        "odd.example.org",
        "_dmarc.example.org",
    ];
    zone.security(dns::Security::Secure);
    for name in names.map(domain) {
        for kind in [Kind::A, Kind::Aaaa, Kind::Mx, Kind::Txt, Kind::Ptr] {
            let direct = zone.lookup(&name, kind).await;
            assert_eq!(resolver.lookup(&name, kind).await, direct, "{kind} of {name}");
        }
    }
}
