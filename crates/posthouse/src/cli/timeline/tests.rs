//! How a message's way looks, from items as the control socket brings them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::cli::Form;

/// Output that can be read afterwards.
#[derive(Clone, Debug, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Write for Sheet {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a timeline makes of these items.
fn shown(mut timeline: Timeline, items: Vec<Item>, form: Form) -> String {
    let sheet = Sheet::default();
    let mut output = Output::into_writer(Box::new(sheet.clone()), form);
    for item in items {
        timeline.take(item, &mut output).expect("shown");
    }
    timeline.end(&mut output).expect("shown");
    let octets = sheet.0.lock().expect("whole").clone();
    String::from_utf8(octets).expect("text")
}

fn event(number: u32, at: &str, recipient: Option<u32>, mut happening: serde_json::Value) -> Item {
    let fields = happening.as_object_mut().expect("an object");
    fields.insert("number".into(), number.into());
    fields.insert("at".into(), format!("2026-11-25T02:22:{at}Z").into());
    fields.insert("recipient".into(), recipient.into());
    fields.entry("reason").or_insert("".into());
    Item::Event(serde_json::from_value(happening).expect("an event"))
}

/// A letter that was accepted by the second attempt, told at once or piece by piece.
fn letter() -> Vec<Item> {
    let reply = |code: u16, text: &str| json!({"code": code, "status": null, "text": text});
    let attempt = |at: &str, result: &str, transcript: &str| {
        Item::Attempt(AttemptItem {
            recipients: vec![0],
            began: format!("2026-11-25T02:22:{at}Z"),
            ended: format!("2026-11-25T02:22:{at}Z"),
            host: "mx.harbour.example".into(),
            address: Some("127.0.0.12".into()),
            port: 25,
            tls: None,
            result: result.into(),
            transcript: transcript.into(),
        })
    };
    let attempted = |code: u16, text: &str| {
        json!({"what": "attempted", "host": "mx.harbour.example", "address": "127.0.0.12",
               "port": 25, "tls": null, "stage": "data", "reply": reply(code, text)})
    };
    let deferred = json!({"what": "deferred", "until": 1_764_037_331_000_i64,
        "reply": reply(451, "4.7.1 later"), "host": "mx.harbour.example", "attempts": 1,
        "gives_up": 1_764_469_330_000_i64, "reason": "first attempt"});
    vec![
        Item::Submission(SubmissionItem {
            id: "01KAV3M2Q0T9D7S5XW8Y4Z6B1C".into(),
            created: "2026-11-25T02:22:10.123Z".into(),
            sender: "anna@castle.example".into(),
            size: 4300,
            message_id: Some("a@castle.example".into()),
            ..SubmissionItem::default()
        }),
        Item::Recipient(RecipientItem {
            number: 0,
            address: "bob@harbour.example".into(),
            state: "accepted".into(),
            attempts: 2,
            next_attempt: None,
            last_reply: Some("250 2.0.0 Ok".into()),
            host: Some("mx.harbour.example".into()),
            expanded_from: None,
            changed: "2026-11-25T02:22:11Z".into(),
            settled: true,
            route: None,
            waits_for: None,
        }),
        attempt("10.200", "451 4.7.1 later", "> EHLO mx\n< 250 hello \u{1b}[2J\n< 451 4.7.1 later"),
        attempt("11", "250 2.0.0 Ok", "> EHLO mx\n* (TLS)\n< 250 2.0.0 Ok"),
        event(
            0,
            "10.123",
            None,
            json!({"what": "received", "protocol": "ESMTPSA",
              "peer": "192.0.2.1", "helo": "pc\u{7}", "tls": null, "octets": 4300,
              "login": "anna@castle.example"}),
        ),
        event(1, "10.123", Some(0), json!({"what": "queued"})),
        event(2, "10.150", Some(0), json!({"what": "routed", "hosts": ["mx.harbour.example"]})),
        event(3, "10.300", Some(0), attempted(451, "4.7.1 later")),
        event(4, "10.300", Some(0), deferred),
        event(5, "11", Some(0), attempted(250, "2.0.0 Ok")),
        event(6, "11", Some(0), attempted(250, "an attempt without a transcript")),
        event(
            7,
            "11",
            Some(0),
            json!({"what": "accepted", "host": "mx.harbour.example",
              "reply": reply(250, "2.0.0 Ok")}),
        ),
    ]
}

#[test]
fn the_way_of_a_letter() {
    insta::assert_snapshot!(shown(Timeline::new(), letter(), Form::Text), @r"
    01KAV3M2Q0T9D7S5XW8Y4Z6B1C  from <anna@castle.example>  4.1 KiB  Message-ID <a@castle.example>  2026-11-25T02:22:10.123Z
    02:22:10.123  submitted   by ESMTPSA, from pc␇ [192.0.2.1], login anna@castle.example, 4300 octets
    02:22:10.123  queued      bob@harbour.example
    02:22:10.150  MX found    bob@harbour.example; mx.harbour.example
    02:22:10.200  connected   mx.harbour.example [127.0.0.12]:25, no TLS: 451 4.7.1 later
                  C: EHLO mx
                  S: 250 hello ␛[2J
                  S: 451 4.7.1 later
    02:22:10.300  deferred    bob@harbour.example; until 2025-11-25T02:22:11Z, tried once, gives up 2025-11-30T02:22:10Z, mx.harbour.example said 451 4.7.1 later; first attempt
    02:22:11.000  connected   mx.harbour.example [127.0.0.12]:25, no TLS: 250 2.0.0 Ok
                  C: EHLO mx
                     (TLS)
                  S: 250 2.0.0 Ok
    02:22:11.000  attempted   bob@harbour.example; mx.harbour.example [127.0.0.12]:25, data: 250 an attempt without a transcript
    02:22:11.000  accepted    bob@harbour.example; mx.harbour.example said 250 2.0.0 Ok
      bob@harbour.example               accepted   after 2 attempts  mx.harbour.example said: 250 2.0.0 Ok
    ");
}

#[test]
fn followed_it_shows_the_same_lines() {
    let at_once = shown(Timeline::new(), letter(), Form::Text);
    assert_eq!(shown(Timeline::following(), letter(), Form::Text), at_once);
}

#[test]
fn scripts_get_one_object_or_one_for_each_piece() {
    let whole: serde_json::Value =
        serde_json::from_str(&shown(Timeline::new(), letter(), Form::Json)).expect("one object");
    assert_eq!(whole["id"], "01KAV3M2Q0T9D7S5XW8Y4Z6B1C");
    assert_eq!(whole["recipients"][0]["address"], "bob@harbour.example");
    assert_eq!(whole["attempts"].as_array().expect("a list").len(), 2);
    assert_eq!(whole["events"][7]["what"], "accepted");

    let pieces = shown(Timeline::following(), letter(), Form::Json);
    let pieces: Vec<serde_json::Value> =
        pieces.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(pieces.len(), letter().len());
    assert!(pieces[0]["submission"].is_object() && pieces[4]["event"].is_object());
}
