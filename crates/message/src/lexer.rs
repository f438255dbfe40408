//! Words of structured fields: atoms, quoted strings, comments, literals.
//!
//! One pass, no recursion: nested comments are counted. Line ends inside a field count as
//! white space, so folded values need no copy. Octets above 127 are letters (RFC 6532 §3.2).
//!
//! Standards: RFC 5322 §3.2 and §4.1, RFC 2045 §5.1 (the tokens of MIME fields).
//! Not here: what the words mean.

use std::borrow::Cow;

use crate::encoded_word;

/// Which characters end an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// `specials` of RFC 5322 §3.2.3; encoded words are atoms whatever is in them.
    Address,
    /// `tspecials` of RFC 2045 §5.1.
    Parameter,
}

/// One word or sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// White space between tokens; comments come as themselves.
    Space,
    /// A run of ordinary octets.
    Atom(&'a [u8]),
    /// The inside of a quoted string, still with its backslashes.
    Quoted(&'a [u8]),
    /// The inside of a comment, still with its backslashes and inner comments.
    Comment(&'a [u8]),
    /// A domain literal with its brackets.
    Literal(&'a [u8]),
    /// Any other sign.
    Special(u8),
}

/// Cuts a value into tokens.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    input: &'a [u8],
    at: usize,
    syntax: Syntax,
    is_cut: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a [u8], syntax: Syntax) -> Self {
        Self { input, at: 0, syntax, is_cut: false }
    }

    /// Whether a comment or quoted string has no end.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// How many octets were read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next octet, unread.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// Takes the next `count` octets.
    pub(crate) fn bump(&mut self, count: usize) -> &'a [u8] {
        let rest = self.rest();
        let taken = rest.get(..count).unwrap_or(rest);
        self.at += taken.len();
        taken
    }

    /// Takes octets up to, and without, the first of `ends`.
    pub(crate) fn take_until(&mut self, ends: &[u8]) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|octet| ends.contains(octet)).unwrap_or(rest.len());
        self.bump(length)
    }

    /// Steps over white space and comments.
    pub(crate) fn skip_cfws(&mut self) {
        while let Some(octet) = self.peek() {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'(' => {
                    self.next();
                }
                _ => return,
            }
        }
    }

    fn comment(&mut self) -> Token<'a> {
        let inside = self.take_nested(b'(', b')');
        Token::Comment(inside)
    }

    /// Reads from an opening sign to its partner; returns what is between.
    fn take_nested(&mut self, open: u8, close: u8) -> &'a [u8] {
        let rest = self.rest();
        let mut depth = 0_usize;
        let mut index = 0;
        while let Some(octet) = rest.get(index) {
            match *octet {
                b'\\' => index += 1,
                sign if sign == close => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        self.at += index + 1;
                        return rest.get(1..index).unwrap_or_default();
                    }
                }
                sign if sign == open => depth += 1,
                _ => {}
            }
            index += 1;
        }
        self.at = self.input.len();
        self.is_cut = true;
        rest.get(1..).unwrap_or_default()
    }

    fn quoted(&mut self) -> Token<'a> {
        let rest = self.rest();
        let mut index = 1;
        while let Some(octet) = rest.get(index) {
            match *octet {
                b'\\' => index += 2,
                b'"' => {
                    self.at += index + 1;
                    return Token::Quoted(rest.get(1..index).unwrap_or_default());
                }
                _ => index += 1,
            }
        }
        self.at = self.input.len();
        self.is_cut = true;
        Token::Quoted(rest.get(1..).unwrap_or_default())
    }

    fn atom(&mut self) -> Token<'a> {
        let rest = self.rest();
        if self.syntax == Syntax::Address
            && rest.starts_with(b"=?")
            && let Some(word) = encoded_word::scan(rest)
        {
            return Token::Atom(self.bump(word.octets));
        }
        let length = rest
            .iter()
            .position(|octet| is_space(*octet) || self.is_special(*octet))
            .unwrap_or(rest.len());
        Token::Atom(self.bump(length))
    }

    fn is_special(&self, octet: u8) -> bool {
        match octet {
            b'(' | b')' | b'<' | b'>' | b'[' | b']' | b':' | b';' | b'@' | b'\\' | b',' | b'"' => {
                true
            }
            b'.' => self.syntax == Syntax::Address,
            b'/' | b'?' | b'=' => self.syntax == Syntax::Parameter,
            _ => false,
        }
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let octet = self.peek()?;
        Some(match octet {
            b' ' | b'\t' | b'\r' | b'\n' => {
                let rest = self.rest();
                let length = rest.iter().position(|octet| !is_space(*octet)).unwrap_or(rest.len());
                self.at += length;
                Token::Space
            }
            b'(' => self.comment(),
            b'"' => self.quoted(),
            b'[' if self.syntax == Syntax::Address => self.literal(),
            sign if self.is_special(sign) => {
                self.at += 1;
                Token::Special(sign)
            }
            _ => self.atom(),
        })
    }
}

