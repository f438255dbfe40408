//! Whole files, good and bad, and the whole of what an administrator reads about them.

use std::time::Duration;

use ::store::RecipientPattern;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::sample::Index;
use proptest::{prop_assert, proptest};

use super::*;

const HEAD: &str = "hostname = \"mx.example.org\"\ndata_dir = \"data\"\n";

/// Every key that the documentation has.
const WHOLE: &str = r#"
hostname = "mx.example.org"
data_dir = "/var/lib/posthouse"
[store]
backend = "sqlite"
[[listener]]
protocol = "smtp"
bind = ["127.0.0.1:2525", "[::1]:2525"]
tls = "starttls"
relay_from = ["127.0.0.0/8", "::1"]
proxy_from = ["10.1.2.0/24"]
[[listener]]
protocol = "pop3"
bind = ["127.0.0.1:0"]
tls = "none"
[tls]
mode = "files"
certificate = "cert.pem"
key = "/etc/ssl/key.pem"
[auth]
allow_cleartext = true
[limits]
message_size = "10MiB"
recipients_per_message = 100
connections = 20
connections_per_ip = 10
connection_rate = "60/1m"
message_rate = "100/1h"
recipient_rate = "1000/1h"
unknown_recipient_rate = "50/1h"
account_message_rate = "500/1d"
account_recipient_rate = "2000/1d"
[policy]
exempt = ["192.0.2.0/24"]
greeting_delay = "3s"
refuse_own_name = false
require_full_name = true
check_sender_domain = true
greylist = true
greylist_delay = "2m"
greylist_expire = "12h"
greylist_remember = "60d"
greylist_exempt = ["postmaster@example.org", "@lists.example.org"]
no_soliciting = ["org.example:ADV", "net.example:X"]
[dns]
servers = ["127.0.0.1:5353"]
[outbound]
port = 2525
allow_private = true
bind = ["192.0.2.1", "2001:db8::1"]
routes = { "relay.example.net" = "192.0.2.7:2525", "six.example.net" = "[2001:db8::7]:25", "boxes.example.net" = "lmtp:boxes.example.net:24", "here.example.net" = "lmtp:/run/lmtp.sock" }
relay = { host = "smtp.example.net:587", tls = "starttls", username = "me", password_file = "pw" }
[[outbound.rule]]
to = ["example.com", "*.example.com"]
from = ["<>", "ada@example.org", "*"]
tls = "required"
concurrency = 2
rate = "100/1h"
bind = ["192.0.2.2"]
[[outbound.rule]]
route = "mx"
[[outbound.rule]]
relay = { host = "smtp.example.net:587" }
[queue]
retry = ["1s", "2s"]
hold_max = "60d"
deliver_by_min = "5m"
expire = "1m"
"#;

fn parse(text: &str) -> Result<Config, Fault> {
    Config::parse(Path::new("/etc/posthouse/posthouse.toml"), text)
}

/// What is said about a file that begins with a good `hostname` and `data_dir`.
fn refusal(rest: &str) -> String {
    match parse(&format!("{HEAD}{rest}")) {
        Ok(_) => "accepted".to_owned(),
        Err(fault) => fault.to_string().replace("/etc/posthouse/", ""),
    }
}

/// Every refusal of a table, one after the other.
fn refusals(table: &[&str]) -> String {
    table.iter().map(|rest| refusal(rest)).collect::<Vec<_>>().join("\n")
}

#[test]
fn two_keys_are_enough() {
    let config = parse(HEAD).expect("a good file");
    assert_eq!(config.hostname.as_str(), "mx.example.org");
    assert_eq!(config.data_dir, Path::new("/etc/posthouse/data"), "counts from the file");
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.queue, Queue::default());
    assert_eq!(config.policy, Policy::default());
    assert_eq!(config.outbound.port, 25);
    assert_eq!(config.tls, Tls::SelfSigned);
    assert!(!config.allow_cleartext && !config.outbound.allow_private);
}

