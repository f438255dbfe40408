//! Parameters of MIME fields: `; name=value`, in pieces, encoded, or just wrong.
//!
//! Standards: RFC 2045 §5.1 (syntax), RFC 2231 §3 and §4 (pieces, charsets).
//! Not here: what a parameter means (module `content`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::charset;
use crate::defect::DefectCode;
use crate::encoded_word::decode_text;
use crate::lexer::{Lexer, Token, is_space, unescape};
use crate::transfer::hex_pair;

/// Parameters, or pieces of them, taken from one field.
pub const PARAMETERS_MAX: usize = 1_000;

/// One parameter, put together and decoded.
///
/// ```
/// let value = b"text/plain; title*0*=utf-8'de'Gr%C3%BC; title*1=nde";
/// let content_type = message::ContentType::parse(value).unwrap();
/// let title = &content_type.parameters()[0];
/// assert_eq!((title.name.as_str(), title.value.as_str()), ("title", "Gründe"));
/// assert_eq!(title.language.as_deref(), Some("de"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name in lower case, without the stars of RFC 2231.
    pub name: String,
    /// The decoded value.
    pub value: String,
    /// The language that was given with it (RFC 2231 §4).
    pub language: Option<String>,
}

/// A parameter as it is written: one piece of RFC 2231, or a whole.
#[derive(Clone, Debug)]
pub(crate) struct Piece<'a> {
    /// In lower case.
    pub(crate) name: String,
    /// Number of the piece, where it has one.
    section: Option<u32>,
    is_encoded: bool,
    pub(crate) value: Cow<'a, [u8]>,
}

/// Reads `; name=value …` up to the end of the field.
pub(crate) fn pieces<'a>(lexer: &mut Lexer<'a>) -> (Vec<Piece<'a>>, bool) {
    let mut pieces = Vec::new();
    let mut is_clean = true;
    loop {
        lexer.skip_cfws();
        match lexer.peek() {
            None => return (pieces, is_clean),
            Some(b';') => {
                lexer.bump(1);
                continue;
            }
            Some(_) => {}
        }
        if pieces.len() >= PARAMETERS_MAX {
            return (pieces, false);
        }
        let Some(Token::Atom(name)) = lexer.next() else {
            is_clean = false;
            lexer.take_until(b";");
            continue;
        };
        lexer.skip_cfws();
        if lexer.peek() != Some(b'=') {
            is_clean = false;
            continue;
        }
        lexer.bump(1);
        lexer.skip_cfws();
        let (value, is_value_clean) = value(lexer);
        is_clean &= is_value_clean;
        pieces.push(piece(name, value));
    }
}

fn value<'a>(lexer: &mut Lexer<'a>) -> (Cow<'a, [u8]>, bool) {
    if lexer.peek() == Some(b'"') {
        let Some(Token::Quoted(inside)) = lexer.next() else { return (Cow::default(), false) };
        return (unescape(inside), true);
    }
    let before = lexer.clone();
    let word = lexer.take_until(b"; \t\r\n(");
    let after_word = lexer.clone();
    lexer.skip_cfws();
    if matches!(lexer.peek(), None | Some(b';')) {
        return (Cow::Borrowed(word), true);
    }
    // `charset=x name=y` lost its semicolon; `name=my file.txt` lost its quotes.
    let mut next = lexer.clone();
    if matches!(next.next(), Some(Token::Atom(_))) && next.peek() == Some(b'=') {
        *lexer = after_word;
        return (Cow::Borrowed(word), false);
    }
    *lexer = before;
    (without_line_ends(lexer.take_until(b";").trim_ascii()), false)
}

fn without_line_ends(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.iter().any(|octet| matches!(octet, b'\r' | b'\n')) {
        let kept = raw.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n'));
        return Cow::Owned(kept.collect());
    }
    Cow::Borrowed(raw)
}

