//! BDAT: chunks are counted, whatever is in them and whether anybody wants them.
//!
//! Standards: RFC 3030 §2.
//! Not here: DATA (`bad_inputs`).

use smtp::Reply;
use smtp::server::{Event, Session};

use crate::bad_inputs::{HELLO, assert_in_step, reaction};
use crate::converse::{codes, mta};

#[test]
fn chunks_are_counted_and_nothing_else() {
    const RECIPIENT: &str = "MAIL FROM:<ada@example.com>\r\nRCPT TO:<grace@example.org>\r\n";
    let refused = "MAIL FROM:<ada@example.com>\r\nRCPT TO:<nobody@example.org>\r\n";
    type Row<'a> = (&'a str, &'a str, &'a [u16], Option<&'a str>, &'a str);
    #[rustfmt::skip]
    let table: [Row<'_>; 17] = [
        // before, chunks, replies, the message, why
        (RECIPIENT, "BDAT 7 LAST\r\nHello\r\n",    &[250], Some("Hello\r\n"), "one chunk"),
        (RECIPIENT, "BDAT 6\r\nHello\rBDAT 1 LAST\r\n\n", &[250, 250], Some("Hello\r\n"),
                                                 "S33: a border between CR and LF"),
        (RECIPIENT, "BDAT 7\r\nHello\r\nBDAT 0 LAST\r\n", &[250, 250], Some("Hello\r\n"),
                                                 "S33: an empty last chunk"),
        (RECIPIENT, "BDAT 0 LAST\r\n",           &[250], Some(""), "nothing at all"),
        (RECIPIENT, "BDAT 5 last\r\n.\r\n..",    &[250], Some(".\r\n.."), "S34: dots are content"),
        (RECIPIENT, "BDAT 16 LAST\r\n\r\n.\r\nMAIL FROM\r\n", &[250], Some("\r\n.\r\nMAIL FROM\r\n"),
                                                 "S34: an end of DATA is content"),
        (RECIPIENT, "BDAT 3 LAST\r\na\nb",       &[550], None, "an LF alone, as in DATA"),
        (RECIPIENT, "BDAT 2\r\na\rBDAT 1 LAST\r\nb", &[250, 550], None, "a CR alone over a border"),
        (RECIPIENT, "BDAT 2 LAST\r\na\r",        &[550], None, "a CR at the very end"),
        (RECIPIENT, "BDAT 2\r\na\rBDAT 0 LAST\r\n", &[250, 550], None, "a CR, and an empty end"),
        (RECIPIENT, "BDAT 2\r\n\n\nBDAT 1 LAST\r\nb", &[550, 503], None, "RFC 3030 §2: failed is failed"),
        (RECIPIENT, "BDAT 1\r\naDATA\r\nRCPT TO:<b@b>\r\nBDAT 1 LAST\r\nb", &[250, 503, 503, 250], Some("ab"),
                                                 "S35: no DATA and no RCPT between chunks"),
        (RECIPIENT, "BDAT 1\r\naRSET\r\nBDAT 1 LAST\r\nb", &[250, 250, 503], None, "RSET forgets chunks"),
        ("",        "BDAT 6\r\nRSET\r\n",       &[503], None, "S31: swallowed without MAIL"),
        ("MAIL FROM:<>\r\n", "BDAT 6 LAST\r\nRSET\r\n", &[503], None, "S31: swallowed without RCPT"),
        (refused,   "BDAT 6 LAST\r\nRSET\r\n",  &[554], None, "S31: swallowed without a valid one"),
        (refused,   "BDAT 6\r\nRSET\r\nBDAT 2 LAST\r\n\r\n", &[554, 554], None, "and again"),
    ];
    for (before, chunks, wanted, message, why) in table {
        let (mut peer, replies) = reaction(&format!("{HELLO}{before}"), chunks.as_bytes());
        assert_eq!(codes(&replies), wanted, "{why}: {replies}");
        let content = peer.messages.first().map(|message| message.content.as_slice());
        assert_eq!(content, message.map(str::as_bytes), "{why}");
        assert_in_step(&mut peer, why);
    }
}

