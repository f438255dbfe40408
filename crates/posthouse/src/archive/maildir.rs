//! Maildir: a folder with a file for each message, its flags in its name.
//!
//! Mailboxes beside INBOX are folders whose names begin with a dot (Maildir++), with dots between
//! levels and other letters than ASCII as IMAP's old names have them.
//!
//! Standards: <https://cr.yp.to/proto/maildir.html>; RFC 9051 §A.1 (modified UTF-7, IMAP4rev1's names).
//! Not here: reading and writing the files (`import`, `export`).

use store::{Flag, Flags, INBOX};

/// Flags by the letters that stand behind `:2,`, in their order.
const LETTERS: [(char, Flag); 5] = [
    ('D', Flag::Draft),
    ('F', Flag::Flagged),
    ('R', Flag::Answered),
    ('S', Flag::Seen),
    ('T', Flag::Deleted),
];

/// The flags in a file's name.
pub(super) fn flags(name: &str) -> Flags {
    let mut flags = Flags::default();
    let letters = name.rsplit_once(":2,").map_or("", |(_, letters)| letters);
    for (_, flag) in LETTERS.iter().filter(|(letter, _)| letters.contains(*letter)) {
        flags.insert(*flag);
    }
    flags
}

/// What stands behind a file's unique name for these flags.
pub(super) fn suffix(flags: &Flags) -> String {
    let set = LETTERS.iter().filter(|(_, flag)| flags.contains(*flag));
    let letters: String = set.map(|(letter, _)| *letter).collect();
    format!(":2,{letters}")
}

/// The mailbox of a folder within a Maildir; `None`: it is none.
pub(super) fn mailbox(folder: &str) -> Option<String> {
    let inner = folder.strip_prefix('.').filter(|inner| !inner.is_empty())?;
    Some(decode(&inner.replace('.', "/")))
}

/// The folder of a mailbox within a Maildir; empty: the Maildir itself.
pub(super) fn folder(mailbox: &str) -> String {
    if mailbox.eq_ignore_ascii_case(INBOX) {
        return String::new();
    }
    // A dot would be another level, and a slash another folder.
    let safe: Vec<_> = mailbox.split('/').map(|level| level.replace('.', "_")).collect();
    format!(".{}", encode(&safe.join(".")))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Modified UTF-7 of a name.
fn encode(name: &str) -> String {
    let mut out = String::new();
    let mut pending: Vec<u16> = Vec::new();
    for letter in name.chars() {
        if matches!(letter, ' '..='~') {
            shift(&mut pending, &mut out);
            out.push(letter);
            if letter == '&' {
                out.push('-');
            }
        } else {
            pending.extend_from_slice(letter.encode_utf16(&mut [0; 2]));
        }
    }
    shift(&mut pending, &mut out);
    out
}

/// Writes what waits in base64.
fn shift(pending: &mut Vec<u16>, out: &mut String) {
    if pending.is_empty() {
        return;
    }
    out.push('&');
    let (mut bits, mut count) = (0_u32, 0_u32);
    let digit = |index: u32| {
        let index = usize::try_from(index & 63).unwrap_or(0);
        char::from(DIGITS.get(index).copied().unwrap_or(b'A'))
    };
    for unit in pending.drain(..) {
        bits = (bits << 16) | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            out.push(digit(bits >> count));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        out.push(digit(bits << (6 - count)));
    }
    out.push('-');
}

/// A name from modified UTF-7. What is none stays as it is.
fn decode(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, shifted)) = rest.split_once('&') {
        out.push_str(before);
        let Some((encoded, after)) = shifted.split_once('-') else {
            out.push('&');
            rest = shifted;
            continue;
        };
        match units(encoded).and_then(|units| String::from_utf16(&units).ok()) {
            Some(_) if encoded.is_empty() => out.push('&'),
            Some(text) => out.push_str(&text),
            None => {
                out.push('&');
                out.push_str(encoded);
                out.push('-');
            }
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn units(encoded: &str) -> Option<Vec<u16>> {
    let mut units = Vec::new();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for octet in encoded.bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == octet)?;
        bits = (bits << 6) | u32::try_from(digit).ok()?;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push(u16::try_from((bits >> count) & 0xffff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_folders() {
        #[rustfmt::skip]
        let table = [
            ("INBOX", "", "the Maildir itself"),
            ("Sent", ".Sent", "a plain name"),
            ("Work/Projects", ".Work.Projects", "levels"),
            ("Entwürfe", ".Entw&APw-rfe", "RFC 9051 §A.1"),
            ("~peter/mail/台北/日本語", ".~peter.mail.&U,BTFw-.&ZeVnLIqe-", "RFC 9051 §A.1's own"),
            ("R&D", ".R&-D", "an ampersand"),
            ("😀", ".&2D3eAA-", "a surrogate pair"),
        ];
        for (name, wanted, why) in table {
            assert_eq!(folder(name), wanted, "{why}");
            if !wanted.is_empty() {
                assert_eq!(mailbox(wanted).as_deref(), Some(name), "{why}");
            }
        }
        for (name, wanted) in
            [("cur", None), (".", None), (".a&b", Some("a&b")), (".&!-", Some("&!-"))]
        {
            assert_eq!(mailbox(name).as_deref(), wanted, "{name}");
        }
        assert_eq!(folder("../../etc/x.y"), ".__.__.etc.x_y", "never out of the tree");
    }

    #[test]
    fn flags_are_letters() {
        for (name, letters) in
            [("1.host:2,RS", "RS"), ("1.host", ""), ("1:2,", ""), ("1:2,DFRSTab", "DFRST")]
        {
            assert_eq!(suffix(&flags(name)), format!(":2,{letters}"), "{name}");
        }
    }
}
