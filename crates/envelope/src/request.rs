//! What a sender may ask of a message's transfer: parameters of MAIL beside the envelope itself.
//!
//! ```text
//!   HOLDFOR=3600, HOLDUNTIL=2026-12-24T18:00:00Z   not before that (RFC 4865)
//!   BY=120;R, BY=3600;NT                           by then, or back, or tell (RFC 2852)
//!   MT-PRIORITY=4                                  before others, or after them (RFC 6710)
//!   SOLICIT=org.example:ADV                        what kind of mail it is (RFC 3865)
//! ```
//!
//! Times here are as they travel: seconds from now, or a moment in UTC.
//!
//! Standards: RFC 4865 §3, RFC 2852 §4, RFC 6710 §7 and appendix B, RFC 3865 §2.2.
//! Not here: what is kept of them in our own time (crate `store`).

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most seconds that these parameters can tell: nine digits (RFC 4865 §3, RFC 2852 §4).
pub const SECONDS_MAX: u32 = 999_999_999;
/// Longest list of solicitation classes, in octets (RFC 3865 §2.2).
pub const SOLICITATION_OCTETS_MAX: usize = 1000;

/// What a sender asks beside the envelope; for nearly all mail that is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// To be kept back for a while (RFC 4865).
    pub hold: Option<Hold>,
    /// To be delivered by a time (RFC 2852).
    pub deliver_by: Option<DeliverBy>,
    /// To go before others, or after them (RFC 6710).
    pub priority: Option<Priority>,
    /// Which kinds of solicitation it is (RFC 3865).
    pub solicitation: Option<Solicitation>,
}

/// The value is not one that its parameter may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a value of this parameter")]
pub struct RequestError;

/// How long a message is kept back before it is released (RFC 4865 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Hold {
    /// For so many seconds: HOLDFOR.
    For(NonZeroU32),
    /// Until a moment: HOLDUNTIL.
    Until(Moment),
}

impl Hold {
    /// Reads a HOLDFOR value: 1 to 999999999 seconds.
    pub fn parse_for(text: &str) -> Result<Self, RequestError> {
        let seconds = digits(text)?;
        NonZeroU32::new(seconds)
            .filter(|_| !text.starts_with('0'))
            .map(Self::For)
            .ok_or(RequestError)
    }

    /// Reads a HOLDUNTIL value.
    pub fn parse_until(text: &str) -> Result<Self, RequestError> {
        text.parse().map(Self::Until)
    }
}

/// As the parameter: `HOLDFOR=3600`.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(seconds) => write!(f, "HOLDFOR={seconds}"),
            Self::Until(moment) => write!(f, "HOLDUNTIL={moment}"),
        }
    }
}

/// A moment in UTC, to the second, as RFC 3339 writes it: `2026-12-24T18:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    /// Of a year from 1 to 9999.
    unix_seconds: i64,
}

impl Moment {
    const MIN: i64 = -62_135_596_800;
    const MAX: i64 = 253_402_300_799;

    /// From seconds since 1970; years before 1 and after 9999 are cut there.
    pub fn from_unix(seconds: i64) -> Self {
        Self { unix_seconds: seconds.clamp(Self::MIN, Self::MAX) }
    }

