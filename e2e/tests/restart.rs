//! What a server finds when it starts again: its queue, its certificate, and damage.
//!
//! Standards: RFC 5321 §4.5.4.1 (mail waits), §6.1 (responsibility).
//! Not here: the moment of the crash (`durability.rs`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, mpsc};

use dns::Zone;
use e2e::letters::{assert_same_below_trace, plain};
use e2e::names::Names;
use e2e::sink::Sink;
use e2e::wait::{PATIENCE, until};
use e2e::{Plan, Site};

fn letter(subject: &str) -> Vec<u8> {
    plain("ada@home.test", "x@away.test", subject)
}

fn sections(names: &Names, host: SocketAddr) -> String {
    format!(
        "[dns]\nservers = [\"{}\"]\n[outbound]\nport = {}\nallow_private = true\n\
         [queue]\nretry = [\"1s\"]\n",
        names.address(),
        host.port(),
    )
}

#[test]
fn the_queue_outlives_a_crash_and_an_orderly_end() {
    let sink = Sink::start(&["DSN"]);
    let zone = Zone::new();
    zone.mx("away.test", 10, "mx.away.test").a("mx.away.test", Ipv4Addr::LOCALHOST);
    let names = Names::serve(&zone);
    let site = Site::new(&Plan { sections: &sections(&names, sink.address()), ..Plan::default() });
    sink.answer("RCPT", "451 4.3.2 not now");
    let submit = |server: &e2e::Server, subject: &str| {
        let mut author = server.author("ada@home.test");
        author.transaction("ada@home.test", &["x@away.test"], &letter(subject));
    };
    let mut server = site.start();
    submit(&server, "before the crash");
    server.kill();
    let mut server = site.start();
    submit(&server, "before the end");
    server.terminate();
    assert_eq!(site.json(&["queue", "list"]).len(), 2, "without a server");
    sink.answer("RCPT", "250 2.1.5 now");
    let server = site.start();
    let arrivals = sink.await_arrivals(2);
    until("an empty queue", || site.json(&["queue", "list"]).is_empty().then_some(()));
    for subject in ["before the crash", "before the end"] {
        let sent = letter(subject);
        let arrived = arrivals.iter().filter(|arrival| arrival.content.ends_with(&sent)).count();
        assert_eq!(arrived, 1, "{subject}");
    }
    assert_eq!(sink.arrivals().len(), 2, "each once");
    drop(server);
    site.verify();
}

#[test]
fn a_letter_that_is_just_leaving_is_not_sent_twice() {
    // The host says 250 only after our server was told to end.
    let (says, told) = mpsc::channel::<()>();
    let (hears, heard) = mpsc::channel();
    let told = Mutex::new(told);
    let host = Sink::wild(move |mut stream, _| {
        let Ok(clone) = stream.try_clone() else { return };
        let mut lines = BufReader::new(clone).lines().map_while(Result::ok);
        let mut say = |text: &str| stream.write_all(text.as_bytes()).ok();
        say("220 slow.test ESMTP\r\n");
        while let Some(line) = lines.next() {
            match line.get(..4) {
                Some("DATA") => {
                    say("354 go on\r\n");
                    let content: Vec<_> = lines.by_ref().take_while(|line| line != ".").collect();
                    hears.send(content).ok();
                    told.lock().expect("nobody panicked").recv().ok();
                    say("250 2.0.0 taken at last\r\n");
                }
                _ => {
                    say("250 ok\r\n");
                }
            }
        }
    });
    let zone = Zone::new();
    zone.mx("away.test", 10, "mx.away.test").a("mx.away.test", Ipv4Addr::LOCALHOST);
    let names = Names::serve(&zone);
    let site = Site::new(&Plan { sections: &sections(&names, host), ..Plan::default() });
    let mut server = site.start();
    let mut author = server.author("ada@home.test");
    let id = author.transaction("ada@home.test", &["x@away.test"], &letter("leaving"));
    drop(author);
    heard.recv_timeout(PATIENCE).expect("the letter is on its way");
    server.ask_to_end();
    until("a word about the end", || server.log_text().contains("ending").then_some(()));
    says.send(()).expect("the host waits");
    assert_eq!(server.end().code(), Some(0));
    assert!(site.json(&["queue", "list"]).is_empty(), "it was taken, and we know");
    assert!(site.trace(&id).contains("taken at last"));
    assert!(heard.try_recv().is_err(), "once");
}

#[test]
fn clients_that_trust_the_authority_trust_it_after_a_restart() {
    let site = Site::default();
    drop(site.start());
    let authority = site.folder.read("data/tls/ca.pem");
    let server = site.start();
    assert_eq!(site.folder.read("data/tls/ca.pem"), authority);
    server.author("ada@home.test").say("NOOP", 250);
}

#[test]
fn damage_is_named_and_the_rest_is_served() {
    let site = Site::default();
    let server = site.start();
    for subject in ["first", "damaged", "third"] {
        server.deliver(
            "eve@else.test",
            "bob@home.test",
            &[letter(subject), b"MARK-".to_vec(), subject.as_bytes().repeat(20), b"\r\n".to_vec()]
                .concat(),
        );
    }
    drop(server);
    let mark = b"MARK-damageddamaged";
    let mut hits = 0;
    for name in site.folder.list("data/segments") {
        let file = format!("data/segments/{name}");
        let mut octets = site.folder.read(&file);
        let place = octets.windows(mark.len()).position(|window| window == mark);
        if let Some(octet) = place.and_then(|place| octets.get_mut(place + 7)) {
            *octet ^= 1;
            site.folder.write(&file, octets);
            hits += 1;
        }
    }
    assert_eq!(hits, 1, "the content lies in a segment, as it is");
    let verified = site.posthouse(&["verify"]).finish();
    assert_eq!(verified.code, Some(1), "{}", verified.words());
    let server = site.start();
    let mut maildrop = server.maildrop("bob@home.test");
    for (number, subject) in [(1, "first"), (3, "third")] {
        let message = maildrop.multiline(&format!("RETR {number}"));
        assert!(String::from_utf8_lossy(&message).contains(&format!("Subject: {subject}")));
    }
    maildrop.refused("RETR 2");
    server.deliver("eve@else.test", "bob@home.test", &letter("fourth"));
    drop(maildrop);
    let mut maildrop = until("the maildrop again", || Some(server.maildrop("bob@home.test")));
    let message = maildrop.multiline("RETR 4");
    assert_same_below_trace(&message, &letter("fourth"));
}