#[test]
fn every_documented_key_is_taken() {
    let config = parse(WHOLE).expect("a good file");
    assert_eq!(config.listeners.len(), 2);
    assert_eq!(config.listeners[0].relay_from[0].to_string(), "127.0.0.0/8");
    assert_eq!(config.listeners[0].proxy_from[0].to_string(), "10.1.2.0/24");
    let route = |domain: &str| {
        let domain = Domain::parse(domain).unwrap();
        config.outbound.routes.get(&domain).cloned().unwrap()
    };
    assert!(
        matches!(route("six.example.net"), NextHop::Smtp(at) if at.to_string() == "[2001:db8::7]:25")
    );
    assert!(matches!(route("boxes.example.net"), NextHop::Lmtp(at) if at.port == 24));
    assert_eq!(route("here.example.net"), NextHop::LmtpFile("/run/lmtp.sock".into()));
    let rules = config.outbound.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>();
    let first = "rule 1 (from <>, ada@example.org, * to example.com, *.example.com)";
    assert_eq!(rules, [first, "rule 2 (all mail)", "rule 3 (all mail)"]);
    assert_eq!(config.outbound.relay.expect("relay").host.to_string(), "smtp.example.net:587");
    assert_eq!(config.queue.delay_notice, Duration::from_secs(30), "half of a short `expire`");
    assert_eq!(config.limits.message_octets, 10 << 20);
    assert_eq!(config.queue.hold_max, Duration::from_secs(60 * 24 * 60 * 60));
    assert_eq!(config.queue.deliver_by_min, Duration::from_secs(300));
    let rate = Rate { count: 60, per: Duration::from_secs(60) };
    assert_eq!(config.limits.connection_rate, Some(rate));
    let policy = Policy {
        exempt: vec!["192.0.2.0/24".parse().expect("a network")],
        greeting_delay: Duration::from_secs(3),
        refuse_own_name: false,
        require_full_name: true,
        check_sender_domain: true,
        greylist: Some(mta::policy::Greylist {
            delay: Duration::from_secs(2 * 60),
            expire: Duration::from_secs(12 * 60 * 60),
            remember: Duration::from_secs(60 * 24 * 60 * 60),
            exempt: vec![
                RecipientPattern::Address("postmaster@example.org".parse().expect("right")),
                RecipientPattern::Domain("lists.example.org".parse().expect("right")),
            ],
        }),
        no_soliciting: envelope::Solicitation::parse("org.example:ADV,net.example:X").ok(),
    };
    assert_eq!(config.policy, policy);
}

