//! Dates with their zone, as `Date:` fields have them.
//!
//! Reading is liberal (obsolete zones, two-digit years, the forms of `asctime` and RFC 3339);
//! what is printed is always strict.
//!
//! Standards: RFC 5322 §3.3 and §4.3, RFC 3339 §5.6.
//! Not here: the clock (crate `platform`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest date that is looked at, in octets: the longest real ones, with a comment, have 60.
const DATE_OCTETS_MAX: usize = 256;
const DAY_SECONDS: i64 = 86_400;
/// 1 January of the year 1 and 31 December 9999: what both formats can print.
const SECONDS_MIN: i64 = -62_135_596_800;
const SECONDS_MAX: i64 = 253_402_300_799;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// A moment, and the zone in which its author saw it.
///
/// ```
/// let date = message::DateTime::parse("Fri, 21 Nov 1997 09:55:06 -0600").unwrap();
/// assert_eq!(date.unix_seconds(), 880_127_706);
/// assert_eq!(date.to_rfc3339(), "1997-11-21T09:55:06-06:00");
/// assert_eq!(date.to_string(), "Fri, 21 Nov 1997 09:55:06 -0600");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DateTime {
    /// Between [`SECONDS_MIN`] and [`SECONDS_MAX`], also when the zone is added.
    seconds: i64,
    /// Less than a day.
    offset_minutes: i16,
}

/// This is not a date.
///
/// ```
/// use message::{DateTime, UnreadableDate};
/// assert_eq!(DateTime::parse("yesterday"), Err(UnreadableDate));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date")]
pub struct UnreadableDate;

impl DateTime {
    /// A moment in UTC, from seconds since 1970. Years before 1 and after 9999 are cut there.
    pub fn from_unix(seconds: i64) -> Self {
        Self { seconds: seconds.clamp(SECONDS_MIN, SECONDS_MAX), offset_minutes: 0 }
    }

    /// The same moment in another zone, in minutes east of Greenwich. A zone of a day or more
    /// does not exist and leaves the date as it is.
    #[must_use]
    pub fn with_offset(self, minutes: i16) -> Self {
        let local = self.seconds + i64::from(minutes) * 60;
        let fits = minutes.unsigned_abs() < 24 * 60 && (SECONDS_MIN..=SECONDS_MAX).contains(&local);
        if fits { Self { offset_minutes: minutes, ..self } } else { self }
    }

    /// Seconds since 1970 in UTC.
    pub fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// Minutes east of Greenwich.
    pub fn offset_minutes(self) -> i16 {
        self.offset_minutes
    }

    /// Reads a date as mail has it.
    pub fn parse(text: &str) -> Result<Self, UnreadableDate> {
        Self::parse_octets(text.as_bytes()).ok_or(UnreadableDate)
    }

    pub(crate) fn parse_octets(raw: &[u8]) -> Option<Self> {
        let words = words(raw.get(..DATE_OCTETS_MAX).unwrap_or(raw));
        let mut words = words.as_slice();
        if let [Word::Name(name), rest @ ..] = words
            && is_weekday(name)
        {
            words = rest;
        }
        while let [Word::Sign(b',' | b'.'), rest @ ..] = words {
            words = rest;
        }
        let (day, words) = calendar_day(words)?;
        let (seconds, words) = time_of_day(words)?;
        let (year, month, day, words) = match day {
            Day::Whole(year, month, day) => (year, month, day, words),
            Day::YearFollows(month, day) => {
                // asctime may have its zone before the year
                let position = words.iter().position(|word| matches!(word, Word::Number(_, 4)))?;
                let Some(Word::Number(year, _)) = words.get(position) else { return None };
                let rest = if position == 0 { words.get(1..)? } else { words.get(..position)? };
                (i64::from(*year), month, day, rest)
            }
        };
        let offset_minutes = zone(words);
        let days = days_from_civil(year, month, day)?;
        let local = days * DAY_SECONDS + seconds;
        let moment = local - i64::from(offset_minutes) * 60;
        Some(Self { seconds: moment.clamp(SECONDS_MIN, SECONDS_MAX), offset_minutes })
    }

