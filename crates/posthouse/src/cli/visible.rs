//! Text from elsewhere, made safe to show on a terminal.
//!
//! A subject or a reply may hold escape sequences that move the cursor, change the title or
//! type into the shell. Control characters are shown as pictures of themselves.
//!
//! Standards: ECMA-48 (control functions), Unicode "Control Pictures" (U+2400).
//! Not here: JSON, which escapes them by itself.

use std::borrow::Cow;

/// The text with every control character made visible.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_unsafe) {
        Cow::Owned(
            text.chars().map(|sign| if is_unsafe(sign) { picture(sign) } else { sign }).collect(),
        )
    } else {
        Cow::Borrowed(text)
    }
}

/// Controls, and characters that turn the direction of what stands around them.
fn is_unsafe(sign: char) -> bool {
    sign.is_control()
        || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn picture(sign: char) -> char {
    match sign {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(sign)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_become_pictures() {
        let table = [
            ("Grüße, 世界 🌍", "Grüße, 世界 🌍", "plain text stays"),
            ("\u{1b}]0;owned\u{7}", "␛]0;owned␇", "a title change"),
            ("a\r\nb\tc", "a␍␊b␉c", "line ends and tabs"),
            ("\u{9b}31m", "\u{fffd}31m", "the 8-bit CSI"),
            ("a\u{202e}cod.exe", "a\u{fffd}cod.exe", "text that runs the other way"),
            ("\u{7f}", "␡", "delete"),
        ];
        for (text, shown, why) in table {
            assert_eq!(visible(text), shown, "{why}");
        }
    }
}
