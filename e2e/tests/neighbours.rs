//! Exim and OpenSMTPD exchange mail with us, both ways, found through MX records.
//!
//! ```text
//!   network of the test's own:   127.0.0.1:53  DNS   home.test MX mx.home.test  A 127.0.0.2
//!                                127.0.0.2:25  us    away.test MX mx.away.test  A 127.0.0.3
//!                                127.0.0.3:25  Exim or OpenSMTPD
//! ```
//!
//! Standards: RFC 5321 §2.3.8 (line ends), §4.5.2 (transparency), §5 (MX).
//! Not here: Postfix (`postfix.rs`), notices (`notices.rs`).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use dns::Zone;
use e2e::dialog::stuffed;
use e2e::letters::{assert_same_below_trace, fields, header, odd, plain, with_lf, without_body};
use e2e::names::Names;
use e2e::neighbour::{self, Make, Neighbour};
use e2e::wait::until;
use e2e::{Dialog, Network, Plan, Server, Site, lacks, lacks_root};

const LISTENERS: &[(&str, &str, &str)] = &[
    ("smtp", "127.0.0.2:25", "none"),
    ("submission", "127.0.0.2:587", "none"),
    ("pop3", "127.0.0.2:110", "none"),
];

const SECTIONS: &str = "
[outbound]
allow_private = true
bind = [\"127.0.0.2\"]
[queue]
retry = [\"1s\"]
";

struct Internet {
    neighbour: Neighbour,
    server: Server,
    site: Site,
    _names: Names,
    network: Arc<Network>,
}

impl Internet {
    fn new(make: Make) -> Self {
        let network = neighbour::network();
        let zone = Zone::new();
        zone.mx("home.test", 10, "mx.home.test").a("mx.home.test", Ipv4Addr::new(127, 0, 0, 2));
        zone.mx("away.test", 10, "mx.away.test").a("mx.away.test", Ipv4Addr::new(127, 0, 0, 3));
        let names = Names::serve_in(&network, &zone);
        let plan = Plan {
            listeners: LISTENERS,
            sections: SECTIONS,
            network: Some(Arc::clone(&network)),
            ..Plan::default()
        };
        let site = Site::new(&plan);
        let server = site.start();
        let neighbour = Neighbour::start(&network, make, "mx.away.test", "away.test");
        Self { neighbour, server, site, _names: names, network }
    }

    /// Hands content to a server as it is, and tells the codes of all replies to it.
    fn give(&self, at: SocketAddr, to: &str, octets: &[u8]) -> Vec<u16> {
        self.network.inside(|| {
            let mut dialog = Dialog::connect(at);
            dialog.expect(220);
            dialog.say("EHLO client.test", 250);
            dialog.say("MAIL FROM:<eve@away.test> BODY=8BITMIME", 250);
            dialog.say(&format!("RCPT TO:<{to}>"), 250);
            dialog.say("DATA", 354);
            dialog.send(octets);
            // OpenSMTPD takes no pipelining: QUIT waits for the reply before it.
            let first = dialog.reply();
            dialog.try_send("QUIT\r\n");
            let rest = std::iter::from_fn(|| dialog.reply());
            first.into_iter().chain(rest).map(|reply| reply.code).collect()
        })
    }

    fn submit(&self, to: &str, content: &[u8]) {
        self.network.inside(|| {
            let mut dialog = self.server.dial("submission/none");
            dialog.say("EHLO client.test", 250);
            dialog.login("ada@home.test", e2e::PASSWORD);
            dialog.say("MAIL FROM:<ada@home.test> BODY=8BITMIME", 250);
            dialog.say(&format!("RCPT TO:<{to}>"), 250);
            dialog.content(content, 250);
        });
    }

    fn await_messages(&self, address: &str, count: usize) -> Vec<Vec<u8>> {
        self.network.inside(|| self.server.await_messages(address, count))
    }

    /// Odd content, from us and to us: each arrives once, and octet for octet.
    fn exchange(&self) {
        for (count, letter) in (1..).zip(LETTERS) {
            let sent = letter("bob@home.test");
            let codes = self.give(self.neighbour.smtp(), "bob@home.test", &stuffed(&sent));
            assert_eq!(codes, [250, 221], "{}", self.neighbour.log());
            let messages = self.await_messages("bob@home.test", count);
            let message = messages.iter().find(|message| message.ends_with(&sent));
            assert_same_below_trace(message.or(messages.last()).expect("one"), &sent);
        }
        for (count, letter) in (1..).zip(LETTERS) {
            let sent = letter("eve@away.test");
            self.submit("eve@away.test", &sent);
            let sent = with_lf(&sent);
            let mail = self.neighbour.await_mail(count);
            let message = mail.iter().find(|message| message.ends_with(&sent));
            assert_same_below_trace(message.or(mail.last()).expect("one"), &sent);
        }
        self.assert_counts(LETTERS.len(), LETTERS.len());
    }

    /// Ends of content that another server may believe: whatever it makes of them, no second
    /// message reaches us, and what it passes on stays one message or is refused.
    fn smuggle(&self) {
        let hidden = b"MAIL FROM:<evil@away.test>\r\nRCPT TO:<ada@home.test>\r\nDATA\r\n\
                       Subject: smuggled\r\n\r\nhaha\r\n.\r\n";
        let ends: [&[u8]; 6] =
            [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r\r\n"];
        let mut mail = 0;
        for (number, end) in ends.into_iter().enumerate() {
            let mark = format!("smuggling {number}");
            let head = header("eve@away.test", "bob@home.test", &mark);
            let octets = [head.as_slice(), b"\r\nfirst", end, hidden].concat();
            // Through the other server to us.
            self.give(self.neighbour.smtp(), "bob@home.test", &octets);
            // And to us directly: one refusal.
            let us = self.server.address("smtp/none");
            assert_eq!(self.give(us, "bob@home.test", &octets), [550, 221], "{mark}");
            // A letter behind each, so that what was on its way has arrived.
            let letter = plain("eve@away.test", "bob@home.test", &format!("behind {number}"));
            self.give(self.neighbour.smtp(), "bob@home.test", &stuffed(&letter));
            mail = until("the letter behind it", || {
                let messages = self.await_messages("bob@home.test", mail + 1);
                let last = messages.iter().any(|message| message.ends_with(&letter));
                last.then_some(messages.len())
            });
        }
        let messages = self.await_messages("bob@home.test", mail);
        for message in &messages {
            let bare = message.windows(2).any(|pair| {
                (pair.ends_with(b"\n") && !pair.starts_with(b"\r"))
                    || (pair.starts_with(b"\r") && !pair.ends_with(b"\n"))
            });
            assert!(!bare, "no bare CR or LF came through: {}", message.escape_ascii());
            assert!(fields(message, "Subject").iter().all(|subject| subject != "smuggled"));
        }
        assert_eq!(self.site.messages("ada@home.test"), 0, "{}", self.neighbour.log());
    }

    fn assert_counts(&self, here: usize, there: usize) {
        until("an empty queue", || self.site.json(&["queue", "list"]).is_empty().then_some(()));
        assert_eq!(self.await_messages("bob@home.test", here).len(), here, "none twice here");
        assert_eq!(self.neighbour.mail().len(), there, "none twice there");
        assert_eq!(self.site.messages("ada@home.test"), 0, "no notice about any");
        self.site.verify();
    }
}

/// Content that breaks careless programs.
const LETTERS: [fn(&str) -> Vec<u8>; 3] = [odd, without_body, dots_only];

/// A body of nothing but dots.
fn dots_only(to: &str) -> Vec<u8> {
    let head = header("ada@home.test", to, "dots and nothing else");
    [head.as_slice(), b"\r\n.\r\n..\r\n...\r\n. \r\n.\r\n"].concat()
}

fn cannot_run() -> bool {
    let programs = Make::programs();
    let mut wanted = vec!["unshare", "nsenter", "ip"];
    wanted.extend(programs.iter().map(String::as_str));
    lacks(&wanted) || lacks_root()
}

impl Internet {
    /// Addresses and a header in UTF-8, from us to there.
    fn send_utf8(&self, to: &str, content: &[u8]) {
        self.network.inside(|| {
            let mut dialog = self.server.dial("submission/none");
            dialog.say("EHLO client.test", 250);
            dialog.login("ada@home.test", e2e::PASSWORD);
            dialog.say("MAIL FROM:<ada@home.test> BODY=8BITMIME SMTPUTF8", 250);
            dialog.say(&format!("RCPT TO:<{to}>"), 250);
            dialog.content(content, 250);
        });
    }
}

/// With a NUL in a line of its body.
fn with_nul(to: &str) -> Vec<u8> {
    let head = header("ada@home.test", to, "a NUL within");
    [head.as_slice(), b"\r\nbefore\0behind\r\n\0\r\n"].concat()
}

#[test]
fn exim_gets_addresses_in_utf8_as_they_are() {
    if cannot_run() {
        return;
    }
    let internet = Internet::new(Make::Exim);
    let sent = plain("ada@home.test", "b\u{f6}b@away.test", "gr\u{fc}\u{df}e");
    internet.send_utf8("b\u{f6}b@away.test", &sent);
    let mail = internet.neighbour.await_mail(1);
    assert_same_below_trace(mail.first().expect("one"), &with_lf(&sent));
    internet.assert_counts(0, 1);
}

#[test]
fn opensmtpd_takes_no_addresses_in_utf8_and_their_author_hears_so() {
    if cannot_run() {
        return;
    }
    let internet = Internet::new(Make::OpenSmtpd);
    let sent = plain("ada@home.test", "b\u{f6}b@away.test", "gr\u{fc}\u{df}e");
    internet.send_utf8("b\u{f6}b@away.test", &sent);
    let notices = internet.await_messages("ada@home.test", 1);
    let notice = String::from_utf8_lossy(notices.first().expect("one")).into_owned();
    assert!(notice.contains("Status: 5.6.7"), "RFC 6531 §3.6: {notice}");
    assert_eq!(internet.neighbour.mail().len(), 0, "{}", internet.neighbour.log());
}

#[test]
fn a_nul_changes_nothing_on_its_way_through_exim() {
    if cannot_run() {
        return;
    }
    let internet = Internet::new(Make::Exim);
    let sent = with_nul("bob@home.test");
    let codes = internet.give(internet.neighbour.smtp(), "bob@home.test", &stuffed(&sent));
    assert_eq!(codes, [250, 221], "{}", internet.neighbour.log());
    let messages = internet.await_messages("bob@home.test", 1);
    assert_same_below_trace(messages.first().expect("one"), &sent);
    let sent = with_nul("eve@away.test");
    internet.submit("eve@away.test", &sent);
    let mail = internet.neighbour.await_mail(1);
    assert_same_below_trace(mail.first().expect("one"), &with_lf(&sent));
    internet.assert_counts(1, 1);
}

#[test]
fn exim_and_we_exchange_odd_letters_octet_for_octet() {
    if !cannot_run() {
        Internet::new(Make::Exim).exchange();
    }
}

#[test]
fn opensmtpd_and_we_exchange_odd_letters_octet_for_octet() {
    if !cannot_run() {
        Internet::new(Make::OpenSmtpd).exchange();
    }
}

#[test]
fn nothing_is_smuggled_through_exim_to_us() {
    if !cannot_run() {
        Internet::new(Make::Exim).smuggle();
    }
}

#[test]
fn nothing_is_smuggled_through_opensmtpd_to_us() {
    if !cannot_run() {
        Internet::new(Make::OpenSmtpd).smuggle();
    }
}