    /// `1997-11-21T09:55:06-06:00`; UTC is `Z`.
    pub fn to_rfc3339(self) -> String {
        let (year, month, day, second) = self.local();
        let (sign, minutes) = self.zone_parts();
        let date = format!("{year:04}-{month:02}-{day:02}");
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        if self.offset_minutes == 0 {
            return format!("{date}T{hour:02}:{minute:02}:{second:02}Z");
        }
        let (zone_hour, zone_minute) = (minutes / 60, minutes % 60);
        format!("{date}T{hour:02}:{minute:02}:{second:02}{sign}{zone_hour:02}:{zone_minute:02}")
    }

    /// As C's `asctime` writes it, in UTC: `Thu Jan  1 00:00:00 1970`.
    pub(crate) fn to_asctime(self) -> String {
        let (year, month, day, second) = Self::from_unix(self.seconds).local();
        let name = |names: &'static [&str], at: i64| {
            usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or("")
        };
        let weekday = name(&WEEKDAYS, self.seconds.div_euclid(DAY_SECONDS).rem_euclid(7));
        let month = name(&MONTHS, month - 1);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{weekday} {month} {day:>2} {hour:02}:{minute:02}:{second:02} {year:04}")
    }

    fn zone_parts(self) -> (char, u16) {
        (if self.offset_minutes < 0 { '-' } else { '+' }, self.offset_minutes.unsigned_abs())
    }

    /// Year, month, day and second of the day, in its zone.
    fn local(self) -> (i64, i64, i64, i64) {
        let local = self.seconds + i64::from(self.offset_minutes) * 60;
        let local = local.clamp(SECONDS_MIN, SECONDS_MAX);
        let (year, month, day) = civil_from_days(local.div_euclid(DAY_SECONDS));
        (year, month, day, local.rem_euclid(DAY_SECONDS))
    }
}

/// As RFC 5322 §3.3 has it.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, second) = self.local();
        let (sign, minutes) = self.zone_parts();
        let days = (self.seconds + i64::from(self.offset_minutes) * 60).div_euclid(DAY_SECONDS);
        let weekday = name_of(&WEEKDAYS, days.rem_euclid(7));
        let month = name_of(&MONTHS, month - 1);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let (zone_hour, zone_minute) = (minutes / 60, minutes % 60);
        write!(f, "{weekday}, {day} {month} {year:04} {hour:02}:{minute:02}:{second:02} ")?;
        write!(f, "{sign}{zone_hour:02}{zone_minute:02}")
    }
}

impl FromStr for DateTime {
    type Err = UnreadableDate;

    fn from_str(text: &str) -> Result<Self, UnreadableDate> {
        Self::parse(text)
    }
}

impl TryFrom<String> for DateTime {
    type Error = UnreadableDate;

    fn try_from(text: String) -> Result<Self, UnreadableDate> {
        Self::parse(&text)
    }
}

impl From<DateTime> for String {
    fn from(date: DateTime) -> Self {
        date.to_rfc3339()
    }
}

fn name_of(names: &[&'static str], index: i64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("???")
}

/// A piece of a date; white space and comments are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word<'a> {
    Name(&'a [u8]),
    /// The value and how many digits it has.
    Number(u32, usize),
    Sign(u8),
}

fn words(raw: &[u8]) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = raw;
    let mut depth = 0_usize;
    while let Some(&octet) = rest.first() {
        let run = |belongs: fn(&u8) -> bool| {
            rest.iter().position(|octet| !belongs(octet)).unwrap_or(rest.len()).max(1)
        };
        let mut length = 1;
        match octet {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth > 0 || octet.is_ascii_whitespace() => {}
            b'0'..=b'9' => {
                length = run(u8::is_ascii_digit);
                let digits = rest.get(..length).unwrap_or_default();
                words.push(Word::Number(number(digits), length));
            }
            b'A'..=b'Z' | b'a'..=b'z' => {
                length = run(u8::is_ascii_alphabetic);
                words.push(Word::Name(rest.get(..length).unwrap_or_default()));
            }
            sign => words.push(Word::Sign(sign)),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    words
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value: u32, digit| {
        value.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0')))
    })
}

fn is_weekday(name: &[u8]) -> bool {
    WEEKDAYS.iter().any(|day| starts_with(name, day))
}

fn month_number(name: &[u8]) -> Option<i64> {
    let index = MONTHS.iter().position(|month| starts_with(name, month))?;
    i64::try_from(index + 1).ok()
}

/// `September` and `Sept` are September.
fn starts_with(name: &[u8], short: &str) -> bool {
    name.get(..short.len()).is_some_and(|start| start.eq_ignore_ascii_case(short.as_bytes()))
}

enum Day {
    Whole(i64, i64, i64),
    YearFollows(i64, i64),
}

fn calendar_day<'w, 'a>(words: &'w [Word<'a>]) -> Option<(Day, &'w [Word<'a>])> {
    use Word::{Name, Number, Sign};
    let (day, rest) = match words {
        // 21 Nov 1997, 21-Nov-97
        [Number(day, _), Name(month), Number(year, digits), rest @ ..]
        | [Number(day, _), Sign(b'-' | b'.'), Name(month), Sign(b'-'), Number(year, digits), rest @ ..]
        // Nov 21, 1997
        | [Name(month), Number(day, _), Sign(b','), Number(year, digits), rest @ ..] => {
            let year = full_year(*year, *digits)?;
            (Day::Whole(year, month_number(month)?, i64::from(*day)), rest)
        }
        // 1997-11-21T09:55:06
        [Number(year, 4), Sign(b'-' | b'/'), Number(month, _), Sign(b'-' | b'/'), Number(day, _), rest @ ..] =>
        {
            let day = Day::Whole(i64::from(*year), i64::from(*month), i64::from(*day));
            match rest {
                [Name(b"T" | b"t"), rest @ ..] => (day, rest),
                rest => (day, rest),
            }
        }
        // Nov 21 09:55:06 1997
        [Name(month), Number(day, _), rest @ ..] => {
            (Day::YearFollows(month_number(month)?, i64::from(*day)), rest)
        }
        _ => return None,
    };
    Some((day, rest))
}

