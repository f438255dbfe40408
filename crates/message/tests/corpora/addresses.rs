//! Which addresses is_email calls wrong.

use std::fs;

use message::Message;

use crate::support::{Comparison, corpora};

#[test]
fn addresses_are_judged_as_rfc_5322_says() {
    let Some(folder) = corpora() else { return };
    let tests = fs::read_to_string(folder.join("address/is_email/tests.xml")).expect("tests");
    let mut comparison = Comparison::new("is_email");
    for test in tests.split("<test id=\"").skip(1) {
        let id = test.split('"').next().unwrap_or_default();
        let between = |tag: &str| {
            let text = test.split(&format!("<{tag}>")).nth(1)?;
            Some(text.split(&format!("</{tag}>")).next()?.to_owned())
        };
        let address = plain(&between("address").unwrap_or_default());
        let is_error = between("category").as_deref() == Some("ISEMAIL_ERR");
        let content =
            format!("From: a@b\r\nDate: 1 Jan 2020 0:00:00 +0000\r\nTo: {address}\r\n\r\n");
        let defects = Message::parse(content.as_bytes()).examine();
        let differs = is_error == defects.is_empty();
        let difference = differs.then(|| format!("{address:?} {defects:?}"));
        comparison.case(id, difference.as_slice());
    }
    comparison.finish(150);
}

/// XML without its references; signs of controls become the controls.
fn plain(xml: &str) -> String {
    let text = xml.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    let mut pieces = text.split("&#x");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_once(';').expect("a reference");
        let code = u32::from_str_radix(digits, 16).expect("a number");
        plain.extend(char::from_u32(code));
        plain.push_str(rest);
    }
    let control = |sign: char| char::from_u32(u32::from(sign).wrapping_sub(0x2400));
    let is_sign = |sign: &char| ('\u{2400}'..'\u{2420}').contains(sign);
    let plain = plain.replace("&amp;", "&");
    plain
        .chars()
        .map(|sign| if is_sign(&sign) { control(sign).unwrap_or(sign) } else { sign })
        .collect()
}
