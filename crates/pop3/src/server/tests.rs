//! Conversations with the server session.

use super::*;
use crate::Uidl;

/// A server with two messages, which knows alice.
struct Host {
    session: Session,
    messages: Vec<&'static [u8]>,
    /// Octets handed over at a time.
    chunk_octets: usize,
    refusal: Refusal,
    update: Answer,
    deleted: Vec<usize>,
    handed_over: usize,
}

fn config(channel: Channel) -> Config {
    Config {
        hostname: "mx.example.org".to_owned(),
        channel,
        mechanisms: vec!["SCRAM-SHA-256".to_owned(), "PLAIN".to_owned()],
        clear_login: ClearLogin::Refused,
    }
}

impl Host {
    fn new(channel: Channel) -> Self {
        Self {
            session: Session::new(config(channel)),
            messages: vec![
                b"Subject: one\r\n\r\n.dot\r\n+OK no reply\r\n",
                b"Subject: two\r\n\r\nbody",
            ],
            chunk_octets: 7,
            refusal: Refusal::Credentials,
            update: Answer::Updated,
            deleted: Vec::new(),
            handed_over: 0,
        }
    }

    /// Says this, and returns what is heard.
    fn say(&mut self, octets: &[u8]) -> String {
        self.session.receive(octets);
        let mut heard = Vec::new();
        loop {
            while let Some(event) = self.session.poll() {
                self.react(event, &mut heard);
            }
            if !self.session.has_output() {
                return String::from_utf8_lossy(&heard).into_owned();
            }
            self.session.output_into(&mut heard);
        }
    }

    fn react(&mut self, event: Event, heard: &mut Vec<u8>) {
        match event {
            Event::Login { user, password } => {
                let right = user == "alice" && password.reveal() == "pencil";
                self.answer_login(right);
            }
            Event::Auth { initial: None, .. } => {
                self.session.answer(Answer::Challenge(SaslMessage::new([])));
            }
            Event::Auth { initial: Some(message), .. } | Event::AuthResponse(message) => {
                self.answer_login(message.reveal() == b"\0alice\0pencil");
            }
            Event::Fetch { index, .. } => {
                for chunk in self.messages[index].chunks(self.chunk_octets) {
                    self.handed_over += chunk.len();
                    let appetite = self.session.content(chunk);
                    self.session.output_into(heard);
                    if appetite == Appetite::Enough {
                        break;
                    }
                }
                self.session.content_end();
            }
            Event::Update { deleted } => {
                self.deleted = deleted;
                self.session.answer(mem::replace(&mut self.update, Answer::Updated));
            }
            Event::StartTls => {}
        }
    }

    fn answer_login(&mut self, right: bool) {
        let entries = self.messages.iter().enumerate().map(|(index, message)| Entry {
            octets: message.len() as u64,
            uidl: Uidl::new(format!("7.{}", index + 1)).unwrap(),
        });
        self.session.answer(match (right, self.refusal) {
            (true, Refusal::Credentials) => Answer::Maildrop(entries.collect()),
            (true, refusal) => Answer::Refused(refusal),
            (false, _) => Answer::Refused(Refusal::Credentials),
        });
    }

    /// A host with alice logged in.
    fn logged_in() -> Self {
        let mut host = Self::new(Channel::Tls);
        let heard = host.say(b"USER alice\r\nPASS pencil\r\n");
        assert!(heard.ends_with("+OK 2 messages (56 octets)\r\n"), "{heard}");
        host
    }
}

/// Both sides of a conversation, one line each.
fn converse(host: &mut Host, lines: &[&str]) -> String {
    let mut transcript = String::new();
    let mut heard = host.say(b"");
    for line in lines {
        for reply in heard.lines() {
            transcript += &format!("S: {reply}\n");
        }
        transcript += &format!("C: {line}\n");
        heard = host.say(format!("{line}\r\n").as_bytes());
    }
    for reply in heard.lines() {
        transcript += &format!("S: {reply}\n");
    }
    if host.session.is_closed() {
        transcript += "closed\n";
    }
    transcript
}