impl<'a> Lexer<'a> {
    /// A domain literal ends at `]`; a line without one ends it too, at the next sign that
    /// separates addresses, so that one lost bracket does not eat the list.
    fn literal(&mut self) -> Token<'a> {
        let rest = self.rest();
        let mut length = 1;
        while let Some(octet) = rest.get(length) {
            match octet {
                b'\\' => length += 1,
                b'[' | b']' | b',' | b'>' | b';' => break,
                _ => {}
            }
            length += 1;
        }
        match rest.get(length) {
            Some(b']') => Token::Literal(self.bump(length + 1)),
            _ => {
                self.at += 1;
                Token::Special(b'[')
            }
        }
    }
}

pub(crate) fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// Takes the backslashes and line breaks out of a quoted string or comment.
pub(crate) fn unescape(inside: &[u8]) -> Cow<'_, [u8]> {
    if !inside.iter().any(|octet| matches!(octet, b'\\' | b'\r' | b'\n')) {
        return Cow::Borrowed(inside);
    }
    let mut plain = Vec::with_capacity(inside.len());
    let mut octets = inside.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => plain.extend(octets.next()),
            b'\r' | b'\n' => {} // unfolding, RFC 5322 §2.2.3
            other => plain.push(*other),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::{Lexer, Syntax, Token, unescape};

    #[test]
    fn tokens_of_an_address() {
        let input = br#""J. \"X\"" (a (nested\)) one) <x.y@[1.2.3.4]>"#;
        let tokens: Vec<_> = Lexer::new(input, Syntax::Address).collect();
        let expected = [
            Token::Quoted(br#"J. \"X\""#),
            Token::Space,
            Token::Comment(br"a (nested\)) one"),
            Token::Space,
            Token::Special(b'<'),
            Token::Atom(b"x"),
            Token::Special(b'.'),
            Token::Atom(b"y"),
            Token::Special(b'@'),
            Token::Literal(b"[1.2.3.4]"),
            Token::Special(b'>'),
        ];
        assert_eq!(tokens, expected);
    }

    #[test]
    fn what_is_not_closed_runs_to_the_end() {
        for input in [b"(abc".as_slice(), b"\"abc", b"(a\\", b"\"a\\"] {
            let mut lexer = Lexer::new(input, Syntax::Address);
            assert!(lexer.next().is_some(), "{input:?}");
            assert_eq!(lexer.next(), None, "{input:?}");
        }
    }

    #[test]
    fn unescaping_takes_backslashes_and_folding_out() {
        assert_eq!(unescape(b"a\\\"b").as_ref(), b"a\"b");
        assert_eq!(unescape(b"a\r\n b").as_ref(), b"a b");
        assert_eq!(unescape(b"a\\").as_ref(), b"a");
    }
}
