//! Parts that other parts point to: pictures in HTML, and the root of a multipart/related.
//!
//! Standards: RFC 2392 (`cid:` and `mid:`), RFC 2557 §4.2 (Content-Location), RFC 2387 §3.2
//! (the start parameter).
//! Not here: which parts to show (module `view`).

use crate::message::Message;
use crate::part::{Part, PartKind};
use crate::transfer::hex_pair;

impl Message<'_> {
    /// The part that a URL in the HTML means: `cid:ID` (RFC 2392), `mid:MESSAGE/ID` of this
    /// message, or what a Content-Location says (RFC 2557 §4.2). Nothing is fetched.
    ///
    /// ```
    /// let content = b"Content-Type: multipart/related; boundary=b\r\n\r\n\
    ///     --b\r\nContent-Type: text/html\r\n\r\n<img src=\"cid:cat%25@example.org\">\r\n\
    ///     --b\r\nContent-Type: image/png\r\nContent-ID: <cat%@example.org>\r\n\r\nPNG\r\n--b--\r\n";
    /// let message = message::Message::parse(content);
    /// assert_eq!(message.part_by_url("cid:cat%25@example.org").unwrap().id(), "2");
    /// assert!(message.part_by_url("cid:dog@example.org").is_none());
    /// ```
    pub fn part_by_url(&self, url: &str) -> Option<Part<'_>> {
        let url: String = url.chars().filter(|sign| !sign.is_whitespace()).collect();
        let (scheme, rest) = url.split_once(':').unwrap_or(("", ""));
        if scheme.eq_ignore_ascii_case("cid") {
            return self.part_by_content_id(&percent_decoded(rest));
        }
        if scheme.eq_ignore_ascii_case("mid") {
            let (message, id) = rest.split_once('/')?;
            let own = self.message_id()?;
            let is_own = percent_decoded(message) == own.as_str();
            return self.part_by_content_id(&percent_decoded(id)).filter(|_| is_own);
        }
        self.parts().find(|part| part.location().is_some_and(|location| location == url))
    }
}

impl Part<'_> {
    /// The root of a multipart/related: what its start parameter names, otherwise its first
    /// part (RFC 2387 §3.2). `None` for other parts.
    ///
    /// ```
    /// let content = b"Content-Type: multipart/related; boundary=b; start=\"<page@x>\"\r\n\r\n\
    ///     --b\r\nContent-Type: image/png\r\n\r\nPNG\r\n\
    ///     --b\r\nContent-Type: text/html\r\nContent-ID: <page@x>\r\n\r\n<p>Hi\r\n--b--\r\n";
    /// let message = message::Message::parse(content);
    /// assert_eq!(message.root().related_root().unwrap().id(), "2");
    /// assert_eq!(message.text_to_show(), "Hi\n");
    /// ```
    pub fn related_root(&self) -> Option<Self> {
        let content_type = self.content_type();
        if self.kind() != PartKind::Multipart || content_type.sub() != "related" {
            return None;
        }
        let named = content_type.parameter("start").and_then(|start| {
            let start = start.trim().trim_start_matches('<').trim_end_matches('>');
            self.parts().find(|part| part.content_id().is_some_and(|id| id == start))
        });
        named.or_else(|| self.parts().next())
    }
}

fn percent_decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        let decoded = after.split_first_chunk::<2>().filter(|_| *octet == b'%');
        match decoded.and_then(|(digits, after)| Some((hex_pair(*digits)?, after))) {
            Some((decoded, after)) => {
                octets.push(decoded);
                rest = after;
            }
            None => octets.push(*octet),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use crate::Message;

    #[test]
    fn urls_lead_to_parts() {
        let content = b"Message-ID: <m/1@x>\r\nContent-Type: multipart/related; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/html\r\n\r\n<p>\r\n\
            --b\r\nContent-ID: <a@x>\r\nContent-Location: http://x/\r\n a.png\r\n\r\n1\r\n--b--\r\n";
        let message = Message::parse(content);
        #[rustfmt::skip]
        let table = [
            ("cid:a@x", true, "RFC 2392"),
            ("CID:a%40x", true, "schemes ignore case; escapes"),
            ("cid:a@y", false, "another"),
            ("cid:", false, "nothing"),
            ("mid:m%2F1@x/a@x", true, "of this message"),
            ("mid:other@x/a@x", false, "of another message"),
            ("mid:m%2F1@x", false, "a message is no part"),
            ("http://x/a.png", true, "RFC 2557 §4.2, folded there"),
            ("http://x/b.png", false, "somewhere else"),
            ("", false, "empty"),
            ("cid:%", false, "a broken escape stands for itself"),
        ];
        for (url, is_found, why) in table {
            let found = message.part_by_url(url).map(|part| part.id());
            assert_eq!(found.as_deref(), is_found.then_some("2"), "{url}: {why}");
        }
    }

    #[test]
    fn the_start_parameter_names_the_root() {
        let parts = "\r\n--b\r\nContent-Type: image/png\r\n\r\n1\r\n\
            --b\r\nContent-ID: <p@x>\r\nContent-Type: text/html\r\n\r\n<p>two\r\n--b--\r\n";
        #[rustfmt::skip]
        let table = [
            ("multipart/related; boundary=b; start=\"<p@x>\"", Some("2"), vec!["1"], "RFC 2387 §3.2"),
            ("multipart/related; boundary=b; start=p@x", Some("2"), vec!["1"], "brackets forgotten"),
            ("multipart/related; boundary=b; start=\"<q@x>\"", Some("1"), vec!["2"], "names nothing"),
            ("multipart/related; boundary=b", Some("1"), vec!["2"], "the first"),
            ("multipart/mixed; boundary=b; start=\"<p@x>\"", None, vec![], "another multipart"),
        ];
        for (content_type, root, attached, why) in table {
            let content = format!("Content-Type: {content_type}\r\n{parts}");
            let message = Message::parse(content.as_bytes());
            let found = message.root().related_root().map(|part| part.id());
            assert_eq!(found.as_deref(), root, "{why}");
            let found: Vec<_> = message.attachments().iter().map(|part| part.id()).collect();
            assert_eq!(found, attached, "{why}");
        }
    }
}
