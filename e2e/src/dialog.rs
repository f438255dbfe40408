//! A conversation line by line, octet by octet: what no well-behaved client would send.
//!
//! Standards: RFC 5321 §4.2 (replies), RFC 1939 §3 (responses).
//! Not here: foreign clients (`program`).

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::wait::PATIENCE;

/// A conversation with a server.
pub struct Dialog {
    stream: Option<Stream>,
    /// Octets that came after the line that was read last.
    buffer: Vec<u8>,
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// An SMTP reply, all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its code.
    pub code: u16,
    /// Its lines without the code.
    pub lines: Vec<String>,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialog").field("buffer", &self.buffer.escape_ascii().to_string()).finish()
    }
}

impl Dialog {
    /// Connects. Nothing is read.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .unwrap_or_else(|error| panic!("connect to {address}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        stream.set_nodelay(true).expect("no delay");
        Self { stream: Some(Stream::Clear(stream)), buffer: Vec::new() }
    }

    /// Goes on over TLS. The server must prove itself by this authority, as `localhost`.
    pub fn enter_tls(&mut self, ca_file: &str) {
        assert!(self.try_enter_tls(ca_file), "no TLS with this server");
    }

    /// The same; tells whether it could.
    pub fn try_enter_tls(&mut self, ca_file: &str) -> bool {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca_file).expect("the authority's file") {
            roots.add(certificate.expect("PEM")).expect("a certificate");
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let Some(Stream::Clear(stream)) = self.stream.take() else {
            panic!("TLS already");
        };
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            if stream.conn.complete_io(&mut stream.sock).is_err() {
                return false;
            }
        }
        self.stream = Some(Stream::Tls(Box::new(stream)));
        true
    }

    /// STARTTLS and EHLO again.
    pub fn start_tls(&mut self, ca_file: &str) {
        self.say("STARTTLS", 220);
        self.enter_tls(ca_file);
        self.say("EHLO client.test", 250);
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.write(octets.as_ref()).unwrap_or_else(|error| panic!("send: {error}"));
    }

    /// Sends octets to a server that may have closed; tells whether it has not.
    pub fn try_send(&mut self, octets: impl AsRef<[u8]>) -> bool {
        self.write(octets.as_ref()).is_ok()
    }

    fn write(&mut self, octets: &[u8]) -> std::io::Result<()> {
        match self.stream.as_mut() {
            Some(Stream::Clear(stream)) => stream.write_all(octets),
            Some(Stream::Tls(stream)) => stream.write_all(octets).and_then(|()| stream.flush()),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Reads what there is. `None`: the server has closed.
    fn read(&mut self) -> Option<Vec<u8>> {
        let mut octets = vec![0; 64 * 1024];
        let count = match self.stream.as_mut() {
            Some(Stream::Clear(stream)) => stream.read(&mut octets),
            Some(Stream::Tls(stream)) => stream.read(&mut octets),
            None => Ok(0),
        };
        match count {
            Ok(0) => None,
            Ok(count) => {
                octets.truncate(count);
                Some(octets)
            }
            Err(error) if is_silence(error.kind()) => panic!("the server said nothing: {self:?}"),
            Err(_) => None,
        }
    }

    /// The next line without its CRLF. `None`: the server has closed.
    pub fn line(&mut self) -> Option<String> {
        let line = self.octet_line()?;
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    fn octet_line(&mut self) -> Option<Vec<u8>> {
        let mut searched = 0;
        loop {
            let rest = self.buffer.get(searched..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
                let after = self.buffer.split_off(searched + end + 1);
                let line = std::mem::replace(&mut self.buffer, after);
                let line = line.strip_suffix(b"\r\n").expect("lines end in CRLF");
                return Some(line.to_vec());
            }
            searched = self.buffer.len();
            let octets = self.read()?;
            self.buffer.extend_from_slice(&octets);
        }
    }

    /// The next reply. `None`: the server has closed.
    pub fn reply(&mut self) -> Option<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code = code.unwrap_or_else(|| panic!("not a reply: {line:?}"));
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(Reply { code, lines });
            }
        }
    }

    /// The next reply, which must have this code.
    pub fn expect(&mut self, code: u16) -> Reply {
        let reply = self.reply().unwrap_or_else(|| panic!("closed instead of {code}"));
        assert_eq!(reply.code, code, "{reply}");
        reply
    }

    /// Sends a command and demands a reply with this code.
    pub fn say(&mut self, command: &str, code: u16) -> Reply {
        self.send(format!("{command}\r\n"));
        let reply = self.reply().unwrap_or_else(|| panic!("closed instead of {code}: {command}"));
        assert_eq!(reply.code, code, "{command}: {reply}");
        reply
    }

    /// Logs in by AUTH PLAIN.
    pub fn login(&mut self, user: &str, password: &str) {
        let response = STANDARD.encode(format!("\0{user}\0{password}"));
        self.say(&format!("AUTH PLAIN {response}"), 235);
    }

    /// MAIL, RCPT, DATA and the content, each answered well. Tells the id in the last reply.
    pub fn transaction(&mut self, from: &str, to: &[&str], content: &[u8]) -> String {
        self.say(&format!("MAIL FROM:<{from}>"), 250);
        for recipient in to {
            self.say(&format!("RCPT TO:<{recipient}>"), 250);
        }
        self.content(content, 250)
    }

    /// A transaction with a server that may die at any moment; tells whether it was acknowledged.
    pub fn try_transaction(&mut self, from: &str, to: &str, content: &[u8]) -> bool {
        let commands = format!("MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n").into_bytes();
        if !self.try_send(commands) {
            return false;
        }
        for code in [250, 250, 354] {
            if self.reply().is_none_or(|reply| reply.code != code) {
                return false;
            }
        }
        self.try_send(stuffed(content)) && self.reply().is_some_and(|reply| reply.code == 250)
    }

    /// DATA and the content; its reply must have this code. Tells the last word of the reply.
    pub fn content(&mut self, content: &[u8], code: u16) -> String {
        self.say("DATA", 354);
        self.send(stuffed(content));
        let reply = self.expect(code);
        let text = reply.lines.last().cloned().unwrap_or_default();
        text.rsplit(' ').next().unwrap_or_default().to_owned()
    }

    /// Sends nothing more, as a client does that breaks off; what comes can still be read.
    pub fn end(&mut self) {
        if let Some(Stream::Clear(stream)) = &self.stream {
            stream.shutdown(Shutdown::Write).expect("the connection still stands");
        }
    }

    /// Demands that the server closes, whatever it still says.
    pub fn expect_end(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.line()).collect()
    }

    /// Reads whatever comes, lines or not, until the server closes.
    pub fn drain(&mut self) -> Vec<u8> {
        let mut octets = std::mem::take(&mut self.buffer);
        while let Some(more) = self.read() {
            octets.extend_from_slice(&more);
        }
        octets
    }

    /// The same for a server that may have closed before it hears this.
    pub fn expect_end_after(&mut self, last_words: &str) -> Vec<String> {
        self.try_send(last_words);
        self.expect_end()
    }

    /// The next POP3 response, which must be `+OK`.
    pub fn expect_ok(&mut self) -> String {
        let line = self.line().unwrap_or_else(|| panic!("closed instead of +OK"));
        assert!(line.starts_with("+OK"), "{line}");
        line
    }

    /// Sends a POP3 command that must be answered with `+OK`.
    pub fn command(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        let line = self.line().unwrap_or_else(|| panic!("closed instead of +OK: {command}"));
        assert!(line.starts_with("+OK"), "{command}: {line}");
        line
    }

    /// Sends a POP3 command that must be refused.
    pub fn refused(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        let line = self.line().unwrap_or_else(|| panic!("closed instead of -ERR: {command}"));
        assert!(line.starts_with("-ERR"), "{command}: {line}");
        line
    }

    /// Sends a POP3 command and reads what follows `+OK`, without dot-stuffing.
    pub fn multiline(&mut self, command: &str) -> Vec<u8> {
        self.command(command);
        let mut content = Vec::new();
        loop {
            let line = self.octet_line().expect("a multi-line response ends with a dot");
            if line == b"." {
                return content;
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            content.extend_from_slice(b"\r\n");
        }
    }
}

fn is_silence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Content as DATA carries it, with its end (RFC 5321 §4.5.2).
pub fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(content.len() + 16);
    for line in content.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            octets.push(b'.');
        }
        octets.extend_from_slice(line);
    }
    if !content.is_empty() && !content.ends_with(b"\r\n") {
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(b".\r\n");
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_with_a_dot_get_another() {
        #[rustfmt::skip]
        let rows: [(&[u8], &[u8]); 4] = [
            (b"", b".\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b"a\r\n.b\r\n", b"a\r\n..b\r\n.\r\n"),
            (b"no end", b"no end\r\n.\r\n"),
        ];
        for (content, wanted) in rows {
            assert_eq!(stuffed(content), wanted, "{}", content.escape_ascii());
        }
    }
}
