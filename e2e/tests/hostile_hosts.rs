//! Other MTAs that misbehave when we bring them mail: it waits, is tried again, and nothing falls.
//!
//! Standards: RFC 5321 §4.2, §4.5.3.2 (timeouts), §4.5.4.1 (retry), RFC 3207 §5.
//! Not here: hosts that refuse in good order (`notices.rs`).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use dns::Zone;
use e2e::letters::{assert_same_below_trace, plain};
use e2e::names::Names;
use e2e::sink::Sink;
use e2e::wait::until;
use e2e::{Plan, Server, Site};

struct World {
    server: Server,
    site: Site,
    _names: Names,
}

impl World {
    /// A server whose mail to `away.test` goes to this host.
    fn new(host: SocketAddr) -> Self {
        let zone = Zone::new();
        zone.mx("away.test", 10, "mx.away.test").a("mx.away.test", Ipv4Addr::LOCALHOST);
        Self::in_zone(&zone, host.port())
    }

    fn in_zone(zone: &Zone, port: u16) -> Self {
        let names = Names::serve(zone);
        let sections = format!(
            "[dns]\nservers = [\"{}\"]\n[outbound]\nport = {port}\nallow_private = true\n\
             [queue]\nretry = [\"1s\"]\n",
            names.address(),
        );
        let site = Site::new(&Plan { sections: &sections, ..Plan::default() });
        let server = site.start();
        Self { server, site, _names: names }
    }

    fn submit(&self) -> String {
        let mut author = self.server.author("ada@home.test");
        author.transaction("ada@home.test", &["x@away.test"], &letter())
    }

    /// Waits until an attempt has failed for now, and tells what is said of it.
    fn await_deferral(&self) -> String {
        until("a deferral", || {
            let queue = self.site.json(&["queue", "list"]);
            let recipient = queue.first()?.pointer("/recipients/0")?;
            let tried = recipient.get("attempts")?.as_u64()? > 0;
            let is_deferred = recipient.get("state")? == "deferred";
            (is_deferred && tried).then(|| recipient.to_string())
        })
    }
}

fn letter() -> Vec<u8> {
    plain("ada@home.test", "x@away.test", "to a wild place")
}

/// Says lines, each after one command was read; then reads on until the peer goes.
fn script(mut stream: TcpStream, greeting: &str, replies: &[&str]) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    stream.write_all(greeting.as_bytes()).ok()?;
    for reply in replies {
        let mut command = String::new();
        if reader.read_line(&mut command).ok()? == 0 {
            return None;
        }
        stream.write_all(reply.as_bytes()).ok()?;
    }
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).ok()?;
    Some(())
}

#[test]
fn nonsense_is_a_reason_to_wait_and_never_to_bounce_or_fall() {
    let many = format!("{}250 end\r\n", "250-line of a reply without end\r\n".repeat(300_000));
    let endless = "x".repeat(4 * 1024 * 1024);
    let greeting = "220 wild.test ESMTP\r\n";
    #[rustfmt::skip]
    let rows: Vec<(String, Vec<String>, &str)> = vec![
        (String::new(), vec![], "says nothing after it was spoken to, and goes"),
        ("421 4.3.2 going down\r\n".into(), vec![], "D07: greeting 4xx"),
        ("hello there\r\n".into(), vec![], "D07: no code"),
        (endless, vec![], "D07: a line without end"),
        (greeting.into(), vec![many], "D07: a reply of 10 MB"),
        (greeting.into(), vec!["250 wild.test\r\n".into(), "354 go on\r\n".into()], "D11: 354 to MAIL"),
        (greeting.into(), vec!["250 wild.test\r\n".into(), "250 ok\r\n".into(), "250 ok\r\n".into(), "250 ok\r\n".into()], "D11: 250 to DATA"),
        (greeting.into(), vec!["250 wild.test\r\n".into(), "999 what\r\n".into()], "a code that does not exist"),
        (greeting.into(), vec!["250 wild.test\r\n".into(), "\0\u{1b}[2J\r\n".into()], "control characters"),
    ];
    for (greeting, replies, why) in rows {
        let host = Sink::wild(move |stream, _| {
            if greeting.is_empty() {
                return;
            }
            let replies: Vec<_> = replies.iter().map(String::as_str).collect();
            script(stream, &greeting, &replies);
        });
        let world = World::new(host);
        world.submit();
        let said = world.await_deferral();
        assert!(said.len() < 4096 && !said.contains('\u{1b}'), "{why}: {said}");
        assert_eq!(world.site.messages("ada@home.test"), 0, "{why}: no notice yet");
        world.server.smtp().say("NOOP", 250);
        let log = world.server.log_text();
        assert!(!log.contains("panicked") && !log.contains('\u{1b}'), "{why}: {log}");
    }
}

