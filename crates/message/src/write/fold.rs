//! Writes header fields: folded, and encoded where they must be.
//!
//! Standards: RFC 5322 §2.1.1 and §2.2.3 (folding), RFC 2047 (encoded words), RFC 2231
//! (parameters), RFC 6532 §3 (UTF-8).
//! Not here: which fields a message has (module `write`).

use crate::address::{AddressList, Addressee, Mailbox, is_atext, quote};
use crate::message_id::MessageId;
use crate::transfer::base64;
use crate::write::DraftError;

/// Longest line that we write, without CRLF (RFC 5322 §2.1.1).
const COLUMNS_MAX: usize = 78;
/// Longest line with an encoded word in it (RFC 2047 §2).
const ENCODED_COLUMNS_MAX: usize = 76;
/// Characters of an encoded word between its frame `=?utf-8?q?` and `?=` (RFC 2047 §2: 75).
const PAYLOAD_MAX: usize = 75 - 12;
/// A word that cannot be folded is left alone up to this; then only encoding can break it.
const WORD_OCTETS_MAX: usize = 900;
/// Fields that a draft writes itself.
const OWN_FIELDS: [&str; 12] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
];

/// How letters outside of ASCII are written in a header.
///
/// ```
/// use message::{DateTime, Draft, HeaderForm, Mailbox, MessageId};
/// let now = DateTime::from_unix(1_700_000_000);
/// let draft = Draft {
///     from: Mailbox::new("ada@example.org").into(),
///     date: Some(now),
///     message_id: Some(MessageId::new(now, 1, "example.org")),
///     subject: "Grüße".to_owned(),
///     header_form: HeaderForm::Utf8,
///     ..Draft::default()
/// };
/// let sealed = draft.seal(&mut || 4).unwrap();
/// assert!(sealed.needs_smtputf8());
/// assert!(String::from_utf8_lossy(sealed.octets()).contains("Subject: Grüße\r\n"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeaderForm {
    /// As encoded words (RFC 2047) and encoded parameters (RFC 2231), which pass everywhere.
    #[default]
    Encoded,
    /// As they are (RFC 6532): only for servers with SMTPUTF8.
    Utf8,
}

/// Writes fields one after the other.
#[derive(Debug, Default)]
pub(crate) struct FieldWriter {
    written: String,
    column: usize,
    form: HeaderForm,
}

impl FieldWriter {
    pub(crate) fn with_form(form: HeaderForm) -> Self {
        Self { form, ..Self::default() }
    }

    pub(crate) fn finish(self) -> String {
        self.written
    }

    fn begin(&mut self, name: &str) {
        self.written.push_str(name);
        self.written.push(':');
        self.column = name.len() + 1;
    }

    fn end(&mut self) {
        self.written.push_str("\r\n");
    }

    /// Writes a piece that cannot be broken, after a space at which the line may be.
    fn piece(&mut self, piece: &str, columns_max: usize) {
        let columns = piece.chars().count();
        // Never a line of white space alone: a fold needs something on both sides.
        if self.column + 1 + columns > columns_max && !piece.is_empty() && !self.at_line_start() {
            self.written.push_str("\r\n");
            self.column = 0;
        }
        self.written.push(' ');
        self.written.push_str(piece);
        self.column += 1 + columns;
    }

    fn at_line_start(&self) -> bool {
        self.written.ends_with(' ') || self.written.ends_with('\n')
    }

    fn attach(&mut self, sign: char) {
        self.written.push(sign);
        self.column += 1;
    }

