//! Authentication-Results: what a server found out about who sent a message.
//!
//! Methods and results that we do not know are kept as words. Anybody can write such a field:
//! before one is believed, those that claim to be ours must have been removed at the border
//! (RFC 8601 §5).
//!
//! Standards: RFC 8601.
//! Not here: finding the results (crate `verdict`), whom to believe.

use std::fmt;

use crate::charset::decode_unlabelled;
use crate::header::Header;
use crate::lexer::{Lexer, Syntax, Token, unescape};

/// Results taken from one field: more methods than exist, and ten signatures each.
pub const RESULTS_MAX: usize = 200;
/// Properties taken from one result.
pub const PROPERTIES_MAX: usize = 50;

/// Makes an enum of known words that keeps unknown ones.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// Another word, in lower case.
            Other(String),
        }

        impl $name {
            /// Its word.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            fn of(word: &str) -> Self {
                match word.to_ascii_lowercase().as_str() {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

words! {
    /// How something was checked (RFC 8601 §2.7). Example: [`AuthenticationResults`].
    AuthenticationMethod {
        /// The login of the one who submitted it (RFC 4954).
        Auth = "auth",
        /// Signatures (RFC 6376).
        Dkim = "dkim",
        /// What the author's domain wants (RFC 7489).
        Dmarc = "dmarc",
        /// Whether the host's name and address agree.
        Iprev = "iprev",
        /// Which hosts may send for a domain (RFC 7208).
        Spf = "spf",
        /// The chain of those who passed it on (RFC 8617).
        Arc = "arc",
    }
}

words! {
    /// What came of it (RFC 8601 §2.7). Example: [`AuthenticationResults`].
    AuthenticationVerdict {
        /// It holds.
        Pass = "pass",
        /// It does not.
        Fail = "fail",
        /// It probably does not.
        SoftFail = "softfail",
        /// The domain does not want to say.
        Neutral = "neutral",
        /// There is nothing to check.
        None = "none",
        /// It holds, but some local rule does not take it.
        Policy = "policy",
        /// It could not be checked now.
        TempError = "temperror",
        /// It can never be checked.
        PermError = "permerror",
    }
}

/// One field.
///
/// ```
/// use message::{AuthenticationMethod, AuthenticationResults, AuthenticationVerdict};
/// let value = b" mx.example.org; spf=pass smtp.mailfrom=a@example.net";
/// let results = AuthenticationResults::parse(value).unwrap();
/// assert_eq!(results.server, "mx.example.org");
/// let spf = &results.results[0];
/// assert_eq!(spf.method, AuthenticationMethod::Spf);
/// assert_eq!(spf.verdict, AuthenticationVerdict::Pass);
/// assert_eq!(spf.property("smtp", "mailfrom"), Some("a@example.net"));
/// assert_eq!(results.to_field(), "Authentication-Results: mx.example.org;\r\n\
///     \x20spf=pass smtp.mailfrom=a@example.net\r\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationResults {
    /// Who checked: the authserv-id (RFC 8601 §2.5).
    pub server: String,
    /// What was checked; empty where nothing was (`none`).
    pub results: Vec<AuthenticationResult>,
}

/// One result.
///
/// Example: [`AuthenticationResults`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationResult {
    /// How it was checked.
    pub method: AuthenticationMethod,
    /// What came of it.
    pub verdict: AuthenticationVerdict,
    /// Why, for people.
    pub reason: Option<String>,
    /// What was looked at.
    pub properties: Vec<AuthenticationProperty>,
}

impl AuthenticationResult {
    /// The value of a property, such as `smtp` and `mailfrom`, in lower case.
    pub fn property(&self, kind: &str, name: &str) -> Option<&str> {
        let mut properties = self.properties.iter();
        properties.find(|one| one.kind == kind && one.name == name).map(|one| one.value.as_str())
    }
}

/// One thing that was looked at: `header.d=example.org`.
///
/// Example: [`AuthenticationResults`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationProperty {
    /// Where it comes from, in lower case: `smtp`, `header`, `body`, `policy`.
    pub kind: String,
    /// What it is called there, in lower case.
    pub name: String,
    /// What it is.
    pub value: String,
}

impl AuthenticationResults {
    /// Reads the value of a field; `None` if it names no server, or has a version other than 1
    /// (RFC 8601 §2.2). Results that cannot be read are left out.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut lexer = Lexer::new(value, Syntax::Parameter);
        let (head, mut has_more) = words_to_semicolon(&mut lexer);
        let mut head = head.into_iter();
        let server = head.next().filter(|server| !server.is_empty())?;
        if head.next().is_some_and(|version| version != "1") {
            return None;
        }
        let mut results = Vec::new();
        while has_more && results.len() < RESULTS_MAX {
            let (words, more) = words_to_semicolon(&mut lexer);
            results.extend(result(&words));
            has_more = more;
        }
        Some(Self { server, results })
    }

    /// The field as it is written, folded before each result, with its line end. What a
    /// header must not hold becomes `?`, or `-` in names.
    pub fn to_field(&self) -> String {
        let mut field = format!("Authentication-Results: {}", token(&self.server));
        if self.results.is_empty() {
            field.push_str("; none");
        }
        for result in &self.results {
            field.push_str(&format!(";\r\n {result}"));
        }
        field.push_str("\r\n");
        field
    }
}

