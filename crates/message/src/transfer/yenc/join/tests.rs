//! Files that were cut in parts, and those who tamper with them.

use proptest::prelude::*;
use proptest::sample::Index;

use super::{Claim, Joiner, Missing, NotJoined, PartRefused, crc32_of};
use crate::defect::DefectCode;
use crate::transfer::Damage;

/// What a part is and says.
#[derive(Clone, Copy)]
struct Sent<'t> {
    number: u32,
    begin: usize,
    octets: &'t [u8],
    size: usize,
    total: Option<u32>,
    name: &'t str,
    sums: &'t str,
}

/// Octets 4 to 6 of nine, part 2 of 3.
const MIDDLE: Sent<'_> = Sent {
    number: 2,
    begin: 4,
    octets: b"456",
    size: 9,
    total: Some(3),
    name: "a b.txt",
    sums: "",
};

fn encoded(part: Sent<'_>) -> Vec<u8> {
    let Sent { number, begin, octets, size, total, name, sums } = part;
    let total = total.map(|total| format!(" total={total}")).unwrap_or_default();
    let end = begin + octets.len() - 1;
    let mut lines = format!(
        "=ybegin part={number}{total} line=128 size={size} name={name}\r\n\
         =ypart begin={begin} end={end}\r\n"
    )
    .into_bytes();
    for octet in octets {
        match octet.wrapping_add(42) {
            critical @ (b'\0' | b'\r' | b'\n' | b'=') => {
                lines.extend_from_slice(&[b'=', critical.wrapping_add(64)]);
            }
            plain => lines.push(plain),
        }
    }
    let length = octets.len();
    lines.extend_from_slice(format!("\r\n=yend size={length} part={number}{sums}\r\n").as_bytes());
    lines
}

