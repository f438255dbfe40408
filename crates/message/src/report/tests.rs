//! Reports are written as the standard says, and read again.

use envelope::{EnhancedStatus, EnvelopeId, OriginalRecipient, Return};

use super::{
    Action, DeliveryReport, Disposed, DispositionReport, Initiative, ReportKind, ReportRecipient,
    Returned, read,
};
use crate::{DateTime, Mailbox, Message, TransferEncoding};

fn report(returned: Returned) -> DeliveryReport {
    let date = DateTime::from_unix(1_700_000_000);
    DeliveryReport {
        from: Mailbox::named("Mail Delivery System", "postmaster@mx.example.org"),
        to: Mailbox::new("ada@example.net"),
        subject: "Not delivered: Grüße".to_owned(),
        date,
        message_id: "r1@mx.example.org".parse().unwrap(),
        original_message_id: Some("m1@example.net".parse().unwrap()),
        text: "Bob has no mailbox here.\n".to_owned(),
        reporting_mta: "mx.example.org".to_owned(),
        envelope_id: Some(EnvelopeId::new("QQ 314159").unwrap()),
        arrival_date: Some(date),
        deliver_by_date: None,
        future_release_request: None,
        recipients: vec![ReportRecipient {
            original_recipient: Some(OriginalRecipient::rfc822("Bob@example.org").unwrap()),
            final_recipient: "bob@example.org".to_owned(),
            action: Action::Failed,
            status: EnhancedStatus::new(5, 1, 1),
            remote_mta: Some("mail.example.org".to_owned()),
            diagnostic: Some("550 5.1.1 no such user\r\nX-Evil: ü".to_owned()),
            last_attempt: Some(date),
            will_retry_until: None,
        }],
        returned,
    }
}

const ORIGINAL: &[u8] =
    b"From: ada@example.net\r\nMessage-ID: <m1@example.net>\r\n\r\nGr\xFC\xDFe\r\n";

#[test]
fn a_written_report_is_read_again() {
    let sealed = report(Returned::from_content(ORIGINAL, Return::Full)).seal(&mut || 7).unwrap();
    let message = Message::parse(sealed.octets());
    assert_eq!(message.defects(), []);
    assert_eq!(message.header().value("Auto-Submitted").as_deref(), Some("auto-replied"));
    assert_eq!(message.root().transfer_encoding(), TransferEncoding::EightBit);
    let returned = message.part("3").unwrap();
    assert_eq!(returned.body(), ORIGINAL);
    assert_eq!(returned.transfer_encoding(), TransferEncoding::EightBit);
    let found = read(&message).unwrap();
    assert_eq!(found.kind, ReportKind::Delivery);
    assert_eq!(found.envelope_id.as_deref(), Some("QQ 314159"));
    assert_eq!(found.reporting_mta.as_deref(), Some("mx.example.org"));
    assert_eq!(found.original_message_id.unwrap().as_str(), "m1@example.net");
    let [recipient] = found.recipients.as_slice() else { panic!("{:?}", found.recipients) };
    assert_eq!(recipient.address, "Bob@example.org");
    assert_eq!(recipient.final_address.as_deref(), Some("bob@example.org"));
    assert_eq!(recipient.diagnostic.as_deref(), Some("550 5.1.1 no such user X-Evil: ?"));
    assert!(recipient.is_permanent());
}

#[test]
fn addresses_outside_of_ascii_are_told_in_a_form_that_the_reader_knows() {
    let utf8_header = "From: \u{fc}@example.net\r\n\r\n".as_bytes().to_vec();
    let (plain, global) = (r"utf-8; b\x{F6}b@example.org", "utf-8; b\u{f6}b@example.org");
    #[rustfmt::skip]
    let rows = [
        ("ada@example.net", Returned::Header(ORIGINAL.to_vec()), plain, "delivery-status", "RFC 6533 §3: 7-bit"),
        ("ada@example.net", Returned::Header(utf8_header), global, "global-delivery-status", "RFC 6533 §4: he has UTF-8"),
        ("\u{e4}da@example.net", Returned::Nothing, global, "global-delivery-status", "RFC 6533 §4: likewise"),
    ];
    for (to, returned, wanted, kind, why) in rows {
        let mut report = report(returned);
        report.to = Mailbox::new(to);
        report.recipients[0].final_recipient = "b\u{f6}b@example.org".to_owned();
        let sealed = report.seal(&mut || 7).unwrap();
        let text = String::from_utf8_lossy(sealed.octets()).into_owned();
        assert!(text.contains(&format!("Final-Recipient: {wanted}\r\n")), "{why}: {text}");
        assert!(text.contains(&format!("Content-Type: message/{kind}\r\n")), "{why}: {text}");
        let found = read(&Message::parse(sealed.octets())).unwrap();
        let address = found.recipients[0].final_address.as_deref();
        assert_eq!(address, Some("b\u{f6}b@example.org"), "{why}");
    }
}

