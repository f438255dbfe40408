//! The marked up texts of MIME before HTML came, as plain text: richtext and enriched.
//!
//! Standards: RFC 1341 §7.1.3 (text/richtext), RFC 1896 (text/enriched).
//! Not here: fonts and colours.

use memchr::{memchr, memchr2, memmem};

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Line ends are white space; `<nl>` and `<lt>` are what they say.
    Richtext,
    /// One line end is a space, more are one fewer; `<<` is a less-than sign.
    Enriched,
}

impl Dialect {
    /// The one that a subtype of text names.
    pub(super) fn of(sub: &str) -> Option<Self> {
        match sub {
            "richtext" => Some(Self::Richtext),
            "enriched" => Some(Self::Enriched),
            _ => None,
        }
    }

    /// The element whose content is not for readers.
    fn hidden(self) -> &'static str {
        match self {
            Self::Richtext => "comment",
            Self::Enriched => "param",
        }
    }
}

/// Longest command between its brackets: RFC 1896 allows 60 characters and a solidus.
const COMMAND_OCTETS_MAX: usize = 61;

/// The text without its markup, with LF line ends.
pub(super) fn to_text(text: &str, dialect: Dialect) -> String {
    let mut writer = Writer { shown: String::with_capacity(text.len()), dialect, unfilled: 0 };
    let mut rest = text;
    while let Some(at) = memchr(b'<', rest.as_bytes()) {
        let (words, markup) = rest.split_at_checked(at).unwrap_or((rest, ""));
        writer.words(words);
        rest = writer.markup(markup);
    }
    writer.words(rest);
    let mut shown = writer.shown;
    let length = shown.trim_end_matches([' ', '\n']).len();
    shown.truncate(length);
    if !shown.is_empty() {
        shown.push('\n');
    }
    shown
}

struct Writer {
    shown: String,
    dialect: Dialect,
    /// How many `<nofill>` are open: line ends count there.
    unfilled: usize,
}

impl Writer {
    fn words(&mut self, text: &str) {
        let mut rest = text;
        while let Some(end) = memchr2(b'\r', b'\n', rest.as_bytes()) {
            let (words, run) = rest.split_at_checked(end).unwrap_or((rest, ""));
            self.shown.push_str(words);
            rest = run.trim_start_matches(['\r', '\n']);
            let run = run.bytes().take(run.len() - rest.len());
            self.line_ends(run.filter(|octet| *octet == b'\n').count().max(1));
        }
        self.shown.push_str(rest);
    }

    fn line_ends(&mut self, count: usize) {
        let breaks = match self.dialect {
            _ if self.unfilled > 0 => count,
            Dialect::Richtext => 0,
            Dialect::Enriched => count - 1,
        };
        if breaks > 0 {
            self.shown.extend(std::iter::repeat_n('\n', breaks));
        } else if !self.shown.is_empty() && !self.shown.ends_with([' ', '\n']) {
            // RFC 1341 §7.1.3: no white space directly after a line break.
            self.shown.push(' ');
        }
    }

    /// Reads a command, or a lone `<`; returns what follows.
    fn markup<'t>(&mut self, markup: &'t str) -> &'t str {
        let inside = markup.get(1..).unwrap_or_default();
        if self.dialect == Dialect::Enriched && inside.starts_with('<') {
            self.shown.push('<');
            return inside.get(1..).unwrap_or_default();
        }
        let window = inside.as_bytes();
        let window = window.get(..=COMMAND_OCTETS_MAX).unwrap_or(window);
        let Some(command) = memchr(b'>', window).and_then(|end| inside.get(..end)) else {
            self.shown.push('<');
            return inside;
        };
        let after = inside.get(command.len() + 1..).unwrap_or_default();
        let is = |name: &str| command.eq_ignore_ascii_case(name);
        if is(self.dialect.hidden()) {
            return after_hidden(after, self.dialect.hidden());
        }
        match self.dialect {
            Dialect::Richtext if is("lt") => self.shown.push('<'),
            Dialect::Richtext if is("nl") || is("np") => self.hard_break(),
            Dialect::Richtext if is("paragraph") || is("/paragraph") => self.paragraph(),
            Dialect::Enriched if is("nofill") => self.unfilled += 1,
            Dialect::Enriched if is("/nofill") => {
                self.unfilled = self.unfilled.saturating_sub(1);
            }
            _ => {}
        }
        after
    }

    fn paragraph(&mut self) {
        if !self.shown.is_empty() && !self.shown.ends_with('\n') {
            self.hard_break();
        }
    }

    fn hard_break(&mut self) {
        let length = self.shown.trim_end_matches(' ').len();
        self.shown.truncate(length);
        self.shown.push('\n');
    }
}