/// RFC 5322 §4.3: two digits from 00 to 49 are 20xx, others and three digits count from 1900.
fn full_year(year: u32, digits: usize) -> Option<i64> {
    let year = i64::from(year);
    match digits {
        1 | 2 if year < 50 => Some(year + 2000),
        2 | 3 => Some(year + 1900),
        4 => Some(year),
        _ => None,
    }
}

fn time_of_day<'w, 'a>(words: &'w [Word<'a>]) -> Option<(i64, &'w [Word<'a>])> {
    use Word::{Name, Number, Sign};
    let words = if let [Sign(b','), rest @ ..] = words { rest } else { words };
    let (hour, minute, second, rest) = match words {
        [
            Number(hour, 1..=2),
            Sign(b':' | b'.'),
            Number(minute, _),
            Sign(b':' | b'.'),
            Number(second, 1..=2),
            rest @ ..,
        ] => (*hour, *minute, *second, rest),
        [Number(hour, 1..=2), Sign(b':'), Number(minute, _), rest @ ..] => {
            (*hour, *minute, 0, rest)
        }
        _ => return None,
    };
    let rest = if let [Sign(b'.' | b','), Number(..), rest @ ..] = rest { rest } else { rest };
    let (hour, rest) = match rest {
        [Name(half), rest @ ..] if half.eq_ignore_ascii_case(b"pm") && hour < 12 => {
            (hour + 12, rest)
        }
        [Name(half), rest @ ..] if half.eq_ignore_ascii_case(b"am") && hour == 12 => (0, rest),
        [Name(half), rest @ ..]
            if half.eq_ignore_ascii_case(b"am") || half.eq_ignore_ascii_case(b"pm") =>
        {
            (hour, rest)
        }
        rest => (hour, rest),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Unix time has no leap seconds: the sixtieth is the fifty-ninth again.
    let second = second.min(59);
    Some((i64::from(hour * 3600 + minute * 60 + second), rest))
}

/// RFC 5322 §4.3; what is unknown there counts as `-0000`, by which it means UTC.
fn zone(words: &[Word<'_>]) -> i16 {
    use Word::{Name, Number, Sign};
    match words {
        [Name(_), Sign(sign @ (b'+' | b'-')), Number(value, 3..=4), ..] => {
            signed(*sign, value / 100, value % 100)
        }
        [Name(name), ..] => named_zone(name),
        [Sign(sign @ (b'+' | b'-')), Number(hours, 1..=2), rest @ ..] => {
            let minutes =
                if let [Sign(b':'), Number(minutes, 2), ..] = rest { *minutes } else { 0 };
            signed(*sign, *hours, minutes)
        }
        [Sign(sign @ (b'+' | b'-')), Number(value, 3..=4), ..] => {
            signed(*sign, value / 100, value % 100)
        }
        _ => 0,
    }
}

fn signed(sign: u8, hours: u32, minutes: u32) -> i16 {
    if hours > 23 || minutes > 59 {
        return 0;
    }
    let minutes = i16::try_from(hours * 60 + minutes).unwrap_or_default();
    if sign == b'-' { -minutes } else { minutes }
}

fn named_zone(name: &[u8]) -> i16 {
    let hours = match name.to_ascii_uppercase().as_slice() {
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        _ => 0,
    };
    hours * 60
}

/// Days since 1 January 1970 in the Gregorian calendar; `None` for a day that does not exist.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    // RFC 5322 §3.3: years before 1900 are not used.
    if !(1..=last).contains(&day) || !(1900..=9999).contains(&year) {
        return None;
    }
    // The year of this calculation begins in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::DateTime;

    #[test]
    fn dates_of_real_mail_are_read() {
        #[rustfmt::skip]
        let table = [
            ("Fri, 21 Nov 1997 09:55:06 -0600", Some((880_127_706, -360)), "RFC 5322 appendix"),
            ("21 Nov 97 09:55:06 GMT", Some((880_106_106, 0)), "two digits, named zone"),
            ("Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)", Some((-27_723_480, -210)), "RFC 5322 A.5"),
            ("Thu, 01 Jan 1970 01:59:59 +0200", Some((-1, 120)), "before 1970"),
            ("Tue, 30 Jun 2015 23:59:60 +0300", Some((1_435_697_999, 180)), "leap second"),
            ("Wed, 07 Nov 2007 01:07:20", Some((1_194_397_640, 0)), "no zone"),
            ("Wed Nov  7 01:07:20 2007", Some((1_194_397_640, 0)), "asctime"),
            ("Wed Nov  7 01:07:20 EST 2007", Some((1_194_415_640, -300)), "date(1)"),
            ("Wed, 7-Nov-2007 01:07:20 EDT", Some((1_194_412_040, -240)), "dashes"),
            ("2007-11-07T01:07:20.5+02:00", Some((1_194_390_440, 120)), "RFC 3339"),
            ("2007-11-07T01:07:20Z", Some((1_194_397_640, 0)), "RFC 3339 in UTC"),
            ("7 Nov 2007 1:07 PM", Some((1_194_440_820, 0)), "English clock"),
            ("7 Nov 2007 01:07:20 GMT+0200", Some((1_194_390_440, 120)), "both zones"),
            ("7 Nov 2007 01:07:20 Q", Some((1_194_397_640, 0)), "military zones mean nothing"),
            ("7 November 107 01:07:20 +9999", Some((1_194_397_640, 0)), "three digits, bad zone"),
            ("Tue, 19 Jan 2038", None, "no time"),
            ("31 Apr 2020 00:00:00 +0000", None, "no such day"),
            ("29 Feb 1900 00:00:00 +0000", None, "1900 was no leap year"),
            ("1 Jan 0000 00:00:00 +0000", None, "year 0"),
            ("1 Jan 99999999999 00:00:00 +0000", None, "too far"),
            ("1 Jan 2020 25:00:00 +0000", None, "no such hour"),
            ("", None, "nothing"),
            ("yesterday", None, "a word"),
        ];
        for (text, expected, why) in table {
            let read = DateTime::parse(text).ok();
            let read = read.map(|date| (date.unix_seconds(), date.offset_minutes()));
            assert_eq!(read, expected, "{why}: {text}");
        }
    }

    #[test]
    fn extremes_are_printed_within_the_formats() {
        assert_eq!(DateTime::from_unix(i64::MAX).to_rfc3339(), "9999-12-31T23:59:59Z");
        assert_eq!(DateTime::from_unix(i64::MIN).to_rfc3339(), "0001-01-01T00:00:00Z");
        let date = DateTime::from_unix(0).with_offset(i16::MAX);
        assert_eq!(date.to_string(), "Thu, 1 Jan 1970 00:00:00 +0000");
    }

    proptest! {
        #[test]
        fn printed_dates_are_read_again(
            seconds in -2_208_000_000_i64..253_402_200_000,
            offset in -1439_i16..1440,
        ) {
            let date = DateTime::from_unix(seconds).with_offset(offset);
            prop_assume!(date.to_rfc3339().as_str() > "1900");
            prop_assert_eq!(DateTime::parse(&date.to_string()), Ok(date));
            prop_assert_eq!(DateTime::parse(&date.to_rfc3339()), Ok(date));
        }
    }
}