    /// Writes a field of free text.
    pub(crate) fn text(&mut self, name: &str, value: &str) -> Result<(), DraftError> {
        if value.chars().any(|sign| sign.is_control() && sign != '\t') {
            return Err(DraftError::LineBreak(name.to_owned()));
        }
        self.begin(name);
        if value.trim() != value {
            self.encoded(value);
            self.end();
            return Ok(());
        }
        let mut run = String::new();
        for word in value.split(' ') {
            // White space between encoded words would vanish, so it is encoded with them.
            if self.form.must_encode(word) || (word.is_empty() && !run.is_empty()) {
                if !run.is_empty() {
                    run.push(' ');
                }
                run.push_str(word);
                continue;
            }
            if !run.is_empty() {
                self.encoded(&std::mem::take(&mut run));
            }
            self.piece(word, COLUMNS_MAX);
        }
        if !run.is_empty() {
            self.encoded(&run);
        }
        self.end();
        Ok(())
    }

    /// Writes a field whose value may come from a stranger and must be plain ASCII: what is
    /// not becomes `?`, line breaks become spaces.
    pub(crate) fn plain(&mut self, name: &str, value: &str) {
        let clean: String = value
            .chars()
            .map(|sign| match sign {
                ' '..='~' => sign,
                sign if sign.is_control() => ' ',
                _ => '?',
            })
            .collect();
        self.words(name, &clean);
    }

    /// Writes a field that may have UTF-8 (RFC 6532); what would end a line becomes a space.
    pub(crate) fn utf8(&mut self, name: &str, value: &str) {
        let clean = value.replace(char::is_control, " ");
        self.words(name, &clean);
    }

    fn words(&mut self, name: &str, clean: &str) {
        self.begin(name);
        for word in clean.split_ascii_whitespace() {
            let mut rest = word;
            while let Some((piece, after)) = rest.split_at_checked(WORD_OCTETS_MAX) {
                self.piece(piece, COLUMNS_MAX);
                rest = after;
            }
            self.piece(rest, COLUMNS_MAX);
        }
        self.end();
    }

    /// Ends a group of fields.
    pub(crate) fn blank_line(&mut self) {
        self.written.push_str("\r\n");
    }

    /// Writes a field that is not one of the draft's own.
    pub(crate) fn extra(&mut self, name: &str, value: &str) -> Result<(), DraftError> {
        let is_name =
            !name.is_empty() && name.bytes().all(|octet| matches!(octet, 33..=57 | 59..=126));
        let is_own = OWN_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name));
        let is_content = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"));
        if !is_name || is_own || is_content {
            return Err(DraftError::Field(name.to_owned()));
        }
        self.text(name, value)
    }

    /// Writes encoded words; neighbours of them are joined again by every reader.
    fn encoded(&mut self, text: &str) {
        for word in encoded_words(text) {
            self.piece(&word, ENCODED_COLUMNS_MAX);
        }
    }

    /// Writes a field with message ids, if there are any that a line can have.
    pub(crate) fn ids(&mut self, name: &str, ids: &[MessageId]) {
        let mut ids = ids.iter().filter(|id| id.fits_a_line()).peekable();
        if ids.peek().is_none() {
            return;
        }
        self.begin(name);
        for id in ids {
            self.piece(&format!("<{id}>"), COLUMNS_MAX);
        }
        self.end();
    }

    /// Writes an address field, if there is anybody in the list.
    pub(crate) fn addresses(&mut self, name: &str, list: &AddressList) -> Result<(), DraftError> {
        if list.is_empty() {
            return Ok(());
        }
        self.begin(name);
        for (index, addressee) in list.0.iter().enumerate() {
            if index > 0 {
                self.attach(',');
            }
            match addressee {
                Addressee::Mailbox(mailbox) => self.mailbox(name, mailbox)?,
                Addressee::Group(group) => {
                    self.phrase(name, &group.name)?;
                    self.attach(':');
                    for (index, mailbox) in group.mailboxes.iter().enumerate() {
                        if index > 0 {
                            self.attach(',');
                        }
                        self.mailbox(name, mailbox)?;
                    }
                    self.attach(';');
                }
            }
        }
        self.end();
        Ok(())
    }

    fn mailbox(&mut self, field: &str, mailbox: &Mailbox) -> Result<(), DraftError> {
        let address = &mailbox.address;
        let (read, faults) = AddressList::parse_with_faults(address.as_bytes());
        let is_safe = faults.is_empty()
            && address.len() < WORD_OCTETS_MAX
            && !address.chars().any(char::is_control)
            && matches!(read.0.as_slice(),
                [Addressee::Mailbox(Mailbox { name: None, address: same })] if same == address);
        if !is_safe {
            return Err(DraftError::Address(address.clone()));
        }
        match mailbox.name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => {
                self.phrase(field, name)?;
                self.piece(&format!("<{address}>"), COLUMNS_MAX);
            }
            None => self.piece(address, COLUMNS_MAX),
        }
        Ok(())
    }

    /// Writes a display name: as it is, in quotes, or encoded, in this order.
    fn phrase(&mut self, field: &str, name: &str) -> Result<(), DraftError> {
        if name.chars().any(char::is_control) {
            return Err(DraftError::LineBreak(field.to_owned()));
        }
        if name.trim() != name || name.split(' ').any(|word| self.form.must_encode(word)) {
            self.encoded(name);
        } else if name.split(' ').all(is_atom) {
            for word in name.split(' ') {
                self.piece(word, COLUMNS_MAX);
            }
        } else {
            for word in quote(name).split(' ') {
                self.piece(word, COLUMNS_MAX);
            }
        }
        Ok(())
    }

    /// Writes a MIME field: a value, and parameters that may hold anything.
    pub(crate) fn with_parameters(&mut self, name: &str, value: &str, parameters: &[(&str, &str)]) {
        self.begin(name);
        self.piece(value, COLUMNS_MAX);
        for (name, value) in parameters {
            for piece in parameter(name, value, self.form) {
                self.attach(';');
                self.piece(&piece, COLUMNS_MAX);
            }
        }
        self.end();
    }
}

