//! The client against what servers say, right and wrong.

use super::*;

/// Greets, sends these commands, and lists what comes of the server's octets.
fn heard(commands: Vec<Command>, octets: &[u8]) -> Result<Vec<Event>, ClientError> {
    let mut session = Session::new();
    session.receive(b"+OK ready\r\n");
    session.poll()?;
    for command in commands {
        session.send(command)?;
    }
    let mut events = Vec::new();
    for octet in octets {
        session.receive(&[*octet]);
        while let Some(event) = session.poll()? {
            events.push(event);
        }
    }
    Ok(merged(events))
}

/// Joins chunks of content, whose borders mean nothing.
fn merged(events: Vec<Event>) -> Vec<Event> {
    let mut merged: Vec<Event> = Vec::new();
    for event in events {
        match (merged.last_mut(), event) {
            (Some(Event::Content(content)), Event::Content(more)) => content.extend(more),
            (_, event) => merged.push(event),
        }
    }
    merged
}

fn done(verb: Verb, text: &str) -> Event {
    Event::Done { verb, text: text.to_owned() }
}

#[test]
fn replies_are_matched_with_their_commands() {
    let events = heard(
        vec![Command::Stat, Command::Uidl, Command::Retr(1), Command::Dele(9), Command::Quit],
        b"+OK 2 320\r\n+OK ids\r\n1 aaa\r\n2 bbb\r\n.\r\n\
          +OK 6 octets\r\na\r\n..\r\n.\r\n-ERR no such message\r\n+OK bye\r\n",
    );
    let expected = vec![
        Event::Totals { messages: 2, octets: 320 },
        done(Verb::Stat, "2 320"),
        Event::UniqueId { message: 1, uidl: "aaa".to_owned() },
        Event::UniqueId { message: 2, uidl: "bbb".to_owned() },
        done(Verb::Uidl, "ids"),
        Event::Content(b"a\r\n.\r\n".to_vec()),
        done(Verb::Retr, "6 octets"),
        Event::Refused { verb: Verb::Dele, code: None, text: "no such message".to_owned() },
        done(Verb::Quit, "bye"),
    ];
    assert_eq!(events, Ok(expected));
}

#[test]
fn servers_that_break_the_rules_are_left() {
    let long = [b"+OK ".to_vec(), vec![b'x'; REPLY_OCTETS_MAX]].concat();
    #[rustfmt::skip]
    let table: [(Vec<Command>, &[u8], &str); 9] = [
        (vec![], b"+OK\r\n", "a reply that nobody asked for"),
        (vec![Command::Noop], b"HELLO\r\n", "no status"),
        (vec![Command::Noop], b"+OK\n", "a line that ends with LF alone"),
        (vec![Command::Noop], &long, "an endless line"),
        (vec![Command::Noop], b"+ AAAA\r\n", "a challenge outside AUTH"),
        (vec![Command::List], b"+OK\r\n1 x\r\n", "a listing without numbers"),
        (vec![Command::List], b"+OK\r\n-ERR\r\n", "a reply inside a listing"),
        (vec![Command::Uidl], b"+OK\r\n1\r\n", "no unique-id"),
        (vec![Command::Stat], b"+OK many\r\n", "STAT without numbers"),
    ];
    for (commands, octets, why) in table {
        let error = heard(commands, octets);
        assert!(matches!(error, Err(ClientError::Malformed { .. })), "{why}: {error:?}");
    }
}

#[test]
fn an_unwelcome_client_hears_why() {
    let mut session = Session::new();
    session.receive(b"-ERR [SYS/TEMP] come back later\r\n");
    let error = ClientError::NotWelcome {
        code: Some(ResponseCode::SysTemp),
        text: "come back later".to_owned(),
    };
    assert_eq!(session.poll(), Err(error));
}

