//! Addresses of the header: mailboxes, names, groups, comments.
//!
//! One pass over the tokens of a field. The address is always what stands in angle brackets if
//! there are any, whatever the name pretends to be, so that everybody who asks this crate sees
//! the same author.
//!
//! Standards: RFC 5322 §3.4 and §4.4 (obsolete forms), RFC 6532 (UTF-8).
//! Not here: addresses of the envelope (crate `envelope`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::charset;
use crate::defect::DefectCode;
use crate::encoded_word::{self, TextDecoder};
use crate::lexer::{Lexer, Syntax, Token, unescape};

/// Addresses taken from one field; a list of more is cut there.
pub const ADDRESSES_MAX: usize = 10_000;
/// Faults noted for one field.
const FAULTS_MAX: usize = 16;

/// One mailbox: an address, and the name that its owner gave it.
///
/// ```
/// use message::Mailbox;
/// let mailbox = Mailbox::named("Ada", "ada@example.org");
/// assert_eq!(mailbox.to_string(), "Ada <ada@example.org>");
/// assert_eq!(mailbox.to_envelope().unwrap().domain().to_string(), "example.org");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mailbox {
    /// The display name, decoded.
    pub name: Option<String>,
    /// `local-part@domain`, without comments and needless quotes; whatever was written where
    /// that is not what was written, and empty for a name without an address.
    pub address: String,
}

impl Mailbox {
    /// A mailbox without a name.
    pub fn new(address: impl Into<String>) -> Self {
        Self { name: None, address: address.into() }
    }

    /// A mailbox with a name.
    pub fn named(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self { name: Some(name.into()), address: address.into() }
    }

    /// The address as the envelope needs it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, by the stricter rules of RFC 5321.
    pub fn to_envelope(&self) -> Result<envelope::Address, envelope::AddressError> {
        envelope::Address::parse(&self.address)
    }
}

/// For people: `Ada Lovelace <ada@example.org>`. Not for a header: nothing is encoded.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => f.write_str(&self.address),
        }
    }
}

/// A named list of mailboxes (`undisclosed-recipients:;` is an empty one).
///
/// ```
/// use message::{AddressList, Addressee};
/// let list = AddressList::parse(b"Team: ada@example.org, bob@example.net;");
/// let Some(Addressee::Group(group)) = list.0.first() else { panic!("no group") };
/// assert_eq!((group.name.as_str(), group.mailboxes.len()), ("Team", 2));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The name, decoded.
    pub name: String,
    /// Its members, maybe none.
    pub mailboxes: Vec<Mailbox>,
}

/// One element of an address list.
///
/// Example: [`Group`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Addressee {
    /// A single mailbox.
    Mailbox(Mailbox),
    /// A group.
    Group(Group),
}

/// The value of a From, To, Cc … field.
///
/// ```
/// let list = message::AddressList::parse(b"Ada (of Ockham) <ada@example.org>, A: b@c, d@e;");
/// let addresses: Vec<_> = list.mailboxes().map(|mailbox| mailbox.address.as_str()).collect();
/// assert_eq!(addresses, ["ada@example.org", "b@c", "d@e"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddressList(pub Vec<Addressee>);

impl AddressList {
    /// Reads the value of an address field, folded or not.
    pub fn parse(value: &[u8]) -> Self {
        Reader::new(value).read().0
    }

    /// Reads the value and says what is wrong with it, and where.
    pub(crate) fn parse_with_faults(value: &[u8]) -> (Self, Vec<(DefectCode, usize)>) {
        Reader::new(value).read()
    }

    /// All mailboxes, those in groups too.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.0.iter().flat_map(|addressee| match addressee {
            Addressee::Mailbox(mailbox) => std::slice::from_ref(mailbox),
            Addressee::Group(group) => group.mailboxes.as_slice(),
        })
    }

    /// Whether nobody is named. A group without members is somebody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<Mailbox>> for AddressList {
    fn from(mailboxes: Vec<Mailbox>) -> Self {
        Self(mailboxes.into_iter().map(Addressee::Mailbox).collect())
    }
}

impl From<Mailbox> for AddressList {
    fn from(mailbox: Mailbox) -> Self {
        Self(vec![Addressee::Mailbox(mailbox)])
    }
}