#[test]
fn a_whole_session() {
    let mut host = Host::new(Channel::Tls);
    let lines = [
        "USER alice",
        "PASS pencil",
        "STAT",
        "LIST",
        "UIDL",
        "LIST 2",
        "UIDL 1",
        "RETR 1",
        "TOP 2 0",
        "DELE 1",
        "DELE 1",
        "RETR 1",
        "LIST",
        "RSET",
        "STAT",
        "DELE 2",
        "NOOP",
        "QUIT",
    ];
    insta::assert_snapshot!(converse(&mut host, &lines));
    assert_eq!(host.deleted, [1]);
}

#[test]
fn capabilities_tell_what_can_be_done() {
    let mut clear = Host::new(Channel::StlsOffered);
    let mut encrypted = Host::new(Channel::Tls);
    let lines = ["CAPA", "USER alice", "PASS pencil", "AUTH PLAIN", "CAPA"];
    insta::assert_snapshot!("clear", converse(&mut clear, &lines));
    insta::assert_snapshot!("encrypted", converse(&mut encrypted, &lines[..3]));
}

#[test]
fn auth_has_an_initial_response_or_a_challenge() {
    let good = "AGFsaWNlAHBlbmNpbA==";
    #[rustfmt::skip]
    let table: [(&[&str], &str, &str); 9] = [
        (&["AUTH PLAIN AGFsaWNlAHBlbmNpbA=="], "+OK 2 messages (56 octets)", "initial response"),
        (&["AUTH plain", good], "+OK 2 messages (56 octets)", "challenge and response, any case"),
        (&["AUTH PLAIN", "*"], "-ERR authentication cancelled", "RFC 5034 §4: cancelled"),
        (&["AUTH PLAIN", "=AAA"], "-ERR the response is not base64", "RFC 5034 §4"),
        (&["AUTH PLAIN AAA=BBB"], "-ERR the initial response is not base64", "RFC 5034 §4"),
        (&["AUTH PLAIN ="], "-ERR [AUTH] wrong user name or password", "an empty initial response"),
        (&["AUTH CRAM-MD5"], "-ERR no such mechanism; CAPA lists them", "not ours"),
        (&["AUTH PLAIN", "AAAA"], "-ERR [AUTH] wrong user name or password", "wrong"),
        (&["AUTH PLAIN AGFsaWNlAHBlbmNpbA==", "AUTH PLAIN"], "-ERR not after login", "RFC 5034 §4"),
    ];
    for (lines, expected, why) in table {
        let mut host = Host::new(Channel::Tls);
        let transcript = converse(&mut host, lines);
        let last = transcript.lines().last().unwrap();
        assert_eq!(last, format!("S: {expected}"), "{why}");
    }
    let mut host = Host::new(Channel::Tls);
    let long = "A".repeat(AUTH_LINE_OCTETS_MAX - 4);
    assert!(converse(&mut host, &["AUTH PLAIN", &long]).contains("[AUTH]"), "long but allowed");
    let transcript = converse(&mut host, &["AUTH PLAIN", &format!("{long}AAAA"), "CAPA"]);
    assert!(transcript.contains("S: -ERR line too long\n"), "and no longer");
    assert!(transcript.contains("S: +OK capabilities follow\n"), "and the exchange is over");
}

