//! Plays the conversations in `tests/client_dialogs/*.md`, from the client's side.
//!
//! In a dialog `S:` is what the server sends, with CRLF behind it, `C:` is what the client
//! answers, `E:` is what it tells its caller, and `--` is what the caller does. Lines of any
//! other form are prose. The client's lines and events must be the same, to the letter.
//!
//! Standards: RFC 5321 §4.3.2, RFC 2920, RFC 3207.
//! Not here: the server's side (`dialogs`).

use std::path::Path;

use envelope::{
    Address, BodyType, DeliverBy, Envelope, EnvelopeId, Hold, Notify, Priority, Recipient,
    Requests, Return, Solicitation,
};
use smtp::client::{
    Config, Ending, Event, Interrupt, Outcome, Protocol, Session, Speaker, TlsPolicy, Verdict,
};
use smtp::{AuthInClear, LineEnds};

/// Plays the lines of one dialog and gives the dialog as it really went.
fn play(dialog: &str) -> String {
    let mut went = String::new();
    let mut session: Option<Session> = None;
    for line in dialog.lines() {
        if line.starts_with("C:") || line.starts_with("E:") {
            continue;
        }
        went.push_str(line);
        went.push('\n');
        if let Some(words) = line.strip_prefix("-- connect ") {
            session = Some(Session::new(config_of(words)));
        }
        let Some(session) = &mut session else { continue };
        let remark = match (line.strip_prefix("S: "), line.strip_prefix("-- ")) {
            (Some(said), _) => {
                session.receive(format!("{}\r\n", unescape(said)).as_bytes());
                None
            }
            (None, Some(action)) => act(session, action),
            (None, None) => continue,
        };
        remark.iter().for_each(|remark| went.push_str(&format!("E: {remark}\n")));
        let mut events = String::new();
        while let Some(event) = session.poll() {
            events.push_str(&format!("E: {}\n", describe(event)));
        }
        let output = String::from_utf8(session.take_output()).expect("commands are ASCII here");
        for command in output.split_terminator("\r\n") {
            assert!(!command.contains(['\r', '\n']), "no bare line ends leave us: {command:?}");
            went.push_str(format!("C: {command}").trim_end());
            went.push('\n');
        }
        went.push_str(&events);
    }
    went
}

fn config_of(words: &str) -> Config {
    let mut config = Config { hello: "out.example.com".to_owned(), ..Config::default() };
    for word in words.split(' ') {
        match word {
            "never" => config.tls = TlsPolicy::Never,
            "opportunistic" => config.tls = TlsPolicy::Opportunistic,
            "required" => config.tls = TlsPolicy::Required,
            "implicit" => config.tls = TlsPolicy::Implicit,
            "lmtp" => config.protocol = Protocol::Lmtp,
            "normalise" => config.line_ends = LineEnds::Normalise,
            "clear-auth" => config.auth_in_clear = AuthInClear::Allowed,
            other => panic!("no such setting: {other}"),
        }
    }
    config
}

/// Does what the caller does; gives what it heard at once.
fn act(session: &mut Session, action: &str) -> Option<String> {
    let (verb, rest) = action.split_once(' ').unwrap_or((action, ""));
    match verb {
        "connect" => {}
        "TLS" => session.enter_tls(),
        "send" => session.send(&envelope(rest, false), Some(1000)),
        "send-binary" => {
            let (octets, words) = rest.split_once(' ').expect("a size");
            let envelope = Envelope { body: BodyType::BinaryMime, ..envelope(words, false) };
            session.send(&envelope, Some(octets.parse().expect("a size is a number")));
        }
        "send-with-requests" => {
            let envelope = Envelope { requests: requests(), ..envelope(rest, false) };
            session.send(&envelope, Some(1000));
        }
        "send-with-dsn" => session.send(&envelope(rest, true), Some(1000)),
        "auth" => {
            let (mechanism, response) = match rest.split_once(' ') {
                Some((mechanism, response)) => (mechanism, Some(unescape(response))),
                None => (rest, None),
            };
            session.authenticate(mechanism, response.as_ref().map(|text| text.as_bytes()));
        }
        "respond" => session.respond(unescape(rest).as_bytes()),
        "cancel" => session.cancel_login(),
        "content" => {
            return session.content(unescape(rest).as_bytes()).err().map(|error| error.to_string());
        }
        "end" => return session.content_end().err().map(|error| error.to_string()),
        "quit" => session.quit(),
        "lost" => session.interrupt(Interrupt::Lost),
        "timeout" => session.interrupt(Interrupt::TimedOut),
        "capabilities" => return Some(format!("{:?}", session.capabilities())),
        "waits" => {
            let (stage, limit) = (session.stage().as_str(), session.timeout());
            return Some(format!("at {stage} for {limit:?}"));
        }
        "transcript" => {
            let entries = session.take_transcript();
            let lines = entries.iter().map(|entry| {
                let speaker = match entry.speaker {
                    Speaker::Client => "we",
                    Speaker::Server => "they",
                    Speaker::Note => "note",
                };
                format!("{speaker}: {}", entry.text)
            });
            return Some(lines.collect::<Vec<_>>().join("\nE: "));
        }
        other => panic!("no such action: {other}"),
    }
    None
}

