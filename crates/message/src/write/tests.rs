//! What is written is read again, whatever it is.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Attachment, Draft, DraftError, HeaderForm, Sealed};
use crate::{DateTime, Mailbox, Message};

fn draft() -> Draft {
    Draft {
        from: Mailbox::named("Ada Lovelace", "ada@example.org").into(),
        to: Mailbox::named("Jörg", "joerg@example.net").into(),
        subject: "Grüße".to_owned(),
        date: Some(DateTime::from_unix(1_700_000_000).with_offset(60)),
        message_id: Some("m1@example.org".parse().unwrap()),
        ..Draft::default()
    }
}

fn luck() -> impl FnMut() -> u64 {
    let mut next = 0;
    move || {
        next += 1;
        next
    }
}

#[test]
fn boundaries_differ_even_if_luck_does_not() {
    let file = Attachment { octets: b"x".to_vec(), ..Attachment::default() };
    let letter = Draft {
        text: Some("x".to_owned()),
        html: Some("x".to_owned()),
        attachments: vec![file],
        ..draft()
    };
    let sealed = letter.seal(&mut || u64::MAX).unwrap();
    let message = Message::parse(sealed.octets());
    let types: Vec<_> = message.parts().map(|part| part.content_type().to_string()).collect();
    let expected = ["multipart/mixed", "multipart/alternative", "text/plain", "text/html"];
    assert_eq!(types[..4], expected);
    assert_eq!(message.defects(), []);
}

#[test]
fn smtputf8_is_needed_where_any_own_header_has_utf8() {
    let ascii = Draft { to: Mailbox::new("j@x").into(), subject: "x".to_owned(), ..draft() };
    let file = |name: &str, content_type: &str, octets: &[u8]| {
        vec![Attachment {
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            octets: octets.to_vec(),
            ..Attachment::default()
        }]
    };
    let utf8 = HeaderForm::Utf8;
    #[rustfmt::skip]
    let table = [
        (ascii.clone(), false, "nothing outside of ASCII"),
        (Draft { header_form: utf8, ..ascii.clone() }, false, "nothing to write as UTF-8"),
        (draft(), false, "encoded"),
        (Draft { header_form: utf8, ..draft() }, true, "a name and a subject"),
        (Draft { header_form: utf8, attachments: file("ä.txt", "", b"x"), ..ascii.clone() }, true, "a file name"),
        (Draft { attachments: file("ä.txt", "", b"x"), ..ascii.clone() }, false, "an encoded one"),
        (Draft { attachments: file("", "message/rfc822", "Subject: ä\r\n\r\n".as_bytes()), ..ascii }, false, "another message's header"),
    ];
    for (letter, expected, why) in table {
        let sealed = letter.seal(&mut luck()).unwrap();
        assert_eq!(sealed.needs_smtputf8(), expected, "{why}");
        assert_eq!(Message::parse(sealed.octets()).defects(), [], "{why}");
    }
}

