//! Kinds of solicitation that are not wanted here, in mail that says what it is.
//!
//! Standards: RFC 3865 §2.3, §2.4 (the reply repeats the classes), §2.5 (the header field), §2.8 (none by
//! default).
//! Not here: what a recipient thinks of mail that does not say it.

use envelope::{EnhancedStatus, Solicitation};
use smtp::Reply;

use super::Verdict;

/// What a message says it is, against what EHLO says is not wanted.
pub(super) fn check(unwanted: Option<&Solicitation>, told: Option<&Solicitation>) -> Verdict {
    let (Some(unwanted), Some(told)) = (unwanted, told) else { return Verdict::Silent };
    let is_unwanted =
        |class: &&str| unwanted.classes().any(|unwanted| unwanted.eq_ignore_ascii_case(class));
    let found: Vec<_> = told.classes().filter(is_unwanted).collect();
    if found.is_empty() {
        return Verdict::Silent;
    }
    let text = format!("No soliciting here: SOLICIT={}", found.join(","));
    Verdict::Refused(Reply::new(550, EnhancedStatus::new(5, 7, 1), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_classes_that_were_named_are_refused() {
        let list = |text: &str| Solicitation::parse(text).ok();
        #[rustfmt::skip]
        let rows = [
            ("org.example:ADV", "org.example:ADV", Some("SOLICIT=org.example:ADV"), "RFC 3865 §2.4"),
            ("org.example:ADV", "net.example:X,ORG.example:adv", Some("SOLICIT=ORG.example:adv"), "one of them"),
            ("org.example:ADV", "org.example:ADV:ADLT", None, "another class"),
            ("org.example:ADV", "", None, "it does not say so"),
            ("", "org.example:ADV", None, "RFC 3865 §2.8: off"),
        ];
        for (unwanted, told, wanted, why) in rows {
            match (check(list(unwanted).as_ref(), list(told).as_ref()), wanted) {
                (Verdict::Refused(reply), Some(wanted)) => {
                    assert_eq!((reply.code(), reply.text().contains(wanted)), (550, true), "{why}");
                }
                (Verdict::Silent, None) => {}
                (verdict, _) => panic!("{why}: {verdict:?}"),
            }
        }
    }
}