/// The cases P01 to P03, P06, P07 and P13 of bad-inputs: each gets one refusal, and the
/// session goes on.
#[test]
fn bad_commands_are_refused_one_by_one() {
    #[rustfmt::skip]
    let table: [(&[u8], &str, &str); 21] = [
        (b"RETR 0\r\n", "-ERR no such message", "P01"),
        (b"RETR -1\r\n", "-ERR usage", "P01"),
        (b"RETR abc\r\n", "-ERR usage", "P01"),
        (b"RETR 1x\r\n", "-ERR usage", "P01"),
        (b"RETR 3\r\n", "-ERR no such message", "P01: one too far"),
        (b"RETR 999999\r\n", "-ERR no such message", "P01"),
        (b"RETR 4294967295\r\n", "-ERR no such message", "P01: the last number"),
        (b"RETR 4294967297\r\n", "-ERR usage", "P01: not message 1"),
        (b"LIST 0\r\n", "-ERR no such message", "P01 for LIST"),
        (b"UIDL 3\r\n", "-ERR no such message", "P01 for UIDL"),
        (b"DELE 0\r\n", "-ERR no such message", "P01 for DELE"),
        (b"TOP 1\r\n", "-ERR usage", "P02"),
        (b"TOP 1 -1\r\n", "-ERR usage", "P02"),
        (b"TOP 1 x\r\n", "-ERR usage", "P02"),
        (b"USER alice\r\n", "-ERR not after login", "a second login"),
        (b"STLS\r\n", "-ERR not after login", "RFC 2595 §4"),
        (b"NO\0OP\r\n", "-ERR octets", "P13: NUL"),
        (b"NOOP \xe4\r\n", "-ERR octets", "P13: 8 bit"),
        (b"NOOP\n", "-ERR lines end with CRLF", "bare LF"),
        (b"NOOP\rQUIT\r\n", "-ERR octets", "bare CR"),
        (b"APOP alice 0123\r\n", "-ERR APOP is not supported", "with its reason"),
    ];
    for (octets, expected, why) in table {
        let mut host = Host::logged_in();
        let heard = host.say(octets);
        assert!(heard.starts_with(expected), "{why}: {heard}");
        assert_eq!(heard.matches("\r\n").count(), 1, "one reply: {why}: {heard}");
        assert_eq!(host.say(b"STAT\r\n"), "+OK 2 56\r\n", "still there: {why}");
    }
    let mut host = Host::logged_in();
    assert!(host.say(b"DELE 1\r\n").starts_with("+OK"));
    for line in ["DELE 1", "RETR 1", "TOP 1 0", "LIST 1", "UIDL 1"] {
        let heard = host.say(format!("{line}\r\n").as_bytes());
        assert_eq!(heard, "-ERR message is deleted\r\n", "P03: {line}");
    }
}

#[test]
fn nothing_works_before_login() {
    for line in ["STAT", "LIST", "RETR 1", "DELE 1", "NOOP", "RSET", "UIDL", "TOP 1 1"] {
        let mut host = Host::new(Channel::Tls);
        host.say(b"");
        assert_eq!(
            host.say(format!("{line}\r\n").as_bytes()),
            "-ERR log in first\r\n",
            "P06: {line}"
        );
    }
    let mut host = Host::new(Channel::Tls);
    host.say(b"");
    assert_eq!(host.say(b"PASS pencil\r\n"), "-ERR USER comes first\r\n", "P06");
    let known = host.say(b"USER alice\r\nPASS wrong\r\n");
    let unknown = host.say(b"USER nobody\r\nPASS wrong\r\n");
    assert_eq!(known, unknown, "P07: both sound the same");
    assert_eq!(known, "+OK now the password\r\n-ERR [AUTH] wrong user name or password\r\n");
    assert_eq!(host.say(b"PASS pencil\r\n"), "-ERR USER comes first\r\n", "the name is used up");
}

#[test]
fn no_login_in_clear() {
    for (channel, hint) in
        [(Channel::StlsOffered, "use STLS first"), (Channel::Clear, "connect with TLS")]
    {
        let mut host = Host::new(channel);
        host.say(b"");
        for line in ["USER alice", "PASS pencil", "AUTH PLAIN AGFsaWNlAHBlbmNpbA=="] {
            let heard = host.say(format!("{line}\r\n").as_bytes());
            assert_eq!(heard, format!("-ERR no login without TLS: {hint}\r\n"), "P05: {line}");
        }
    }
    let allowed = Config { clear_login: ClearLogin::Allowed, ..config(Channel::Clear) };
    let mut host = Host { session: Session::new(allowed), ..Host::new(Channel::Clear) };
    assert!(host.say(b"USER alice\r\nPASS pencil\r\n").ends_with("octets)\r\n"));
}