impl FromIterator<Mailbox> for AddressList {
    fn from_iter<I: IntoIterator<Item = Mailbox>>(mailboxes: I) -> Self {
        Self(mailboxes.into_iter().map(Addressee::Mailbox).collect())
    }
}

/// A word of a name or local part, and whether white space stands before it.
#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    token: Token<'a>,
    is_spaced: bool,
}

/// What was read since the last comma.
#[derive(Debug, Default)]
struct Pending<'a> {
    words: Vec<Word<'a>>,
    comment: Option<&'a [u8]>,
    name: Option<String>,
    address: Option<String>,
    is_in_brackets: bool,
}

impl Pending<'_> {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.comment.is_none() && self.address.is_none()
    }
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    list: Vec<Addressee>,
    group: Option<Group>,
    count: usize,
    pending: Pending<'a>,
    /// Where the current mailbox begins: the place of its faults.
    start: usize,
    faults: Vec<(DefectCode, usize)>,
}

impl<'a> Reader<'a> {
    fn new(value: &'a [u8]) -> Self {
        Self {
            lexer: Lexer::new(value, Syntax::Address),
            list: Vec::new(),
            group: None,
            count: 0,
            pending: Pending::default(),
            start: 0,
            faults: Vec::new(),
        }
    }

    fn read(mut self) -> (AddressList, Vec<(DefectCode, usize)>) {
        let mut is_spaced = false;
        let mut at = 0;
        while let Some(token) = self.lexer.next() {
            if token != Token::Space && self.pending.is_empty() {
                self.start = at;
            }
            match token {
                Token::Space => {}
                Token::Comment(inside) => self.pending.comment = Some(inside),
                Token::Special(b'<') => self.angle(),
                Token::Special(b'@') => self.bare(),
                Token::Special(b',') => self.flush(),
                Token::Special(b':') => self.open_group(),
                Token::Special(b';') => self.close_group(),
                Token::Special(b'>' | b')' | b']' | b'\\' | b'[') => self.fault(),
                token => self.pending.words.push(Word { token, is_spaced }),
            }
            is_spaced = matches!(token, Token::Space | Token::Comment(_));
            at = self.lexer.position();
            if self.count >= ADDRESSES_MAX {
                self.fault();
                break;
            }
        }
        self.flush();
        if self.lexer.is_cut() {
            self.fault();
        }
        if let Some(group) = self.group.take() {
            self.fault();
            self.list.push(Addressee::Group(group));
        }
        (AddressList(self.list), self.faults)
    }

