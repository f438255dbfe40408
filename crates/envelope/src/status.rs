//! Enhanced mail system status codes.
//!
//! Standards: RFC 3463 §2 (structure), §3 (the codes).
//! Not here: the text beside a code, which whoever decides writes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An enhanced status code such as `5.1.1`: class, subject, detail (RFC 3463 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnhancedStatus {
    class: u8,
    subject: u16,
    detail: u16,
}

impl EnhancedStatus {
    /// A code from its parts.
    ///
    /// # Panics
    ///
    /// When `class` is not 2, 4 or 5 or a part is above 999: codes are written in source.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        assert!(matches!(class, 2 | 4 | 5), "RFC 3463 §2: class is 2, 4 or 5");
        assert!(subject <= 999 && detail <= 999, "RFC 3463 §2: at most three digits");
        Self { class, subject, detail }
    }

    /// Finds a code at the start of a reply text: `5.1.1 User unknown`.
    pub fn at_start_of(text: &str) -> Option<Self> {
        text.split([' ', '\t']).next()?.parse().ok()
    }

    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub fn class(self) -> u8 {
        self.class
    }

    /// What the status is about, such as 1 for addressing (RFC 3463 §3).
    pub fn subject(self) -> u16 {
        self.subject
    }

    /// The precise condition within the subject.
    pub fn detail(self) -> u16 {
        self.detail
    }

    /// Whether trying again later may help.
    pub fn is_temporary(self) -> bool {
        self.class == 4
    }

    /// Whether trying again unchanged is pointless.
    pub fn is_permanent(self) -> bool {
        self.class == 5
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// The text is not an enhanced status code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an enhanced status code such as 5.1.1")]
pub struct NotAStatus(String);

impl FromStr for EnhancedStatus {
    type Err = NotAStatus;

    fn from_str(text: &str) -> Result<Self, NotAStatus> {
        let number = |part: Option<&str>| {
            part.filter(|digits| {
                (1..=3).contains(&digits.len())
                    && digits.bytes().all(|octet| octet.is_ascii_digit())
            })
            .and_then(|digits| digits.parse::<u16>().ok())
        };
        let mut parts = text.split('.');
        let class = match parts.next() {
            Some("2") => 2,
            Some("4") => 4,
            Some("5") => 5,
            _ => return Err(NotAStatus(text.to_owned())),
        };
        match (number(parts.next()), number(parts.next()), parts.next()) {
            (Some(subject), Some(detail), None) => Ok(Self { class, subject, detail }),
            _ => Err(NotAStatus(text.to_owned())),
        }
    }
}

impl TryFrom<String> for EnhancedStatus {
    type Error = NotAStatus;

    fn try_from(text: String) -> Result<Self, NotAStatus> {
        text.parse()
    }
}

impl From<EnhancedStatus> for String {
    fn from(status: EnhancedStatus) -> Self {
        status.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_class_subject_detail() {
        let table = [
            ("2.0.0", Some((2, 0, 0)), "success"),
            ("5.1.10", Some((5, 1, 10)), "RFC 7505 null MX"),
            ("4.7.999", Some((4, 7, 999)), "RFC 3463 §2: three digits"),
            ("3.0.0", None, "RFC 3463 §2: no class 3"),
            ("5.1", None, "a part is missing"),
            ("5.1.1.1", None, "a part too many"),
            ("5.1.1000", None, "four digits"),
            ("5..1", None, "empty part"),
            ("5.+1.1", None, "a sign is no digit"),
        ];
        for (text, wanted, why) in table {
            let found = text.parse::<EnhancedStatus>().ok();
            assert_eq!(
                found,
                wanted.map(|(c, s, d)| EnhancedStatus::new(c, s, d)),
                "{text}: {why}"
            );
            if let Some(found) = found {
                assert_eq!(found.to_string(), text);
            }
        }
    }

    #[test]
    fn code_is_read_from_the_start_of_a_reply_text() {
        let found = EnhancedStatus::at_start_of("5.1.1 <a@b>: unknown");
        assert_eq!(found, Some(EnhancedStatus::new(5, 1, 1)));
        assert_eq!(EnhancedStatus::at_start_of("unknown user"), None);
    }
}
