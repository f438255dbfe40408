//! The content of a message on its way through DATA: dots put in and taken out.
//!
//! Content ends at CRLF `.` CRLF and at nothing else. A CR or LF alone is a fault in both
//! directions: other servers read such octets as the end, and that is how a second message
//! is smuggled in. Both machines copy whole runs and look only at line ends.
//!
//! Standards: RFC 5321 §4.5.2 (transparency), §2.3.8 (lines), §4.1.1.4 (end of data).
//! Not here: how much content there may be (`server`), BDAT, which has no dots.

use memchr::memchr2;

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Behind CRLF, or at the very start.
    LineStart,
    /// Behind a dot that began the line and is held back.
    Dot,
    /// Behind such a dot and a CR.
    DotCr,
    /// Behind a CR.
    Cr,
    Middle,
}

/// Takes dots out.
#[derive(Debug)]
pub(crate) struct Unstuffer {
    at: At,
    bare: bool,
}

/// What [`Unstuffer::feed`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fed {
    /// So many octets of the input are used up.
    pub(crate) consumed: usize,
    /// The end of the content was among them.
    pub(crate) ended: bool,
}

impl Unstuffer {
    pub(crate) fn new() -> Self {
        Self { at: At::LineStart, bare: false }
    }

    /// Whether a CR or LF stood alone. What was put out is then not to be used.
    pub(crate) fn has_bare_line_end(&self) -> bool {
        self.bare
    }

    /// Reads `input` up to the end of the content and appends what it means to `output`.
    pub(crate) fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) -> Fed {
        // Octets before `kept` are put out or dropped.
        let mut kept = 0;
        let mut next = 0;
        while let Some(&octet) = input.get(next) {
            match (self.at, octet) {
                (At::Middle, _) => {
                    let rest = input.get(next..).unwrap_or_default();
                    let Some(found) = memchr2(b'\r', b'\n', rest) else { break };
                    next += found + 1;
                    match rest.get(found) {
                        Some(b'\r') => self.at = At::Cr,
                        _ => self.bare = true,
                    }
                }
                (At::Cr, b'\n') => {
                    self.at = At::LineStart;
                    next += 1;
                }
                (At::LineStart, b'.') => {
                    output.extend_from_slice(input.get(kept..next).unwrap_or_default());
                    self.at = At::Dot;
                    next += 1;
                    kept = next;
                }
                // The CR belongs to the end or is a fault: it is never content.
                (At::Dot, b'\r') => {
                    self.at = At::DotCr;
                    next += 1;
                    kept = next;
                }
                (At::DotCr, b'\n') => {
                    self.at = At::LineStart;
                    return Fed { consumed: next + 1, ended: true };
                }
                (At::Cr | At::DotCr, _) => {
                    self.bare = true;
                    self.at = At::Middle;
                }
                (At::LineStart | At::Dot, _) => self.at = At::Middle,
            }
        }
        output.extend_from_slice(input.get(kept..).unwrap_or_default());
        Fed { consumed: input.len(), ended: false }
    }
}

/// What the client does with a CR or LF that stands alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// Stop before it: such a message cannot be sent unchanged.
    #[default]
    Refuse,
    /// Send CRLF in its place.
    Normalise,
}

/// The content has a CR or LF that is not part of a CRLF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content has a CR or LF that is not part of a CRLF, which SMTP cannot carry")]
pub struct BareLineEnd;

/// Puts dots in.
#[derive(Debug)]
pub(crate) struct Stuffer {
    at: At,
    line_ends: LineEnds,
}

impl Stuffer {
    pub(crate) fn new(line_ends: LineEnds) -> Self {
        Self { at: At::LineStart, line_ends }
    }

    /// Appends `input` to `output` as DATA carries it. A CR at the end waits for what follows.
    pub(crate) fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), BareLineEnd> {
        let mut kept = 0;
        let mut next = 0;
        while let Some(&octet) = input.get(next) {
            match (self.at, octet) {
                (At::Cr, _) => {
                    match octet {
                        b'\n' => next += 1,
                        _ => self.bare()?,
                    }
                    output.extend_from_slice(b"\r\n");
                    kept = next;
                    self.at = At::LineStart;
                }
                (At::LineStart, b'.') => {
                    output.extend_from_slice(input.get(kept..next).unwrap_or_default());
                    output.push(b'.');
                    kept = next;
                    next += 1;
                    self.at = At::Middle;
                }
                _ => {
                    let rest = input.get(next..).unwrap_or_default();
                    let Some(found) = memchr2(b'\r', b'\n', rest) else {
                        self.at = At::Middle;
                        break;
                    };
                    let end = next + found;
                    if rest.get(found..found + 2) == Some(b"\r\n") {
                        next = end + 2;
                        self.at = At::LineStart;
                        continue;
                    }
                    // Bare, or a CR at the end of this piece: neither may go out as it is.
                    output.extend_from_slice(input.get(kept..end).unwrap_or_default());
                    next = end + 1;
                    kept = next;
                    if next == input.len() && rest.get(found) == Some(&b'\r') {
                        self.at = At::Cr;
                    } else {
                        self.bare()?;
                        output.extend_from_slice(b"\r\n");
                        self.at = At::LineStart;
                    }
                }
            }
        }
        output.extend_from_slice(input.get(kept..).unwrap_or_default());
        Ok(())
    }

    /// Ends the content: a last line without CRLF gets it, then the line with one dot.
    pub(crate) fn end(&mut self, output: &mut Vec<u8>) -> Result<(), BareLineEnd> {
        if self.at == At::Cr {
            self.bare()?;
        }
        if self.at != At::LineStart {
            output.extend_from_slice(b"\r\n");
        }
        self.at = At::LineStart;
        output.extend_from_slice(b".\r\n");
        Ok(())
    }

    fn bare(&self) -> Result<(), BareLineEnd> {
        match self.line_ends {
            LineEnds::Refuse => Err(BareLineEnd),
            LineEnds::Normalise => Ok(()),
        }
    }
}