    fn fault(&mut self) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push((DefectCode::BadAddress, self.start));
        }
    }

    fn note(&mut self, codes: impl IntoIterator<Item = DefectCode>) {
        for code in codes {
            if self.faults.len() < FAULTS_MAX {
                self.faults.push((code, self.start));
            }
        }
    }

    /// After `<`: the address, whatever was read as one before.
    fn angle(&mut self) {
        if self.pending.is_in_brackets {
            self.fault();
            self.flush(); // a lost comma
        }
        let words = std::mem::take(&mut self.pending.words);
        let mut name = self.phrase(&words);
        if let Some(mut pretended) = self.pending.address.take() {
            // `ada@bank <eve@evil>`: the first is no address but a name that looks like one.
            self.fault();
            if let Some(name) = name {
                pretended = format!("{pretended} {name}");
            }
            name = Some(match self.pending.name.take() {
                Some(before) => format!("{before} {pretended}"),
                None => pretended,
            });
        }
        if let Some(name) = name {
            self.pending.name = Some(name);
        }
        let address = self.inside_brackets();
        self.pending.address = Some(address);
        self.pending.is_in_brackets = true;
    }

    fn inside_brackets(&mut self) -> String {
        self.lexer.skip_cfws();
        while matches!(self.lexer.peek(), Some(b'@' | b',')) {
            // A source route, RFC 5322 §4.4: to be ignored.
            self.lexer.take_until(b":>");
            if self.lexer.peek() != Some(b':') {
                break;
            }
            self.lexer.bump(1);
            self.lexer.skip_cfws();
        }
        let mut words = Vec::new();
        let mut address = String::new();
        let mut is_spaced = false;
        loop {
            match self.lexer.peek() {
                None | Some(b'>' | b',' | b';' | b'<') => break,
                _ => {}
            }
            match self.lexer.next() {
                Some(Token::Special(b'@')) => {
                    address = self.local_part(&words);
                    self.domain(&mut address);
                    words.clear();
                    break;
                }
                Some(Token::Special(b':')) => {
                    self.fault();
                    words.clear(); // mailto:
                }
                Some(Token::Space | Token::Comment(_)) => is_spaced = true,
                Some(Token::Special(sign)) if sign != b'.' => self.fault(),
                Some(token) => {
                    words.push(Word { token, is_spaced });
                    is_spaced = false;
                }
                None => break,
            }
        }
        if !words.is_empty() {
            // No address, but maybe something for people: `<Undisclosed Recipients>`.
            for word in &words {
                let space = if word.is_spaced && !address.is_empty() { " " } else { "" };
                address = address + space + &local_part(&[*word]);
            }
            self.fault();
        }
        self.lexer.skip_cfws();
        if self.lexer.peek() != Some(b'>') {
            self.fault();
            self.lexer.take_until(b">,;<");
        }
        if self.lexer.peek() == Some(b'>') {
            self.lexer.bump(1);
        }
        address
    }

    /// After `@` outside of brackets: what stands directly before it is the local part.
    fn bare(&mut self) {
        if self.pending.words.is_empty() {
            // `a@b@c` or `@c`: kept as written, so that nobody takes it for an address of c.
            self.fault();
            let mut address = self.pending.address.take().unwrap_or_default();
            self.domain(&mut address);
            self.pending.address = Some(address);
            return;
        }
        if self.pending.address.is_some() {
            self.fault();
            let words = std::mem::take(&mut self.pending.words);
            self.flush(); // a lost comma
            self.pending.words = words;
        }
        let words = std::mem::take(&mut self.pending.words);
        let split = local_part_start(&words);
        let (name, local) = words.split_at(split);
        if !name.is_empty() {
            self.fault();
            self.pending.name = self.phrase(name);
        }
        let mut address = self.local_part(local);
        self.domain(&mut address);
        self.pending.address = Some(address);
    }

    /// The text of a local part; notes what is wrong with it.
    fn local_part(&mut self, words: &[Word<'_>]) -> String {
        let is_dot = |word: &Word<'_>| word.token == Token::Special(b'.');
        let is_good = words.len() % 2 == 1
            && words.iter().enumerate().all(|(index, word)| is_dot(word) == (index % 2 == 1));
        let text = local_part(words);
        if !is_good || text.contains('\u{fffd}') {
            self.fault();
        }
        text
    }

    /// Adds `@domain`.
    fn domain(&mut self, address: &mut String) {
        address.push('@');
        self.lexer.skip_cfws();
        let mut is_dot_due = false;
        loop {
            let mut ahead = self.lexer.clone();
            ahead.skip_cfws();
            match ahead.next() {
                Some(Token::Special(b'.')) => {
                    if !is_dot_due {
                        self.fault();
                    }
                    address.push('.');
                    is_dot_due = false;
                }
                Some(Token::Atom(atom)) if !is_dot_due => {
                    is_dot_due = true;
                    if push_visible(address, atom) == Visibility::Partial {
                        self.fault();
                    }
                }
                Some(Token::Literal(literal)) if !is_dot_due => {
                    push_visible(address, literal);
                    self.lexer = ahead;
                    return;
                }
                _ => {
                    if !is_dot_due {
                        self.fault();
                    }
                    return;
                }
            }
            self.lexer = ahead;
        }
    }

    fn open_group(&mut self) {
        let words = std::mem::take(&mut self.pending.words);
        if self.pending.address.is_some() {
            self.fault();
            self.flush();
        }
        self.count += 1; // groups without members count too
        if let Some(group) = self.group.take() {
            self.fault(); // groups hold no groups
            self.list.push(Addressee::Group(group));
        }
        self.pending = Pending::default();
        let name = self.phrase(&words).unwrap_or_default();
        self.group = Some(Group { name, mailboxes: Vec::new() });
    }

    fn close_group(&mut self) {
        self.flush();
        match self.group.take() {
            Some(group) => self.list.push(Addressee::Group(group)),
            None => self.fault(), // some write `;` between addresses
        }
    }

    /// Ends a mailbox.
    fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let mut mailbox = match pending.address {
            Some(address) => {
                if !pending.words.is_empty() {
                    self.fault(); // words after the address
                }
                Mailbox { name: pending.name, address }
            }
            None if pending.words.is_empty() => return,
            None => {
                self.fault();
                if pending.words.len() == 1 || local_part_start(&pending.words) == 0 {
                    Mailbox { name: None, address: local_part(&pending.words) }
                } else {
                    Mailbox { name: self.phrase(&pending.words), address: String::new() }
                }
            }
        };
        if mailbox.name.is_none() {
            // RFC 5322 §3.4: names used to stand in comments.
            if let Some(comment) = pending.comment {
                let mut decoder = TextDecoder::default();
                decoder.push_text(&unescape(comment));
                let name = decoder.finish();
                let name = name.trim();
                if !name.is_empty() {
                    mailbox.name = Some(name.to_owned());
                }
            }
        }
        self.count += 1;
        match &mut self.group {
            Some(group) => group.mailboxes.push(mailbox),
            None => self.list.push(Addressee::Mailbox(mailbox)),
        }
    }

    /// The text of a display name.
    fn phrase(&mut self, words: &[Word<'_>]) -> Option<String> {
        if words.is_empty() {
            return None;
        }
        let mut decoder = TextDecoder::default();
        for (index, word) in words.iter().enumerate() {
            if word.is_spaced && index > 0 {
                decoder.push_plain(b" ");
            }
            match word.token {
                Token::Atom(atom) => match encoded_word::scan(atom) {
                    Some(found) if found.octets == atom.len() => decoder.push_word(&found, atom),
                    _ => decoder.push_text(atom),
                },
                // RFC 2047 §5 forbids encoded words in quoted strings, and mailers write them.
                Token::Quoted(inside) => decoder.push_text(&unescape(inside)),
                Token::Literal(literal) => decoder.push_plain(literal),
                Token::Special(sign) => decoder.push_plain(&[sign]),
                Token::Space | Token::Comment(_) => {}
            }
        }
        let (name, faults) = decoder.finish_with_faults();
        self.note(faults);
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    }
}

