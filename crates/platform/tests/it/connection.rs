//! The client's connection, and the network itself.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use platform::{Connection, ConnectionError, Net, SystemClock, TokioNet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MINUTE: Duration = Duration::from_secs(60);

async fn connect(from: Option<IpAddr>, to: SocketAddr) -> Result<Connection, ConnectionError> {
    Connection::connect(&TokioNet, Arc::new(SystemClock), from, to, MINUTE).await
}

#[tokio::test]
async fn a_client_reads_writes_and_closes() {
    let listener = TokioNet.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let from = IpAddr::from([127, 0, 0, 77]);
    let mut client = connect(Some(from), listener.local()).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    assert_eq!(server.peer(), client.local(), "it came from the address that was wanted");
    assert_eq!(client.local().ip(), from);
    assert_eq!(client.peer(), listener.local());

    client.write(b"hello", MINUTE).await.unwrap();
    let mut buffer = [0; 5];
    server.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"hello");
    server.write_all(b" and welcome").await.unwrap();
    let mut input = b"kept,".to_vec();
    while input.len() < 17 {
        assert!(client.read(&mut input, MINUTE).await.unwrap() > 0);
    }
    assert_eq!(input, b"kept, and welcome");
    server.shutdown().await.unwrap();
    assert_eq!(client.read(&mut input, MINUTE).await.unwrap(), 0, "the server has closed");
    drop(server);
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_costs_the_time_limit_and_the_connection() {
    let listener = TokioNet.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let mut client = connect(None, listener.local()).await.unwrap();
    let mut input = Vec::new();
    let error = client.read(&mut input, MINUTE).await.unwrap_err();
    assert_eq!(error.to_string(), "no answer within 60 s");
    let error = client.read(&mut input, MINUTE).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Closed), "an answer that comes late is not read");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TokioNet.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let at = listener.local();
    drop(listener);
    let error = connect(None, at).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Broken(_)), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn ipv6_listeners_leave_ipv4_alone() {
    let Ok(listener) = TokioNet.listen((Ipv6Addr::UNSPECIFIED, 0).into()).await else {
        return; // a machine without IPv6
    };
    let port = listener.local().port();
    assert!(connect(None, SocketAddr::from(([127, 0, 0, 1], port))).await.is_err());
    let both = TokioNet.listen(SocketAddr::from(([0, 0, 0, 0], port))).await;
    assert!(both.is_ok(), "both can have one port");
}

#[tokio::test]
async fn datagrams_go_back_and_forth() {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let one = TokioNet.datagram(loopback).await.unwrap();
    let two = TokioNet.datagram(loopback).await.unwrap();
    assert_eq!(one.send_to(b"ping", two.local()).await.unwrap(), 4);
    let mut buffer = [0; 3];
    let (octets, from) = two.recv_from(&mut buffer).await.unwrap();
    assert_eq!((octets, &buffer, from), (3, b"pin", one.local()), "cut to the buffer");
}
