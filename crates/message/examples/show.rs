//! Prints what the crate sees in message files, one JSON object a line.
//!
//! `cargo run -p message --example show -- FILE…`
#![expect(clippy::disallowed_methods, reason = "an example that reads files")]
#![expect(clippy::print_stdout, reason = "an example that prints")]

use message::{AddressList, Message, MessageId, Part, report};
use serde_json::{Value, json};

fn main() {
    for file in std::env::args().skip(1) {
        match std::fs::read(&file) {
            Ok(content) => println!("{}", show(&file, &content)),
            Err(error) => println!("{}", json!({ "file": file, "error": error.to_string() })),
        }
    }
}

fn show(file: &str, content: &[u8]) -> Value {
    let message = Message::parse(content);
    let ids = |ids: Vec<MessageId>| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let list = |list: AddressList| list.mailboxes().cloned().collect::<Vec<_>>();
    let headers = message.header().fields().map(|field| {
        json!({ "name": field.name(), "raw": String::from_utf8_lossy(field.raw()), "value": field.value() })
    });
    let parts = |parts: Vec<Part<'_>>| parts.iter().map(Part::id).collect::<Vec<_>>();
    let body_parts = message.body_parts();
    let report = report::read(&message).map(|report| {
        let recipients = report.recipients.iter().map(|one| {
            json!({
                "address": one.address, "action": one.action, "status": one.status,
                "permanent": one.is_permanent(), "bad": one.is_address_bad, "diagnostic": one.diagnostic, "remote": one.remote_mta,
            })
        });
        json!({
            "kind": report.kind.as_str(), "recipients": recipients.collect::<Vec<_>>(),
            "original_message_id": report.original_message_id, "envelope_id": report.envelope_id,
        })
    });
    let defects = message.examine();
    let defects = defects
        .iter()
        .map(|one| json!({ "code": one.code.code(), "part": one.part, "offset": one.offset }));
    json!({
        "file": file, "size": content.len(),
        "subject": message.subject(), "date": message.date().map(|date| date.to_rfc3339()),
        "message_id": message.message_id(),
        "in_reply_to": ids(message.in_reply_to()), "references": ids(message.references()),
        "from": list(message.from()), "sender": list(message.sender()),
        "reply_to": list(message.reply_to()), "to": list(message.to()), "cc": list(message.cc()),
        "bcc": list(message.bcc()),
        "headers": headers.collect::<Vec<_>>(),
        "root": part(message.root()),
        "text": message.text_to_show(), "html": message.html(),
        "attachments": parts(body_parts.attachments), "text_parts": parts(body_parts.text),
        "html_parts": parts(body_parts.html),
        "report": report, "defects": defects.collect::<Vec<_>>(),
    })
}

/// Nests no deeper than messages do.
fn part(part: Part<'_>) -> Value {
    let content_type = part.content_type();
    json!({
        "id": part.id(), "type": content_type.to_string(), "charset": content_type.charset(),
        "encoding": part.transfer_encoding().as_str(),
        "disposition": part.disposition().map(|value| value.kind.as_str()),
        "filename": part.file_name(), "content_id": part.content_id(),
        "description": part.description(), "language": part.languages(),
        "size": part.body().len(), "decoded_size": part.decoded().len(),
        "body": [part.body_range().start, part.body_range().end],
        "text": part.text(),
        "parts": part.parts().map(self::part).collect::<Vec<_>>(),
        "message": part.message().map(self::part),
    })
}