    /// Seconds since 1970.
    pub fn unix_seconds(self) -> i64 {
        self.unix_seconds
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) =
            (self.unix_seconds.div_euclid(86_400), self.unix_seconds.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl FromStr for Moment {
    type Err = RequestError;

    /// RFC 4865 §3: normalized to UTC, so `Z` and no other zone. Fractions are dropped.
    fn from_str(text: &str) -> Result<Self, RequestError> {
        let text = text.strip_suffix(['Z', 'z']).ok_or(RequestError)?;
        let (date, time) = text.split_once(['T', 't']).ok_or(RequestError)?;
        let time = match time.split_once('.') {
            Some((time, fraction)) => digits(fraction).map(|_| time)?,
            None => time,
        };
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        let fits = year >= 1
            && (1..=12).contains(&month)
            && (1..=days_of_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60; // a leap second
        if !fits {
            return Err(RequestError);
        }
        let seconds = hour * 3600 + minute * 60 + second;
        Ok(Self::from_unix(days_from_civil(year, month, day) * 86_400 + seconds))
    }
}

impl TryFrom<String> for Moment {
    type Error = RequestError;

    fn try_from(text: String) -> Result<Self, RequestError> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

/// By when a message should be delivered, and what else (RFC 2852 §4): `120;R`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeliverBy {
    /// Seconds from now; what is over already is negative.
    seconds: i32,
    mode: ByMode,
    trace: ByTrace,
}

/// What follows when a message is not delivered in time (RFC 2852 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ByMode {
    /// The sender is told, and we go on.
    Notify,
    /// It goes back.
    Return,
}

/// Whether the sender wants to hear from each server on the way (RFC 2852 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ByTrace {
    /// No.
    #[default]
    None,
    /// Each relaying is told.
    Each,
}

impl DeliverBy {
    /// `seconds` from now.
    ///
    /// # Errors
    ///
    /// More than nine digits; with [`ByMode::Return`] also what is over already.
    pub fn new(seconds: i64, mode: ByMode, trace: ByTrace) -> Result<Self, RequestError> {
        let seconds = i32::try_from(seconds).map_err(|_| RequestError)?;
        let over = seconds <= 0 && mode == ByMode::Return;
        match over || seconds.unsigned_abs() > SECONDS_MAX {
            true => Err(RequestError),
            false => Ok(Self { seconds, mode, trace }),
        }
    }

    /// Reads a BY value.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let (time, what) = text.split_once(';').ok_or(RequestError)?;
        let (sign, time) = match time.strip_prefix('-') {
            Some(time) => (-1, time),
            None => (1, time.strip_prefix('+').unwrap_or(time)),
        };
        let (mode, trace) = match what.to_ascii_uppercase().as_str() {
            "N" => (ByMode::Notify, ByTrace::None),
            "R" => (ByMode::Return, ByTrace::None),
            "NT" => (ByMode::Notify, ByTrace::Each),
            "RT" => (ByMode::Return, ByTrace::Each),
            _ => return Err(RequestError),
        };
        Self::new(i64::from(digits(time)?) * sign, mode, trace)
    }

    /// Seconds from now.
    pub fn seconds(self) -> i32 {
        self.seconds
    }

    /// What follows when it takes longer.
    pub fn mode(self) -> ByMode {
        self.mode
    }

    /// Whether each relaying is told.
    pub fn trace(self) -> ByTrace {
        self.trace
    }
}

/// As the value of BY.
impl fmt::Display for DeliverBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            ByMode::Notify => 'N',
            ByMode::Return => 'R',
        };
        let trace = match self.trace {
            ByTrace::None => "",
            ByTrace::Each => "T",
        };
        write!(f, "{};{mode}{trace}", self.seconds)
    }
}

/// How urgent a message is, from -9 to 9 (RFC 6710 §3); usual mail has 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "i8", into = "i8")]
pub struct Priority(i8);

/// The levels at which we treat messages differently: those of MIXER (RFC 6710 appendix B). A
/// priority between two of them counts as the higher one (§5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// -4 and below.
    NonUrgent,
    /// Up to 0.
    Normal,
    /// Above.
    Urgent,
}

impl Priority {
    /// That of usual mail.
    pub const NORMAL: Self = Self(0);

    /// From a number.
    pub fn new(number: i8) -> Result<Self, RequestError> {
        if (-9..=9).contains(&number) { Ok(Self(number)) } else { Err(RequestError) }
    }

