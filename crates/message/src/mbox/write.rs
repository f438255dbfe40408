//! Writing mbox files.
//!
//! Standards: RFC 4155.
//! Not here: reading them (`mbox`).

use std::io::{self, Write};

use super::Marks;
use crate::date::DateTime;

/// Writes an mbox file in the mboxrd form: every line of a body that is `From ` or a quoted
/// `From ` gets one more `>`, and LF ends the lines.
///
/// ```
/// use message::DateTime;
/// use message::mbox::{Marks, Writer};
///
/// let mut writer = Writer::new(Vec::new());
/// let at = DateTime::from_unix(10);
/// let marks = Marks { seen: true, ..Marks::default() };
/// writer.add("ada@example.org", at, &marks, b"Subject: hello\r\n\r\nFrom here.\r\n")?;
/// assert_eq!(
///     writer.into_inner(),
///     b"From ada@example.org Thu Jan  1 00:00:10 1970\nStatus: RO\nSubject: hello\n\n>From here.\n\n"
/// );
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Writes to `output`.
    pub fn new(output: W) -> Self {
        Self { output }
    }

    /// What it wrote to.
    pub fn into_inner(self) -> W {
        self.output
    }

    /// Adds a message, with the sender of its envelope (empty: none) and the time of its delivery.
    ///
    /// # Errors
    ///
    /// As writing makes them.
    pub fn add(
        &mut self,
        sender: &str,
        delivered_at: DateTime,
        marks: &Marks,
        content: &[u8],
    ) -> io::Result<()> {
        let sender: String = sender.chars().filter(|c| !c.is_whitespace()).collect();
        let sender = if sender.is_empty() { "MAILER-DAEMON" } else { &sender };
        writeln!(self.output, "From {sender} {}", delivered_at.to_asctime())?;
        marks.write(&mut self.output)?;
        let mut in_body = false;
        for line in content.split_inclusive(|octet| *octet == b'\n') {
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
            if in_body && (bare.starts_with(b"From ") || super::is_quoted(bare)) {
                self.output.write_all(b">")?;
            }
            in_body |= bare.is_empty();
            self.output.write_all(bare)?;
            self.output.write_all(b"\n")?;
        }
        self.output.write_all(b"\n")
    }
}

impl Marks {
    fn write(&self, output: &mut impl Write) -> io::Result<()> {
        if self.seen {
            writeln!(output, "Status: RO")?;
        }
        let letters: String =
            [(self.answered, 'A'), (self.flagged, 'F'), (self.draft, 'T'), (self.deleted, 'D')]
                .iter()
                .filter_map(|(set, letter)| set.then_some(*letter))
                .collect();
        if !letters.is_empty() {
            writeln!(output, "X-Status: {letters}")?;
        }
        let keywords: Vec<_> = self
            .keywords
            .iter()
            .filter(|keyword| keyword.bytes().all(|octet| octet.is_ascii_graphic()))
            .map(String::as_str)
            .collect();
        if !keywords.is_empty() {
            writeln!(output, "X-Keywords: {}", keywords.join(" "))?;
        }
        Ok(())
    }
}
