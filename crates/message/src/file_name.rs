//! File names from strangers, made safe.
//!
//! Standards: RFC 2183 §2.3 and §5 (file names are suggestions, and may be attacks).
//! Not here: asking before a file is overwritten.

/// Longest name, in octets: file systems allow 255, and a number may have to be added.
const NAME_OCTETS_MAX: usize = 200;
/// Longest ending that is kept when a name is cut, in octets.
const ENDING_OCTETS_MAX: usize = 16;
/// What a file is called whose name is nothing.
const NAMELESS: &str = "attachment";
/// Names that are devices on Windows, whatever ending they have.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Makes one component of a path that is safe on every system: no separators, control or
/// direction characters, no leading dot, no device name, at most 200 octets, never empty.
///
/// ```
/// use message::safe_file_name;
/// assert_eq!(safe_file_name("../../etc/passwd"), "passwd");
/// assert_eq!(safe_file_name("C:\\Users\\x\\letter.txt"), "letter.txt");
/// assert_eq!(safe_file_name(".."), "attachment");
/// ```
pub fn safe_file_name(suggested: &str) -> String {
    let last = suggested.rsplit(['/', '\\']).find(|part| !part.trim().is_empty());
    let last = last.unwrap_or_default();
    let mut name = String::with_capacity(last.len());
    for sign in last.chars().filter(|sign| !is_invisible(*sign)) {
        name.push(if is_unsafe(sign) { '_' } else { sign });
    }
    let name = name.trim_matches(|sign: char| sign == '.' || sign.is_whitespace());
    if name.is_empty() {
        return NAMELESS.to_owned();
    }
    let name = shorten(name);
    if is_device(&name) { shorten(&format!("_{name}")) } else { name }
}

/// Whether Windows takes the name for a device, whatever ending it has.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim().to_lowercase();
    let is_port = ["com", "lpt"]
        .iter()
        .any(|port| stem.strip_prefix(port).is_some_and(|number| number.chars().count() == 1));
    is_port || DEVICES.contains(&stem.as_str())
}

/// Characters that nobody sees, or that turn the direction of a name around.
fn is_invisible(sign: char) -> bool {
    matches!(sign,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{61c}' | '\u{ad}')
}

fn is_unsafe(sign: char) -> bool {
    sign.is_control() || matches!(sign, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\u{fffd}')
}

fn shorten(name: &str) -> String {
    if name.len() <= NAME_OCTETS_MAX {
        return name.to_owned();
    }
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if ending.len() <= ENDING_OCTETS_MAX => (stem, ending),
        _ => (name, ""),
    };
    let mut length = (NAME_OCTETS_MAX - ending.len() - 1).min(stem.len());
    while !stem.is_char_boundary(length) {
        length -= 1;
    }
    let stem = stem.get(..length).unwrap_or_default();
    let stem = stem.trim_end_matches(|sign: char| sign == '.' || sign.is_whitespace());
    if ending.is_empty() { stem.to_owned() } else { format!("{stem}.{ending}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{NAME_OCTETS_MAX, safe_file_name};

    #[test]
    fn hostile_names_become_harmless() {
        let long = format!("{}.pdf", "ä".repeat(3000));
        #[rustfmt::skip]
        let table = [
            ("letter.txt", "letter.txt", "good"),
            ("Grüße aus Köln.pdf", "Grüße aus Köln.pdf", "letters of all languages"),
            ("../../etc/passwd", "passwd", "path"),
            ("C:\\x", "x", "path on Windows"),
            ("/", "attachment", "nothing but a separator"),
            (".", "attachment", "this folder"),
            ("..", "attachment", "the folder above"),
            (".bashrc", "bashrc", "hidden"),
            ("a\0b\r\nc", "a_b__c", "controls"),
            ("exe.\u{202e}fdp", "exe.fdp", "direction override"),
            ("a:stream", "a_stream", "alternate stream on Windows"),
            ("NUL.txt", "_NUL.txt", "device"),
            ("com1", "_com1", "device"),
            ("command.txt", "command.txt", "no device"),
            ("", "attachment", "empty"),
            ("x. .", "x", "ends that Windows drops"),
        ];
        for (suggested, safe, why) in table {
            assert_eq!(safe_file_name(suggested), safe, "{why}");
        }
        let cut = safe_file_name(&long);
        assert!(cut.len() <= NAME_OCTETS_MAX && cut.ends_with("ä.pdf"), "{cut}");
        let device = format!("con.{}.txt", "x".repeat(NAME_OCTETS_MAX - 8));
        let cut = safe_file_name(&device);
        assert!(cut.len() <= NAME_OCTETS_MAX && cut.starts_with("_con."), "{cut}");
        let late = safe_file_name(&format!("con{}x", " ".repeat(NAME_OCTETS_MAX)));
        assert_eq!(late, "_con", "a device only when it is cut");
    }

    proptest! {
        #[test]
        fn a_safe_name_is_one_component(suggested in "(\\.|/|\\\\|:|\u{202e}|CON|[a-z]|\u{e4}|\\PC|\\s|x{100}){0,40}") {
            let name = safe_file_name(&suggested);
            prop_assert!(!name.is_empty() && name.len() <= NAME_OCTETS_MAX);
            prop_assert!(!name.contains(['/', '\\', '\0', ':']));
            prop_assert!(!name.starts_with('.'));
            prop_assert_eq!(safe_file_name(&name), name);
        }
    }
}
