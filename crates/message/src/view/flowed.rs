//! Text whose lines were broken to be joined again.
//!
//! Standards: RFC 3676 §4 (format=flowed, DelSp, space-stuffing, quote depth, signature).
//! Not here: breaking lines when writing.

use super::says;
use crate::content::ContentType;

/// The text with LF line ends; flowed lines are joined to paragraphs if the type says so.
pub(super) fn joined(text: &str, content_type: &ContentType) -> String {
    if !says(content_type, "format", "flowed") {
        return if text.contains('\r') { text.replace("\r\n", "\n") } else { text.to_owned() };
    }
    let deletes_space = says(content_type, "delsp", "yes");
    let mut shown = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let depth = line.len() - line.trim_start_matches('>').len();
        let rest = line.get(depth..).unwrap_or_default();
        let rest = rest.strip_prefix(' ').unwrap_or(rest); // space-stuffing
        let is_signature = rest == "-- ";
        let is_flowed = rest.ends_with(' ') && !is_signature;
        let goes_on = open == Some(depth) && !is_signature;
        if !goes_on {
            if open.is_some() {
                shown.push('\n');
            }
            shown.extend(std::iter::repeat_n('>', depth));
            if depth > 0 {
                shown.push(' ');
            }
        }
        let kept =
            if is_flowed && deletes_space { rest.strip_suffix(' ').unwrap_or(rest) } else { rest };
        shown.push_str(kept);
        open = is_flowed.then_some(depth);
        if !is_flowed {
            shown.push('\n');
        }
    }
    if open.is_some() {
        shown.push('\n');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{ContentType, joined};

    #[test]
    fn paragraphs_are_joined() {
        #[rustfmt::skip]
        let table = [
            ("a \r\nb\r\nc\r\n", "text/plain; format=flowed", "a b\nc\n", "a paragraph"),
            ("a \r\nb\r\n", "text/plain", "a \nb\n", "not flowed"),
            ("a \r\nb\r\n", "text/plain; format=flowed; delsp=yes", "ab\n", "DelSp"),
            (">a \r\n>b\r\n> > c \r\nd\r\n", "text/plain; format=flowed", "> a b\n> > c \nd\n", "a space ends the quote marks"),
            (">> a \r\n> b\r\n", "text/plain; format=flowed", ">> a \n> b\n", "another depth is another paragraph"),
            ("a \r\n-- \r\nme\r\n", "text/plain; format=flowed", "a \n-- \nme\n", "signature"),
            (" >x\r\n", "text/plain; format=flowed", ">x\n", "space-stuffing"),
        ];
        for (text, content_type, expected, why) in table {
            let content_type = ContentType::parse(content_type.as_bytes()).unwrap();
            assert_eq!(joined(text, &content_type), expected, "{why}");
        }
    }
}
