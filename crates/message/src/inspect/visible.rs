//! Text from elsewhere, made safe to show on a terminal.
//!
//! A subject or a reply may hold escape sequences that move the cursor, change the title or
//! type into the shell.
//!
//! Standards: ECMA-48 (control functions), Unicode "Control Pictures" (U+2400), UAX #9 §2
//! (directional formatting).
//! Not here: JSON, which escapes them by itself.

/// One line without anything that moves a cursor or hides text; line feeds are shown too.
pub fn visible_line(text: &str) -> String {
    visible(text).replace('\n', "\u{240a}")
}

/// Text of which every character can be seen: control characters become their pictures, and
/// what turns the direction of writing is named. Line feeds and tabs stay; CRLF becomes LF.
///
/// ```
/// use message::inspect::visible;
/// assert_eq!(visible("a\r\n\u{1b}[2Jb"), "a\n␛[2Jb");
/// ```
pub fn visible(text: &str) -> String {
    if !text.contains(is_hidden) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' if characters.peek() == Some(&'\n') => {}
            seen if !is_hidden(seen) => shown.push(seen),
            '\u{7f}' => shown.push('\u{2421}'),
            control @ '\0'..='\u{1f}' => {
                shown.push(char::from_u32(0x2400 + u32::from(control)).unwrap_or('\u{fffd}'));
            }
            other => shown.push_str(&format!("<U+{:04X}>", u32::from(other))),
        }
    }
    shown
}

fn is_hidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        // Line separators; marks, overrides and isolates that turn what stands around them.
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_reaches_the_terminal() {
        let table = [
            ("plain Grüße 山田", "plain Grüße 山田", "text stays"),
            ("a\tb\nc", "a\tb\nc", "tabs and line feeds stay"),
            ("a\r\nb", "a\nb", "CRLF is a line end"),
            ("\u{1b}]0;owned\u{7}", "\u{241b}]0;owned\u{2407}", "an escape sequence is seen"),
            ("a\rb", "a\u{240d}b", "overwriting a line is seen"),
            ("\u{9b}31m", "<U+009B>31m", "the C1 form of it as well"),
            ("\u{7f}", "\u{2421}", "delete"),
            ("exe.\u{202e}gnp", "exe.<U+202E>gnp", "text that turns around"),
            ("a\u{2028}b", "a<U+2028>b", "a line end that is none"),
        ];
        for (text, wanted, why) in table {
            assert_eq!(visible(text), wanted, "{why}");
        }
        assert_eq!(visible_line("a\nb"), "a\u{240a}b");
    }
}