fn joiner(parts: &[Sent<'_>]) -> Joiner {
    let mut joiner = Joiner::default();
    for part in parts {
        joiner.add(&encoded(*part)).expect("a good part");
    }
    joiner
}

const FIRST: Sent<'_> = Sent { number: 1, begin: 1, octets: b"123", ..MIDDLE };
const LAST: Sent<'_> = Sent { number: 3, begin: 7, octets: b"789", ..MIDDLE };

#[test]
fn parts_are_joined_in_any_order() {
    let all = [[FIRST, MIDDLE, LAST], [LAST, FIRST, MIDDLE], [MIDDLE, LAST, FIRST]];
    for parts in all {
        assert_eq!(joiner(&parts).join().unwrap(), b"123456789");
    }
    assert_eq!(joiner(&[FIRST, FIRST, MIDDLE, LAST, MIDDLE]).join().unwrap(), b"123456789");
    let whole = Sent { sums: " crc32=cbf43926", ..MIDDLE };
    assert_eq!(joiner(&[FIRST, whole, LAST]).join().unwrap(), b"123456789", "its checksum");
    let mut alone = Joiner::default();
    alone.add(b"=ybegin line=1 size=0 name=x\n=yend size=0\n").unwrap();
    assert_eq!(alone.join().unwrap(), b"", "an empty file in no parts");
}

#[test]
fn gaps_have_names() {
    let unknown = Sent { total: None, ..MIDDLE };
    #[expect(clippy::single_range_in_vec_init, reason = "one gap is a list too")]
    #[rustfmt::skip]
    let table = [
        (vec![MIDDLE], vec![0..3, 6..9], vec![1..=1, 3..=3], "missing: octets 0 to 2, 6 to 8; parts 1, 3"),
        (vec![FIRST], vec![3..9], vec![2..=3], "missing: octets 3 to 8; parts 2 to 3"),
        (vec![FIRST, LAST], vec![3..6], vec![2..=2], "missing: octets 3 to 5; parts 2"),
        (vec![unknown], vec![0..3, 6..9], vec![1..=1], "missing: octets 0 to 2, 6 to 8; parts 1"),
        (vec![Sent { size: 4_000_000_000_000, ..FIRST }], vec![3..4_000_000_000_000], vec![2..=3], "missing: octets 3 to 3999999999999; parts 2 to 3"),
    ];
    for (parts, octets, numbers, words) in table {
        let joiner = joiner(&parts);
        let missing = Missing { octets, parts: numbers };
        assert_eq!(joiner.missing(), missing, "{words}");
        let error = joiner.join().unwrap_err();
        assert_eq!((error.to_string().as_str(), &error), (words, &NotJoined::Missing(missing)));
    }
    assert_eq!(Joiner::default().join(), Err(NotJoined::Empty));
    let many: Vec<_> = (1..9)
        .map(|number| Sent {
            number,
            begin: number as usize * 2,
            size: 99,
            total: None,
            octets: b"x",
            ..MIDDLE
        })
        .collect();
    let words = joiner(&many).join().unwrap_err().to_string();
    assert_eq!(words, "missing: octets 0, 2, 4, 6, 8 and 4 more");
}

#[test]
fn what_does_not_fit_is_refused() {
    use PartRefused::{Contradicts, NotPart, OtherFile, Outside};
    let outside = |number, range| Outside { number, range, size: 9 };
    #[rustfmt::skip]
    let table = [
        (Sent { name: "b", ..LAST }, OtherFile(Claim::Name), "another name"),
        (Sent { size: 10, ..LAST }, OtherFile(Claim::Size), "another size"),
        (Sent { total: Some(4), ..LAST }, OtherFile(Claim::Total), "another number of parts"),
        (Sent { sums: " crc32=1", ..LAST }, OtherFile(Claim::Checksum), "another checksum of the file"),
        (Sent { begin: 8, ..LAST }, outside(3, 7..10), "behind the end"),
        (Sent { number: 4, ..LAST }, outside(4, 6..9), "more than there are"),
        (Sent { begin: usize::MAX - 2, octets: b"x", ..LAST }, outside(3, 18446744073709551612..18446744073709551613), "far behind"),
        (Sent { begin: 6, ..LAST }, Contradicts { number: 3, other: 2 }, "over the end of another"),
        (Sent { octets: b"1234", ..FIRST }, Contradicts { number: 1, other: 2 }, "over the start of another"),
        (Sent { number: 2, ..LAST }, Contradicts { number: 2, other: 2 }, "the same number elsewhere"),
        (Sent { number: 1, ..MIDDLE }, Contradicts { number: 1, other: 2 }, "the same place, another number"),
        (Sent { octets: b"4x6", ..MIDDLE }, Contradicts { number: 2, other: 2 }, "other octets"),
        (Sent { number: 0, ..LAST }, NotPart, "counted from 1"),
        (Sent { name: "", ..LAST }, NotPart, "no name"),
    ];
    for (part, refused, why) in table {
        let mut joiner = joiner(&[Sent { sums: " crc32=cbf43926", ..MIDDLE }]);
        let before = joiner.missing();
        assert_eq!(joiner.add(&encoded(part)), Err(refused), "{why}");
        assert_eq!(joiner.missing(), before, "{why}: as if it had not been given");
        joiner.add(&encoded(FIRST)).unwrap();
        joiner.add(&encoded(LAST)).unwrap();
        assert_eq!(joiner.join().unwrap(), b"123456789", "{why}");
    }
    let (mut joiner, part) = (Joiner::default(), encoded(Sent { sums: " pcrc32=1", ..MIDDLE }));
    let damage = Damage { code: DefectCode::WrongYencChecksum, offset: part.len() - 30 };
    assert_eq!(joiner.add(&part), Err(PartRefused::Damaged(damage)));
    assert_eq!(joiner.add(b"words\n"), Err(NotPart));
    let mut joiner = super::tests::joiner(&[FIRST, MIDDLE, LAST]);
    let wrong = Sent { sums: " crc32=00000001", ..LAST };
    joiner.add(&encoded(wrong)).unwrap();
    let wrong = NotJoined::WrongChecksum { wanted: 1, found: 0xcbf4_3926 };
    assert_eq!(joiner.join(), Err(wrong), "every part is good");
    let few = Sent { total: Some(2), ..FIRST };
    let mut joiner = super::tests::joiner(&[Sent { total: None, ..LAST }]);
    assert_eq!(joiner.add(&encoded(few)), Err(OtherFile(Claim::Total)), "fewer than were given");
}

proptest! {
    #[test]
    fn what_was_cut_anywhere_is_whole_again(
        octets in proptest::collection::vec(any::<u8>(), 1..200),
        cuts in proptest::collection::vec(any::<Index>(), 0..8),
        order in any::<u64>(),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len())).collect();
        cuts.extend([0, octets.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let sum = format!(" pcrc32=00 crc32={:x}", crc32_of(&octets));
        let mut parts: Vec<(u64, Vec<u8>)> = Vec::new();
        for (index, pair) in cuts.windows(2).enumerate() {
            let octets_of_part = &octets[pair[0]..pair[1]];
            let sums = sum.replace("=00", &format!("={:08X}", crc32_of(octets_of_part)));
            let number = u32::try_from(index).unwrap() + 1;
            let part = Sent { number, begin: pair[0] + 1, octets: octets_of_part, size: octets.len(), total: None, name: "x", sums: &sums };
            parts.push((order.rotate_left(number * 7) ^ 0x5555, encoded(part)));
        }
        parts.sort();
        let mut joiner = Joiner::default();
        for (_, part) in &parts {
            prop_assert_eq!(joiner.add(part), Ok(()));
        }
        prop_assert_eq!(joiner.join(), Ok(octets));
    }
}
