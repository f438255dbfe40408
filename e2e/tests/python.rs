//! Python's smtplib and poplib, which many scripts use.
//!
//! Standards: RFC 6409, RFC 1939, RFC 2449, RFC 2595.
//! Not here: other clients (a file for each).

use e2e::letters::{assert_same_below_trace, odd};
use e2e::{PASSWORD, Run, Site, lacks};

/// Submits standard input in three ways: STARTTLS, TLS from the start, and by `send_message`.
const SUBMIT: &str = r#"
import email, os, smtplib, ssl, sys
from email.message import EmailMessage
content = sys.stdin.buffer.read()
user, password = os.environ["USER_ADDRESS"], os.environ["PASSWORD"]
tls = ssl.create_default_context(cafile=os.environ["CA"])
with smtplib.SMTP("localhost", int(os.environ["STARTTLS"])) as client:
    client.ehlo("python.test")
    assert client.has_extn("starttls"), client.esmtp_features
    client.starttls(context=tls)
    client.ehlo("python.test")
    for extension in ["auth", "size", "8bitmime", "pipelining", "enhancedstatuscodes", "dsn"]:
        assert client.has_extn(extension), client.esmtp_features
    client.login(user, password)
    refused = client.sendmail(user, ["bob@home.test", "nobody@home.test"], content, ["BODY=8BITMIME"])
    assert list(refused) == ["nobody@home.test"], refused
    assert refused["nobody@home.test"][0] == 550, refused
    assert client.verify("bob@home.test")[0] == 252
    assert client.noop()[0] == 250
    assert client.rset()[0] == 250
with smtplib.SMTP_SSL("localhost", int(os.environ["IMPLICIT"]), context=tls) as client:
    client.login(user, password)
    client.sendmail(user, ["bob@home.test"], content, ["BODY=8BITMIME"])
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = user, "bob@home.test", "Grüße"
    message.set_content("Ελληνικά und Deutsch\n")
    client.send_message(message)
    try:
        client.sendmail("bob@home.test", ["bob@home.test"], content)
    except smtplib.SMTPSenderRefused as refusal:
        assert refusal.smtp_code == 550, refusal
    else:
        raise AssertionError("another user's address was taken")
"#;

/// Reads all of a maildrop in one of three ways, and then removes it.
const FETCH: &str = r#"
import os, poplib, ssl, sys
poplib._MAXLINE = 10000
user, password = os.environ["USER_ADDRESS"], os.environ["PASSWORD"]
tls = ssl.create_default_context(cafile=os.environ["CA"])
way, port = sys.argv[1], int(sys.argv[2])
if way == "implicit":
    client = poplib.POP3_SSL("localhost", port, context=tls)
else:
    client = poplib.POP3("localhost", port)
capabilities = client.capa()
if way == "starttls":
    assert "STLS" in capabilities, capabilities
    client.stls(context=tls)
    capabilities = client.capa()
for capability in ["USER", "UIDL", "TOP", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "UTF8", "SASL"]:
    assert capability in capabilities, capabilities
assert "STLS" not in capabilities, capabilities
client.user(user)
client.pass_(password)
count, octets = client.stat()
response, sizes, _ = client.list()
assert len(sizes) == count and sum(int(size.split()[1]) for size in sizes) == octets
_, names, _ = client.uidl()
assert len(set(names)) == count, names
for number in range(1, count + 1):
    _, lines, size = client.retr(number)
    content = b"".join(line + b"\r\n" for line in lines)
    assert len(content) == int(sizes[number - 1].split()[1]), "the size is that of the content"
    _, top, _ = client.top(number, 1)
    end = lines.index(b"")
    assert top == lines[:end + 2], top
    if number == 1:
        sys.stdout.buffer.write(content)
if "--remove" in sys.argv:
    client.dele(1)
    client.rset()
    for number in range(1, count + 1):
        client.dele(number)
client.quit()
"#;

#[test]
fn smtplib_submits_and_poplib_fetches() {
    if lacks(&["python3"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    let sent = odd("bob@home.test");
    let python = |script: &str, user: &str| {
        Run::new("python3")
            .args(["-c", script])
            .env("CA", &site.ca())
            .env("USER_ADDRESS", user)
            .env("PASSWORD", PASSWORD)
            .env("STARTTLS", &server.port("submission/starttls"))
            .env("IMPLICIT", &server.port("submission/implicit"))
    };
    python(SUBMIT, "ada@home.test").input(sent.clone()).succeed();
    let stored = server.await_messages("bob@home.test", 3);
    for way in ["none", "starttls", "implicit"] {
        let port = server.port(&format!("pop3/{way}"));
        let fetched = python(FETCH, "bob@home.test").args([way, &port]).succeed();
        assert_same_below_trace(&fetched.stdout, &sent);
        assert_eq!(Some(&fetched.stdout), stored.first(), "{way}");
    }
    let port = server.port("pop3/implicit");
    python(FETCH, "bob@home.test").args(["implicit", &port, "--remove"]).succeed();
    assert_eq!(site.messages("bob@home.test"), 0);
    site.verify();
}