impl HeaderForm {
    /// Whether a word cannot stand in a header as it is.
    fn must_encode(self, word: &str) -> bool {
        let may_stand = |sign: char| match self {
            Self::Encoded => sign.is_ascii_graphic(),
            Self::Utf8 => sign.is_ascii_graphic() || is_letter(sign),
        };
        word.len() > WORD_OCTETS_MAX || word.contains("=?") || !word.chars().all(may_stand)
    }
}

/// What RFC 6532 §3.1 lets stand outside of ASCII, but no white space that a reader may take
/// for the end of a word or line.
fn is_letter(sign: char) -> bool {
    !sign.is_ascii() && !sign.is_control() && !sign.is_whitespace()
}

/// RFC 5322 §3.2.3, with the letters of RFC 6532 §3.2.
fn is_atom(word: &str) -> bool {
    let may_stand = |sign: char| match u8::try_from(sign) {
        Ok(octet) if octet.is_ascii() => is_atext(octet),
        _ => is_letter(sign),
    };
    !word.is_empty() && word.chars().all(may_stand)
}

/// The encoded words for a text, each complete in itself (RFC 2047 §5).
fn encoded_words(text: &str) -> Vec<String> {
    let q_length: usize = text.chars().map(q_columns).sum();
    // Q can be read by eye, which is worth half as much again in length.
    let is_q = q_length * 2 <= text.len().div_ceil(3) * 4 * 3;
    let mut words = Vec::new();
    let mut chunk = String::new();
    let mut columns = 0;
    for sign in text.chars() {
        let added = if is_q { q_columns(sign) } else { sign.len_utf8() };
        let most = if is_q { PAYLOAD_MAX } else { PAYLOAD_MAX / 4 * 3 };
        if columns + added > most {
            words.push(encoded_word(&std::mem::take(&mut chunk), is_q));
            columns = 0;
        }
        chunk.push(sign);
        columns += added;
    }
    words.push(encoded_word(&chunk, is_q));
    words
}