#[test]
fn binary_content_comes_in_chunks_only_and_is_kept_as_it_is() {
    const BINARY: &str =
        "MAIL FROM:<ada@example.com> BODY=BINARYMIME\r\nRCPT TO:<grace@example.org>\r\n";
    type Row<'a> = (&'a str, &'a [u8], &'a [u16], Option<&'a [u8]>, &'a str);
    #[rustfmt::skip]
    let table: [Row<'_>; 5] = [
        (BINARY, b"BDAT 6 LAST\r\na\nb\r\0\xff", &[250], Some(b"a\nb\r\0\xff"), "RFC 3030 §3: all bits"),
        (BINARY, b"BDAT 2\r\na\rBDAT 1 LAST\r\nb", &[250, 250], Some(b"a\rb"), "over a border"),
        (BINARY, b"DATA\r\n", &[503], None, "S35, RFC 3030 §3: never by DATA"),
        (BINARY, b"DATA\r\nRSET\r\nBDAT 1 LAST\r\nx", &[503, 250, 503], None, "S35: in step after it"),
        (BINARY, b"RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1 LAST\r\n\n", &[250, 250, 250, 550], None,
                                                 "the next transaction is not binary"),
    ];
    for (before, octets, wanted, message, why) in table {
        let (mut peer, replies) = reaction(&format!("{HELLO}{before}"), octets);
        assert_eq!(codes(&replies), wanted, "{why}: {replies}");
        let content = peer.messages.first().map(|message| message.content.as_slice());
        assert_eq!(content, message, "{why}");
        assert_in_step(&mut peer, why);
    }
    let mut old = crate::converse::Peer::greeted(mta());
    let codes = old.codes("HELO a\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\n");
    assert_eq!(codes, [250, 501], "RFC 3030 §3: where EHLO has offered it");
}

#[test]
fn chunk_that_cannot_be_counted_ends_the_session() {
    for size in ["", "-1", "abc", "0x10", "99999999999999999999", "5 FIRST", "5 LAST x", "+5"] {
        let before = format!("{HELLO}MAIL FROM:<ada@example.com>\r\nRCPT TO:<b@example.org>\r\n");
        let (mut peer, replies) = reaction(&before, format!("BDAT {size}\r\nNOOP\r\n").as_bytes());
        assert!(replies.starts_with("501 5.5.4 ") && codes(&replies).len() == 1, "S32: {size:?}");
        assert!(peer.session.is_closed(), "S32: what follows may be content: {size:?}");
        assert_eq!(peer.say("NOOP\r\n"), "", "S32: {size:?}");
    }
}

#[test]
fn chunks_over_the_limit_are_refused_and_dropped() {
    let before = format!("{HELLO}MAIL FROM:<ada@example.com>\r\nRCPT TO:<b@example.org>\r\n");
    let chunk = "x".repeat(600_000);
    let (mut peer, replies) = reaction(&before, format!("BDAT 600000\r\n{chunk}").as_bytes());
    assert_eq!(codes(&replies), [250], "below the limit");
    let replies = peer.say(format!("BDAT 600000\r\n{chunk}"));
    assert!(replies.starts_with("552 5.3.4 "), "S28, in chunks: {replies}");
    assert_eq!(peer.codes(format!("BDAT 600000 LAST\r\n{chunk}")), [503], "RFC 3030 §2");
    assert_in_step(&mut peer, "each chunk was read to its end");
    assert!(peer.messages.is_empty());
}

#[test]
fn refused_first_chunk_refuses_the_message() {
    let mut session = Session::new(mta());
    let commands = "EHLO a\r\nMAIL FROM:<a@a>\r\nRCPT TO:<b@b>\r\nBDAT 3\r\nabcBDAT 3 LAST\r\ndef";
    session.receive(commands.as_bytes());
    while let Some(event) = session.poll() {
        match event {
            Event::ContentBegins => {
                let status = envelope::EnhancedStatus::new(4, 3, 1);
                session.answer(Reply::new(452, status, "Disk full"));
            }
            Event::Content(_) | Event::ContentEnds { .. } => panic!("nothing was let in"),
            _ => session.answer(smtp::server::Answer::Accept),
        }
    }
    let replies = String::from_utf8(session.take_output()).unwrap();
    assert_eq!(codes(&replies), [220, 250, 250, 250, 452, 503]);
}