/// As in a field, folded before each property where a line gets long.
impl fmt::Display for AuthenticationResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const COLUMNS_MAX: usize = 76;
        let (method, verdict) = (token(self.method.as_str()), token(self.verdict.as_str()));
        let first = format!("{method}={verdict}");
        let reason = self.reason.iter().map(|reason| format!("reason={}", quoted(reason)));
        let properties = self.properties.iter().map(|one| {
            let (kind, name) = (token(&one.kind), token(&one.name));
            format!("{kind}.{name}={}", property_value(&one.value))
        });
        let mut column = 1 + first.len();
        f.write_str(&first)?;
        for piece in reason.chain(properties) {
            if column + 1 + piece.len() > COLUMNS_MAX {
                f.write_str("\r\n ")?;
                column = 1;
            }
            write!(f, " {piece}")?;
            column += 1 + piece.len();
        }
        Ok(())
    }
}

impl Header<'_> {
    /// The Authentication-Results fields, the latest first. Anybody may have written them.
    pub fn authentication_results(&self) -> impl Iterator<Item = AuthenticationResults> {
        self.all("Authentication-Results")
            .filter_map(|field| AuthenticationResults::parse(field.raw_value()))
    }
}

/// Reads words up to a semicolon: what stands together is one word, and so is what an equals
/// sign joins. Says whether there was a semicolon.
fn words_to_semicolon(lexer: &mut Lexer<'_>) -> (Vec<String>, bool) {
    let mut words: Vec<String> = Vec::new();
    let (mut is_apart, mut has_ended) = (true, false);
    for token in lexer.by_ref() {
        let piece = match token {
            Token::Space | Token::Comment(_) => {
                is_apart = true;
                continue;
            }
            Token::Special(b';') => {
                has_ended = true;
                break;
            }
            Token::Atom(octets) | Token::Literal(octets) => decode_unlabelled(octets).into_owned(),
            Token::Quoted(octets) => decode_unlabelled(&unescape(octets)).into_owned(),
            Token::Special(sign) => char::from(sign).to_string(),
        };
        // CFWS may stand on both sides of `=`, of `/` and of the dot of a property.
        let joins = |text: &str| matches!(text, "=" | "/") || text.starts_with('.');
        let follows = words.last().is_some_and(|last| goes_on(last));
        let is_full = words.len() > PROPERTIES_MAX + 2;
        match words.last_mut() {
            Some(last) if !is_apart || follows || (joins(&piece) && !last.contains('=')) => {
                last.push_str(&piece);
            }
            _ if is_full => {}
            _ => words.push(piece),
        }
        is_apart = false;
    }
    (words, has_ended)
}

/// Whether a word is the beginning of a name, or a whole one with its equals sign.
fn goes_on(word: &str) -> bool {
    match word.find('=') {
        Some(at) => at + 1 == word.len(),
        None => word.ends_with(['/', '.']),
    }
}

fn result(words: &[String]) -> Option<AuthenticationResult> {
    let (first, rest) = words.split_first()?;
    let (method, verdict) = first.split_once('=')?;
    let method = method.split('/').next().unwrap_or_default().trim();
    let mut found = AuthenticationResult {
        method: AuthenticationMethod::of(method),
        verdict: AuthenticationVerdict::of(verdict),
        reason: None,
        properties: Vec::new(),
    };
    for word in rest {
        let Some((name, value)) = word.split_once('=') else { continue };
        if name.eq_ignore_ascii_case("reason") {
            found.reason = Some(value.to_owned());
        } else if let Some((kind, name)) = name.split_once('.')
            && found.properties.len() < PROPERTIES_MAX
        {
            let (kind, name) = (kind.to_ascii_lowercase(), name.to_ascii_lowercase());
            found.properties.push(AuthenticationProperty { kind, name, value: value.to_owned() });
        }
    }
    Some(found)
}

fn clean(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|sign| if matches!(sign, ' '..='~') { sign } else { '?' })
}