/// All that can be asked.
fn requests() -> Requests {
    Requests {
        hold: Hold::parse_for("60").ok(),
        deliver_by: DeliverBy::parse("120;RT").ok(),
        priority: Priority::parse("-4").ok(),
        solicitation: Solicitation::parse("org.example:ADV").ok(),
    }
}

/// The first word is the reverse-path, the others are recipients.
fn envelope(words: &str, with_dsn: bool) -> Envelope {
    let address = |text: &str| Address::parse(text).expect("dialogs have good addresses");
    let (sender, recipients) = words.split_once(' ').expect("a sender and a recipient");
    let mut envelope = Envelope {
        reverse_path: Some(sender)
            .filter(|text| *text != "<>")
            .map(address)
            .map_or_else(Default::default, Into::into),
        recipients: recipients.split(' ').map(|text| Recipient::new(address(text))).collect(),
        body: BodyType::EightBitMime,
        ..Envelope::default()
    };
    if with_dsn {
        envelope.ret = Some(Return::Headers);
        envelope.envelope_id = EnvelopeId::new("Q+1").ok();
        for recipient in &mut envelope.recipients {
            recipient.notify = Some(Notify::ALL);
            let original = recipient.address.to_string();
            recipient.original = envelope::OriginalRecipient::rfc822(&original).ok();
        }
    }
    envelope
}

fn describe(event: Event) -> String {
    match event {
        Event::TlsNeeded => "TLS needed".to_owned(),
        Event::Ready => "ready".to_owned(),
        Event::Challenge(octets) => format!("challenge {:?}", String::from_utf8_lossy(&octets)),
        Event::Authenticated(reply) => format!("logged in: {reply}"),
        Event::AuthRefused(verdict) => format!("login refused: {}", words(&verdict)),
        Event::RecipientAnswered { index, reply } => format!("recipient {index}: {reply}"),
        Event::ContentWanted => "content wanted".to_owned(),
        Event::TransactionDone(outcomes) => {
            let outcomes: Vec<String> = outcomes.iter().map(outcome).collect();
            format!("done: {}", outcomes.join(" | "))
        }
        Event::Closed(Ending::Quit) => "closed by us".to_owned(),
        Event::Closed(Ending::Failed(ending)) => format!("closed: {}", outcome(&ending)),
        other => panic!("a new event: {other:?}"),
    }
}

fn outcome(outcome: &Outcome) -> String {
    format!("{} {}", outcome.stage.as_str(), words(&outcome.verdict))
}

fn words(verdict: &Verdict) -> String {
    let kind = match (verdict.is_accepted(), verdict.is_temporary()) {
        (true, _) => "accepted",
        (false, true) => "deferred",
        (false, false) => "failed",
    };
    let text = match verdict {
        Verdict::Accepted(reply) | Verdict::Refused(reply) => reply.to_string(),
        Verdict::Failed(fault) => fault.to_string(),
    };
    format!("{kind} {}: {text}", verdict.status())
}

fn unescape(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0")
}

/// With `POSTHOUSE_BLESS` set, the dialogs are written anew as they went.
#[test]
#[expect(clippy::disallowed_methods, reason = "writes the repository's own files when asked to")]
fn dialogs_go_as_they_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client_dialogs");
    let mut played = 0;
    for entry in std::fs::read_dir(&folder).expect("tests/client_dialogs is a folder") {
        played += 1;
        let path = entry.expect("a folder can be listed").path();
        let written = std::fs::read_to_string(&path).expect("a dialog is a text file");
        let went = play(&written);
        if std::env::var_os("POSTHOUSE_BLESS").is_some() {
            std::fs::write(&path, &went).expect("a dialog can be written");
            continue;
        }
        assert!(went == written, "{} went otherwise:\n{went}", path.display());
    }
    assert!(played >= 5, "the dialogs are there");
}
