//! The PROXY protocol: a load balancer in front of us tells who the peer really is.
//!
//! ```text
//!   connection of the proxy ─▶ header (whole, soon, small) ─▶ the same stream, with the peer's address
//! ```
//!
//! A header is believed, so it may be read only on connections of proxies that are known. It is
//! read to its last octet and no further: what follows is the peer's.
//!
//! Standards: The PROXY protocol, versions 1 and 2 (HAProxy, `proxy-protocol.txt`).
//! Not here: which proxies are known (the configuration), the extra fields of version 2.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::clock::{Clock, TimedOut, within};
use crate::net::Stream;

/// For the whole header: a proxy sends it at once, so this is for a slow network.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest header of version 1 with its CRLF, as its specification says.
const V1_OCTETS_MAX: usize = 107;
/// Longest part behind the fixed one of version 2: addresses, and extra fields that we skip, such
/// as the name that a TLS client asked for.
const V2_OCTETS_MAX: usize = 2048;
/// How version 2 begins.
const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Why a connection has no header that can be believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It was not there in time.
    #[error("no whole PROXY header within {} s", HEADER_TIMEOUT.as_secs())]
    TimedOut,
    /// The connection ended or broke.
    #[error("the connection broke in the PROXY header: {0}")]
    Broken(#[from] io::Error),
    /// Something else was sent.
    #[error("no PROXY header: {0}")]
    Malformed(&'static str),
}

/// Where a connection comes from and went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    peer: SocketAddr,
    local: SocketAddr,
}

/// Reads the header; gives the stream that tells the peer's own address. Where the proxy speaks
/// for itself (a health check), the addresses stay.
///
/// # Errors
///
/// [`ProxyError`]; the connection must be closed then, for nobody knows who it is.
/// Cancel safety: when dropped the stream is closed.
pub async fn read_header(
    mut stream: Box<dyn Stream>,
    clock: &dyn Clock,
) -> Result<Box<dyn Stream>, ProxyError> {
    let ends = match within(clock, HEADER_TIMEOUT, header(&mut *stream)).await {
        Ok(ends) => ends?,
        Err(TimedOut) => return Err(ProxyError::TimedOut),
    };
    Ok(match ends {
        Some(ends) => Box::new(Proxied { stream, ends }),
        None => stream,
    })
}

async fn header(stream: &mut dyn Stream) -> Result<Option<Ends>, ProxyError> {
    // The shortest header of either version has more.
    let mut begin = [0; V2_SIGNATURE.len()];
    stream.read_exact(&mut begin).await?;
    if begin == V2_SIGNATURE {
        return version_2(stream).await;
    }
    if !begin.starts_with(b"PROXY ") {
        return Err(ProxyError::Malformed("it begins with something else"));
    }
    let mut line = begin.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= V1_OCTETS_MAX {
            return Err(ProxyError::Malformed("its line is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    version_1(&line)
}

/// `PROXY TCP4 192.0.2.1 203.0.113.5 56324 25`
fn version_1(line: &[u8]) -> Result<Option<Ends>, ProxyError> {
    let wrong = || ProxyError::Malformed("its line is not PROXY, a family, addresses and ports");
    let line = std::str::from_utf8(line).map_err(|_| wrong())?;
    let line = line.strip_suffix("\r\n").ok_or_else(wrong)?;
    let mut words = line.split(' ').skip(1);
    let family = words.next().ok_or_else(wrong)?;
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let mut address = || -> Option<IpAddr> { words.next()?.parse().ok() };
    let (from, to) = (address().ok_or_else(wrong)?, address().ok_or_else(wrong)?);
    let mut port = || -> Option<u16> { words.next()?.parse().ok() };
    let (from_port, to_port) = (port().ok_or_else(wrong)?, port().ok_or_else(wrong)?);
    let fits = match family {
        "TCP4" => from.is_ipv4() && to.is_ipv4(),
        "TCP6" => from.is_ipv6() && to.is_ipv6(),
        _ => false,
    };
    if !fits || words.next().is_some() {
        return Err(wrong());
    }
    let (peer, local) = (SocketAddr::new(from, from_port), SocketAddr::new(to, to_port));
    Ok(Some(Ends { peer, local }))
}

async fn version_2(stream: &mut dyn Stream) -> Result<Option<Ends>, ProxyError> {
    let version_and_command = stream.read_u8().await?;
    let family = stream.read_u8().await?;
    let octets = usize::from(stream.read_u16().await?);
    if octets > V2_OCTETS_MAX {
        return Err(ProxyError::Malformed("it is too long"));
    }
    let mut rest = vec![0; octets];
    stream.read_exact(&mut rest).await?;
    match version_and_command {
        0x20 => return Ok(None), // LOCAL: the proxy itself
        0x21 => {}
        _ => return Err(ProxyError::Malformed("its version or command is unknown")),
    }
    let short = || ProxyError::Malformed("its addresses are cut");
    match family {
        0x11 => addresses_4(&rest).map(Some).ok_or_else(short),
        0x21 => addresses_6(&rest).map(Some).ok_or_else(short),
        // Datagrams and sockets of the proxy's own host are no peers that we could name.
        _ => Ok(None),
    }
}

fn addresses_4(octets: &[u8]) -> Option<Ends> {
    let (from, rest) = octets.split_first_chunk::<4>()?;
    let (to, rest) = rest.split_first_chunk::<4>()?;
    ends(Ipv4Addr::from(*from).into(), Ipv4Addr::from(*to).into(), rest)
}

fn addresses_6(octets: &[u8]) -> Option<Ends> {
    let (from, rest) = octets.split_first_chunk::<16>()?;
    let (to, rest) = rest.split_first_chunk::<16>()?;
    ends(Ipv6Addr::from(*from).into(), Ipv6Addr::from(*to).into(), rest)
}

fn ends(from: IpAddr, to: IpAddr, ports: &[u8]) -> Option<Ends> {
    let (from_port, rest) = ports.split_first_chunk::<2>()?;
    let (to_port, _) = rest.split_first_chunk::<2>()?;
    Some(Ends {
        peer: SocketAddr::new(from, u16::from_be_bytes(*from_port)),
        local: SocketAddr::new(to, u16::from_be_bytes(*to_port)),
    })
}

/// A proxy's connection under the addresses that it told.
struct Proxied {
    stream: Box<dyn Stream>,
    ends: Ends,
}

impl Stream for Proxied {
    fn peer(&self) -> SocketAddr {
        self.ends.peer
    }

    fn local(&self) -> SocketAddr {
        self.ends.local
    }
}

impl AsyncRead for Proxied {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Proxied {
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
}