#[test]
fn nothing_is_carried_over_into_tls() {
    let allowed = Config { clear_login: ClearLogin::Allowed, ..config(Channel::StlsOffered) };
    let mut host = Host { session: Session::new(allowed), ..Host::new(Channel::Clear) };
    host.say(b"");
    let heard = host.say(b"USER alice\r\nSTLS\r\nPASS pencil\r\nNOOP\r\n");
    assert_eq!(heard, "+OK now the password\r\n+OK begin TLS now\r\n", "P08: nothing after STLS");
    assert!(!host.session.wants_input());
    host.session.enter_tls();
    assert_eq!(host.say(b"PASS pencil\r\n"), "-ERR USER comes first\r\n", "P09: USER is forgotten");
    assert_eq!(host.say(b"STLS\r\n"), "-ERR STLS is not offered here\r\n", "T03");
    assert!(host.say(b"USER alice\r\nPASS pencil\r\n").ends_with("octets)\r\n"));

    let mut host = Host::new(Channel::StlsOffered);
    host.say(b"UTF8\r\n");
    assert_eq!(host.say(b"STLS\r\n"), "-ERR no STLS after UTF8\r\n", "RFC 6856 §2.1");
}

#[test]
fn refusals_say_why() {
    #[rustfmt::skip]
    let table = [
        (Refusal::InUse, "-ERR [IN-USE] ", "P10"),
        (Refusal::LoginDelay, "-ERR [LOGIN-DELAY] ", "RFC 2449 §8.1.1"),
        (Refusal::Temporary, "-ERR [SYS/TEMP] ", "RFC 3206 §3"),
        (Refusal::Permanent, "-ERR [SYS/PERM] ", "RFC 3206 §3"),
        (Refusal::Malformed, "-ERR malformed", "no code for the client's fault"),
    ];
    for (refusal, expected, why) in table {
        let mut host = Host { refusal, ..Host::new(Channel::Tls) };
        host.say(b"USER alice\r\n");
        let heard = host.say(b"PASS pencil\r\n");
        assert!(heard.starts_with(expected), "{why}: {heard}");
        assert!(host.say(b"CAPA\r\n").starts_with("+OK"), "the session goes on: {why}");
    }
}

#[test]
fn too_many_errors_close_the_session() {
    let mut host = Host::new(Channel::Tls);
    let heard = host.say(&b"USER alice\r\nPASS wrong\r\n".repeat(9));
    assert_eq!(heard.matches("[AUTH]").count(), FAILED_LOGINS_MAX as usize, "T11: {heard}");
    assert!(host.session.is_closed());

    let mut host = Host::new(Channel::Tls);
    let heard = host.say(&b"XYZZY\r\n".repeat(99));
    assert_eq!(heard.matches("-ERR").count(), BAD_COMMANDS_MAX as usize, "{heard}");
    assert!(heard.ends_with("-ERR too many bad commands\r\n"));
    assert!(host.session.is_closed());

    for line in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\n"] {
        let mut host = Host::new(Channel::StlsOffered);
        host.say(line);
        let closed = host.session.is_closed();
        assert_eq!(closed, line.starts_with(b"GET"), "bad-inputs S38");
    }
}

#[test]
fn endless_lines_end() {
    let mut host = Host::new(Channel::Tls);
    host.say(b"");
    let heard = host.say(&vec![b'x'; 4096]);
    assert_eq!(heard, "-ERR line too long\r\n", "told at once");
    assert_eq!(host.say(b"tail\r\nCAPA\r\n").lines().next(), Some("+OK capabilities follow"));
    let heard: String = (0..256).map(|_| host.say(&[b'x'; 4096])).collect();
    assert_eq!(heard, "-ERR line too long\r\n-ERR line without an end\r\n", "P13: 1 MiB");
    assert!(host.session.is_closed());
}

#[test]
fn commands_in_one_packet_are_answered_in_order() {
    let mut host = Host::logged_in();
    let heard = host.say(&b"STAT\r\nRETR 1\r\nNOOP\r\nUIDL\r\n".repeat(500));
    let round = "+OK 2 56\r\n+OK 36 octets\r\nSubject: one\r\n\r\n..dot\r\n+OK no reply\r\n.\r\n\
                 +OK nothing done\r\n+OK 2 messages (56 octets)\r\n1 7.1\r\n2 7.2\r\n.\r\n";
    assert_eq!(heard, round.repeat(500), "P14");
}

