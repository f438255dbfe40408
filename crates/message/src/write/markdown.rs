//! Markdown: the author's text stays the plain one, and HTML is made of it.
//!
//! HTML in the source is text as any other, so quoting a stranger in a letter smuggles nothing
//! in. A signature is not Markdown: below a line of text its `-- ` would make that a heading.
//!
//! Standards: RFC 2046 §5.1.4 (multipart/alternative), RFC 3676 §4.3 (signatures); CommonMark
//! with the tables and struck out words of GitHub.
//! Not here: the parts themselves (module `assembly`).

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::Draft;

impl Draft {
    /// Takes a text in Markdown: it becomes [`text`](Self::text) as it is, since Markdown is
    /// meant to be read, and [`html`](Self::html) in its rendered form.
    ///
    /// ```
    /// let draft = message::Draft::default().with_markdown("Tea is *ready*.\n");
    /// assert_eq!(draft.text.as_deref(), Some("Tea is *ready*.\n"));
    /// assert!(draft.html.unwrap().contains("<p>Tea is <em>ready</em>.</p>"));
    /// ```
    #[must_use]
    pub fn with_markdown(self, source: &str) -> Self {
        Self { text: Some(source.to_owned()), html: Some(render(source)), ..self }
    }
}

fn render(source: &str) -> String {
    let (letter, signature) = source.split_at(signature_at(source));
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut page = "<!DOCTYPE html>\n<html><body>\n".to_owned();
    html::push_html(&mut page, Parser::new_ext(letter, options).map(without_html));
    if !signature.is_empty() {
        let mut lines: Vec<Event<'_>> = vec![Event::Start(Tag::Paragraph)];
        for line in signature.lines() {
            lines.push(Event::Text(CowStr::Borrowed(line)));
            lines.push(Event::HardBreak);
        }
        lines.pop();
        lines.push(Event::End(TagEnd::Paragraph));
        html::push_html(&mut page, lines.into_iter());
    }
    page.push_str("</body></html>\n");
    page
}

/// Where the last line `-- ` begins, or the end.
fn signature_at(source: &str) -> usize {
    let mut at = source.len();
    for line in source.split_inclusive('\n').rev() {
        at -= line.len();
        if line.trim_end_matches(['\r', '\n']) == "-- " {
            return at;
        }
    }
    source.len()
}

fn without_html(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::{DateTime, Draft, Mailbox, Message, MessageId};

    #[test]
    fn markdown_is_rendered() {
        #[rustfmt::skip]
        let table = [
            ("a *b* **c**", "<p>a <em>b</em> <strong>c</strong></p>\n", "emphasis"),
            ("* one\n* two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n", "a list"),
            ("> b", "<blockquote>\n<p>b</p>\n</blockquote>\n", "a quote"),
            ("a <script>x</script>", "<p>a &lt;script&gt;x&lt;/script&gt;</p>\n", "HTML is text"),
            ("<div>\nx\n</div>\n", "<p>&lt;div&gt;\nx\n&lt;/div&gt;\n</p>\n", "a block of it too"),
            ("Bye\n-- \nAda <a@b>\nLtd", "<p>Bye</p>\n<p>-- <br />\nAda &lt;a@b&gt;<br />\nLtd</p>\n", "a signature makes no heading"),
        ];
        for (source, body, why) in table {
            let expected = format!("<!DOCTYPE html>\n<html><body>\n{body}</body></html>\n");
            assert_eq!(render(source), expected, "{why}");
        }
    }

    #[test]
    fn both_forms_travel() {
        let now = DateTime::from_unix(1_700_000_000);
        let draft = Draft {
            from: Mailbox::new("ada@example.org").into(),
            date: Some(now),
            message_id: Some(MessageId::new(now, 1, "example.org")),
            ..Draft::default()
        };
        let sealed = draft.with_markdown("Grüße, *Ada*\n").seal(&mut || 7).unwrap();
        let message = Message::parse(sealed.octets());
        assert_eq!(message.root().content_type().to_string(), "multipart/alternative");
        let types: Vec<_> =
            message.root().parts().map(|part| part.content_type().to_string()).collect();
        // RFC 2046 §5.1.4: in order of increasing faithfulness.
        assert_eq!(types, ["text/plain", "text/html"]);
        assert_eq!(message.text_to_show().trim_end(), "Grüße, *Ada*");
        assert!(message.html().unwrap().contains("<p>Grüße, <em>Ada</em></p>"));
    }

    #[test]
    fn nesting_takes_linear_time() {
        for piece in ["> ", "* ", "[", "*a", "`", "<", "![", "| a "] {
            render(&piece.repeat(20_000));
        }
    }
}