#[test]
fn policies_that_cannot_be() {
    insta::assert_snapshot!(refusals(&[
        "[limits]\nmessage_rate = \"100\"",
        "[limits]\nmessage_rate = \"0/1h\"",
        "[limits]\nmessage_rate = \"100/1 hour\"",
        "[policy]\nexempt = [\"home\"]",
        "[policy]\ngreeting_delay = \"5m\"",
        "[policy]\ngreylst = true",
        "[policy]\ngreylist_exempt = [\"all\"]",
        "[policy]\ngreylist_delay = \"0s\"",
        "[policy]\ngreylist_delay = \"1h\"\ngreylist_expire = \"3h\"",
    ]), @r#"
    "100" is not a rate (posthouse.toml:4:16): write how many in which time, such as "100/1h"
    "0/1h" is not a rate (posthouse.toml:4:16): write how many in which time, such as "100/1h"
    "100/1 hour" is not a rate (posthouse.toml:4:16): write how many in which time, such as "100/1h"
    "home" is no network: it is not an address with a prefix length (posthouse.toml:4:11): write an address or a network, such as "192.0.2.0/24"
    greeting_delay = "5m" is too long (posthouse.toml:4:18): write at most "30s"; a few seconds are enough
    unknown key "greylst" (posthouse.toml:4:1): did you mean "greylist"? the keys here are exempt, greeting_delay, refuse_own_name, require_full_name, check_sender_domain, greylist, greylist_delay, greylist_expire, greylist_remember, greylist_exempt, no_soliciting
    "all" is no recipient (posthouse.toml:4:20): write an address, or "@example.org" for all of a domain
    "0s" is nothing (posthouse.toml:4:18): write at least one
    greylist_expire is too short for greylist_delay (posthouse.toml:5:19): make it four times as long at least: others try again when they like
    "#);
}

#[test]
fn keys_and_types_that_do_not_fit() {
    insta::assert_snapshot!(refusals(&[
        "hostnme = \"x\"",
        "[queue]\nretyr = [\"1m\"]",
        "[queues]\n",
        "hostname = \"again\"",
        "[limits]\nconnections = \"many\"",
        "[limits]\nmessage_size = 50",
        "[auth]\nallow_cleartext = \"yes\"",
        "[[listener]]\nprotocol = \"smpt\"\nbind = []\ntls = \"none\"",
        "[[listener]]\nprotocol = \"smtp\"\nbind = \"127.0.0.1:25\"\ntls = \"none\"",
        "[[listener]]\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:25\"]",
        "[limits]\nconnections = -1",
        "[queue",
        "[outbound]\nrelay = { host = \"a:1\", user = \"x\" }",
    ]), @r#"
    unknown key "hostnme" (posthouse.toml:3:1): did you mean "hostname"? the keys here are hostname, data_dir, store, listener, tls, auth, limits, policy, dns, outbound, queue, recipients, notices, backup
    unknown key "retyr" (posthouse.toml:4:1): did you mean "retry"? the keys here are retry, retry_greylisted, retry_unreachable, retry_full, jitter_percent, expire, delay_notice, keep_events, hold_max, deliver_by_min, keep_transcripts, suppress_after
    unknown key "queues" (posthouse.toml:3:2): did you mean "queue"? the keys here are hostname, data_dir, store, listener, tls, auth, limits, policy, dns, outbound, queue, recipients, notices, backup
    the same key stands here twice (posthouse.toml:3:1): keep one of them
    string "many" does not fit here: expected a whole number (posthouse.toml:4:15): write it without quotes or sign
    integer `50` does not fit here: expected a text (posthouse.toml:4:16): write it in quotes
    string "yes" does not fit here: expected true or false (posthouse.toml:4:19): write it without quotes
    unknown value "smpt" (posthouse.toml:4:12): did you mean "smtp"? the values here are smtp, submission, lmtp, pop3, imap, managesieve, http
    string "127.0.0.1:25" does not fit here: expected a list (posthouse.toml:5:8): write it in brackets: […]
    the key "tls" is missing (posthouse.toml:3:1): add `tls = …`
    integer `-1` does not fit here: expected a whole number (posthouse.toml:4:15): write it without quotes or sign
    this is not TOML: unclosed table, expected `]` (posthouse.toml:3:7): correct what stands here
    unknown key "user" (posthouse.toml:4:25): the keys here are host, tls, username, password_file
    "#);
}

#[test]
fn what_does_not_exist_yet() {
    insta::assert_snapshot!(refusals(&[
        "[store]\nbackend = \"postgres\"\nurl = \"postgres://db\"",
        "[tls]\nmode = \"acme\"",
        "[[listener]]\nprotocol = \"imap\"\nbind = [\"127.0.0.1:143\"]\ntls = \"starttls\"",
        "[[listener]]\nprotocol = \"managesieve\"\nbind = [\"127.0.0.1:4190\"]\ntls = \"starttls\"",
        "[[listener]]\nprotocol = \"http\"\nbind = [\"127.0.0.1:80\"]\ntls = \"none\"",
    ]), @r#"
    backend = "postgres" is not available in this version (posthouse.toml:4:11): use backend = "sqlite"
    mode = "acme" is not available in this version (posthouse.toml:4:8): use mode = "files" with a certificate that you renew, or "self-signed"
    protocol = "imap" is not available in this version (posthouse.toml:4:12): use smtp, lmtp, submission or pop3, or remove this listener
    protocol = "managesieve" is not available in this version (posthouse.toml:4:12): use smtp, lmtp, submission or pop3, or remove this listener
    protocol = "http" is not available in this version (posthouse.toml:4:12): use smtp, lmtp, submission or pop3, or remove this listener
    "#);
}

#[test]
fn requests_that_cannot_be() {
    insta::assert_snapshot!(refusals(&[
        "[queue]\nhold_max = \"11575d\"",
        "[policy]\nno_soliciting = []",
        "[policy]\nno_soliciting = [\"no blanks\"]",
    ]), @r#"
    "11575d" has more than nine digits of seconds (posthouse.toml:4:12): write at most "11574d", which is 31 years
    "" are no classes of solicitation (posthouse.toml:4:17): write some such as ["org.example:ADV"]
    "no blanks" are no classes of solicitation (posthouse.toml:4:17): write some such as ["org.example:ADV"]
    "#);
}

#[test]
fn what_is_told_and_kept_that_cannot_be() {
    insta::assert_snapshot!(refusals(&[
        "[queue]\nkeep_events = \"1d\"\nkeep_transcripts = \"2d\"",
        "[queue]\nsuppress_after = 0",
        "[notices]\ngather = \"2h\"",
    ]), @r#"
    keep_transcripts = "2d" is longer than keep_events = "1d", with which they go (posthouse.toml:5:20): lower keep_transcripts, or raise keep_events
    suppress_after = 0 would suppress everybody (posthouse.toml:4:18): write at least 1, or leave it out
    gather = "2h" is too long (posthouse.toml:4:10): write a time of at most an hour, such as "30s"; "0s" gathers nothing
    "#);
}

#[test]
fn values_that_cannot_be() {
    insta::assert_snapshot!(refusals(&[
        "[limits]\nmessage_size = \"50MB\"",
        "[limits]\nmessage_size = \"0B\"",
        "[limits]\nmessage_size = \"1KiB\"",
        "[limits]\nrecipients_per_message = 5",
        "[limits]\nconnections_per_ip = 0",
        "[dns]\nservers = [\"9.9.9.9\"]",
        "[dns]\nservers = [\"dns.example:53\"]",
        &format!("[outbound]\nroutes = {{ \"example.net\" = \"lmtp:/{}\" }}", "x".repeat(107)),
        "[queue]\nretry = []",
        "[queue]\nretry = [\"0s\"]",
        "[queue]\nretry_greylisted = []",
        "[queue]\nretry_full = [\"soon\"]",
        "[queue]\njitter_percent = 51",
        "[queue]\nkeep_events = \"0d\"",
        "[notices]\nlanguage = \"klingon\"",
        "[backup]\nkeep = 3",
        "[backup]\ndir = \"b\"\nkeep = 0",
        "[backup]\ndir = \"b\"\nevery = \"5s\"",
        "[queue]\nexpire = \"five days\"",
        "[recipients]\nsubaddress_separator = \"@\"",
    ]), @r#"
    "50MB" is not a size (posthouse.toml:4:16): write a whole number with B, KiB, MiB or GiB, as in 50MiB
    "0B" is nothing (posthouse.toml:4:16): write at least one
    message_size = "1KiB" cannot be (posthouse.toml:4:16): write a size between "64KiB" (RFC 5321 asks for it) and "2GiB"
    recipients_per_message = 5 is too few (posthouse.toml:4:26): write at least 100, as RFC 5321 §4.5.3.1.8 asks
    0 connections: nobody could connect (posthouse.toml:4:22): write at least 1
    "9.9.9.9" is not the address of a DNS server (posthouse.toml:4:12): add the port: "9.9.9.9:53"
    "dns.example:53" is not the address of a DNS server (posthouse.toml:4:12): write an address with its port, such as "127.0.0.1:53"
    "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" cannot be the name of a socket (posthouse.toml:4:28): use a path without NUL and of at most 107 octets
    retry has 0 pauses (posthouse.toml:4:9): write between 1 and 100, such as ["1m", "1h"]
    "0s" is nothing (posthouse.toml:4:10): write at least one
    retry_greylisted has 0 pauses (posthouse.toml:4:20): write between 1 and 100, such as ["1m", "1h"]
    "soon" is not a time (posthouse.toml:4:15): write a whole number with s, m, h, d or w, as in 5m
    jitter_percent = 51 is too much (posthouse.toml:4:18): write at most 50; longer pauses go into retry
    "0d" is nothing (posthouse.toml:4:15): write at least one
    there are no notices in the language "klingon" (posthouse.toml:4:12): write one of en, de
    backups have no folder (posthouse.toml:4:8): write dir = "…" under [backup], best on another disk
    keep = 0 keeps no backup (posthouse.toml:5:8): write at least 1
    every is shorter than a minute (posthouse.toml:5:9): write "1d", or "1h"
    "five days" is not a time (posthouse.toml:4:10): write a whole number with s, m, h, d or w, as in 5m
    subaddress_separator = "@" is not one of +-=_#~ (posthouse.toml:4:24): write "+", or "" if addresses have no details
    "#);
}

#[test]
fn listeners_that_cannot_be() {
    insta::assert_snapshot!(refusals(&[
        "[[listener]]\nprotocol = \"smtp\"\nbind = []\ntls = \"none\"",
        "[[listener]]\nprotocol = \"smtp\"\nbind = [\"localhost:25\"]\ntls = \"none\"",
        "[[listener]]\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:25\"]\ntls = \"none\"\nrelay_from = [\"10.0.0.1/8\"]",
        "[[listener]]\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:25\"]\ntls = \"none\"\nrelay_from = [\"0.0.0.0/0\"]",
        "[[listener]]\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:25\"]\ntls = \"none\"\nrelay_from = [\"home\"]",
        "[[listener]]\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:25\"]\ntls = \"none\"\nproxy_from = [\"::/0\"]",
        "[[listener]]\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:25\"]\ntls = \"none\"\nproxy_from = []",
        "[[listener]]\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:25\"]\ntls = \"none\"\nxclient_from = [\"0.0.0.0/0\"]",
        "[[listener]]\nprotocol = \"pop3\"\nbind = [\"127.0.0.1:110\"]\ntls = \"none\"\nxclient_from = [\"10.0.0.0/8\"]",
    ]), @r#"
    this listener has no address (posthouse.toml:5:8): name at least one address with its port, such as "127.0.0.1:2525"
    "localhost:25" is not an address with a port (posthouse.toml:5:9): write it as "127.0.0.1:2525" or "[::1]:2525"; names are not looked up
    "10.0.0.1/8" is not a network: it has bits behind its prefix; its network is 10.0.0.0/8 (posthouse.toml:7:15): write "10.0.0.0/8"
    relay_from = "0.0.0.0/0" lets everybody send through this host (posthouse.toml:7:15): name only networks that are yours; others would send spam in your name
    "home" is not a network: it is not an address with a prefix length (posthouse.toml:7:15): write it as "192.0.2.0/24"
    proxy_from = "::/0" lets everybody say that he is somebody else (posthouse.toml:7:15): name only your load balancers
    proxy_from names no proxy (posthouse.toml:7:14): name its network, or remove proxy_from
    xclient_from = "0.0.0.0/0" lets everybody say that he is somebody else (posthouse.toml:7:17): name only your proxies
    xclient_from is for smtp and submission, not for pop3 (posthouse.toml:7:16): remove xclient_from here, or use proxy_from
    "#);
}

#[test]
fn values_of_outbound_that_cannot_be() {
    insta::assert_snapshot!(refusals(&[
        "[outbound]\nport = 0",
        "[outbound]\nbind = [\"192.0.2.1\", \"192.0.2.2\"]",
        "[outbound]\nbind = [\"192.0.2.1:25\"]",
        "[outbound]\nroutes = { \"a b\" = \"192.0.2.7:25\" }",
        "[outbound]\nroutes = { \"example.net\" = \"192.0.2.7\" }",
        "[outbound]\nroutes = { \"example.net\" = \"2001:db8::1:25\" }",
        "[outbound]\nroutes = { \"example.net\" = \"lmtp:192.0.2.7\" }",
        "[outbound]\nroutes = { \"example.net\" = \"lmtp:192.0.2.7:25\" }",
        "[[outbound.rule]]\nto = [\"*b.test\"]\nrate = \"1/1s\"",
        "[[outbound.rule]]\nfrom = [\"ada@\"]\nrate = \"1/1s\"",
        "[[outbound.rule]]\nto = [\"b.test\"]",
        "[[outbound.rule]]\nconcurrency = 0",
        "[[outbound.rule]]\nrate = \"many\"",
        "[[outbound.rule]]\nroute = \"b.test\"",
        "[[outbound.rule]]\nroute = \"mx\"\nrelay = { host = \"smtp.example.net:587\" }",
        "[[outbound.rule]]\ntls = \"none\"\nrelay = { host = \"smtp.example.net:587\" }",
    ]), @r#"
    port 0 cannot be connected to (posthouse.toml:4:8): write 25
    192.0.2.2 and 192.0.2.1 are of the same family (posthouse.toml:4:22): name at most one IPv4 and one IPv6 address
    "192.0.2.1:25" is not an address to send from (posthouse.toml:4:9): write an address without a port
    "a b" is not a domain: the domain is not a host name or address literal (posthouse.toml:4:12): write it as "relay.example.net"
    "192.0.2.7" is not a host with a port (posthouse.toml:4:28): write it as "smtp.example.net:587" or "192.0.2.7:25"
    "2001:db8::1:25" is not a host with a port (posthouse.toml:4:28): write it as "smtp.example.net:587" or "192.0.2.7:25"
    "192.0.2.7" is not a host with a port (posthouse.toml:4:28): write it as "smtp.example.net:587" or "192.0.2.7:25"
    port 25 is for SMTP, never for LMTP (RFC 2033 §5) (posthouse.toml:4:28): name the LMTP server's own port, such as 24
    "*b.test" is neither a domain nor a wildcard (posthouse.toml:4:7): write "example.net", "*.example.net" or "*"
    "ada@" is neither a sender nor a domain (posthouse.toml:4:9): write "ada@example.org", "example.org", "*.example.org" or "<>"
    rule 1 decides nothing (posthouse.toml:3:1): give it route, relay, tls, concurrency, rate or bind, or remove it
    concurrency = 0 would send nothing (posthouse.toml:4:15): write at least 1
    "many" is not a rate (posthouse.toml:4:8): write how many in which time, such as "100/1h"
    "b.test" is not a host with a port (posthouse.toml:4:9): write it as "smtp.example.net:587" or "192.0.2.7:25"
    a rule cannot have both route and relay (posthouse.toml:4:9): keep one of them; a relay may have a login
    a rule with a relay has its tls there (posthouse.toml:4:7): move it into relay = { … }
    "#);
}

#[test]
fn combinations_that_cannot_be() {
    let smtp = "[[listener]]\nprotocol = \"smtp\"\ntls = \"starttls\"\nbind = ";
    let pop3 = "[[listener]]\nprotocol = \"pop3\"\nbind = ";
    insta::assert_snapshot!(refusals(&[
        &format!("{smtp}[\"127.0.0.1:25\", \"127.0.0.1:25\"]"),
        &format!("{smtp}[\"0.0.0.0:25\"]\n{smtp}[\"127.0.0.1:25\"]"),
        &format!("{smtp}[\"127.0.0.1:25\"]\n{pop3}[\"127.0.0.1:25\"]\ntls = \"implicit\""),
        &format!("{smtp}[\"0.0.0.0:25\", \"[::]:25\"]"),
        &format!("{smtp}[\"127.0.0.1:0\", \"127.0.0.1:0\"]"),
        &format!("{pop3}[\"127.0.0.1:110\"]\ntls = \"implicit\"\nrelay_from = [\"10.0.0.0/8\"]"),
        "[[listener]]\nprotocol = \"lmtp\"\ntls = \"none\"\nbind = [\"127.0.0.1:25\"]",
        "[[listener]]\nprotocol = \"lmtp\"\ntls = \"none\"\nbind = [\"127.0.0.1:24\"]",
        &format!("{pop3}[\"127.0.0.1:110\"]\ntls = \"none\""),
        &format!("{pop3}[\"127.0.0.1:110\"]\ntls = \"none\"\n[auth]\nallow_cleartext = true"),
        &format!("{pop3}[\"0.0.0.0:110\"]\ntls = \"starttls\"\n[auth]\nallow_cleartext = true"),
        &format!("{pop3}[\"0.0.0.0:995\"]\ntls = \"implicit\"\n[auth]\nallow_cleartext = true"),
        "[store]\nurl = \"postgres://db\"",
        "[tls]\nmode = \"files\"",
        "[tls]\ncertificate = \"cert.pem\"",
        "[queue]\nexpire = \"4h\"\ndelay_notice = \"1d\"",
        "[outbound]\nrelay = { host = \"smtp.example.net:587\", username = \"me\" }",
        "[outbound]\nrelay = { host = \"smtp.example.net:25\", tls = \"none\", username = \"me\", password_file = \"pw\" }",
    ]), @r#"
    127.0.0.1:25 is taken by the smtp listener on 127.0.0.1:25 (posthouse.toml:6:25): give each listener an address or port of its own
    127.0.0.1:25 is taken by the smtp listener on 0.0.0.0:25 (posthouse.toml:10:9): give each listener an address or port of its own
    127.0.0.1:25 is taken by the smtp listener on 127.0.0.1:25 (posthouse.toml:9:9): give each listener an address or port of its own
    accepted
    accepted
    relay_from is for smtp listeners only; who uses pop3 logs in (posthouse.toml:7:14): remove relay_from here
    port 25 is for SMTP, never for LMTP (RFC 2033 §5) (posthouse.toml:6:9): choose another port, such as 24
    accepted
    nobody could log in to this pop3 listener: it has no TLS, and allow_cleartext is false (posthouse.toml:3:1): set tls = "starttls" or "implicit", or, on loopback, allow_cleartext = true under [auth]
    accepted
    allow_cleartext = true, but the pop3 listener on 0.0.0.0:110 can be reached from elsewhere, and passwords could be read on the way (posthouse.toml:8:19): set it to false, or bind that listener to 127.0.0.1
    accepted
    url is for backend = "postgres", and this is "sqlite" (posthouse.toml:4:7): remove url; data_dir tells where SQLite keeps its files
    mode = "files" needs a certificate and a key (posthouse.toml:4:8): add `certificate = "cert.pem"` and `key = "key.pem"` under [tls]
    certificate and key are read with mode = "files" only, and this is "self-signed" (posthouse.toml:4:15): set mode = "files", or remove certificate and key
    delay_notice = "1d" does not come before expire = "4h"; the sender would hear of the failure before the delay (posthouse.toml:5:16): lower delay_notice, or raise expire
    a login needs both username and password_file (posthouse.toml:4:9): add the missing one, or remove the other
    tls = "none" would send the password in clear text (posthouse.toml:4:66): set tls = "starttls", or remove username and password_file
    "#);
}

#[test]
fn the_two_keys_that_must_be_there() {
    let said = |text: &str| parse(text).expect_err("refused").to_string();
    insta::assert_snapshot!([
        said(""),
        said("hostname = \"mx.example.org\""),
        said("data_dir = \"data\"\nhostname = \"192.0.2.1\""),
        said("data_dir = \"data\"\nhostname = \"[192.0.2.1]\""),
        said("data_dir = \"\"\nhostname = \"mx.example.org\""),
    ].join("\n"), @r#"
    the key "hostname" is missing (/etc/posthouse/posthouse.toml): add `hostname = …`
    the key "data_dir" is missing (/etc/posthouse/posthouse.toml:1:1): add `data_dir = …`
    hostname "192.0.2.1" is an address (/etc/posthouse/posthouse.toml:2:12): write the host's full name as in DNS, such as "mx.example.org"
    hostname "[192.0.2.1]" is an address (/etc/posthouse/posthouse.toml:2:12): write the host's full name as in DNS, such as "mx.example.org"
    "" is not a path (/etc/posthouse/posthouse.toml:1:12): write the path of a file or folder
    "#);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = |name: &str| {
        let fault = Config::read(&folder.path().join(name)).expect_err("refused");
        fault.to_string().replace(&folder.path().display().to_string(), "DIR")
    };
    let write = |name: &str, octets: &[u8]| {
        RealDisk.write_whole(&folder.path().join(name), octets).expect("written");
    };
    write("latin1.toml", b"hostname = \"m\xfcller\"");
    write("image.toml", &vec![b'#'; 2 << 20]);
    std::fs::create_dir(folder.path().join("folder.toml")).expect("made");
    insta::assert_snapshot!(
        ["none.toml", "latin1.toml", "image.toml", "folder.toml"].map(said).join("\n"), @r"
    the configuration cannot be read: No such file or directory (os error 2) (DIR/none.toml): make one with `posthouse init`, or name another one
    the configuration cannot be read: it is not UTF-8 text (DIR/latin1.toml): name a configuration file with --config FILE
    the configuration cannot be read: file too large (DIR/image.toml): name a configuration file with --config FILE
    the configuration cannot be read: Is a directory (os error 21) (DIR/folder.toml): name a configuration file with --config FILE
    ");
}

/// What people change in a file: a line goes, comes twice, moves, or has something else in it.
fn spoilt() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("0".to_owned()),
        Just("\"\"".to_owned()),
        Just("[\"127.0.0.1:0\"]".to_owned()),
        Just("true".to_owned()),
        Just("\"5m\"".to_owned()),
        Just("{ host = \"a:1\" }".to_owned()),
        "[\\x00-\\x7fäß🏰\"\\[\\]=.#\n]{0,12}",
    ];
    (proptest::collection::vec((any::<Index>(), 0..4u8, value), 1..6)).prop_map(|changes| {
        let mut lines: Vec<String> = WHOLE.lines().map(str::to_owned).collect();
        for (place, change, value) in changes {
            let at = place.index(lines.len());
            match change {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[at].clone()),
                2 => {
                    let line = lines.remove(at);
                    lines.push(line);
                }
                _ => {
                    let key = lines[at].split('=').next().unwrap_or_default().to_owned();
                    lines[at] = format!("{key}= {value}");
                }
            }
        }
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever somebody writes: a configuration, or one line that says where and what to do.
    #[test]
    fn a_spoilt_file_is_refused_with_its_place_and_a_remedy(text in spoilt()) {
        if let Err(fault) = parse(&text) {
            prop_assert!(fault.place.starts_with("/etc/posthouse/posthouse.toml"), "{fault}");
            prop_assert!(!fault.remedy.is_empty() && !fault.what.is_empty(), "{fault}");
            let line = fault.place.split(':').nth(1).map_or(Ok(1), str::parse::<usize>);
            let lines = text.lines().count().max(1);
            prop_assert!(line.is_ok_and(|line| (1..=lines + 1).contains(&line)), "{fault}");
        }
    }
}

#[test]
fn one_sign_separates_user_and_detail() {
    let head = "hostname = \"mx.example.org\"\ndata_dir = \"data\"\n";
    let rows = [
        ("", Separator::Sign('+'), "the usual one"),
        ("[recipients]\nsubaddress_separator = \"-\"", Separator::Sign('-'), "another"),
        ("[recipients]\nsubaddress_separator = \"\"", Separator::None, "no details"),
    ];
    for (text, wanted, why) in rows {
        assert_eq!(parse(&format!("{head}{text}")).unwrap().separator, wanted, "{why}");
    }
}
