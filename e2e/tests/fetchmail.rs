//! fetchmail fetches by POP3 and hands on what it got.
//!
//! Standards: RFC 1939, RFC 2595.
//! Not here: other clients (a file for each).

use e2e::letters::{assert_same_below_trace, odd, plain, with_lf};
use e2e::{Folder, PASSWORD, Run, Server, Site, lacks};

/// The sections of a fetchmailrc: the listener and what is said about TLS.
const WAYS: [(&str, &str); 3] = [
    ("pop3/none", "sslproto ''"),
    ("pop3/starttls", "sslproto 'TLS1.2+' sslcertck sslcertfile"),
    ("pop3/implicit", "ssl sslcertck sslcertfile"),
];

/// fetchmail, with an identifier file of its own, and a delivery agent that numbers messages.
fn fetchmail(
    site: &Site,
    server: &Server,
    home: &Folder,
    label: &str,
    tls: &str,
    keep: &str,
) -> Run {
    let certificate =
        if tls.ends_with("file") { format!("'{}'", site.ca()) } else { String::new() };
    let place = home.make("mail");
    let agent =
        home.write_script("agent", &format!("#!/bin/sh\ncat > \"$(mktemp {place}/XXXXXX)\"\n"));
    let configuration = format!(
        "set no bouncemail\nset invisible\nset idfile '{ids}'\n\
         poll localhost protocol pop3 service {port} uidl\n\
         user 'bob@home.test' password '{PASSWORD}' {tls} {certificate}\n\
         mda '{agent}' {keep}\n",
        ids = home.text_path("ids"),
        port = server.port(label),
    );
    let file = home.write_secret("fetchmailrc", configuration);
    let pid = home.text_path("pid");
    Run::new("fetchmail")
        .args(["--fetchmailrc", &file, "--pidfile", &pid, "--nosyslog", "--verbose"])
        .env("HOME", &home.text_path(""))
}

#[test]
fn fetchmail_takes_everything_once_by_every_kind_of_connection() {
    if lacks(&["fetchmail"]) {
        return;
    }
    const NO_MAIL: i32 = 1;
    let site = Site::default();
    let server = site.start();
    let sent = odd("bob@home.test");
    server.deliver("ada@home.test", "bob@home.test", &sent);
    server.deliver(
        "ada@home.test",
        "bob@home.test",
        &plain("ada@home.test", "bob@home.test", "two"),
    );
    for (label, tls) in WAYS {
        let home = Folder::new();
        fetchmail(&site, &server, &home, label, tls, "keep").succeed();
        let fetched: Vec<_> =
            home.list("mail").iter().map(|name| home.read(&format!("mail/{name}"))).collect();
        assert_eq!(fetched.len(), 2, "{label}");
        let first = fetched.iter().find(|message| find(message, "eights and a long line"));
        assert_same_below_trace(first.expect("the odd one"), &with_lf(&sent));
        let again = fetchmail(&site, &server, &home, label, tls, "keep").finish();
        assert_eq!(again.code, Some(NO_MAIL), "{label}: {}", again.words());
        assert_eq!(home.list("mail").len(), 2, "{label}: known ones are not fetched again");
    }
    let home = Folder::new();
    fetchmail(&site, &server, &home, "pop3/implicit", WAYS[2].1, "nokeep").succeed();
    assert_eq!(home.list("mail").len(), 2);
    assert_eq!(site.messages("bob@home.test"), 0, "what was taken is gone");
}

fn find(message: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(message).contains(text)
}