/// Takes a name such as `filename*12*` apart.
fn piece<'a>(name: &[u8], value: Cow<'a, [u8]>) -> Piece<'a> {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let (base, is_encoded) = match name.strip_suffix('*') {
        Some(base) => (base, true),
        None => (name.as_str(), false),
    };
    let numbered = base.rsplit_once('*').and_then(|(base, number)| {
        let is_number = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
        is_number.then(|| number.parse().ok().map(|number| (base, number)))?
    });
    let (base, section) = match numbered {
        Some((base, number)) => (base, Some(number)),
        None => (base, None),
    };
    Piece { name: base.to_owned(), section, is_encoded, value }
}

/// Puts the pieces together. Of two parameters with one name the first counts, except that
/// the forms of RFC 2231 win over the plain one, which stands there for old readers.
pub(crate) fn assemble(pieces: Vec<Piece<'_>>) -> (Vec<Parameter>, Vec<DefectCode>) {
    let mut order = Vec::new();
    let mut by_name: BTreeMap<String, Vec<Piece<'_>>> = BTreeMap::new();
    for piece in pieces {
        let found = by_name.entry(piece.name.clone()).or_default();
        if found.is_empty() {
            order.push(piece.name.clone());
        }
        found.push(piece);
    }
    let mut faults = Vec::new();
    let mut parameters = Vec::with_capacity(order.len());
    for name in order {
        let pieces = by_name.remove(&name).unwrap_or_default();
        parameters.push(join(name, pieces, &mut faults));
    }
    (parameters, faults)
}

fn join(name: String, mut pieces: Vec<Piece<'_>>, faults: &mut Vec<DefectCode>) -> Parameter {
    if let Some(at) = pieces.iter().position(|piece| piece.section.is_none() && piece.is_encoded) {
        pieces = vec![pieces.swap_remove(at)];
    } else if pieces.iter().any(|piece| piece.section.is_some()) {
        pieces.retain(|piece| piece.section.is_some());
        pieces.sort_by_key(|piece| piece.section);
        pieces.dedup_by_key(|piece| piece.section);
        let is_whole = pieces.iter().zip(0..).all(|(piece, due)| piece.section == Some(due));
        if !is_whole {
            faults.push(DefectCode::BadParameter);
        }
    } else if pieces.len() > 1 {
        faults.push(DefectCode::BadParameter);
        pieces.truncate(1);
    }
    let (mut charset, mut language) = (None, None);
    let mut octets = Vec::new();
    let is_encoded = pieces.iter().any(|piece| piece.is_encoded);
    for (index, piece) in pieces.iter().enumerate() {
        let mut value = piece.value.as_ref();
        if index == 0 && piece.is_encoded {
            (charset, language, value) = split_charset(value);
        }
        if piece.is_encoded {
            percent_decode(value, &mut octets);
        } else {
            octets.extend_from_slice(value);
        }
    }
    let value = match charset {
        Some(charset) => {
            if !charset::is_known(charset) {
                faults.push(DefectCode::UnknownCharset);
            }
            visible(&charset::decode(&octets, charset).text)
        }
        None if is_encoded => visible(&charset::decode_unlabelled(&octets)),
        // RFC 2231 replaced encoded words in parameters; mailers go on writing them.
        None => decode_text(&octets).into_owned(),
    };
    let language = language.map(|language| String::from_utf8_lossy(language).into_owned());
    Parameter { name, value, language }
}

/// Nothing that was hidden behind an encoding may be a control character.
fn visible(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }).collect()
}

/// `charset'language'value` (RFC 2231 §4).
fn split_charset(value: &[u8]) -> (Option<&[u8]>, Option<&[u8]>, &[u8]) {
    let mut fields = value.splitn(3, |octet| *octet == b'\'');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(charset), Some(language), Some(rest)) => {
            let charset = Some(charset).filter(|charset| !charset.is_empty());
            (charset, Some(language).filter(|language| !language.is_empty()), rest)
        }
        _ => (None, None, value),
    }
}

