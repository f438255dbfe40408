//! A server elsewhere that says what a test wants it to say.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use platform::{Listener, Net, Stream, Task, TokioNet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// What is answered to a line that begins so. `CONNECT` stands for the connection, `.` for the
/// end of content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    on: &'static str,
    say: &'static str,
    times: usize,
}

/// The reply that closes the connection instead.
pub(crate) const CUT: &str = "(cut)";
/// The reply that never comes.
pub(crate) const SILENCE: &str = "(silence)";

/// Whenever this is said, that is answered.
pub(crate) const fn on(line: &'static str, say: &'static str) -> Rule {
    Rule { on: line, say, times: usize::MAX }
}

/// The first times only.
pub(crate) const fn at_first(times: usize, line: &'static str, say: &'static str) -> Rule {
    Rule { on: line, say, times }
}

/// Offers everything but TLS.
pub(crate) const FULL_EHLO: &str = "250-peer.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n250-DSN\r\n\
     250 ENHANCEDSTATUSCODES";

/// The server.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    rules: Arc<Mutex<Vec<Rule>>>,
    heard: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
    _task: Task,
}

impl Peer {
    /// Listens on an address; port 0 takes any.
    pub(crate) async fn start(at: SocketAddr, rules: &[Rule]) -> Self {
        let listener = TokioNet.listen(at).await.unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (counting, count) = watch::channel(0);
        let rules = Arc::new(Mutex::new(rules.to_vec()));
        let address = listener.local();
        let own = Arc::clone(&heard);
        let task = Task::start(accept(listener, Arc::clone(&rules), own, counting));
        Self { address, rules, heard, count, _task: task }
    }

    /// From now on, before all other rules.
    pub(crate) fn now(&self, rule: Rule) {
        self.rules.lock().unwrap().insert(0, rule);
    }

    /// All lines heard so far, contents in one piece each.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// How often a line that begins so was heard.
    pub(crate) fn times(&self, start: &str) -> usize {
        self.heard().iter().filter(|line| line.starts_with(start)).count()
    }

    /// Waits until a line that begins so was heard.
    pub(crate) async fn wait_for(&self, start: &str) {
        let mut count = self.count.clone();
        while self.times(start) == 0 {
            count.changed().await.unwrap();
        }
    }
}

async fn accept(
    listener: Box<dyn Listener>,
    rules: Arc<Mutex<Vec<Rule>>>,
    heard: Arc<Mutex<Vec<String>>>,
    count: watch::Sender<usize>,
) {
    let mut sessions = Vec::new();
    while let Ok(stream) = listener.accept().await {
        let (rules, heard, count) = (Arc::clone(&rules), Arc::clone(&heard), count.clone());
        sessions.push(Task::start(async move {
            let mut session = Session { stream, rules, heard, count, input: Vec::new() };
            session.run().await;
        }));
    }
}

struct Session {
    stream: Box<dyn Stream>,
    rules: Arc<Mutex<Vec<Rule>>>,
    heard: Arc<Mutex<Vec<String>>>,
    count: watch::Sender<usize>,
    input: Vec<u8>,
}

impl Session {
    /// Talks until somebody closes.
    async fn run(&mut self) -> Option<()> {
        self.answer("CONNECT").await?;
        loop {
            let line = self.until(b"\r\n").await?;
            let reply = match line.starts_with("BDAT ") {
                // It is answered behind its content.
                true => {
                    self.hear(&line);
                    String::new()
                }
                false => self.answer(&line).await?,
            };
            if line == "STARTTLS" && reply == "220 go" {
                // What comes is a TLS hello.
                self.stream.read_u8().await.ok()?;
                self.stream.write_all(b"this is no TLS\r\n").await.ok()?;
                return None;
            }
            if line == "QUIT" {
                return None;
            }
            if let Some(octets) = line.strip_prefix("BDAT ").and_then(|it| it.strip_suffix(" LAST"))
            {
                let content = self.count(octets.parse().ok()?).await?;
                self.hear(&format!("content: {content}"));
                self.say(&self.reply(".")).await?;
                continue;
            }
            if line == "DATA" && reply.starts_with("354") {
                // The end may stand at once: there, too, a line begins.
                self.input.splice(0..0, *b"\r\n");
                let content = self.until(b"\r\n.\r\n").await?;
                if !content.is_empty() {
                    self.hear(&format!("content: {content}"));
                }
                self.answer(".").await?;
            }
        }
    }

    async fn count(&mut self, octets: usize) -> Option<String> {
        while self.input.len() < octets {
            self.read().await?;
        }
        let rest = self.input.split_off(octets);
        let found = std::mem::replace(&mut self.input, rest);
        Some(String::from_utf8_lossy(&found).into_owned())
    }

    async fn read(&mut self) -> Option<()> {
        let mut octets = [0; 16 * 1024];
        let read = self.stream.read(&mut octets).await.ok()?;
        self.input.extend_from_slice(&octets[..read]);
        (read > 0).then_some(())
    }

    async fn until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.input.windows(end.len()).position(|octets| octets == end) {
                let rest = self.input.split_off(at + end.len());
                let mut found = std::mem::replace(&mut self.input, rest);
                found.truncate(at);
                return Some(String::from_utf8_lossy(&found).into_owned());
            }
            self.read().await?;
        }
    }

    async fn answer(&mut self, line: &str) -> Option<String> {
        self.hear(line);
        let reply = self.reply(line);
        self.say(&reply).await?;
        Some(reply)
    }

    async fn say(&mut self, reply: &str) -> Option<()> {
        match reply {
            CUT => None,
            SILENCE => std::future::pending().await,
            _ => self.stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok(),
        }
    }

    fn reply(&self, line: &str) -> String {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| rule.times > 0 && line.starts_with(rule.on));
        if let Some(rule) = rule {
            rule.times -= 1;
            return rule.say.to_owned();
        }
        let usual = match line.split(' ').next().unwrap() {
            "CONNECT" => "220 peer.test ESMTP",
            "EHLO" | "LHLO" => FULL_EHLO,
            "HELO" => "250 peer.test",
            "DATA" => "354 go on",
            "." => "250 2.0.0 taken",
            "QUIT" => "221 2.0.0 bye",
            _ => "250 2.0.0 fine",
        };
        usual.to_owned()
    }

    fn hear(&self, line: &str) {
        self.heard.lock().unwrap().push(line.to_owned());
        self.count.send_modify(|count| *count += 1);
    }
}
