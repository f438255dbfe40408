//! Content-MD5: whether a body is still what its author sent.
//!
//! MD5 keeps nobody from changing a message on purpose; it shows accidents on the way.
//!
//! Standards: RFC 1864 (Content-MD5), which refers to MD5 as Rivest published it.
//! Not here: signatures.

use std::borrow::Cow;

use crate::part::{Part, PartKind};
use crate::transfer::base64;
use crate::transfer::lines::Normaliser;

/// What Content-MD5 tells of a part.
///
/// Example: [`Part::integrity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Integrity {
    /// There is no Content-MD5 that can be read, or it says nothing here: RFC 1864 §2 forbids
    /// it for multiparts and messages.
    Unknown,
    /// The body has the checksum that its author gave it.
    Intact,
    /// The body has another one.
    Changed,
}

impl Part<'_> {
    /// The octets of Content-MD5.
    pub fn content_md5(&self) -> Option<[u8; 16]> {
        let field = self.header().field("Content-MD5")?;
        let value = field.raw_value().trim_ascii();
        let value = value.split(|octet| matches!(octet, b' ' | b'(')).next()?;
        let decoded = base64::decode_all(value);
        if decoded.damage.is_some() {
            return None;
        }
        decoded.octets.try_into().ok()
    }

    /// Compares the body with its Content-MD5.
    ///
    /// ```
    /// use message::{Integrity, Message};
    /// let fields = "Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n\r\n";
    /// let intact = format!("{fields}hello");
    /// assert_eq!(Message::parse(intact.as_bytes()).root().integrity(), Integrity::Intact);
    /// let changed = format!("{fields}jello");
    /// assert_eq!(Message::parse(changed.as_bytes()).root().integrity(), Integrity::Changed);
    /// ```
    pub fn integrity(&self) -> Integrity {
        if self.kind() != PartKind::Leaf || self.content_type().main() == "message" {
            return Integrity::Unknown;
        }
        let Some(stated) = self.content_md5() else { return Integrity::Unknown };
        let decoded = self.decoded();
        // RFC 1864 §2: of text in its canonical form, whatever its line ends are here.
        let canonical = match self.content_type().main() {
            "text" => with_crlf(&decoded),
            _ => Cow::Borrowed(decoded.as_ref()),
        };
        if md5(&canonical) == stated { Integrity::Intact } else { Integrity::Changed }
    }
}

fn with_crlf(text: &[u8]) -> Cow<'_, [u8]> {
    let has_bare = memchr::memchr2_iter(b'\r', b'\n', text).any(|at| {
        let is_lf = text.get(at) == Some(&b'\n');
        if is_lf {
            at.checked_sub(1).and_then(|before| text.get(before)) != Some(&b'\r')
        } else {
            text.get(at + 1) != Some(&b'\n')
        }
    });
    if !has_bare {
        return Cow::Borrowed(text);
    }
    let mut written = Vec::new();
    Normaliser::default().feed(text, &mut written);
    Cow::Owned(written)
}

/// How far each step of a round turns (MD5, step 4).
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The integer part of 2³² · |sin i|, for i from 1 (MD5, step 4).
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// The MD5 of octets.
fn md5(octets: &[u8]) -> [u8; 16] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let (blocks, rest) = octets.as_chunks::<64>();
    for block in blocks {
        state = mixed(state, block);
    }
    // MD5, steps 1 and 2: a one, zeros, and the length in bits.
    let mut end = rest.to_vec();
    end.push(0x80);
    let padded = if end.len() > 56 { 120 } else { 56 };
    end.resize(padded, 0);
    let bits = u64::try_from(octets.len()).unwrap_or(u64::MAX).wrapping_mul(8);
    end.extend_from_slice(&bits.to_le_bytes());
    for block in end.as_chunks::<64>().0 {
        state = mixed(state, block);
    }
    let mut digest = [0; 16];
    for (place, word) in digest.chunks_mut(4).zip(state) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

fn mixed(before: [u32; 4], block: &[u8; 64]) -> [u32; 4] {
    let mut words = [0; 16];
    for (word, octets) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*octets);
    }
    let [mut a, mut b, mut c, mut d] = before;
    for (step, sine) in SINES.iter().enumerate() {
        let round = step / 16;
        let (mix, index) = match round {
            0 => ((b & c) | (!b & d), step),
            1 => ((b & d) | (c & !d), 5 * step + 1),
            2 => (b ^ c ^ d, 3 * step + 5),
            _ => (c ^ (b | !d), 7 * step),
        };
        let word = words.get(index % 16).copied().unwrap_or_default();
        let turn = TURNS.get(round).and_then(|turns| turns.get(step % 4)).copied();
        let sum = a.wrapping_add(mix).wrapping_add(*sine).wrapping_add(word);
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(turn.unwrap_or_default())));
    }
    let [first, second, third, fourth] = before;
    [first.wrapping_add(a), second.wrapping_add(b), third.wrapping_add(c), fourth.wrapping_add(d)]
}

#[cfg(test)]
mod tests {
    use super::{Integrity, md5};
    use crate::Message;

    #[test]
    fn digests_are_those_of_the_md5_test_suite() {
        let long = "1234567890".repeat(8);
        let table = [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            (long.as_str(), "57edf4a22be3c955ac49da2e2107b67a"),
        ];
        for (text, expected) in table {
            let digest: String =
                md5(text.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect();
            assert_eq!(digest, expected, "{text:?}");
        }
        // Lengths around a block, where padding goes wrong first: all are different.
        let digests: std::collections::BTreeSet<_> = (50..70).map(|n| md5(&vec![0; n])).collect();
        assert_eq!(digests.len(), 20);
    }

    #[test]
    fn bodies_are_compared_as_rfc_1864_says() {
        let crlf = "WbDXdy8FYe+5VRjzy4q8YA=="; // of "a\r\nb\r\n"
        #[rustfmt::skip]
        let table = [
            (String::new(), Integrity::Unknown, "no field"),
            (format!("Content-MD5: {crlf}\r\n"), Integrity::Intact, "as it is"),
            (format!("Content-MD5: {crlf} (sum)\r\n"), Integrity::Intact, "a comment"),
            ("Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\n".to_owned(), Integrity::Changed, "another"),
            ("Content-MD5: AAAA\r\n".to_owned(), Integrity::Unknown, "too short"),
            (format!("Content-Type: message/rfc822\r\nContent-MD5: {crlf}\r\n"), Integrity::Unknown, "not for messages"),
        ];
        for (fields, expected, why) in table {
            for line_end in ["\r\n", "\n"] {
                let content = format!("{fields}\r\na{line_end}b{line_end}");
                assert_eq!(
                    Message::parse(content.as_bytes()).root().integrity(),
                    expected,
                    "{why}"
                );
            }
        }
        let content = format!(
            "Content-Type: application/x\r\nContent-MD5: {crlf}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nYQ0KYg0K\r\n"
        );
        let found = Message::parse(content.as_bytes()).root().integrity();
        assert_eq!(found, Integrity::Intact, "before the transfer encoding");
    }
}
