//! Sizes and times with their units: `"50MiB"`, `"5m"`.
//!
//! Standards: IEC 80000-13 (KiB, MiB, GiB).
//! Not here: which of them a key takes.

use std::time::Duration;

use toml::Spanned;

use super::fault::{Fault, Source};

const SIZE_UNITS: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

const TIME_UNITS: [(&str, u64); 5] =
    [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60), ("w", 7 * 24 * 60 * 60)];

/// A size in octets.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    amount(text, &SIZE_UNITS).ok_or_else(|| {
        format!("{text:?} is not a size: write a whole number with B, KiB, MiB or GiB, as in 50MiB")
    })
}

/// A time.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    amount(text, &TIME_UNITS).map(Duration::from_secs).ok_or_else(|| {
        format!("{text:?} is not a time: write a whole number with s, m, h, d or w, as in 5m")
    })
}

/// How a time is written.
pub(super) fn written(time: Duration) -> String {
    let seconds = time.as_secs();
    let fits = |(_, factor): &&(&str, u64)| seconds.is_multiple_of(*factor);
    match TIME_UNITS.iter().rev().find(fits) {
        Some((unit, factor)) if seconds > 0 => format!("{}{unit}", seconds / factor),
        _ => format!("{seconds}s"),
    }
}

/// A size that must not be zero.
pub(super) fn size_of(written: &Spanned<String>, source: &Source<'_>) -> Result<u64, Fault> {
    positive(written, size(written.get_ref()), |size| *size == 0, source)
}

/// A time that must not be zero.
pub(super) fn time_of(written: &Spanned<String>, source: &Source<'_>) -> Result<Duration, Fault> {
    positive(written, time(written.get_ref()), Duration::is_zero, source)
}

fn positive<T>(
    written: &Spanned<String>,
    read: Result<T, String>,
    is_zero: impl Fn(&T) -> bool,
    source: &Source<'_>,
) -> Result<T, Fault> {
    match read {
        Ok(value) if is_zero(&value) => {
            let what = format!("{:?} is nothing", written.get_ref());
            Err(source.fault(written, what, "write at least one"))
        }
        Ok(value) => Ok(value),
        Err(words) => {
            let (what, remedy) = words.split_once(": ").unwrap_or((&words, "correct it"));
            Err(source.fault(written, what, remedy))
        }
    }
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim_start();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let table = [
            ("50MiB", Some(52_428_800), "as in the documentation"),
            ("1 GiB", Some(1 << 30), "with a space"),
            ("10B", Some(10), "octets"),
            ("50", None, "without a unit nobody knows what is meant"),
            ("50MB", None, "50,000,000 or 52,428,800?"),
            ("MiB", None, "no number"),
            ("-1MiB", None, "less than nothing"),
            ("99999999999TiB", None, "more than a number holds"),
        ];
        for (text, octets, why) in table {
            assert_eq!(size(text).ok(), octets, "{text}: {why}");
        }
    }

    #[test]
    fn times_have_units_and_come_back() {
        for text in ["90s", "5m", "4h", "5d", "2w"] {
            let read = time(text).expect(text);
            assert_eq!(written(read), text);
        }
        for text in ["", "5", "m", "1.5h", "5 minutes", "99999999999999999999s"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