fn percent_decode(value: &[u8], octets: &mut Vec<u8>) {
    let mut rest = value;
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        if *octet == b'%'
            && let Some((digits, after)) = after.split_first_chunk::<2>()
            && let Some(decoded) = hex_pair(*digits)
        {
            octets.push(decoded);
            rest = after;
            continue;
        }
        if !is_space(*octet) || *octet == b' ' {
            octets.push(*octet);
        }
    }
}

/// Reads all parameters that follow in `lexer`.
pub(crate) fn parse(lexer: &mut Lexer<'_>) -> (Vec<Parameter>, Vec<DefectCode>) {
    let (pieces, is_clean) = pieces(lexer);
    let (parameters, mut faults) = assemble(pieces);
    if !is_clean {
        faults.push(DefectCode::BadParameter);
    }
    (parameters, faults)
}

#[cfg(test)]
mod tests {
    use super::{Lexer, parse};
    use crate::lexer::Syntax;

    fn show(value: &str) -> String {
        let (parameters, _) = parse(&mut Lexer::new(value.as_bytes(), Syntax::Parameter));
        let shown = parameters.iter().map(|one| format!("{}={}", one.name, one.value));
        shown.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn parameters_are_read_as_they_are_meant() {
        #[rustfmt::skip]
        let table = [
            ("; charset=us-ascii (Plain text)", "charset=us-ascii", "RFC 2045 §5.1"),
            ("; charset=\"us-ascii\"", "charset=us-ascii", "RFC 2045 §5.1"),
            ("; URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu/pub\"", "url=ftp://cs.utk.edu/pub", "RFC 2231 §3"),
            ("; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "title=This is ***fun***", "RFC 2231 §4"),
            ("; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"", "title=This is even more ***fun*** isn't it!", "RFC 2231 §4.1"),
            ("; a*2=c; a*0=a; a*1=b", "a=abc", "out of order"),
            ("; a*=utf-8''%C3%A4; a=x", "a=ä", "the extended form wins"),
            ("; a=x; a*=utf-8''%C3%A4", "a=ä", "in either order"),
            ("; a*0*=utf-8''%C3; a*1*=%A4", "a=ä", "split inside a character"),
            ("; a=1; a=2", "a=1", "the first wins"),
            ("; name=\"=?utf-8?q?=C3=A4?=.txt\"", "name=ä.txt", "encoded word in a parameter"),
            ("; name=my file.txt; x=y", "name=my file.txt|x=y", "no quotes"),
            ("; name=my (1).txt; x=y", "name=my (1).txt|x=y", "no comment"),
            ("; charset=utf-8 format=flowed", "charset=utf-8|format=flowed", "no semicolon"),
            ("; boundary==_a/b?c", "boundary==_a/b?c", "no quotes around signs"),
            (";;; a = b ;", "a=b", "spaces and empty parameters"),
            ("; a=\"x;y\\\"z\"", "a=x;y\"z", "quoted"),
            ("; =x; b=c", "b=c", "no name"),
            ("; a; b=c", "b=c", "no value"),
            ("; a*=utf-8''a%0D%0Ab", "a=a\u{fffd}\u{fffd}b", "no line break comes out"),
            ("; a*=%41", "a=A", "no charset at all"),
            ("; a=\"unclosed", "a=unclosed", "no closing quote"),
        ];
        for (value, expected, why) in table {
            assert_eq!(show(value), expected, "{why}: {value}");
        }
    }

    #[test]
    fn thousands_of_pieces_are_cut() {
        let pieces: String = (0..3000).rev().map(|n| format!("; a*{n}=x")).collect();
        let (parameters, faults) = parse(&mut Lexer::new(pieces.as_bytes(), Syntax::Parameter));
        assert_eq!(parameters.len(), 1);
        assert!(!faults.is_empty());
    }
}
