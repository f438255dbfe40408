//! What an abuse report says beside whom it is about.
//!
//! Standards: RFC 5965 §3 (the fields), RFC 6591 §3.1 (reports on authentication failures).
//! Not here: finding the report in a message (module `read`).

use std::net::IpAddr;

use crate::address::AddressList;
use crate::authentication::AuthenticationResults;
use crate::header::Header;

/// Values taken from a field that may occur several times.
pub const COMPLAINT_VALUES_MAX: usize = 1_000;

/// The fields of a feedback report.
///
/// ```
/// use message::{Message, report};
/// let content = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\
///     Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\
///     User-Agent: SomeGenerator/1.0\r\nVersion: 1\r\nSource-IP: 192.0.2.1\r\n--b--\r\n";
/// let complaint = report::read(&Message::parse(content)).unwrap().complaint.unwrap();
/// assert_eq!(complaint.feedback_type, "abuse");
/// assert_eq!(complaint.source, Some("192.0.2.1".parse().unwrap()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What it is, in lower case: `abuse`, `fraud`, `virus`, `not-spam`, `auth-failure`, `other`
    /// ….
    pub feedback_type: String,
    /// The program that wrote the report.
    pub user_agent: Option<String>,
    /// Version of the report's form; 1 is the only one.
    pub version: Option<u32>,
    /// The reverse-path of the message; empty for the null path.
    pub reverse_path: Option<String>,
    /// The host that the message came from.
    pub source: Option<IpAddr>,
    /// Its port.
    pub source_port: Option<u16>,
    /// What was checked when the message came.
    pub authentication_results: Vec<AuthenticationResults>,
    /// Domains that the report is about.
    pub domains: Vec<String>,
    /// Addresses of the web or of mail that it is about.
    pub uris: Vec<String>,
    /// How many messages it stands for; 1 where it does not say.
    pub incidents: u64,
}

impl Complaint {
    /// Reads the fields of message/feedback-report.
    pub(super) fn read(fields: &Header<'_>) -> Self {
        let text = |name: &str| fields.value(name).map(|value| value.trim().to_owned());
        let number = |name: &str| text(name)?.parse::<u64>().ok();
        let all = |name: &'static str| {
            let values = fields.all(name).map(|field| field.value().trim().to_owned());
            values.filter(|value| !value.is_empty()).take(COMPLAINT_VALUES_MAX).collect()
        };
        let path = fields.field("Original-Mail-From").map(|field| {
            let list = AddressList::parse(field.raw_value());
            list.mailboxes().next().map(|mailbox| mailbox.address.clone()).unwrap_or_default()
        });
        Self {
            feedback_type: text("Feedback-Type").unwrap_or_default().to_ascii_lowercase(),
            user_agent: text("User-Agent"),
            version: number("Version").and_then(|version| version.try_into().ok()),
            reverse_path: path,
            source: text("Source-IP").and_then(|address| address.parse().ok()),
            source_port: number("Source-Port").and_then(|port| port.try_into().ok()),
            authentication_results: fields
                .authentication_results()
                .take(COMPLAINT_VALUES_MAX)
                .collect(),
            domains: all("Reported-Domain"),
            uris: all("Reported-URI"),
            incidents: number("Incidents").unwrap_or(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::report::{ReportKind, read};
    use crate::{AuthenticationVerdict, Message};

    /// RFC 5965 appendix B.2.
    const EXAMPLE: &str = "From: <abusedesk@example.com>\r\nTo: <abuse@example.net>\r\n\
        Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n--b\r\n\
        Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\
        User-Agent: SomeGenerator/1.0\r\nVersion: 1\r\nOriginal-Mail-From: <somespammer@example.net>\r\n\
        Original-Rcpt-To: <user@example.com>\r\nReceived-Date: Thu, 8 Mar 2005 14:00:00 EDT\r\n\
        Source-IP: 192.0.2.2\r\nAuthentication-Results: mail.example.com;\r\n\
        \x20              spf=fail smtp.mail=somespammer@example.com\r\n\
        Reported-Domain: example.net\r\nReported-Uri: http://example.net/earn_money.html\r\n\
        Reported-Uri: mailto:user@example.com\r\nRemoval-Recipient: user@example.com\r\n\r\n--b\r\n\
        Content-Type: message/rfc822\r\n\r\nFrom: <somespammer@example.net>\r\n\
        Message-ID: <8787KJKJ3K4J3K4J3K4J3.mail@example.net>\r\n\r\nSpam\r\n--b--\r\n";

    #[test]
    fn the_example_of_rfc_5965_is_read() {
        let report = read(&Message::parse(EXAMPLE.as_bytes())).unwrap();
        assert_eq!(report.kind, ReportKind::Abuse);
        let id = report.original_message_id.unwrap();
        assert_eq!(id.as_str(), "8787KJKJ3K4J3K4J3K4J3.mail@example.net");
        let complaint = report.complaint.unwrap();
        assert_eq!(complaint.feedback_type, "abuse");
        assert_eq!(complaint.user_agent.as_deref(), Some("SomeGenerator/1.0"));
        assert_eq!((complaint.version, complaint.incidents), (Some(1), 1));
        assert_eq!(complaint.reverse_path.as_deref(), Some("somespammer@example.net"));
        assert_eq!(complaint.source, Some("192.0.2.2".parse().unwrap()));
        assert_eq!(complaint.domains, ["example.net"]);
        let uris = ["http://example.net/earn_money.html", "mailto:user@example.com"];
        assert_eq!(complaint.uris, uris);
        let verdict = &complaint.authentication_results[0].results[0].verdict;
        assert_eq!(*verdict, AuthenticationVerdict::Fail);
    }

    #[test]
    fn what_is_wrong_is_left_out() {
        let content = "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\
            Content-Type: message/feedback-report\r\n\r\nFeedback-Type: Not-Spam\r\n\
            Version: one\r\nSource-IP: nowhere\r\nSource-Port: 70000\r\nIncidents: 17\r\n\
            Original-Mail-From: <>\r\n--b--\r\n";
        let complaint = read(&Message::parse(content.as_bytes())).unwrap().complaint.unwrap();
        assert_eq!(complaint.feedback_type, "not-spam");
        assert_eq!(
            (complaint.version, complaint.source, complaint.source_port),
            (None, None, None)
        );
        assert_eq!((complaint.incidents, complaint.reverse_path.as_deref()), (17, Some("")));
    }
}
