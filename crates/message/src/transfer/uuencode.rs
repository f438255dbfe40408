//! Uuencode, as old mail has it: read only.
//!
//! Standards: none; the format of `uuencode` in POSIX.1.
//! Not here: writing it.

use std::borrow::Cow;

/// Decodes the first file of a body; a body without one stays as it is.
pub fn decode_all(body: &[u8]) -> Cow<'_, [u8]> {
    let mut lines = body.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end);
    if !lines.by_ref().any(|line| line.starts_with(b"begin ")) {
        return Cow::Borrowed(body);
    }
    let mut octets = Vec::with_capacity(body.len() / 4 * 3);
    for line in lines {
        if line == b"end" {
            break;
        }
        let Some((length, text)) = line.split_first() else { continue };
        let start = octets.len();
        for group in text.chunks(4) {
            let mut bits = 0_u32;
            for index in 0..4 {
                let character = group.get(index).copied().unwrap_or(b' ');
                bits = bits << 6 | u32::from(character.wrapping_sub(b' ') & 63);
            }
            let [_, first, second, third] = bits.to_be_bytes();
            octets.extend_from_slice(&[first, second, third]);
        }
        let length = usize::from(length.wrapping_sub(b' ') & 63);
        octets.truncate(start + length);
    }
    Cow::Owned(octets)
}

#[cfg(test)]
mod tests {
    use super::decode_all;

    #[test]
    fn a_file_is_decoded() {
        let body = b"text\nbegin 644 cat.txt\n#0V%T\n`\nend\nmore";
        assert_eq!(decode_all(body).as_ref(), b"Cat");
        assert_eq!(decode_all(b"no file").as_ref(), b"no file");
    }
}
