//! Another MTA that we send to: it takes what it is told to take, and remembers it.
//!
//! Standards: RFC 5321 §4.1 (commands).
//! Not here: a real one (`postfix`).

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::wait::until;

/// A message that arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The MAIL command.
    pub mail: String,
    /// The RCPT commands that were accepted.
    pub recipients: Vec<String>,
    /// The content, without dot-stuffing.
    pub content: Vec<u8>,
}

/// Another MTA.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// Extensions in the reply to EHLO.
    extensions: Vec<String>,
    /// Replies to commands that begin so; the first that fits counts.
    replies: Mutex<Vec<(String, String)>>,
    arrivals: Mutex<Vec<Arrival>>,
}

impl Sink {
    /// Listens on loopback at a port that the system chooses.
    pub fn start(extensions: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", extensions)
    }

    /// Listens at another address.
    pub fn start_at(address: &str, extensions: &[&str]) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            extensions: extensions.iter().map(|&extension| extension.to_owned()).collect(),
            replies: Mutex::default(),
            arrivals: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        // It ends with the test's process: nobody else connects.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    /// Listens likewise, and does with each connection whatever this says.
    pub fn wild(behaviour: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let behaviour = Arc::new(behaviour);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let behaviour = Arc::clone(&behaviour);
                thread::spawn(move || behaviour(stream, number));
            }
        });
        address
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on commands that begin so (or `.`: the end of content) get this reply.
    pub fn answer(&self, command: &str, reply: &str) {
        let mut replies = self.state.replies.lock().unwrap_or_else(PoisonError::into_inner);
        replies.insert(0, (command.to_ascii_uppercase(), reply.to_owned()));
    }

    /// What has arrived so far.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.state.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many messages have arrived.
    pub fn await_arrivals(&self, count: usize) -> Vec<Arrival> {
        until(&format!("{count} messages"), || {
            let arrivals = self.arrivals();
            (arrivals.len() >= count).then_some(arrivals)
        })
    }
}

impl State {
    fn reply_to(&self, command: &str) -> Option<String> {
        let command = command.to_ascii_uppercase();
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let found = replies.iter().find(|(begin, _)| command.starts_with(begin.as_str()));
        found.map(|(_, reply)| reply.clone())
    }
}

/// One connection. Ends when the peer does.
fn serve(mut stream: TcpStream, state: &State) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut arrival = Arrival { mail: String::new(), recipients: Vec::new(), content: Vec::new() };
    let greeting = state.reply_to("CONNECT").unwrap_or_else(|| "220 sink.test ESMTP".to_owned());
    say(&mut stream, &greeting)?;
    loop {
        let mut line = String::new();
        if reader.by_ref().take(4096).read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let scripted = state.reply_to(line);
        let accepted = scripted.as_ref().is_none_or(|reply| reply.starts_with('2'));
        match verb.as_str() {
            "EHLO" if scripted.is_none() => {
                let mut words = vec!["sink.test".to_owned()];
                words.extend(state.extensions.iter().cloned());
                let last = words.len().saturating_sub(1);
                for (number, word) in words.iter().enumerate() {
                    let mark = if number == last { ' ' } else { '-' };
                    say(&mut stream, &format!("250{mark}{word}"))?;
                }
                continue;
            }
            "MAIL" if accepted => arrival.mail = line.to_owned(),
            "RCPT" if accepted => arrival.recipients.push(line.to_owned()),
            "RSET" => arrival.recipients.clear(),
            "DATA" if scripted.is_none() && !arrival.recipients.is_empty() => {
                say(&mut stream, "354 go on")?;
                arrival.content = content(&mut reader)?;
                let reply = state.reply_to(".").unwrap_or_else(|| "250 2.0.0 taken".to_owned());
                if reply.starts_with('2') {
                    let mut all = state.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(arrival.clone());
                }
                arrival.recipients.clear();
                say(&mut stream, &reply)?;
                continue;
            }
            "DATA" if scripted.is_none() => {
                say(&mut stream, "503 5.5.1 no recipients")?;
                continue;
            }
            "QUIT" => {
                say(&mut stream, "221 2.0.0 bye")?;
                return Some(());
            }
            _ => {}
        }
        say(&mut stream, scripted.as_deref().unwrap_or("250 2.0.0 ok"))?;
    }
}

fn say(stream: &mut TcpStream, reply: &str) -> Option<()> {
    stream.write_all(format!("{reply}\r\n").as_bytes()).ok()
}

fn content(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        if line == b".\r\n" {
            return Some(content);
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