fn encoded_word(text: &str, is_q: bool) -> String {
    if !is_q {
        return format!("=?utf-8?b?{}?=", base64::encode_all(text.as_bytes()));
    }
    let mut word = "=?utf-8?q?".to_owned();
    for octet in text.bytes() {
        match octet {
            b' ' => word.push('_'),
            octet if is_q_literal(octet) => word.push(char::from(octet)),
            octet => word.push_str(&format!("={octet:02X}")),
        }
    }
    word + "?="
}

fn q_columns(sign: char) -> usize {
    match u8::try_from(sign) {
        Ok(octet) if octet == b' ' || is_q_literal(octet) => 1,
        _ => sign.len_utf8() * 3,
    }
}

/// What may stand for itself in a phrase too (RFC 2047 §5 (3)).
fn is_q_literal(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!*+-/".contains(&octet)
}

/// A parameter as one piece, or as several where it is long.
fn parameter(name: &str, value: &str, form: HeaderForm) -> Vec<String> {
    let may_stand = |sign| matches!(sign, ' '..='~') || form == HeaderForm::Utf8 && is_letter(sign);
    let is_plain = value.chars().all(may_stand);
    let columns_left = COLUMNS_MAX - 10 - name.len().min(40);
    if is_plain && value.len() <= columns_left {
        let is_token = !value.is_empty()
            && value
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"!#$&+-.^_{|}~".contains(&octet));
        let written = if is_token { value.to_owned() } else { quote(value) };
        return vec![format!("{name}={written}")];
    }
    let mut chunks = vec!["utf-8''".to_owned()];
    for octet in value.bytes() {
        let written = if octet.is_ascii_alphanumeric() || b"!#$&+-.^_{|}~".contains(&octet) {
            char::from(octet).to_string()
        } else {
            format!("%{octet:02X}")
        };
        match chunks.last_mut() {
            Some(chunk) if chunk.len() + written.len() <= columns_left => chunk.push_str(&written),
            _ => chunks.push(written),
        }
    }
    if let [only] = chunks.as_slice() {
        return vec![format!("{name}*={only}")];
    }
    chunks.iter().enumerate().map(|(index, chunk)| format!("{name}*{index}*={chunk}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FieldWriter, HeaderForm, parameter};
    use crate::{AddressList, Mailbox, decode_text};

    fn text(value: &str) -> String {
        let mut writer = FieldWriter::default();
        writer.text("Subject", value).unwrap();
        writer.finish()
    }

    #[test]
    fn text_is_encoded_only_where_it_must_be() {
        #[rustfmt::skip]
        let table = [
            ("Hello", "Subject: Hello\r\n", "plain"),
            ("a  b", "Subject: a  b\r\n", "two spaces"),
            ("Grüße an Ada", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= an Ada\r\n", "one word"),
            ("über Öl hier", "Subject: =?utf-8?q?=C3=BCber_=C3=96l?= hier\r\n", "neighbours with their space"),
            ("日本語", "Subject: =?utf-8?b?5pel5pys6Kqe?=\r\n", "base64 where it is shorter"),
            ("=?utf-8?q?x?=", "Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=\r\n", "text that looks encoded"),
        ];
        for (value, field, why) in table {
            assert_eq!(text(value), field, "{why}");
        }
    }

    #[test]
    fn letters_stand_as_they_are_where_smtputf8_carries_them() {
        #[rustfmt::skip]
        let table = [
            ("Grüße an Ada", "Subject: Grüße an Ada\r\n", "RFC 6532 §3.1"),
            ("a =?b", "Subject: a =?utf-8?b?PT9i?=\r\n", "what looks encoded is encoded"),
            ("a\u{2028}b ä", "Subject: =?utf-8?q?a=E2=80=A8b?= ä\r\n", "no other line end"),
        ];
        for (value, expected, why) in table {
            let mut writer = FieldWriter::with_form(HeaderForm::Utf8);
            writer.text("Subject", value).unwrap();
            let written = writer.finish();
            assert_eq!(written, expected, "{why}");
            assert_eq!(decode_text(&written.as_bytes()[8..]), value, "{why}");
        }
        let mut writer = FieldWriter::with_form(HeaderForm::Utf8);
        writer.addresses("To", &Mailbox::named("Jörg", "j@x").into()).unwrap();
        writer.addresses("Cc", &Mailbox::named("Ö, P.", "p@x").into()).unwrap();
        assert_eq!(writer.finish(), "To: Jörg <j@x>\r\nCc: \"Ö, P.\" <p@x>\r\n");
    }

    #[test]
    fn line_breaks_cannot_get_in() {
        let mut writer = FieldWriter::default();
        assert!(writer.text("Subject", "a\r\nBcc: b").is_err());
        assert!(writer.extra("X: y\r\nBcc", "b").is_err());
        assert!(writer.extra("bcc", "b").is_err());
        for address in ["a@b\r\nBcc: c@d", "a@b, c@d", "a@b>", "", "a b@c", "x <a@b>", "a@b\0"] {
            assert!(writer.addresses("To", &Mailbox::new(address).into()).is_err(), "{address:?}");
        }
        let named = Mailbox::named("a\r\nBcc: b", "a@b");
        assert!(writer.addresses("To", &named.into()).is_err());
    }

    #[test]
    fn parameters_take_any_value() {
        assert_eq!(parameter("name", "a.txt", HeaderForm::Encoded), ["name=a.txt"]);
        assert_eq!(parameter("name", "a b.txt", HeaderForm::Encoded), ["name=\"a b.txt\""]);
        assert_eq!(parameter("name", "ä.txt", HeaderForm::Encoded), ["name*=utf-8''%C3%A4.txt"]);
        assert_eq!(parameter("name", "ä b.txt", HeaderForm::Utf8), ["name=\"ä b.txt\""]);
        assert_eq!(parameter("name", "ä\u{85}", HeaderForm::Utf8), ["name*=utf-8''%C3%A4%C2%85"]);
        let long = parameter("name", &"ä".repeat(40), HeaderForm::Encoded);
        assert!(long.len() > 1 && long.iter().all(|piece| piece.len() < 76), "{long:?}");
    }

    proptest! {
        #[test]
        fn written_text_is_read_again(value in "( |a|bc|ä|日本|=\\?|\\?=|_|x{70}|\\PC){0,60}") {
            let written = text(&value);
            for line in written.split("\r\n") {
                prop_assert!(line.len() <= 998 && line.is_ascii());
                prop_assert!(line.is_empty() || !line.trim().is_empty());
            }
            let raw = written.strip_prefix("Subject:").unwrap();
            prop_assert_eq!(decode_text(raw.as_bytes()), value.as_str());
            let mut writer = FieldWriter::with_form(HeaderForm::Utf8);
            writer.text("Subject", &value).unwrap();
            let written = writer.finish();
            let raw = written.strip_prefix("Subject:").unwrap();
            prop_assert_eq!(decode_text(raw.as_bytes()), value);
        }

        #[test]
        fn written_names_are_read_again(name in "( |a|B\\.|ä|日本|\"|\\\\|,|<|>|@|:|=\\?|\\PC){1,30}") {
            let name = name.trim().to_owned();
            let mailbox = Mailbox { name: Some(name).filter(|name| !name.is_empty()), address: "a@b".to_owned() };
            for form in [HeaderForm::Encoded, HeaderForm::Utf8] {
                let mut writer = FieldWriter::with_form(form);
                writer.addresses("To", &mailbox.clone().into()).unwrap();
                let written = writer.finish();
                let raw = written.strip_prefix("To:").unwrap();
                prop_assert_eq!(AddressList::parse(raw.as_bytes()), mailbox.clone().into(), "{}", raw);
            }
        }
    }
}