    /// Reads an MT-PRIORITY value.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let (sign, digit) = match text.strip_prefix('-') {
            Some(digit) => (-1, digit),
            None => (1, text),
        };
        match (digit.as_bytes(), sign) {
            ([b'0'], 1) => Ok(Self::NORMAL),
            ([digit @ b'1'..=b'9'], sign) => i8::try_from(digit - b'0')
                .map(|number| Self(number * sign))
                .map_err(|_| RequestError),
            _ => Err(RequestError),
        }
    }

    /// The number.
    pub fn number(self) -> i8 {
        self.0
    }

    /// The level at which it is treated.
    pub fn urgency(self) -> Urgency {
        match self.0 {
            ..=-4 => Urgency::NonUrgent,
            -3..=0 => Urgency::Normal,
            1.. => Urgency::Urgent,
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl TryFrom<i8> for Priority {
    type Error = RequestError;

    fn try_from(number: i8) -> Result<Self, RequestError> {
        Self::new(number)
    }
}

impl From<Priority> for i8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

/// Kinds of solicitation, as a list of classes (RFC 3865 §2.2): `org.example:ADV,net.example:X`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Solicitation(String);

impl Solicitation {
    /// Reads a list: words joined by commas, without blanks.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let in_word = |octet: u8| octet.is_ascii_alphanumeric() || b".-_:".contains(&octet);
        let is_word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_alphabetic()) && word.bytes().all(in_word)
        };
        match text.len() <= SOLICITATION_OCTETS_MAX && text.split(',').all(is_word) {
            true => Ok(Self(text.to_owned())),
            false => Err(RequestError),
        }
    }

    /// The list as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The classes.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }
}

impl TryFrom<String> for Solicitation {
    type Error = RequestError;

    fn try_from(text: String) -> Result<Self, RequestError> {
        Self::parse(&text)
    }
}

impl From<Solicitation> for String {
    fn from(solicitation: Solicitation) -> Self {
        solicitation.0
    }
}

/// One to nine digits.
fn digits(text: &str) -> Result<u32, RequestError> {
    let right = (1..=9).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    if right { text.parse().map_err(|_| RequestError) } else { Err(RequestError) }
}

