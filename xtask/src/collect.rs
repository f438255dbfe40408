//! Reads all mail of an account by POP3.

use std::io::{self, BufRead as _, BufReader, Error, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Commands on their way at the same time (RFC 2449 §6.6): enough to fill a round trip.
const WINDOW: u32 = 64;

/// A server that says nothing for so long is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Who reads from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) server: SocketAddr,
    pub(crate) address: &'a str,
    pub(crate) password: &'a str,
}

/// Hands every message of the account to `each`, without deleting any; says how many there were.
pub(crate) fn collect(login: Login<'_>, mut each: impl FnMut(&[u8])) -> io::Result<u32> {
    let stream = TcpStream::connect(login.server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let mut session = Session { stream: BufReader::new(stream), line: Vec::new() };
    session.expect_ok()?;
    session.command(&format!("USER {}", login.address))?;
    session.command(&format!("PASS {}", login.password))?;
    let stat = session.command("STAT")?;
    let count = stat.split(' ').nth(1).and_then(|word| word.parse().ok());
    let count: u32 = count.ok_or_else(|| Error::other(format!("no count in {stat:?}")))?;
    let mut asked = 0;
    let mut content = Vec::new();
    for read in 0..count {
        if asked == read {
            let until = count.min(read + WINDOW);
            let commands: String = (read + 1..=until).map(|n| format!("RETR {n}\r\n")).collect();
            session.stream.get_mut().write_all(commands.as_bytes())?;
            asked = until;
        }
        session.expect_ok()?;
        session.read_content(&mut content)?;
        each(&content);
    }
    session.command("QUIT")?;
    Ok(count)
}

struct Session {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
}

impl Session {
    fn command(&mut self, command: &str) -> io::Result<String> {
        self.stream.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.expect_ok()
    }

    fn expect_ok(&mut self) -> io::Result<String> {
        self.read_line()?;
        let reply = String::from_utf8_lossy(&self.line).trim_end().to_owned();
        if reply.starts_with("+OK") {
            return Ok(reply);
        }
        Err(Error::other(format!("the server said: {reply}")))
    }

    fn read_line(&mut self) -> io::Result<()> {
        self.line.clear();
        if self.stream.read_until(b'\n', &mut self.line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Lines up to a lone dot, the doubled dots made single (RFC 1939 §3).
    fn read_content(&mut self, content: &mut Vec<u8>) -> io::Result<()> {
        content.clear();
        loop {
            self.read_line()?;
            match self.line.strip_prefix(b".") {
                Some(b"\r\n") => return Ok(()),
                Some(rest) => content.extend_from_slice(rest),
                None => content.extend_from_slice(&self.line),
            }
        }
    }
}