#[test]
fn nothing_is_carried_over_into_tls() {
    #[rustfmt::skip]
    let table: [(&[&[u8]], bool, &str); 3] = [
        (&[b"+OK begin\r\n"], true, "as it should be"),
        (&[b"+OK begin\r\n+OK injected\r\n"], false, "in the same packet"),
        (&[b"+OK begin\r\n", b"+"], false, "a single octet later"),
    ];
    for (packets, expected, why) in table {
        let mut session = Session::new();
        session.receive(b"+OK ready\r\n");
        session.poll().unwrap();
        session.send(Command::Stls).unwrap();
        assert_eq!(session.send(Command::Capa), Err(ClientError::TooEarly), "STLS is the last");
        let mut result = Ok(());
        for packet in packets {
            session.receive(packet);
            if let Err(error) = session.poll() {
                result = Err(error);
            }
        }
        let result = result.and_then(|()| session.enter_tls());
        assert_eq!(result.is_ok(), expected, "{why}");
        assert!(expected || result == Err(ClientError::Injected), "{why}");
    }
}

#[test]
fn capabilities_are_told_before_the_end() {
    let events = heard(vec![Command::Capa], b"+OK\r\nSASL PLAIN\r\nSTLS\r\n.\r\n").unwrap();
    let [Event::Capabilities(found), Event::Done { verb: Verb::Capa, .. }] = events.as_slice()
    else {
        panic!("{events:?}");
    };
    assert!(found.has("STLS") && !found.has("TOP"));
    assert_eq!(found.mechanisms(), ["PLAIN"]);
}

#[test]
fn arguments_stay_inside_their_line() {
    #[rustfmt::skip]
    let table = [
        (Command::User("a\r\nDELE 1".to_owned()), "line end in the name"),
        (Command::User(String::new()), "no name"),
        (Command::User("x".repeat(250)), "longer than a command may be"),
        (Command::Pass(Password::new("a\nb")), "LF in the password"),
        (Command::Auth { mechanism: "PLAIN\r\n".to_owned(), initial: None }, "in the mechanism"),
    ];
    for (command, why) in table {
        let error = heard(vec![command], b"");
        assert!(matches!(error, Err(ClientError::BadArgument { .. })), "{why}: {error:?}");
    }
}

#[test]
fn a_long_initial_response_waits_for_its_challenge() {
    for (length, held_back) in [(0, false), (100, false), (171, false), (400, true)] {
        let initial = SaslMessage::new(vec![7; length]);
        let mut session = Session::new();
        session.receive(b"+OK ready\r\n");
        session.poll().unwrap();
        let mechanism = "PLAIN".to_owned();
        session.send(Command::Auth { mechanism, initial: Some(initial.clone()) }).unwrap();
        let mut sent = Vec::new();
        session.output_into(&mut sent);
        assert_eq!(sent == b"AUTH PLAIN\r\n", held_back, "{length}");
        assert!(sent.len() <= COMMAND_OCTETS_MAX);
        assert_eq!(sent == b"AUTH PLAIN =\r\n", length == 0, "RFC 5034 §4: empty is =");
        if held_back {
            session.receive(b"+ \r\n");
            assert_eq!(session.poll(), Ok(None), "the caller need not know");
            sent.clear();
            session.output_into(&mut sent);
            assert_eq!(sent, format!("{}\r\n", *initial.to_base64()).into_bytes());
        }
        session.receive(b"+OK logged in\r\n");
        assert_eq!(session.poll(), Ok(Some(done(Verb::Auth, "logged in"))));
    }
}

#[test]
fn challenges_are_answered_or_cancelled() {
    let begin = || {
        let mut session = Session::new();
        session.receive(b"+OK ready\r\n");
        session.poll().unwrap();
        session.send(Command::Auth { mechanism: "LOGIN".to_owned(), initial: None }).unwrap();
        let mut sent = Vec::new();
        session.output_into(&mut sent);
        session
    };
    let said = |session: &mut Session| {
        let mut sent = Vec::new();
        session.output_into(&mut sent);
        String::from_utf8(sent).unwrap()
    };

    let mut session = begin();
    session.receive(b"+ VXNlcm5hbWU6\r\n");
    let challenge = SaslMessage::new(*b"Username:");
    assert_eq!(session.poll(), Ok(Some(Event::Challenge(challenge))));
    session.respond(&SaslMessage::new(*b"alice")).unwrap();
    assert_eq!(said(&mut session), "YWxpY2U=\r\n");
    assert_eq!(session.respond(&SaslMessage::new([])), Err(ClientError::TooEarly));

    let mut session = begin();
    session.receive(b"+ not base64\r\n");
    assert_eq!(session.poll(), Ok(None));
    assert_eq!(said(&mut session), "*\r\n", "RFC 5034 §4: cancelled");
}