/// What follows the end of an element that is not shown; all is hidden if it has none.
fn after_hidden<'t>(rest: &'t str, name: &str) -> &'t str {
    let starts = memmem::find_iter(rest.as_bytes(), b"</");
    for at in starts {
        let tag = rest.get(at + 2..).unwrap_or_default();
        if tag.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            && let Some(after) = tag.get(name.len()..).and_then(|tag| tag.strip_prefix('>'))
        {
            return after;
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::{Dialect, to_text};
    use crate::Message;

    #[test]
    fn markup_is_taken_away() {
        let example = "<bold>Now</bold> is the time for\r\n<italic>all</italic> good men\r\n \
            <smaller>(and <lt>women>)</smaller> to\r\n<ignoreme></ignoreme> come\r\n\
            to the aid of their\r\n<nl>\r\nbeloved <nl><nl>country. <comment> Stupid\r\n\
            quote! </comment> -- the end\r\n";
        #[rustfmt::skip]
        let table = [
            (Dialect::Richtext, example, "Now is the time for all good men  (and <women>) to  come to the aid of their\nbeloved\n\ncountry.  -- the end\n", "the example of RFC 1341 §7.1.3"),
            (Dialect::Richtext, "a<paragraph>b</paragraph>c", "a\nb\nc\n", "paragraphs"),
            (Dialect::Richtext, "a<NL>b", "a\nb\n", "commands ignore case"),
            (Dialect::Richtext, "a <b", "a <b\n", "no command"),
            (Dialect::Enriched, "This is\r\na single\r\nline\r\n\r\nThis is the\r\nnext line.\r\n\r\n\r\nThis is the\r\nnext section.\r\n", "This is a single line\nThis is the next line.\n\nThis is the next section.\n", "the example of RFC 1896"),
            (Dialect::Enriched, "a<<b <color><param>red</param>x</color>", "a<b x\n", "a parameter is not shown"),
            (Dialect::Enriched, "<nofill>a\nb\n</nofill>c\nd", "a\nb\nc d\n", "text that is not filled"),
            (Dialect::Enriched, "a<param>b", "a\n", "never closed"),
            (Dialect::Enriched, "", "", "nothing"),
        ];
        for (dialect, text, expected, why) in table {
            assert_eq!(to_text(text, dialect), expected, "{why}");
        }
    }

    #[test]
    fn texts_of_other_kinds_are_shown_where_nothing_else_is() {
        let shown = |content: &str| Message::parse(content.as_bytes()).text_to_show();
        #[rustfmt::skip]
        let table = [
            ("Content-Type: text/enriched\r\n\r\n<bold>Hi</bold> there\r\n", "Hi there\n", "RFC 1896"),
            ("Content-Type: text/richtext\r\n\r\n<bold>Hi<nl>there</bold>\r\n", "Hi\nthere\n", "RFC 1341 §7.1.3"),
            ("Content-Type: text/x-odd; charset=utf-8\r\n\r\ncaf\u{e9}\r\n", "café\n", "RFC 2046 §4.1.4: unknown subtypes count as plain"),
            ("Content-Type: text/x-odd\r\nContent-Disposition: attachment\r\n\r\nx\r\n", "", "an attachment is none"),
            ("Content-Type: text/x-odd; name=a.odd\r\n\r\nx\r\n", "", "nor is a file"),
            ("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/x-odd\r\n\r\nodd\r\n--b\r\n\r\nplain\r\n--b--\r\n", "plain", "what is plain comes first"),
            ("Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/enriched\r\n\r\nrich\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>html\r\n--b--\r\n", "html\n", "HTML too"),
        ];
        for (content, expected, why) in table {
            assert_eq!(shown(content), expected, "{why}");
        }
    }

    #[test]
    fn time_is_linear() {
        for piece in ["<", "<<", "<param>", "<comment></", "\r\n", "a <b", "<nl>"] {
            to_text(&piece.repeat(40_000), Dialect::Richtext);
            to_text(&piece.repeat(40_000), Dialect::Enriched);
        }
    }
}