/// Where the local part begins among the words before an `@`: words with nothing but dots
/// between them belong together (RFC 5322 §4.4 allows white space around the dots).
fn local_part_start(words: &[Word<'_>]) -> usize {
    let is_dot = |word: &Word<'_>| word.token == Token::Special(b'.');
    let mut start = words.len().saturating_sub(1);
    while let (Some(before), Some(first)) =
        (start.checked_sub(1).and_then(|index| words.get(index)), words.get(start))
    {
        if first.is_spaced && !is_dot(first) && !is_dot(before) {
            break;
        }
        start -= 1;
    }
    start
}

/// The text of a local part, with quotes only where it needs them.
fn local_part(words: &[Word<'_>]) -> String {
    let mut text = String::new();
    let mut was_quoted = false;
    for word in words {
        match word.token {
            Token::Atom(atom) => {
                push_visible(&mut text, atom);
            }
            Token::Quoted(inside) => {
                was_quoted = true;
                push_visible(&mut text, &unescape(inside));
            }
            Token::Literal(literal) => {
                push_visible(&mut text, literal);
            }
            Token::Special(sign) => text.push(char::from(sign)),
            Token::Space | Token::Comment(_) => {}
        }
    }
    if was_quoted && !is_dot_atom(&text) {
        return quote(&text);
    }
    text
}

/// Whether octets could be shown as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visibility {
    Whole,
    /// Control characters became U+FFFD.
    Partial,
}

/// Adds the text of octets: an address never carries control characters.
fn push_visible(text: &mut String, octets: &[u8]) -> Visibility {
    let decoded = charset::decode_unlabelled(octets);
    if !decoded.chars().any(char::is_control) {
        text.push_str(&decoded);
        return Visibility::Whole;
    }
    text.extend(decoded.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }));
    Visibility::Partial
}

/// RFC 5322 §3.2.3: atoms with single dots between them.
pub(crate) fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// RFC 5322 §3.2.3, and RFC 6532 §3.2 for octets above 127.
pub(crate) fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet > 127 || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

/// Makes a quoted string.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for sign in text.chars() {
        if matches!(sign, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(sign);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
