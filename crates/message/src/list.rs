//! What a mailing list says about itself.
//!
//! Standards: RFC 2369 (List- fields), RFC 2919 (List-Id), RFC 8058 (leaving with one click).
//! Not here: doing what the links say.

use crate::encoded_word::decode_text;
use crate::header::Header;

/// Links taken from one field; RFC 2369 §2 wants them in the order of preference.
pub const LIST_LINKS_MAX: usize = 20;

/// The fields of a list.
///
/// ```
/// let content = b"List-Id: Tea lovers <tea.example.org>\r\n\
///     List-Unsubscribe: <https://example.org/u?1>, <mailto:u@example.org>\r\n\
///     List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n";
/// let section = message::HeaderSection::parse(content);
/// let list = section.header().list().unwrap();
/// assert_eq!(list.id.as_deref(), Some("tea.example.org"));
/// assert_eq!(list.name.as_deref(), Some("Tea lovers"));
/// assert_eq!(list.one_click(), Some("https://example.org/u?1"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFields {
    /// Its id, without brackets (RFC 2919 §3); compare without regard to case.
    pub id: Option<String>,
    /// What it calls itself, before the id.
    pub name: Option<String>,
    /// Where messages to the list go.
    pub post: Vec<String>,
    /// Whether the list says that nobody may write to it: `List-Post: NO` (RFC 2369 §3.4).
    pub is_closed: bool,
    /// How to get help.
    pub help: Vec<String>,
    /// How to join.
    pub subscribe: Vec<String>,
    /// How to leave.
    pub unsubscribe: Vec<String>,
    /// Who is responsible.
    pub owner: Vec<String>,
    /// Where its messages are kept.
    pub archive: Vec<String>,
    /// Whether List-Unsubscribe-Post promises that one POST is enough (RFC 8058 §3.1). Only
    /// with a signature that covers both fields it may be believed (§4).
    pub has_one_click: bool,
}

impl ListFields {
    /// The link to which `List-Unsubscribe=One-Click` is to be posted (RFC 8058 §3.1): the first
    /// https one, if the list promises that it works.
    pub fn one_click(&self) -> Option<&str> {
        let mut links = self.unsubscribe.iter().filter(|_| self.has_one_click);
        let is_https = |link: &&String| {
            link.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
        };
        links.find(is_https).map(String::as_str)
    }
}

impl Header<'_> {
    /// What a list says about itself; `None` where no field does.
    pub fn list(&self) -> Option<ListFields> {
        let (name, id) =
            self.field("List-Id").map(|field| id(field.raw_value())).unwrap_or_default();
        let post = self.value("List-Post").unwrap_or_default();
        let one_click = self.value("List-Unsubscribe-Post").unwrap_or_default();
        let list = ListFields {
            id,
            name,
            is_closed: post.trim().get(..2).is_some_and(|word| word.eq_ignore_ascii_case("NO"))
                && !post.contains('<'),
            post: self.links("List-Post"),
            help: self.links("List-Help"),
            subscribe: self.links("List-Subscribe"),
            unsubscribe: self.links("List-Unsubscribe"),
            owner: self.links("List-Owner"),
            archive: self.links("List-Archive"),
            has_one_click: one_click.trim().eq_ignore_ascii_case("List-Unsubscribe=One-Click"),
        };
        (list != ListFields::default()).then_some(list)
    }

    /// RFC 2369 §2: links in angle brackets; white space in them does not count.
    fn links(&self, name: &str) -> Vec<String> {
        let Some(field) = self.field(name) else { return Vec::new() };
        let value = String::from_utf8_lossy(field.raw_value());
        let links = value.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
        links
            .map(|(link, _)| link.chars().filter(|sign| !sign.is_whitespace()).collect::<String>())
            .filter(|link| link.contains(':') && !link.chars().any(char::is_control))
            .take(LIST_LINKS_MAX)
            .collect()
    }
}

/// Name and id of `List-Id: name <id>`; without brackets all of it is the id.
fn id(value: &[u8]) -> (Option<String>, Option<String>) {
    let value = decode_text(value);
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    match value.rsplit_once('<') {
        Some((name, id)) => {
            let id = id.split('>').next().unwrap_or_default();
            (some(name.trim().trim_matches('"')), some(id.trim()))
        }
        None => (None, some(value.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::ListFields;
    use crate::HeaderSection;

    fn list(fields: &str) -> Option<ListFields> {
        let content = format!("{fields}\r\n\r\n");
        HeaderSection::parse(content.as_bytes()).header().list()
    }

    #[test]
    fn lists_are_known_by_their_fields() {
        assert_eq!(list("Subject: x"), None);
        let found =
            list("List-Id: =?utf-8?q?Gr=C3=BC=C3=9Fe?= <a.b>\r\nList-Post: NO (closed)").unwrap();
        assert_eq!((found.name.as_deref(), found.id.as_deref()), (Some("Grüße"), Some("a.b")));
        assert!(found.is_closed && found.post.is_empty());
        let found = list("List-Id: a.b\r\nList-Post: <mailto:no@x>").unwrap();
        assert_eq!((found.name, found.id.as_deref()), (None, Some("a.b")));
        assert!(!found.is_closed);
    }

    #[test]
    fn links_are_taken_in_their_order() {
        #[rustfmt::skip]
        let table: [(&str, &[&str], &str); 5] = [
            ("<mailto:a@b>, <https://x/y>", &["mailto:a@b", "https://x/y"], "two"),
            ("<https://x/\r\n y z>", &["https://x/yz"], "RFC 2369 §2: white space in a link"),
            ("(help) <mailto:a@b> (by mail)", &["mailto:a@b"], "comments"),
            ("https://x", &[], "no brackets"),
            ("<not a link>", &[], "no scheme"),
        ];
        for (value, expected, why) in table {
            let found = list(&format!("List-Id: x\r\nList-Unsubscribe: {value}")).unwrap();
            assert_eq!(found.unsubscribe, expected, "{why}");
        }
    }

    #[test]
    fn one_click_needs_both_fields() {
        #[rustfmt::skip]
        let table = [
            ("<https://x>", "List-Unsubscribe=One-Click", Some("https://x"), "RFC 8058 §3.1"),
            ("<mailto:a@b>, <HTTPS://x>", "List-Unsubscribe=One-Click", Some("HTTPS://x"), "not the first"),
            ("<http://x>", "List-Unsubscribe=One-Click", None, "RFC 8058 §3.1: https only"),
            ("<https://x>", "yes", None, "another value"),
        ];
        for (link, post, expected, why) in table {
            let fields = format!("List-Unsubscribe: {link}\r\nList-Unsubscribe-Post: {post}");
            assert_eq!(list(&fields).unwrap().one_click(), expected, "{why}");
        }
    }
}