#[test]
fn only_the_header_goes_back_where_that_is_wanted() {
    let returned = Returned::from_content(ORIGINAL, Return::Headers);
    let sealed = report(returned).seal(&mut || 7).unwrap();
    let message = Message::parse(sealed.octets());
    let part = message.part("3").unwrap();
    assert!(part.content_type().is("text", "rfc822-headers"));
    assert!(part.body().ends_with(b"<m1@example.net>\r\n\r\n"), "{:?}", part.body());
    assert!(!sealed.is_eight_bit());
    assert_eq!(read(&message).unwrap().original_message_id.unwrap().as_str(), "m1@example.net");
}

#[test]
fn a_report_on_nobody_is_no_report() {
    let report = DeliveryReport { recipients: Vec::new(), ..report(Returned::Nothing) };
    assert!(report.seal(&mut || 7).is_err());
}

fn disposition() -> DispositionReport {
    DispositionReport {
        from: Mailbox::new("bob@example.org"),
        to: Mailbox::new("ada@example.net"),
        subject: "Read: Grüße".to_owned(),
        date: DateTime::from_unix(1_700_000_000),
        message_id: "r2@example.org".parse().unwrap(),
        original_message_id: Some("m1@example.net".parse().unwrap()),
        text: "Your message was shown.\n".to_owned(),
        reporting_ua: Some("example.org; mailbag".to_owned()),
        original_recipient: Some(OriginalRecipient::rfc822("Bob@example.org").unwrap()),
        final_recipient: "bob@example.org".to_owned(),
        disposed: Disposed::Displayed,
        initiative: Initiative::Manual,
        error: None,
        returned: Returned::Nothing,
    }
}

#[test]
fn a_written_disposition_is_read_again() {
    let sealed = disposition().seal(&mut || 7).unwrap();
    let message = Message::parse(sealed.octets());
    assert_eq!(message.examine(), []);
    let found = read(&message).unwrap();
    assert_eq!(found.kind, ReportKind::Disposition);
    let said = found.disposition.unwrap();
    assert_eq!((said.disposed.as_str(), said.initiative), ("displayed", Some(Initiative::Manual)));
    assert!(!said.is_sent_automatically && said.modifiers.is_empty());
    assert_eq!(said.reporting_ua.as_deref(), Some("example.org; mailbag"));
    assert_eq!(found.original_message_id.unwrap().as_str(), "m1@example.net");
    assert_eq!(found.recipients[0].address, "Bob@example.org");
    assert_eq!(found.recipients[0].final_address.as_deref(), Some("bob@example.org"));
}

#[test]
fn dispositions_carry_failures_and_addresses_outside_of_ascii() {
    let (plain, global) = (r"utf-8; b\x{F6}b@example.org", "utf-8; b\u{f6}b@example.org");
    #[rustfmt::skip]
    let rows = [
        ("ada@example.net", plain, "disposition-notification", "RFC 6533 §3: 7-bit"),
        ("\u{e4}da@example.net", global, "global-disposition-notification", "RFC 6533 §5: she has UTF-8"),
    ];
    for (to, wanted, kind, why) in rows {
        let written = DispositionReport {
            to: Mailbox::new(to),
            original_recipient: None,
            final_recipient: "b\u{f6}b@example.org".to_owned(),
            initiative: Initiative::Automatic,
            error: Some("no key\r\nX: y".to_owned()),
            ..disposition()
        };
        let sealed = written.seal(&mut || 7).unwrap();
        let text = String::from_utf8_lossy(sealed.octets()).into_owned();
        assert!(text.contains(&format!("Final-Recipient: {wanted}\r\n")), "{why}: {text}");
        assert!(text.contains(&format!("Content-Type: message/{kind}\r\n")), "{why}: {text}");
        let found = read(&Message::parse(sealed.octets())).unwrap();
        assert_eq!(found.recipients[0].address, "b\u{f6}b@example.org", "{why}");
        let said = found.disposition.unwrap();
        assert_eq!(
            (said.modifiers, said.error.as_deref()),
            (vec!["error".to_owned()], Some("no key X: y"))
        );
        assert!(said.is_sent_automatically, "{why}");
    }
}

