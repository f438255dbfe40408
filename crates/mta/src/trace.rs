//! Trace fields: what we write above a message (RFC 5321 §4.4).
//!
//! `Received` stands at the top of the shared content; `Return-Path` and `Delivered-To` are an
//! entry's own and are kept beside it.
//!
//! Standards: RFC 5321 §4.4 (trace), RFC 6710 §4.1 (PRIORITY), RFC 3865 §2.6 (SOLICIT), RFC 3848 (keywords of `with`), RFC 6531 §4.3 (with UTF8), RFC 8314 §7.4 (TLS).
//! Not here: reading them (crate `message`).

use std::fmt::Write;
use std::net::IpAddr;

use envelope::{Address, Domain, Priority, ReversePath, Solicitation};
use message::DateTime;
use store::{SubmissionId, TlsRecord, UnixMillis};

/// Longest list of classes that fits into a line (RFC 5322 §2.1.1); a longer one is left out.
const CLASSES_OCTETS_MAX: usize = 900;

/// Facts for a `Received` field.
#[derive(Debug)]
pub(crate) struct Reception<'a> {
    pub(crate) helo: &'a str,
    pub(crate) peer: IpAddr,
    pub(crate) by: &'a Domain,
    /// RFC 3848 keyword.
    pub(crate) protocol: &'a str,
    pub(crate) tls: Option<&'a TlsRecord>,
    /// What the client told with MAIL (RFC 3865 §2.6).
    pub(crate) solicitation: Option<&'a Solicitation>,
    pub(crate) id: SubmissionId,
    /// The recipient, if there is only one: a second one would betray a blind copy.
    pub(crate) only_recipient: Option<&'a Address>,
    /// Where MAIL had one (RFC 6710 §4.1).
    pub(crate) priority: Option<Priority>,
    pub(crate) at: UnixMillis,
}

/// The `Received` field, with its CRLF.
pub(crate) fn received(reception: &Reception<'_>) -> String {
    let Reception { helo, peer, by, protocol, tls, solicitation, id, only_recipient, .. } =
        reception;
    let mut field = String::with_capacity(320);
    let literal = match peer {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    };
    // Writing to a String does not fail.
    let _ = write!(field, "Received: from {helo} ({literal})\r\n\tby {by} with {protocol}");
    if let Some(tls) = tls {
        let _ = write!(field, " ({} {})", tls.version, tls.cipher);
    }
    if let Some(classes) =
        solicitation.filter(|classes| classes.as_str().len() <= CLASSES_OCTETS_MAX)
    {
        let _ = write!(field, "\r\n\t(SOLICIT={})", classes.as_str());
    }
    let _ = write!(field, "\r\n\tid {id}");
    if let Some(recipient) = only_recipient {
        let _ = write!(field, "\r\n\tfor <{recipient}>");
    }
    if let Some(priority) = reception.priority {
        let _ = write!(field, "\r\n\tPRIORITY {priority}");
    }
    let _ = write!(field, ";\r\n\t{}\r\n", date(reception.at));
    field
}

/// The fields of one delivery (RFC 5321 §4.4: the last MTA writes Return-Path).
pub(crate) fn prefix(reverse_path: &ReversePath, recipient: &Address) -> Vec<u8> {
    format!("Return-Path: <{reverse_path}>\r\nDelivered-To: {recipient}\r\n").into_bytes()
}

/// A moment as a header field gives it (RFC 5322 §3.3), in UTC.
pub(crate) fn date(at: UnixMillis) -> DateTime {
    DateTime::from_unix(at.0.div_euclid(1000))
}

/// The keyword for `with` (RFC 3848).
pub(crate) fn protocol(extended: bool, tls: bool, login: bool) -> &'static str {
    match (extended, tls, login) {
        (false, _, _) => "SMTP",
        (true, false, false) => "ESMTP",
        (true, true, false) => "ESMTPS",
        (true, false, true) => "ESMTPA",
        (true, true, true) => "ESMTPSA",
    }
}

/// The keyword of LMTP for one of SMTP (RFC 3848).
pub(crate) fn as_lmtp(protocol: &'static str) -> &'static str {
    if protocol.ends_with('S') { "LMTPS" } else { "LMTP" }
}

/// The keyword for a transaction with SMTPUTF8 (RFC 6531 §4.3).
pub(crate) fn with_utf8(protocol: &'static str) -> &'static str {
    match protocol {
        "ESMTP" => "UTF8SMTP",
        "ESMTPS" => "UTF8SMTPS",
        "ESMTPA" => "UTF8SMTPA",
        "ESMTPSA" => "UTF8SMTPSA",
        "LMTP" => "UTF8LMTP",
        "LMTPS" => "UTF8LMTPS",
        // HELO has no extensions.
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_tells_from_by_with_id_for_and_when() {
        let tls = TlsRecord {
            version: "TLSv1.3".to_owned(),
            cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
            verified: None,
            certificate: None,
            unverified: None,
            shown: None,
        };
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        let by = Domain::parse("mx.example.org").unwrap();
        let recipient = Address::parse("ada@example.org").unwrap();
        let field = received(&Reception {
            helo: "client.test",
            peer: "192.0.2.7".parse().unwrap(),
            by: &by,
            protocol: "ESMTPS",
            tls: Some(&tls),
            solicitation: Solicitation::parse("org.example:ADV").ok().as_ref(),
            id,
            only_recipient: Some(&recipient),
            priority: Priority::new(-4).ok(),
            at: UnixMillis(1_795_573_330_000),
        });
        assert_eq!(
            field,
            "Received: from client.test ([192.0.2.7])\r\n\
             \tby mx.example.org with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\
             \t(SOLICIT=org.example:ADV)\r\n\
             \tid 01ARZ3NDEKTSV4RRFFQ69G5FAV\r\n\
             \tfor <ada@example.org>\r\n\
             \tPRIORITY -4;\r\n\
             \tWed, 25 Nov 2026 02:22:10 +0000\r\n"
        );
    }

    #[test]
    fn keywords_tell_tls_and_login() {
        assert_eq!(protocol(false, true, false), "SMTP", "RFC 3848: HELO has no variants");
        assert_eq!(protocol(true, true, true), "ESMTPSA");
        assert_eq!(protocol(true, true, false), "ESMTPS");
        assert_eq!(with_utf8(protocol(true, true, true)), "UTF8SMTPSA", "RFC 6531 §4.3");
        assert_eq!(as_lmtp(protocol(true, true, false)), "LMTPS", "RFC 3848");
        assert_eq!(with_utf8(as_lmtp(protocol(true, false, false))), "UTF8LMTP", "RFC 6531 §4.3");
        assert_eq!(with_utf8(protocol(true, false, false)), "UTF8SMTP", "RFC 6531 §4.3");
    }
}
