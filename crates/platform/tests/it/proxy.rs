//! Headers of proxies, good and bad, octet for octet.

use std::time::Duration;

use platform::proxy::read_header;
use platform::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::memory;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(fixed: [u8; 2], rest: &[u8]) -> Vec<u8> {
    let octets = u16::try_from(rest.len()).unwrap();
    [SIGNATURE, &fixed, &octets.to_be_bytes(), rest].concat()
}

/// Who the peer is after these octets, and what is left on the stream.
async fn told(octets: &[u8]) -> Result<(String, String), String> {
    let (ours, mut theirs) = memory(8192);
    theirs.write_all(octets).await.unwrap();
    theirs.shutdown().await.unwrap();
    let mut stream = read_header(ours, &SystemClock).await.map_err(|error| error.to_string())?;
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    Ok((stream.peer().to_string(), rest))
}

#[tokio::test]
async fn a_header_tells_the_peer_and_takes_no_octet_more() {
    let four = [192, 0, 2, 7, 203, 0, 113, 5, 0xdc, 0x04, 0, 25];
    let mut six = [0; 36];
    (six[0], six[15], six[32], six[33]) = (0x20, 7, 0x01, 0x00);
    let with_fields = [&four[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat();
    let ours = "192.0.2.1:40000";
    let rows: [(Vec<u8>, &str, &str); 9] = [
        (b"PROXY TCP4 192.0.2.7 203.0.113.5 56324 25\r\n".to_vec(), "192.0.2.7:56324", "version 1"),
        (b"PROXY TCP6 2001:db8::7 ::1 1 25\r\n".to_vec(), "[2001:db8::7]:1", "version 1, IPv6"),
        (b"PROXY UNKNOWN\r\n".to_vec(), ours, "version 1 does not know"),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), ours, "likewise, with words"),
        (v2([0x21, 0x11], &four), "192.0.2.7:56324", "version 2"),
        (v2([0x21, 0x21], &six), "[2000::7]:256", "version 2, IPv6"),
        (v2([0x21, 0x11], &with_fields), "192.0.2.7:56324", "extra fields are skipped"),
        (v2([0x20, 0x00], &[]), ours, "LOCAL: a health check"),
        (v2([0x21, 0x00], &[]), ours, "UNSPEC"),
    ];
    for (header, wanted, why) in rows {
        let found = told(&[&header[..], b"EHLO x\r\n"].concat()).await;
        assert_eq!(found, Ok((wanted.to_owned(), "EHLO x\r\n".to_owned())), "{why}");
    }
}

#[tokio::test]
async fn what_is_no_header_is_not_believed() {
    let rows: [(Vec<u8>, &str); 11] = [
        (b"EHLO client.example\r\n".to_vec(), "a client that comes past the proxy"),
        (b"PROXY TCP4 192.0.2.7 203.0.113.5 56324\r\n".to_vec(), "a word is missing"),
        (b"PROXY TCP4 192.0.2.7 203.0.113.5 1 2 3\r\n".to_vec(), "a word too many"),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(), "the wrong family"),
        (b"PROXY TCP4 192.0.2.7 203.0.113.5 70000 25\r\n".to_vec(), "no port"),
        (b"PROXY UDP4 192.0.2.7 203.0.113.5 1 25\r\n".to_vec(), "no such family"),
        ([b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat(), "longer than 107 octets"),
        (b"PROXY TCP4 192.0.2.7".to_vec(), "it ends in the middle"),
        (v2([0x21, 0x11], &[1, 2, 3]), "version 2 with cut addresses"),
        (v2([0x31, 0x11], &[0; 12]), "version 3"),
        (v2([0x21, 0x11], &[0; 4096]), "far too long"),
    ];
    for (octets, why) in rows {
        assert!(told(&octets).await.is_err(), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_must_come_soon() {
    let (ours, mut theirs) = memory(64);
    theirs.write_all(b"PROXY TCP4 ").await.unwrap();
    let began = SystemClock.monotonic();
    let error = read_header(ours, &SystemClock).await.err().unwrap().to_string();
    assert!(error.contains("within 5 s"), "{error}");
    assert!(SystemClock.monotonic().saturating_sub(began) < Duration::from_secs(6));
}