#[test]
fn dispositions_of_others_are_read() {
    #[rustfmt::skip]
    let table = [
        ("manual-action/MDN-sent-manually; displayed", "displayed", Some(Initiative::Manual), "", "RFC 8098 §3.2.6"),
        ("Automatic-Action / mdn-sent-automatically ; Deleted / Error, X-Foo", "deleted", Some(Initiative::Automatic), "error x-foo", "white space, modifiers"),
        ("displayed", "displayed", None, "", "without modes"),
        ("manual-action/MDN-sent-manually; dispatched,warning", "dispatched", Some(Initiative::Manual), "warning", "the comma of old programs"),
    ];
    for (value, disposed, initiative, modifiers, why) in table {
        let content = format!(
            "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\
             Content-Type: message/disposition-notification\r\n\r\nDisposition: {value}\r\n--b--\r\n"
        );
        let said = read(&Message::parse(content.as_bytes())).unwrap().disposition.unwrap();
        assert_eq!((said.disposed.as_str(), said.initiative), (disposed, initiative), "{why}");
        assert_eq!(said.modifiers.join(" "), modifiers, "{why}");
    }
}

#[test]
fn bounces_for_people_are_read() {
    let bounce = |text: &str| {
        let header =
            "From: MAILER-DAEMON@mx.test\r\nTo: ada@a.test\r\nSubject: Returned mail\r\n\r\n";
        format!("{header}{text}\r\nMessage-ID: <m@a.test>\r\n").into_bytes()
    };
    #[rustfmt::skip]
    let table = [
        ("<bob@b.test>:\r\n550 5.1.1 no such user\r\n", Some(("bob@b.test", Action::Failed, "5.1.1", true)), "qmail"),
        ("  bob@b.test\r\n    SMTP error: 550 mailbox full\r\n", Some(("bob@b.test", Action::Failed, "5.2.2", false)), "Exim"),
        ("Could not reach bob@b.test: 421 try later\r\nIt will be retried.\r\n", Some(("bob@b.test", Action::Delayed, "4.0.0", false)), "a delay"),
        ("Final-Recipient: rfc822; bob@b.test\r\nStatus: 5.1.2\r\nAction: failed\r\n", Some(("bob@b.test", Action::Failed, "5.1.2", true)), "fields without a part"),
        ("bob@b.test unknown user\r\nReceived: from eve@e.test\r\n", Some(("bob@b.test", Action::Failed, "5.1.1", true)), "the copy is not searched"),
        ("Sorry.\r\nFor assistance contact help@mx.test\r\n", None, "nobody named"),
    ];
    for (text, expected, why) in table {
        let content = bounce(text);
        let report = read(&Message::parse(&content));
        let found = report.as_ref().map(|report| {
            assert_eq!(report.recipients.len(), 1, "{why}: {report:?}");
            let one = &report.recipients[0];
            let status = one.status.map(|status| status.to_string()).unwrap_or_default();
            (one.address.as_str(), one.action.unwrap(), status, one.is_address_bad)
        });
        let expected = expected
            .map(|(address, action, status, is_bad)| (address, action, status.to_owned(), is_bad));
        assert_eq!(found, expected, "{why}");
        if let Some(report) = &report {
            assert_eq!(report.original_message_id.as_ref().unwrap().as_str(), "m@a.test", "{why}");
        }
    }
}

#[test]
fn other_messages_are_no_reports() {
    assert_eq!(read(&Message::parse(ORIGINAL)), None);
}
