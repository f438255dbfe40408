//! Our client against our server: what one says, the other understands, however the
//! network cuts it up.

use pop3::client::{self, Command, Verb};
use pop3::server::{
    Answer, Appetite, Channel, ClearLogin, Config, Entry, Event, Session as Server,
};
use pop3::{Password, Uidl};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

fn server() -> Server {
    Server::new(Config {
        hostname: "mx.example.org".to_owned(),
        channel: Channel::Tls,
        mechanisms: vec!["PLAIN".to_owned()],
        clear_login: ClearLogin::Refused,
    })
}

fn entries(messages: &[Vec<u8>]) -> Vec<Entry> {
    let entry = |(index, message): (usize, &Vec<u8>)| Entry {
        octets: message.len() as u64,
        uidl: Uidl::new(format!("1.{index}")).expect("a unique-id"),
    };
    messages.iter().enumerate().map(entry).collect()
}

/// Answers everything with yes; content goes out in chunks of this size.
fn serve(server: &mut Server, messages: &[Vec<u8>], chunk_octets: usize, output: &mut Vec<u8>) {
    loop {
        while let Some(event) = server.poll() {
            match event {
                Event::Login { .. } | Event::Auth { .. } | Event::AuthResponse(_) => {
                    server.answer(Answer::Maildrop(entries(messages)));
                }
                Event::Fetch { index, .. } => {
                    let message = messages.get(index).expect("a message of the maildrop");
                    for chunk in message.chunks(chunk_octets) {
                        if server.content(chunk) == Appetite::Enough {
                            break;
                        }
                        server.output_into(output);
                    }
                    server.content_end();
                }
                Event::Update { .. } => server.answer(Answer::Updated),
                Event::StartTls => server.enter_tls(),
            }
        }
        if !server.has_output() {
            return;
        }
        server.output_into(output);
    }
}

/// Pieces of messages, of those that make trouble above all.
fn message_piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b".".to_vec()),
        Just(b"\r\n.\r\n".to_vec()),
        Just(b"\n.\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"+OK 1\r\n-ERR\r\n".to_vec()),
        Just(b"Subject: x\r\n\r\n".to_vec()),
        "[a-z .]{0,20}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..8),
    ]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    vec(message_piece(), 0..12).prop_map(|pieces| pieces.concat())
}

/// Command lines of real and hostile clients.
fn client_piece() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "USER alice\r\n",
        "PASS pencil\r\n",
        "STAT\r\n",
        "LIST\r\n",
        "UIDL 1\r\n",
        "RETR 1\r\n",
        "TOP 2 1\r\n",
        "DELE 1\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "CAPA\r\n",
        "STLS\r\n",
        "UTF8\r\n",
        "AUTH PLAIN AGEAYg==\r\n",
        "AUTH PLAIN\r\n",
        "*\r\n",
        "QUIT\r\n",
        "NOOP\n",
        "\r\n",
        "\r",
    ];
    prop_oneof![
        8 => proptest::sample::select(known.map(|line| line.as_bytes().to_vec()).to_vec()),
        1 => Just(vec![b'x'; 300]),
        1 => "[A-Z0-9 \r\n]{0,12}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..8),
    ]
}

proptest! {
    /// Every message arrives octet for octet, with CRLF added where its last line has none.
    #[test]
    fn messages_arrive_as_they_are(
        messages in vec(message(), 1..4),
        chunk_octets in 1_usize..40,
        packet_octets in 1_usize..40,
    ) {
        let mut server = server();
        let mut client = client::Session::new();
        let mut commands = vec![Command::User("alice".to_owned()), Command::Pass(Password::new("x"))];
        commands.extend((1..).take(messages.len()).map(Command::Retr));
        commands.push(Command::Quit);
        for command in commands {
            client.send(command).expect("may be sent");
        }
        let (mut request, mut reply) = (Vec::new(), Vec::new());
        client.output_into(&mut request);
        for packet in request.chunks(packet_octets) {
            server.receive(packet);
            serve(&mut server, &messages, chunk_octets, &mut reply);
        }
        let (mut received, mut current) = (Vec::new(), Vec::new());
        for packet in reply.chunks(packet_octets) {
            client.receive(packet);
            while let Some(event) = client.poll().expect("the server keeps to the rules") {
                match event {
                    client::Event::Content(octets) => current.extend(octets),
                    client::Event::Done { verb: Verb::Retr, .. } => received.push(std::mem::take(&mut current)),
                    client::Event::Refused { verb, .. } => panic!("{verb:?} refused"),
                    _ => {}
                }
            }
        }
        let expected: Vec<Vec<u8>> = messages
            .into_iter()
            .map(|mut message| {
                if !message.is_empty() && !message.ends_with(b"\r\n") {
                    message.extend_from_slice(b"\r\n");
                }
                message
            })
            .collect();
        prop_assert_eq!(received, expected);
        prop_assert!(client.is_closed() && server.is_closed());
    }

    /// However the network cuts the client's octets up, the server says the same.
    #[test]
    fn framing_does_not_matter(pieces in vec(client_piece(), 0..16), cut in any::<Index>()) {
        let messages = vec![b"Subject: one\r\n\r\n.one\r\ntwo\r\n".to_vec(), b"x".to_vec()];
        let play = |parts: &[&[u8]]| {
            let (mut server, mut output) = (server(), Vec::new());
            for part in parts {
                server.receive(part);
                serve(&mut server, &messages, 5, &mut output);
            }
            String::from_utf8_lossy(&output).into_owned()
        };
        let stream = pieces.concat();
        let (head, tail) = stream.split_at(cut.index(stream.len() + 1));
        prop_assert_eq!(play(&[&stream]), play(&[head, tail]));
    }

    /// A hostile server gets no panic out of the client, and no endless loop.
    #[test]
    fn the_client_survives_any_server(
        pieces in vec(
            prop_oneof![
                Just(b"+OK\r\n".to_vec()), Just(b"-ERR [AUTH] no\r\n".to_vec()), Just(b".\r\n".to_vec()),
                Just(b"1 2\r\n".to_vec()), Just(b"+ \r\n".to_vec()), vec(any::<u8>(), 0..10),
            ],
            0..20,
        ),
    ) {
        let mut client = client::Session::new();
        for command in [Command::Capa, Command::List, Command::Retr(1), Command::Uidl, Command::Quit] {
            client.send(command).expect("may be sent");
        }
        for piece in pieces {
            client.receive(&piece);
            while let Ok(Some(_)) = client.poll() {}
        }
    }
}

/// A message of 16 MiB in the worst form for stuffing takes linear time both ways.
#[test]
fn huge_messages_take_linear_time() {
    let messages = vec![b"\n.".repeat(8 * 1024 * 1024)];
    let mut server = server();
    server.receive(b"USER alice\r\nPASS x\r\nRETR 1\r\n");
    let mut reply = Vec::new();
    serve(&mut server, &messages, 64 * 1024, &mut reply);
    let mut client = client::Session::new();
    for command in
        [Command::User("alice".to_owned()), Command::Pass(Password::new("x")), Command::Retr(1)]
    {
        client.send(command).expect("may be sent");
    }
    let mut octets = 0;
    for packet in reply.chunks(16 * 1024) {
        client.receive(packet);
        while let Some(event) = client.poll().expect("the server keeps to the rules") {
            if let client::Event::Content(content) = event {
                octets += content.len();
            }
        }
    }
    assert_eq!(octets, 16 * 1024 * 1024 + 2);
}
