//! mpop fetches by POP3 into a Maildir.
//!
//! Standards: RFC 1939, RFC 2595, RFC 5034.
//! Not here: other clients (a file for each).

use e2e::letters::{assert_same_below_trace, odd, plain, with_lf};
use e2e::{Folder, PASSWORD, Run, Server, Site, lacks};

const WAYS: [(&str, &str); 3] = [
    ("pop3/none", "tls off"),
    ("pop3/starttls", "tls on\ntls_starttls on"),
    ("pop3/implicit", "tls on\ntls_starttls off"),
];

fn mpop(
    site: &Site,
    server: &Server,
    home: &Folder,
    way: (&str, &str),
    auth: &str,
    keep: &str,
) -> Run {
    let (label, tls) = way;
    for name in ["mail/new", "mail/cur", "mail/tmp"] {
        home.make(name);
    }
    let trust =
        if tls == "tls off" { String::new() } else { format!("tls_trust_file {}", site.ca()) };
    let configuration = format!(
        "account default\nhost localhost\nport {port}\nuser bob@home.test\npassword {PASSWORD}\n\
         auth {auth}\n{tls}\n{trust}\nkeep {keep}\nreceived_header off\n\
         uidls_file {ids}\ndelivery maildir {mail}\n",
        port = server.port(label),
        ids = home.text_path("ids"),
        mail = home.text_path("mail"),
    );
    let file = home.write_secret("mpoprc", configuration);
    Run::new("mpop").args(["--file", &file])
}

#[test]
fn mpop_takes_everything_once_by_every_kind_of_connection() {
    if lacks(&["mpop"]) {
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
        for auth in ["user", "plain", "login", "scram-sha-256"] {
            let home = Folder::new();
            mpop(&site, &server, &home, way, auth, "on").succeed();
            let fetched = home.maildir("mail");
            assert_eq!(fetched.len(), 2, "{way:?} {auth}");
            let is_odd = |message: &&Vec<u8>| String::from_utf8_lossy(message).contains("eights");
            let first = fetched.iter().find(is_odd).expect("the odd one");
            assert_same_below_trace(first, &with_lf(&sent));
            mpop(&site, &server, &home, way, auth, "on").succeed();
            assert_eq!(home.maildir("mail").len(), 2, "{way:?}: known ones are not fetched again");
        }
    }
    let home = Folder::new();
    mpop(&site, &server, &home, WAYS[1], "user", "off").succeed();
    assert_eq!(home.maildir("mail").len(), 2);
    assert_eq!(site.messages("bob@home.test"), 0, "what was taken is gone");
}