/// A name; signs that may not stand in one become `-`.
fn token(text: &str) -> String {
    let is_good = |sign: &char| sign.is_ascii_alphanumeric() || "-._".contains(*sign);
    let name: String = text.chars().map(|sign| if is_good(&sign) { sign } else { '-' }).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

fn quoted(text: &str) -> String {
    let mut written = "\"".to_owned();
    for sign in clean(text) {
        if matches!(sign, '"' | '\\') {
            written.push('\\');
        }
        written.push(sign);
    }
    written.push('"');
    written
}

/// RFC 8601 §2.2: a token, or an address or domain, needs no quotes.
fn property_value(value: &str) -> String {
    let is_plain =
        |octet: u8| octet.is_ascii_alphanumeric() || b"-._+@%!#$&'*^`{|}~".contains(&octet);
    let is_good = !value.is_empty() && value.bytes().all(is_plain);
    let ats = value.bytes().filter(|octet| *octet == b'@').count();
    if is_good && ats <= 1 && !value.ends_with('@') { value.to_owned() } else { quoted(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(value: &str) -> String {
        let Some(found) = AuthenticationResults::parse(value.as_bytes()) else {
            return "nothing".to_owned();
        };
        let results = found.results.iter().map(|one| {
            let properties = one.properties.iter();
            let properties = properties.map(|it| format!(" {}.{}={}", it.kind, it.name, it.value));
            let reason = one.reason.iter().map(|reason| format!(" ({reason})"));
            let more: String = reason.chain(properties).collect();
            format!("; {}={}{more}", one.method.as_str(), one.verdict.as_str())
        });
        found.server + &results.collect::<String>()
    }

    #[test]
    fn fields_are_read_as_rfc_8601_says() {
        #[rustfmt::skip]
        let table = [
            (" example.org 1; none", "example.org", "appendix B.2: nothing was done"),
            (" example.com; spf=pass smtp.mailfrom=example.net", "example.com; spf=pass smtp.mailfrom=example.net", "appendix B.3"),
            (" example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom=example.net", "example.com; auth=pass smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net", "appendix B.4: two, a comment"),
            (" example.com; dkim=pass reason=\"good signature\" header.i=@mail-router.example.net", "example.com; dkim=pass (good signature) header.i=@mail-router.example.net", "appendix B.6: a reason"),
            (" foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462", "foo.example.net; dkim=fail policy.expired=1362471462", "appendix B.7: comments everywhere"),
            (" a; DKIM=Pass HEADER.D=x", "a; dkim=pass header.d=x", "words are in any case"),
            (" a; x-new=perhaps x.y=z", "a; x-new=perhaps x.y=z", "§2.7: unknown words are kept"),
            (" a; dkim=pass header.b=ab/c+d=", "a; dkim=pass header.b=ab/c+d=", "base64"),
            (" a; iprev=pass policy.iprev=2001:db8::1", "a; iprev=pass policy.iprev=2001:db8::1", "an address of a host"),
            (" a 2; dkim=pass", "nothing", "§2.2: another version"),
            (" ; dkim=pass", "nothing", "no server"),
            ("", "nothing", "nothing at all"),
            (" a; dkim", "a", "no result"),
        ];
        for (value, expected, why) in table {
            assert_eq!(shape(value), expected, "{why}");
        }
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        let property = |name: &str, value: &str| AuthenticationProperty {
            kind: "header".to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let results = AuthenticationResults {
            server: "mx.example.org".to_owned(),
            results: vec![AuthenticationResult {
                method: AuthenticationMethod::Dkim,
                verdict: AuthenticationVerdict::Other("odd".to_owned()),
                reason: Some("a \"b\"; c\\".to_owned()),
                properties: vec![
                    property("d", "example.net"),
                    property("b", "ab/c+d="),
                    property("from", "a b@x"),
                    property("i", &"x".repeat(60)),
                ],
            }],
        };
        let field = results.to_field();
        assert!(field.lines().all(|line| line.len() <= 78), "{field}");
        let content = format!("{field}\r\n");
        let section = crate::HeaderSection::parse(content.as_bytes());
        let read: Vec<_> = section.header().authentication_results().collect();
        assert_eq!(read, [results]);
    }

    #[test]
    fn nothing_breaks_out_of_the_field() {
        let results = AuthenticationResults {
            server: "a\r\nBcc: b".to_owned(),
            results: vec![AuthenticationResult {
                method: AuthenticationMethod::Spf,
                verdict: AuthenticationVerdict::Other("x;\r\n\r\n".to_owned()),
                reason: Some("\r\nX: y".to_owned()),
                properties: Vec::new(),
            }],
        };
        let content = results.to_field() + "\r\n";
        let section = crate::HeaderSection::parse(content.as_bytes());
        assert_eq!(section.header().fields().count(), 1, "{content}");
    }

    #[test]
    fn long_fields_take_linear_time() {
        for piece in ["a ", "a=", ";", "a=b;", "(", "=", "a.b=c "] {
            AuthenticationResults::parse(format!("a;{}", piece.repeat(100_000)).as_bytes());
        }
    }
}
