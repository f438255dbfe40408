//! Many at once: each message is read exactly once, whoever writes and deletes meanwhile.
//!
//! Standards: RFC 1939 §4 to §6 (lock and update), RFC 5321 §6.1.
//! Not here: how fast (`cargo xtask bench`), crashes (`cargo xtask crash`).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use e2e::letters::{field, plain};
use e2e::wait::until;
use e2e::{PASSWORD, Plan, Server, Site};

const READERS: [&str; 3] = ["ada@home.test", "bob@home.test", "eve@home.test"];
const WRITERS: usize = 12;
const LETTERS: usize = 15;

#[test]
fn every_letter_is_read_once_by_everybody_it_is_for() {
    let plan = Plan {
        accounts: &["ada", "bob", "eve"],
        sections: "[limits]\nconnections_per_ip = 1000\n",
        ..Plan::default()
    };
    let site = Site::new(&plan);
    let server = site.start();
    let writing = AtomicUsize::new(WRITERS);
    let read = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, writing) = (&server, &writing);
            scope.spawn(move || {
                write(server, writer);
                writing.fetch_sub(1, Ordering::SeqCst);
            });
        }
        for reader in READERS {
            let (server, writing, read) = (&server, &writing, &read);
            scope.spawn(move || {
                until("the writers to end, and an empty maildrop", || {
                    let has_ended = writing.load(Ordering::SeqCst) == 0;
                    let subjects = empty(server, reader)?;
                    let is_empty = subjects.is_empty();
                    let mut read = read.lock().expect("nobody panicked");
                    for subject in subjects {
                        *read.entry((reader, subject)).or_insert(0) += 1;
                    }
                    (has_ended && is_empty).then_some(())
                });
            });
        }
    });
    let read = read.into_inner().expect("nobody panicked");
    assert_eq!(read.len(), READERS.len() * WRITERS * LETTERS, "nothing is missing");
    assert!(read.values().all(|count| *count == 1), "nothing is read twice");
    for reader in READERS {
        assert_eq!(site.messages(reader), 0, "{reader}");
    }
    site.verify();
}

/// Every second writer is an author, the others are MTAs.
fn write(server: &Server, writer: usize) {
    let is_author = writer.is_multiple_of(2);
    let mut dialog = if is_author { server.author("ada@home.test") } else { server.smtp() };
    for number in 0..LETTERS {
        let subject = format!("writer {writer} number {number}");
        let letter = plain("ada@home.test", "all@home.test", &subject);
        dialog.transaction("ada@home.test", &READERS, &letter);
    }
}

/// Reads and deletes all that there is. `None`: another session has the maildrop.
fn empty(server: &Server, reader: &str) -> Option<Vec<String>> {
    let mut dialog = server.dial("pop3/none");
    dialog.command(&format!("USER {reader}"));
    dialog.send(format!("PASS {PASSWORD}\r\n"));
    let response = dialog.line().expect("a response");
    if response.starts_with("-ERR [IN-USE]") {
        return None;
    }
    assert!(response.starts_with("+OK"), "{response}");
    let stat = dialog.command("STAT");
    let count: usize = stat.split(' ').nth(1).and_then(|count| count.parse().ok()).expect("STAT");
    let mut subjects = Vec::new();
    for number in 1..=count {
        let message = dialog.multiline(&format!("RETR {number}"));
        subjects.push(field(&message, "Subject").expect("a whole message"));
        dialog.command(&format!("DELE {number}"));
    }
    dialog.command("QUIT");
    Some(subjects)
}