#[test]
fn everything_of_a_letter_comes_back() {
    let letter = Draft {
        sender: Some(Mailbox::new("secretary@example.org")),
        reply_to: Mailbox::new("office@example.org").into(),
        cc: Mailbox::new("c@example.org").into(),
        bcc: Mailbox::new("secret@example.org").into(),
        in_reply_to: vec!["m0@example.net".parse().unwrap()],
        references: vec!["m00@example.net".parse().unwrap(), "m0@example.net".parse().unwrap()],
        extra: vec![("X-Mailer".to_owned(), "test".to_owned())],
        text: Some("Grüße, Привет, 你好\n-- \nAda\n".to_owned()),
        html: Some("<p>Grüße <img src='cid:p@x'></p>".to_owned()),
        attachments: vec![
            Attachment {
                name: "Übersicht für die nächsten dreißig Jahre, mit Anhängen und mehr.pdf"
                    .to_owned(),
                content_type: "application/pdf".to_owned(),
                octets: (0..=255).collect(),
                content_id: None,
            },
            Attachment {
                name: "p.png".to_owned(),
                content_type: "image/png".to_owned(),
                octets: vec![0; 100],
                content_id: Some("p@x".to_owned()),
            },
        ],
        ..draft()
    };
    let recipients: Vec<_> = letter.recipients().iter().map(|one| one.address.clone()).collect();
    assert_eq!(recipients, ["joerg@example.net", "c@example.org", "secret@example.org"]);
    let copy = letter.clone();
    let sealed = letter.seal(&mut luck()).unwrap();
    assert!(super::assembly::has_good_lines(sealed.octets()));
    assert!(!sealed.is_eight_bit() && !sealed.needs_smtputf8());
    let message = Message::parse(sealed.octets());
    assert_eq!(message.defects(), []);
    assert_eq!(message.subject().as_deref(), Some("Grüße"));
    assert_eq!((message.date(), message.message_id()), (copy.date, copy.message_id));
    assert_eq!((message.from(), message.to(), message.cc()), (copy.from, copy.to, copy.cc));
    assert_eq!(
        (message.reply_to(), message.sender()),
        (copy.reply_to, copy.sender.unwrap().into())
    );
    assert!(message.bcc().is_empty(), "Bcc must not be written");
    assert!(memchr::memmem::find(sealed.octets(), b"secret@").is_none());
    assert_eq!((message.in_reply_to(), message.references()), (copy.in_reply_to, copy.references));
    assert_eq!(message.header().value("x-mailer").as_deref(), Some("test"));
    assert_eq!(message.text_to_show(), copy.text.unwrap());
    assert_eq!(message.html().as_deref(), Some("<p>Grüße <img src='cid:p@x'></p>\r\n"));
    let attachments = message.attachments();
    let names: Vec<_> = attachments.iter().filter_map(crate::Part::file_name).collect();
    assert_eq!(names, ["p.png", copy.attachments[0].name.as_str()]);
    assert_eq!(attachments[1].decoded(), copy.attachments[0].octets.as_slice());
    assert_eq!(Sealed::reopen(sealed.octets().to_vec()), Ok(sealed));
}

#[test]
fn drafts_are_sealed_only_when_complete() {
    #[rustfmt::skip]
    let table = [
        (Draft { from: crate::AddressList::default(), ..draft() }, DraftError::Missing("From")),
        (Draft { date: None, ..draft() }, DraftError::Missing("Date")),
        (Draft { message_id: None, ..draft() }, DraftError::Missing("Message-ID")),
        (Draft { subject: "a\r\nBcc: b".to_owned(), ..draft() }, DraftError::LineBreak("Subject".to_owned())),
        (Draft { extra: vec![("Bcc".to_owned(), "x".to_owned())], ..draft() }, DraftError::Field("Bcc".to_owned())),
        (Draft { to: Mailbox::new("x y@z").into(), ..draft() }, DraftError::Address("x y@z".to_owned())),
    ];
    for (draft, error) in table {
        assert_eq!(draft.seal(&mut luck()), Err(error));
    }
}

#[test]
fn boundaries_are_not_in_the_parts() {
    let attachment = Attachment { octets: vec![1, 2, 3], ..Attachment::default() };
    let text = "--=_0000000000000001\n".to_owned();
    let letter = Draft { text: Some(text.clone()), attachments: vec![attachment], ..draft() };
    let sealed = letter.seal(&mut luck()).unwrap();
    assert_eq!(Message::parse(sealed.octets()).text_to_show(), text);
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("From here".to_owned()),
        Just(".".to_owned()),
        Just("--=_0000000000000001--".to_owned()),
        Just("trailing ".to_owned()),
        Just("x".repeat(1200)),
        "[ -~]{0,90}",
        "\\PC{0,90}",
    ]
}

proptest! {
    #[test]
    fn any_text_and_any_file_come_back(
        lines in vec(line(), 0..12),
        octets in vec(any::<u8>(), 0..3000),
        is_text in any::<bool>(),
    ) {
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let content_type = if is_text { "text/x-diff" } else { "" }.to_owned();
        let attachment = Attachment { name: "a".to_owned(), octets: octets.clone(), content_type, content_id: None };
        let letter = Draft { text: Some(text.clone()), attachments: vec![attachment], ..draft() };
        let sealed = letter.seal(&mut luck()).unwrap();
        prop_assert!(super::assembly::has_good_lines(sealed.octets()));
        prop_assert!(sealed.octets().is_ascii());
        let message = Message::parse(sealed.octets());
        prop_assert_eq!(message.text_to_show(), text);
        let decoded = message.part("2").unwrap().decoded().into_owned();
        prop_assert_eq!(decoded, octets);
    }
}
