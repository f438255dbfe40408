//! getmail6 fetches by POP3; it knows no STLS.
//!
//! Standards: RFC 1939, RFC 8314.
//! Not here: other clients (a file for each).

use e2e::letters::{assert_same_below_trace, odd, plain, with_lf};
use e2e::{Folder, PASSWORD, Run, Server, Site, lacks};

const WAYS: [(&str, &str); 2] =
    [("pop3/none", "SimplePOP3Retriever"), ("pop3/implicit", "SimplePOP3SSLRetriever")];

/// getmail, which hands each message to a program: into a Maildir it refuses to write as root.
fn getmail(site: &Site, server: &Server, home: &Folder, way: (&str, &str), remove: &str) -> Run {
    let (label, retriever) = way;
    let place = home.make("mail");
    let agent =
        home.write_script("agent", &format!("#!/bin/sh\ncat > \"$(mktemp {place}/XXXXXX)\"\n"));
    let ca = home.write("ca.pem", site.folder.read("data/tls/ca.pem"));
    let trust = if label == "pop3/none" { String::new() } else { format!("ca_certs = {ca}") };
    let configuration = format!(
        "[retriever]\ntype = {retriever}\nserver = localhost\nport = {port}\n\
         username = bob@home.test\npassword = {PASSWORD}\n{trust}\n\
         [destination]\ntype = MDA_external\npath = {agent}\nallow_root_commands = true\n\
         [options]\nread_all = false\ndelete = {remove}\nreceived = false\ndelivered_to = false\n",
        port = server.port(label),
    );
    home.write_secret("getmailrc", configuration);
    let folder = home.text_path("");
    Run::new("getmail")
        .args(["--getmaildir", &folder, "--rcfile", "getmailrc"])
        .env("HOME", &folder)
}

#[test]
fn getmail_takes_everything_once_by_every_kind_of_connection() {
    if lacks(&["getmail"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    let sent = odd("bob@home.test");
    server.deliver("ada@home.test", "bob@home.test", &sent);
    server.deliver(
        "ada@home.test",
        "bob@home.test",
        &plain("ada@home.test", "bob@home.test", "two"),
    );
    for way in WAYS {
        let home = Folder::new();
        let finished = getmail(&site, &server, &home, way, "false").succeed();
        let names = home.list("mail");
        assert_eq!(names.len(), 2, "{way:?}: {}", finished.words());
        let fetched: Vec<_> = names.iter().map(|name| home.read(&format!("mail/{name}"))).collect();
        let is_odd = |message: &&Vec<u8>| String::from_utf8_lossy(message).contains("eights");
        let first = fetched.iter().find(is_odd).expect("the odd one");
        assert_same_below_trace(first, &with_lf(&sent));
        getmail(&site, &server, &home, way, "false").succeed();
        assert_eq!(home.list("mail").len(), 2, "{way:?}: known ones are not fetched again");
    }
    let home = Folder::new();
    getmail(&site, &server, &home, WAYS[1], "true").succeed();
    assert_eq!(home.list("mail").len(), 2);
    assert_eq!(site.messages("bob@home.test"), 0, "what was taken is gone");
}
