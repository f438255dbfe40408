//! The real network, by Tokio.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixStream};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{SockaddrStorage, setsockopt, sockopt};

use super::{BoxFuture, Datagram, Listener, Net, Stream};

/// Connections that may wait to be accepted; the system's own limit may be lower.
pub const LISTEN_BACKLOG: u32 = 1024;

/// Addresses that this machine's interfaces have right now.
///
/// # Errors
///
/// The system does not tell.
pub fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let address = |storage: SockaddrStorage| {
        let v4 = storage.as_sockaddr_in().map(|own| IpAddr::V4(own.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|own| IpAddr::V6(own.ip())))
    };
    let interfaces = getifaddrs().map_err(io::Error::from)?;
    Ok(interfaces.filter_map(|interface| address(interface.address?)).collect())
}

/// TCP, without Nagle's delay, UDP and sockets that are files, of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioNet;

impl Net for TokioNet {
    fn listen(&self, at: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let socket = tcp_socket(at)?;
            socket.set_reuseaddr(true)?;
            if at.is_ipv6() {
                // An IPv4 peer must not appear as ::ffff:192.0.2.1: limits and lists would miss it.
                setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
            }
            socket.bind(at)?;
            let listener = socket.listen(LISTEN_BACKLOG)?;
            let local = listener.local_addr()?;
            Ok(Box::new(TcpDoor { listener, local }) as Box<dyn Listener>)
        })
    }

    fn connect(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
    ) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let socket = tcp_socket(to)?;
            if let Some(from) = from {
                // The port is chosen when we connect, so that ports do not run out.
                setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
                socket.bind(SocketAddr::new(from, 0))?;
            }
            Wire::tcp(socket.connect(to).await?)
        })
    }

    fn connect_file<'a>(&'a self, socket: &'a Path) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move { Ok(Wire::file(UnixStream::connect(socket).await?)) })
    }

    fn datagram(&self, at: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Datagram>>> {
        Box::pin(async move {
            let socket = UdpSocket::bind(at).await?;
            let local = socket.local_addr()?;
            Ok(Box::new(Udp { socket, local }) as Box<dyn Datagram>)
        })
    }
}

fn tcp_socket(at: SocketAddr) -> io::Result<TcpSocket> {
    if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

struct TcpDoor {
    listener: TcpListener,
    local: SocketAddr,
}

impl Listener for TcpDoor {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move { Wire::tcp(self.listener.accept().await?.0) })
    }
}

/// A connection with its addresses, which are asked once: after a reset the system no longer
/// knows them.
struct Wire<S> {
    stream: S,
    peer: SocketAddr,
    local: SocketAddr,
}

impl Wire<TcpStream> {
    fn tcp(stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        stream.set_nodelay(true)?;
        let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
        Ok(Box::new(Self { stream, peer, local }))
    }
}

impl Wire<UnixStream> {
    fn file(stream: UnixStream) -> Box<dyn Stream> {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Box::new(Self { stream, peer: here, local: here })
    }
}

/// What a connection of the system can do.
trait Octets: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Octets for S {}

impl<S: Octets> Stream for Wire<S> {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}

impl<S: Octets> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: Octets> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

struct Udp {
    socket: UdpSocket,
    local: SocketAddr,
}

impl Datagram for Udp {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn send_to<'a>(&'a self, octets: &'a [u8], to: SocketAddr) -> BoxFuture<'a, io::Result<usize>> {
        Box::pin(self.socket.send_to(octets, to))
    }

    fn recv_from<'a>(
        &'a self,
        buffer: &'a mut [u8],
    ) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>> {
        Box::pin(self.socket.recv_from(buffer))
    }
}