/// Three numbers with so many digits each.
fn numbers(text: &str, between: char, lengths: [usize; 3]) -> Result<[i64; 3], RequestError> {
    let mut found = [0; 3];
    let mut parts = text.split(between);
    for (number, length) in found.iter_mut().zip(lengths) {
        let part = parts.next().filter(|part| part.len() == length).ok_or(RequestError)?;
        *number = digits(part)?.into();
    }
    if parts.next().is_none() { Ok(found) } else { Err(RequestError) }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date in the Gregorian calendar, after Howard Hinnant.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The other way round.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_a_time_or_a_moment_in_utc() {
        #[rustfmt::skip]
        let rows = [
            ("HOLDFOR=1",                       true,  "RFC 4865 §3: from 1"),
            ("HOLDFOR=999999999",               true,  "to nine digits"),
            ("HOLDFOR=0",                       false, "not zero"),
            ("HOLDFOR=01",                      false, "no leading zero"),
            ("HOLDFOR=1000000000",              false, "ten digits"),
            ("HOLDFOR=-1",                      false, "no sign"),
            ("HOLDFOR=",                        false, "nothing"),
            ("HOLDUNTIL=2026-12-24T18:00:00Z",  true,  "RFC 4865 §3: in UTC"),
            ("HOLDUNTIL=2028-02-29T23:59:59Z",  true,  "a leap day"),
            ("HOLDUNTIL=2026-02-29T00:00:00Z",  false, "no leap day"),
            ("HOLDUNTIL=2026-12-24T18:00:00+01:00", false, "another zone"),
            ("HOLDUNTIL=2026-12-24 18:00:00Z",  false, "no T"),
            ("HOLDUNTIL=2026-13-01T00:00:00Z",  false, "a thirteenth month"),
            ("HOLDUNTIL=2026-12-24T24:00:00Z",  false, "a 25th hour"),
            ("HOLDUNTIL=0000-01-01T00:00:00Z",  false, "a year 0"),
            ("HOLDUNTIL=\u{661}026-12-24T18:00:00Z", false, "other digits"),
        ];
        for (text, right, why) in rows {
            let (keyword, value) = text.split_once('=').unwrap();
            let read = match keyword {
                "HOLDFOR" => Hold::parse_for(value),
                _ => Hold::parse_until(value),
            };
            assert_eq!(read.is_ok(), right, "{text}: {why}");
            if let Ok(hold) = read {
                assert_eq!(hold.to_string(), text, "{why}");
            }
        }
        let with_fraction: Moment = "2026-11-25t02:22:10.123z".parse().unwrap();
        assert_eq!(with_fraction.unix_seconds(), 1_795_573_330, "RFC 3339 §5.6");
    }

    #[test]
    fn moments_come_back_from_their_text() {
        for days in (-719_000_i64..2_932_000).step_by(577) {
            let moment = Moment::from_unix(days * 86_400 + days.rem_euclid(86_400));
            assert_eq!(moment.to_string().parse(), Ok(moment), "{moment}");
        }
        assert_eq!(Moment::from_unix(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Moment::from_unix(i64::MIN).to_string(), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn a_deliver_by_time_has_a_mode() {
        #[rustfmt::skip]
        let rows = [
            ("120;R",        Some("120;R"),  "RFC 2852 §4: return"),
            ("+120;rt",      Some("120;RT"), "a plus, a trace, lower case"),
            ("0;N",          Some("0;N"),    "with N it may be over"),
            ("-999999999;NT", Some("-999999999;NT"), "long over"),
            ("0;R",          None,           "with R it may not be over"),
            ("-1;R",         None,           "with R it may not be over"),
            ("1000000000;N", None,           "ten digits"),
            ("120",          None,           "no mode"),
            ("120;X",        None,           "another mode"),
            ("120;TR",       None,           "the wrong way round"),
            (";R",           None,           "no time"),
        ];
        for (text, wanted, why) in rows {
            let read = DeliverBy::parse(text).ok().map(|by| by.to_string());
            assert_eq!(read.as_deref(), wanted, "{text}: {why}");
        }
    }

    #[test]
    fn priorities_have_three_levels() {
        use Urgency::{NonUrgent, Normal, Urgent};
        #[rustfmt::skip]
        let rows = [
            ("9", Some(Urgent),     "RFC 6710 §5: above the highest level counts as the highest"),
            ("1", Some(Urgent),     "between two levels counts as the higher one"),
            ("0", Some(Normal),     "usual mail"),
            ("-3", Some(Normal),    "between two levels"),
            ("-4", Some(NonUrgent), "RFC 6710 appendix B"),
            ("-9", Some(NonUrgent), "the lowest"),
            ("10", None,            "RFC 6710 §7: one digit"),
            ("-0", None,            "no sign before zero"),
            ("+1", None,            "no plus"),
            ("01", None,            "no leading zero"),
            ("", None,              "nothing"),
        ];
        for (text, wanted, why) in rows {
            let read = Priority::parse(text).ok();
            assert_eq!(read.map(Priority::urgency), wanted, "{text}: {why}");
            assert!(read.is_none_or(|priority| priority.to_string() == text), "{why}");
        }
        assert!(Priority::new(10).is_err() && Priority::new(-10).is_err());
    }

    #[test]
    fn solicitation_classes_are_words() {
        #[rustfmt::skip]
        let rows = [
            ("net.example:ADV",                      true,  "RFC 3865 §2.2"),
            ("net.example:ADV,org.example:ADV:ADLT", true,  "a list"),
            ("net.example:ADV, org.example:X",       false, "no blanks"),
            ("net.example:ADV,",                     false, "an empty word"),
            ("1net:ADV",                             false, "a digit first"),
            ("net(example)",                         false, "it stands in a comment of Received"),
            ("",                                     false, "nothing"),
        ];
        for (text, right, why) in rows {
            assert_eq!(Solicitation::parse(text).is_ok(), right, "{text}: {why}");
        }
        assert!(Solicitation::parse(&"a".repeat(SOLICITATION_OCTETS_MAX)).is_ok());
        assert!(Solicitation::parse(&"a".repeat(SOLICITATION_OCTETS_MAX + 1)).is_err());
    }
}