#[test]
fn output_and_input_are_bounded() {
    let mut host = Host::logged_in();
    host.session.receive(&b"UIDL\r\n".repeat(20_000));
    while host.session.poll().is_some() {}
    let mut heard = Vec::new();
    host.session.output_into(&mut heard);
    assert!(heard.len() < OUTPUT_OCTETS_MAX + 512, "waits for the client to read");
    assert!(!host.session.wants_input());
    host.session.receive(&vec![b'x'; INPUT_OCTETS_MAX]);
    assert!(host.session.is_closed(), "a caller that reads on all the same");
}

#[test]
fn a_long_listing_comes_in_portions() {
    let mut host = Host { messages: vec![b"x\r\n"; 50_000], ..Host::new(Channel::Tls) };
    host.say(b"USER alice\r\nPASS pencil\r\n");
    host.session.receive(b"LIST\r\nNOOP\r\n");
    let (mut heard, mut portion, mut portions) = (Vec::new(), Vec::new(), 0);
    loop {
        assert_eq!(host.session.poll(), None);
        host.session.output_into(&mut portion);
        if portion.is_empty() {
            break;
        }
        assert!(portion.len() < OUTPUT_OCTETS_MAX + 512);
        heard.append(&mut portion);
        portions += 1;
    }
    let heard = String::from_utf8(heard).unwrap();
    assert!(portions > 5, "{portions}");
    assert_eq!(heard.matches("\r\n").count(), 50_003);
    assert!(heard.ends_with("50000 3\r\n.\r\n+OK nothing done\r\n"));
}

#[test]
fn only_what_is_wanted_is_fetched() {
    let mut host = Host::logged_in();
    host.messages[0] = b"Subject: one\r\n\r\nfirst line\r\nall the rest of a very long body\r\n";
    host.handed_over = 0;
    let heard = host.say(b"TOP 1 1\r\n");
    assert!(heard.ends_with("\r\n\r\nfirst line\r\n.\r\n"), "{heard}");
    assert!(host.handed_over < 40, "{}", host.handed_over);
}

#[test]
fn half_a_message_has_no_end() {
    let mut host = Host::logged_in();
    host.session.receive(b"RETR 1\r\n");
    assert!(matches!(host.session.poll(), Some(Event::Fetch { index: 0, lines: None })));
    host.session.content_failed();
    assert!(host.say(b"STAT\r\n").starts_with("-ERR [SYS/TEMP] "), "nothing had been sent");
    assert!(!host.session.is_closed());

    host.session.receive(b"RETR 1\r\nSTAT\r\n");
    assert!(matches!(host.session.poll(), Some(Event::Fetch { .. })));
    assert_eq!(host.session.content(b"Subject"), Appetite::More);
    host.session.content_failed();
    assert_eq!(host.say(b""), "+OK 36 octets\r\nSubject");
    assert!(host.session.is_closed());
}

#[test]
fn deletions_happen_at_quit_only() {
    let mut host = Host::logged_in();
    host.say(b"DELE 1\r\n");
    host.session.interrupt(Interrupt::Idle);
    assert_eq!(host.say(b"QUIT\r\n"), "", "RFC 1939 §3: silently");
    assert_eq!(host.deleted, [0; 0], "P04");

    let mut host = Host::logged_in();
    host.say(b"DELE 2\r\n");
    host.session.interrupt(Interrupt::Shutdown);
    assert_eq!(host.say(b""), "-ERR [SYS/TEMP] the server is shutting down\r\n");
    assert_eq!(host.deleted, [0; 0], "P04");

    let mut host = Host { update: Answer::UpdateFailed, ..Host::logged_in() };
    host.say(b"DELE 2\r\n");
    let heard = host.say(b"QUIT\r\n");
    assert_eq!(heard, "-ERR [SYS/TEMP] some deleted messages were not removed\r\n", "RFC 1939 §6");
    assert_eq!(host.deleted, [1]);
    assert!(host.session.is_closed());
}

#[test]
fn interrupted_sessions_ignore_late_answers() {
    let mut host = Host::new(Channel::Tls);
    host.session.receive(b"USER alice\r\nPASS pencil\r\n");
    assert!(matches!(host.session.poll(), Some(Event::Login { .. })));
    host.session.interrupt(Interrupt::Shutdown);
    host.session.answer(Answer::Maildrop(Vec::new()));
    assert!(host.session.is_closed());
    assert!(!host.say(b"").contains("messages"));
}