#[test]
fn words_in_clear_before_tls_are_not_believed() {
    let (commands, heard) = mpsc::channel();
    let host = Sink::wild(move |mut stream, _| {
        let Ok(clone) = stream.try_clone() else { return };
        let mut reader = BufReader::new(clone);
        let mut say = |text: &str| stream.write_all(text.as_bytes()).ok();
        say("220 wild.test ESMTP\r\n");
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|octets| octets > 0) {
            commands.send(line.trim_end().to_owned()).ok();
            match line.get(..4) {
                Some("EHLO") => say("250-wild.test\r\n250 STARTTLS\r\n"),
                // D08: what follows the 220 wants to be taken for replies inside TLS.
                _ => say(
                    "220 go ahead\r\n250 injected\r\n250 injected\r\n354 injected\r\n250 injected\r\n",
                ),
            };
            line.clear();
        }
    });
    let world = World::new(host);
    world.submit();
    world.await_deferral();
    let heard: Vec<_> = heard.try_iter().collect();
    let in_clear = |line: &&String| line.starts_with("MAIL") || line.starts_with("DATA");
    let first_connection: Vec<_> = heard.iter().take_while(|line| *line != "QUIT").collect();
    assert!(first_connection.iter().any(|line| *line == "STARTTLS"), "{heard:?}");
    assert!(!heard.iter().any(|line| in_clear(&line)), "no letter went out: {heard:?}");
}

#[test]
fn a_host_that_goes_after_the_last_dot_is_tried_again() {
    // The first time it goes without a word; then it takes the letter.
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&tries);
    let (contents, taken) = mpsc::channel();
    let host = Sink::wild(move |mut stream, number| {
        counter.fetch_add(1, Ordering::SeqCst);
        let Ok(clone) = stream.try_clone() else { return };
        let mut reader = BufReader::new(clone);
        let mut say = |text: &str| stream.write_all(text.as_bytes()).ok();
        say("220 wild.test ESMTP\r\n");
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|octets| octets > 0) {
            match line.get(..4) {
                Some("DATA") => {
                    say("354 go on\r\n");
                    let mut content = String::new();
                    while !content.ends_with("\r\n.\r\n") {
                        if reader.read_line(&mut content).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    if number == 0 {
                        return;
                    }
                    contents.send(content).ok();
                    say("250 2.0.0 taken\r\n");
                }
                Some("QUIT") => return,
                _ => {
                    say("250 ok\r\n");
                }
            }
            line.clear();
        }
    });
    let world = World::new(host);
    let id = world.submit();
    let content = taken.recv_timeout(e2e::wait::PATIENCE).expect("it is tried again");
    let content = content.strip_suffix(".\r\n").expect("its end");
    assert_same_below_trace(content.as_bytes(), &letter());
    until("an empty queue", || world.site.json(&["queue", "list"]).is_empty().then_some(()));
    assert!(tries.load(Ordering::SeqCst) >= 2, "D10");
    let trace = world.site.trace(&id);
    assert!(trace.contains("taken"), "the words of the host are in the trace: {trace}");
}

