//! What a stream over the network does, and when.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use platform::Timestamp;
use platform::clock::within;

const HOST: &str = "5.0.0.1:25";

fn world() -> (SimClock, SimNet, SocketAddr) {
    let clock = SimClock::new(Timestamp(0));
    let net = SimNet::new(clock.clone(), 7, [4, 0, 0, 1].into());
    (clock, net, HOST.parse().unwrap())
}

/// Runs until the future is ready, jumping from alarm to alarm.
async fn run<T>(clock: &SimClock, future: impl Future<Output = T>) -> T {
    tokio::pin!(future);
    loop {
        tokio::select! {
            biased;
            output = &mut future => return output,
            () = tokio::task::yield_now() => {
                if let Some(next) = clock.next_alarm() {
                    clock.step(next);
                }
            }
        }
    }
}

async fn pair(
    clock: &SimClock,
    net: &SimNet,
    to: SocketAddr,
) -> (Box<dyn Stream>, Box<dyn Stream>, Box<dyn Listener>) {
    let listener = net.listen(to).await.unwrap();
    let ours = run(clock, net.connect(None, to)).await.unwrap();
    let theirs = listener.accept().await.unwrap();
    (ours, theirs, listener)
}

#[tokio::test]
async fn a_connection_stands_until_who_made_it_leaves() {
    let (clock, net, to) = world();
    let (ours, theirs, listener) = pair(&clock, &net, to).await;
    let from = theirs.peer();
    assert!(net.stands(from, to));
    drop((theirs, listener));
    assert!(net.stands(from, to), "we may not know yet that they left");
    drop(ours);
    assert!(!net.stands(from, to));
}

#[tokio::test]
async fn octets_take_their_time_and_directions_close_one_by_one() {
    let (clock, net, to) = world();
    net.set_way(to.ip(), Way { octets_per_second: 1000, ..Way::default() });
    let (mut ours, mut theirs, _listener) = pair(&clock, &net, to).await;
    let began = clock.monotonic();
    ours.write_all(&[7; 2000]).await.unwrap();
    ours.shutdown().await.unwrap();
    let mut octets = Vec::new();
    run(&clock, theirs.read_to_end(&mut octets)).await.unwrap();
    assert_eq!(octets, [7; 2000]);
    assert_eq!(clock.monotonic() - began, Duration::from_millis(2020), "latency and rate");
    theirs.write_all(b"so be it").await.unwrap();
    drop(theirs);
    octets.clear();
    run(&clock, ours.read_to_end(&mut octets)).await.unwrap();
    assert_eq!(octets, b"so be it", "a half-closed connection carries the other direction");
    assert!(ours.write_all(b"?").await.is_err());
}

#[tokio::test]
async fn hosts_refuse_keep_silent_and_come_back() {
    let (clock, net, to) = world();
    let refused = run(&clock, net.connect(None, to)).await.err().unwrap();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "nobody listens");
    let (mut ours, mut theirs, _listener) = pair(&clock, &net, to).await;
    let day = Duration::from_secs(24 * 3600);
    net.set_way(to.ip(), Way { reach: Reach::Silent, ..Way::default() });
    assert!(run(&clock, within(&clock, day, net.connect(None, to))).await.is_err(), "it hangs");
    theirs.write_all(b"late").await.unwrap();
    let mut octets = [0; 4];
    let read = within(&clock, day, ours.read_exact(&mut octets));
    assert!(run(&clock, read).await.is_err(), "held up by the partition");
    net.set_way(to.ip(), Way::default());
    run(&clock, ours.read_exact(&mut octets)).await.unwrap();
    assert_eq!(&octets, b"late");
    net.set_way(to.ip(), Way { reach: Reach::Refusing, ..Way::default() });
    assert!(run(&clock, net.connect(None, to)).await.is_err());
}

#[tokio::test]
async fn connections_break_off_in_the_middle() {
    let (clock, net, to) = world();
    net.set_way(
        to.ip(),
        Way { breaks: Some(Break { one_in: 1, octets_max: 100 }), ..Way::default() },
    );
    let (mut ours, mut theirs, _listener) = pair(&clock, &net, to).await;
    let broken = ours.write_all(&[1; 101]).await.unwrap_err();
    assert_eq!(broken.kind(), io::ErrorKind::ConnectionReset);
    assert!(run(&clock, theirs.read_u8()).await.is_err(), "for both ends");
}

#[tokio::test]
async fn a_full_window_makes_the_writer_wait() {
    let (clock, net, to) = world();
    let (mut ours, mut theirs, _listener) = pair(&clock, &net, to).await;
    let octets = vec![3; 200_000];
    let mut read = vec![0; octets.len()];
    let both = async { tokio::join!(ours.write_all(&octets), theirs.read_exact(&mut read)) };
    let (wrote, got) = run(&clock, both).await;
    wrote.unwrap();
    got.unwrap();
    assert_eq!(read, octets);
    let unread = within(&clock, Duration::from_secs(60), ours.write_all(&octets));
    assert!(run(&clock, unread).await.is_err(), "nobody reads");
}

#[tokio::test]
async fn datagrams_arrive_later_or_never() {
    let (clock, net, to) = world();
    let theirs = net.datagram(to).await.unwrap();
    let ours = net.datagram("0.0.0.0:0".parse().unwrap()).await.unwrap();
    ours.send_to(b"question", to).await.unwrap();
    let mut buffer = [0; 100];
    let (octets, from) = run(&clock, theirs.recv_from(&mut buffer)).await.unwrap();
    assert_eq!((&buffer[..octets], from), (&b"question"[..], ours.local()));
    assert_eq!(clock.monotonic(), Way::default().latency);
    net.set_way(to.ip(), Way { reach: Reach::Silent, ..Way::default() });
    ours.send_to(b"again", to).await.unwrap();
    let lost = within(&clock, Duration::from_secs(60), theirs.recv_from(&mut buffer));
    assert!(run(&clock, lost).await.is_err());
}
