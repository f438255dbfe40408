//! The accept loop and its gate.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use platform::{
    AcceptLimits, Acceptor, BoxFuture, Gate, Listener, Net, Shutdown, Stream, SystemClock, TokioNet,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::memory;

fn acceptor(limits: AcceptLimits) -> Acceptor {
    Acceptor {
        clock: Arc::new(SystemClock),
        shutdown: Shutdown::new(),
        gate: Gate::new(limits),
        refusal: b"421 4.7.0 Too many connections\r\n".to_vec(),
    }
}

#[test]
fn a_site_is_an_address_or_a_64() {
    #[rustfmt::skip]
    let table = [
        // first, second, same site, why
        ("192.0.2.1", "192.0.2.1", true, "the same address"),
        ("192.0.2.1", "192.0.2.2", false, "a neighbour"),
        ("192.0.2.1", "::ffff:192.0.2.1", true, "the same address in IPv6 clothes"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false, "which must not make one site of all"),
        ("2001:db8::1", "2001:db8::ffff:0:1", true, "one /64"),
        ("2001:db8::1", "2001:db8:0:1::1", false, "another /64"),
    ];
    for (first, second, same, why) in table {
        let gate = Gate::new(AcceptLimits { connections_max: 9, connections_per_address_max: 1 });
        let pass = gate.enter(first.parse().unwrap()).unwrap();
        let second: IpAddr = second.parse().unwrap();
        assert_eq!(gate.enter(second).is_none(), same, "{why}");
        drop(pass);
        assert!(gate.enter(second).is_some(), "a place is given back: {why}");
        assert_eq!(gate.counts().open, 0);
    }
}

#[test]
fn everybody_together_is_limited() {
    let gate = Gate::new(AcceptLimits { connections_max: 2, connections_per_address_max: 9 });
    let one = gate.enter(IpAddr::from([192, 0, 2, 1])).unwrap();
    let two = gate.enter(IpAddr::from([192, 0, 2, 2])).unwrap();
    assert!(gate.enter(IpAddr::from([192, 0, 2, 3])).is_none());
    let counts = gate.counts();
    assert_eq!((counts.open, counts.accepted, counts.refused), (2, 2, 1));
    drop((one, two));
    assert_eq!(gate.counts().open, 0);
}

/// What the client reads until the end.
async fn all(stream: &mut dyn Stream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn the_second_from_one_address_is_refused() {
    let acceptor = acceptor(AcceptLimits { connections_max: 9, connections_per_address_max: 1 });
    let listener = TokioNet.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let at = listener.local();
    let (gate, shutdown) = (Arc::clone(&acceptor.gate), acceptor.shutdown.clone());
    let running = tokio::spawn(async move {
        let session = |mut stream: Box<dyn Stream>| async move {
            stream.write_all(b"220 hello\r\n").await.unwrap();
            let mut buffer = [0; 1];
            let _ = stream.read(&mut buffer).await.unwrap();
            assert_ne!(buffer, *b"!", "a session that panics takes nobody along");
        };
        acceptor.run(listener, session).await;
    });
    for goodbye in [b"!", b"."] {
        let mut first = TokioNet.connect(None, at).await.unwrap();
        let mut greeting = [0; 11];
        first.read_exact(&mut greeting).await.unwrap();
        let mut second = TokioNet.connect(None, at).await.unwrap();
        assert_eq!(all(&mut *second).await, "421 4.7.0 Too many connections\r\n");
        let other = Some(IpAddr::from([127, 0, 0, 2]));
        let mut elsewhere = TokioNet.connect(other, at).await.unwrap();
        elsewhere.write_all(b".").await.unwrap();
        assert_eq!(all(&mut *elsewhere).await, "220 hello\r\n", "another address is let in");
        first.write_all(goodbye).await.unwrap();
        assert_eq!(all(&mut *first).await, "");
        while gate.counts().open > 0 {
            tokio::task::yield_now().await;
        }
    }
    shutdown.begin();
    running.await.unwrap();
    assert!(TokioNet.connect(None, at).await.is_err(), "it no longer listens");
}

/// Fails some times, gives one connection, and waits from then on.
struct Failing(AtomicUsize);

impl Listener for Failing {
    fn local(&self) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 2], 25))
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        const EMFILE: i32 = 24;
        Box::pin(async move {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0..=2 => Err(io::Error::from_raw_os_error(EMFILE)),
                3 => Err(io::ErrorKind::ConnectionAborted.into()),
                4 => Ok(memory(64).0),
                _ => std::future::pending().await,
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn no_error_ends_the_loop() {
    let acceptor = acceptor(AcceptLimits::default());
    let shutdown = acceptor.shutdown.clone();
    let done = Arc::new(tokio::sync::Notify::new());
    let notify = Arc::clone(&done);
    let running = tokio::spawn(async move {
        let session = move |_| {
            let notify = Arc::clone(&notify);
            async move { notify.notify_one() }
        };
        acceptor.run(Box::new(Failing(AtomicUsize::new(0))), session).await;
    });
    done.notified().await;
    let drained = shutdown.drain(&SystemClock, Duration::from_secs(1)).await;
    assert_eq!(drained, platform::shutdown::Drained::InTime);
    running.await.unwrap();
}
