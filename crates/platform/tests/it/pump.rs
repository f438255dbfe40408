//! The pump: time by steps, back-pressure, shutdown, and what a peer that leaves looks like.

use std::time::Duration;

use crate::support::{Echo, loopback, memory, pump};
use platform::{Clock, Interrupt, Start, SystemClock, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_conversation_over_a_real_socket() {
    let (server, mut client) = loopback().await;
    let (echo, seen) = Echo::new(MINUTE);
    let task = tokio::spawn(async move { serve(server, Start::Clear, echo, &pump()).await });
    client.write_all(b"one\ntwo\nQUIT\nafter\n").await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello\nok one\nok two\nbye\n");
    drop(client);
    let ended = task.await.unwrap();
    assert_eq!(ended.why, None);
    assert_eq!((ended.octets_in, ended.octets_out), (19, text.len() as u64));
    assert_eq!(seen.lock().unwrap().lines, ["one", "two", "QUIT"], "nothing runs after QUIT");
}

#[tokio::test(start_paused = true)]
async fn listening_ends_with_time_or_with_the_first_octets() {
    #[rustfmt::skip]
    let table: [(&[u8], u64, u64, &str); 3] = [
        // octets, sent after seconds, greeted after seconds, why
        (b"", 0, 10, "silence is no mistake"),
        (b"one\n", 3, 3, "who talks is not waited for"),
        (b"one\n", 20, 10, "who waits is greeted in time"),
    ];
    for (octets, pause, greeted, why) in table {
        let (server, client) = memory(64 * 1024);
        let (mut echo, _) = Echo::new(Duration::from_secs(300));
        echo.listens = Some(Duration::from_secs(10));
        let (mut reader, mut writer) = tokio::io::split(client);
        let sender = tokio::spawn(async move {
            SystemClock.sleep(Duration::from_secs(pause)).await;
            writer.write_all(octets).await.unwrap();
            SystemClock.sleep(Duration::from_secs(60)).await;
            writer.write_all(b"QUIT\n").await.unwrap();
        });
        let before = SystemClock.monotonic();
        let task = tokio::spawn(async move { serve(server, Start::Clear, echo, &pump()).await });
        let mut hello = [0; 6];
        reader.read_exact(&mut hello).await.unwrap();
        let took = SystemClock.monotonic().saturating_sub(before);
        assert_eq!(&hello, b"hello\n", "{why}");
        assert!(took.as_secs().abs_diff(greeted) <= 1, "{why}: {took:?}");
        assert_eq!(task.await.unwrap().why, None, "{why}: and the session goes on");
        sender.await.unwrap();
    }
}

/// What a client does until it is thrown out, and when that is.
#[tokio::test(start_paused = true)]
async fn time_is_counted_in_steps() {
    #[rustfmt::skip]
    let table: [(&[u8], u64, u64, Interrupt, &str); 5] = [
        // octets sent again and again; each so many seconds; ends after seconds; why; reason
        (b"",               1000,  300, Interrupt::TimedOut, "a silent client"),
        (b"x",                60,  300, Interrupt::TooSlow,  "slow loris: an octet does not extend the step"),
        (b"x",                 1,  300, Interrupt::TooSlow,  "nor do 300 of them"),
        (b"TAKE\n",         1000,  300, Interrupt::TimedOut, "a new step begins after the reply, then silence"),
        (&[b'x'; 400],         1, 1500, Interrupt::TooSlow,  "400 octets a second run out of 500, but late"),
    ];
    for (octets, pause, seconds, why, reason) in table {
        let (server, client) = memory(64 * 1024);
        let (echo, seen) = Echo::new(Duration::from_secs(300));
        let (mut reader, mut writer) = tokio::io::split(client);
        let sender = tokio::spawn(async move {
            while writer.write_all(octets).await.is_ok() {
                SystemClock.sleep(Duration::from_secs(pause)).await;
            }
        });
        let listener = tokio::spawn(async move {
            let mut text = String::new();
            reader.read_to_string(&mut text).await.map(|_| text)
        });
        let before = SystemClock.monotonic();
        let ended = serve(server, Start::Clear, echo, &pump()).await;
        let took = SystemClock.monotonic().saturating_sub(before);
        sender.abort();
        assert_eq!(ended.why, Some(why.clone()), "{reason}");
        assert!(took.as_secs().abs_diff(seconds) <= 3, "{reason}: {took:?}");
        let text = listener.await.unwrap().unwrap();
        assert!(text.ends_with(&format!("421 {why:?}\n")), "{reason}: {text}");
        assert_eq!(seen.lock().unwrap().interrupted, Some(why), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_honest_rate_may_take_long() {
    let (server, mut client) = memory(64 * 1024);
    let (echo, _) = Echo::new(Duration::from_secs(30));
    let task = tokio::spawn(async move { serve(server, Start::Clear, echo, &pump()).await });
    let before = SystemClock.monotonic();
    client.write_all(b"TAKE\n").await.unwrap();
    for _ in 0..600 {
        SystemClock.sleep(Duration::from_secs(1)).await;
        client.write_all(&[b'x'; 600]).await.unwrap();
    }
    client.write_all(b"\n.\nQUIT\n").await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("taken\nbye\n"), "{text}");
    assert!(SystemClock.monotonic().saturating_sub(before) >= 10 * MINUTE);
    drop(client);
    assert_eq!(task.await.unwrap().why, None);
}

#[tokio::test(start_paused = true)]
async fn our_own_slowness_is_not_the_peers() {
    let (server, mut client) = memory(1024);
    let (echo, _) = Echo::new(Duration::from_secs(30));
    let task = tokio::spawn(async move { serve(server, Start::Clear, echo, &pump()).await });
    // The step took a minute, all of it ours, and 20 s of the client's 30.
    client.write_all(b"SLOW\n").await.unwrap();
    SystemClock.sleep(Duration::from_secs(80)).await;
    client.write_all(b"QUIT\n").await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello\nbye\n");
    drop(client);
    assert_eq!(task.await.unwrap().why, None);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_not_read_from() {
    let (server, mut client) = memory(2048);
    let (echo, seen) = Echo::new(MINUTE);
    let before = SystemClock.monotonic();
    let task = tokio::spawn(async move { serve(server, Start::Clear, echo, &pump()).await });
    client.write_all(b"BIG\n").await.unwrap();
    SystemClock.sleep(Duration::from_secs(5)).await;
    client.write_all(b"next\n").await.unwrap();
    // The time to write is over, that for last words is not.
    SystemClock.sleep(Duration::from_secs(60)).await;
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.ends_with(b"\n"), "nothing may follow a reply that was cut");
    let ended = task.await.unwrap();
    assert_eq!(ended.why, Some(Interrupt::TooSlow));
    assert!(ended.octets_out < 8 * 1024, "{ended:?}");
    let took = SystemClock.monotonic().saturating_sub(before);
    assert!(took >= MINUTE && took < 2 * MINUTE, "{took:?}");
    assert_eq!(seen.lock().unwrap().lines, ["BIG"], "the next line waited");
}

#[tokio::test]
async fn a_peer_that_leaves() {
    let (server, mut client) = loopback().await;
    let (echo, seen) = Echo::new(MINUTE);
    let task = tokio::spawn(async move { serve(server, Start::Clear, echo, &pump()).await });
    client.write_all(b"one\nhalf a li").await.unwrap();
    client.shutdown().await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello\nok one\n", "what came before the end is answered");
    assert_eq!(task.await.unwrap().why, Some(Interrupt::PeerGone));
    assert_eq!(seen.lock().unwrap().lines, ["one"], "a line without its end is no line");
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_a_transaction_finish() {
    type Row<'a> = (&'a [u8], &'a [u8], u64, &'a str, &'a str);
    #[rustfmt::skip]
    let table: [Row<'_>; 4] = [
        // before the shutdown, a second later, seconds until the end was read, what the client reads in all, why
        (b"one\n",   b"",        2, "hello\nok one\n421 ShuttingDown\n", "between commands: at once"),
        (b"BEGIN\n", b"END\n",   2, "hello\nok BEGIN\nok END\n421 ShuttingDown\n", "after the transaction"),
        (b"BEGIN\n", b"QUIT\n",  2, "hello\nok BEGIN\nbye\n", "or with its own end"),
        (b"BEGIN\n", b"",       61, "hello\nok BEGIN\n421 ShuttingDown\n", "but not after the drain"),
    ];
    for (before, after, seconds, expected, why) in table {
        let start = SystemClock.monotonic();
        let (server, mut client) = memory(1024);
        let (echo, _) = Echo::new(60 * MINUTE);
        let pump = pump();
        let shutdown = pump.shutdown.clone();
        let hold = shutdown.hold();
        tokio::spawn(async move {
            serve(server, Start::Clear, echo, &pump).await;
            drop(hold);
        });
        client.write_all(before).await.unwrap();
        SystemClock.sleep(Duration::from_secs(1)).await;
        let drain = tokio::spawn(async move { shutdown.drain(&SystemClock, MINUTE).await });
        SystemClock.sleep(Duration::from_secs(1)).await;
        client.write_all(after).await.ok(); // it may be closed already
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, expected, "{why}");
        let took = SystemClock.monotonic().saturating_sub(start);
        assert_eq!(took.as_secs(), seconds, "{why}");
        drop(client);
        drain.await.unwrap();
    }
}

#[tokio::test]
async fn an_idle_session_is_small() {
    let (server, _client) = memory(64);
    let (echo, _) = Echo::new(MINUTE);
    let pump = pump();
    let session = serve(server, Start::Clear, echo, &pump);
    assert!(size_of_val(&session) < 8 * 1024, "{}", size_of_val(&session));
}
