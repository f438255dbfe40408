//! Times for people who read replies and events.
//!
//! Not here: notices (`notice`), which have a language.

use std::time::Duration;

const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

/// A time in its two largest units, rounded up to a second: `5 minutes 3 seconds`.
pub(crate) fn in_words(time: Duration) -> String {
    let mut left = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    let mut words = Vec::new();
    for (unit, name) in UNITS {
        let (count, rest) = (left / unit, left % unit);
        if count == 0 {
            if !words.is_empty() {
                break;
            }
            continue;
        }
        words.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        left = rest;
        if words.len() == 2 {
            break;
        }
    }
    if words.is_empty() { "no time".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
        #[rustfmt::skip]
        let rows = [
            (0, "no time"), (1, "1 second"), (300, "5 minutes"), (303, "5 minutes 3 seconds"),
            (3_600, "1 hour"), (3_605, "1 hour"), (90_061, "1 day 1 hour"), (200_000, "2 days 7 hours"),
        ];
        for (seconds, wanted) in rows {
            assert_eq!(in_words(Duration::from_secs(seconds)), wanted);
        }
        assert_eq!(in_words(Duration::from_millis(1)), "1 second", "never too soon");
    }
}