#[test]
fn the_next_mx_is_asked_when_the_first_is_away() {
    let sink = Sink::start(&["PIPELINING"]);
    let zone = Zone::new();
    // Nobody listens at 127.0.0.9; a name without address and one that does not exist come first.
    zone.mx("away.test", 1, "nowhere.away.test")
        .mx("away.test", 5, "empty.away.test")
        .txt("empty.away.test", "no address")
        .mx("away.test", 10, "first.away.test")
        .a("first.away.test", Ipv4Addr::new(127, 0, 0, 9))
        .mx("away.test", 20, "second.away.test")
        .a("second.away.test", Ipv4Addr::LOCALHOST);
    let world = World::in_zone(&zone, sink.address().port());
    let id = world.submit();
    let arrivals = sink.await_arrivals(1);
    assert_same_below_trace(&arrivals.first().expect("one").content, &letter());
    let trace = until("the whole way in the trace", || {
        let trace = world.site.trace(&id);
        trace.contains("second.away.test").then_some(trace)
    });
    assert!(trace.contains("first.away.test"), "{trace}");
}

#[test]
fn every_kind_of_record_leads_to_the_host() {
    let sink = Sink::start_at("[::]:0", &[]);
    let zone = Zone::new();
    zone.mx("six.test", 10, "mx.six.test").aaaa("mx.six.test", Ipv6Addr::LOCALHOST);
    zone.a("bare.test", Ipv4Addr::LOCALHOST);
    zone.cname("alias.test", "bare.test");
    zone.mx("both.test", 10, "mx.both.test")
        .aaaa("mx.both.test", Ipv6Addr::LOCALHOST)
        .a("mx.both.test", Ipv4Addr::LOCALHOST);
    let world = World::in_zone(&zone, sink.address().port());
    #[rustfmt::skip]
    let rows = [
        ("x@six.test", "an MX with an IPv6 address only"),
        ("x@bare.test", "RFC 5321 §5.1: no MX, so the address counts"),
        ("x@alias.test", "RFC 5321 §5.1: a CNAME is followed"),
        ("x@both.test", "either address"),
    ];
    for (count, (recipient, why)) in (1..).zip(rows) {
        let mut author = world.server.author("ada@home.test");
        author.transaction("ada@home.test", &[recipient], &letter());
        let arrivals = sink.await_arrivals(count);
        let last = arrivals.last().expect("one");
        assert!(
            last.recipients.iter().any(|command| command.contains(recipient)),
            "{why}: {last:?}"
        );
    }
}

#[test]
fn a_domain_whose_mx_is_ourselves_goes_in_no_circle() {
    let zone = Zone::new();
    zone.mx("circle.test", 10, "mx.home.test").a("mx.home.test", Ipv4Addr::LOCALHOST);
    let sink = Sink::start(&[]);
    let world = World::in_zone(&zone, sink.address().port());
    let mut author = world.server.author("ada@home.test");
    author.transaction("ada@home.test", &["x@circle.test"], &letter());
    let notices = world.server.await_messages("ada@home.test", 1);
    let notice = String::from_utf8_lossy(notices.first().expect("one")).into_owned();
    assert!(notice.contains("Status: 5.4.6\r\n"), "D03: {notice}");
    assert!(sink.arrivals().is_empty());
}

#[test]
fn private_addresses_are_not_spoken_to_unless_allowed() {
    let sink = Sink::start(&[]);
    let zone = Zone::new();
    zone.mx("away.test", 10, "mx.away.test").a("mx.away.test", Ipv4Addr::LOCALHOST);
    let names = Names::serve(&zone);
    let sections = format!(
        "[dns]\nservers = [\"{}\"]\n[outbound]\nport = {}\n",
        names.address(),
        sink.address().port(),
    );
    let site = Site::new(&Plan { sections: &sections, ..Plan::default() });
    let server = site.start();
    let mut author = server.author("ada@home.test");
    let id = author.transaction("ada@home.test", &["x@away.test"], &letter());
    until("an event that tells why", || site.trace(&id).contains("private").then_some(()));
    assert!(sink.arrivals().is_empty(), "D03: nothing went to loopback");
}
