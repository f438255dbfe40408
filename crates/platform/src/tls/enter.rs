//! The handshake, for both sides.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CommonState, ProtocolVersion};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{ClientTls, PeerCertificate, ServerTls, TlsError, TlsFacts, Verified};
use crate::clock::Timestamp;
use crate::clock::{Clock, TimedOut, within};
use crate::net::{Stream, linger};

/// Most host names that we keep of a certificate: some have hundreds.
const NAMES_MAX: usize = 20;
/// Longest text that we keep of a certificate's subject, in characters.
const SUBJECT_CHARACTERS_MAX: usize = 256;

/// Which side of the handshake we are.
#[derive(Clone, Copy, Debug)]
pub enum Side<'a> {
    /// The one that shows a certificate.
    Server(&'a ServerTls),
    /// The one that connected.
    Client {
        /// Whom to trust.
        tls: &'a ClientTls,
        /// The name that the server must prove: a host name or an address.
        server_name: &'a str,
    },
}

/// Shakes hands on a bare stream and gives the encrypted one.
///
/// It takes the stream and nothing that was read from it. Whoever has such octets must drop
/// them: they came in clear text, from anybody (RFC 3207 §4.2, CVE-2011-0411).
///
/// # Errors
///
/// The stream is closed then, after the alert that says why has been sent.
/// Cancel safety: when dropped the stream is closed.
pub async fn enter_tls(
    stream: Box<dyn Stream>,
    side: Side<'_>,
    clock: &dyn Clock,
    how_long: Duration,
) -> Result<(Box<dyn Stream>, TlsFacts), TlsError> {
    let (peer, local) = (stream.peer(), stream.local());
    let handshake = async {
        match side {
            Side::Server(tls) => accept(tls, stream).await,
            Side::Client { tls, server_name } => {
                let (name, sent) = name_of_server(tls, server_name, peer).map_err(Failed::plain)?;
                connect(tls, name, sent, stream).await
            }
        }
    };
    match within(clock, how_long, handshake).await {
        Ok(Ok((stream, facts))) => Ok((Box::new(Encrypted { stream, peer, local }), facts)),
        Ok(Err(Failed { error, stream })) => {
            if let Some(mut stream) = stream {
                // What the peer has sent is read, otherwise a reset would overtake the alert.
                linger(&mut *stream, clock).await;
            }
            Err(error)
        }
        Err(TimedOut) => Err(TlsError::TimedOut { waited: how_long }),
    }
}

type Handshaken = (TlsStream<Box<dyn Stream>>, TlsFacts);

/// A handshake that failed, and the stream on which the alert was sent.
struct Failed {
    error: TlsError,
    stream: Option<Box<dyn Stream>>,
}

impl Failed {
    fn plain(error: TlsError) -> Self {
        Self { error, stream: None }
    }

    fn handshake((error, stream): (io::Error, Box<dyn Stream>)) -> Self {
        Self { error: handshake_error(error), stream: Some(stream) }
    }
}

async fn accept(tls: &ServerTls, stream: Box<dyn Stream>) -> Result<Handshaken, Failed> {
    let acceptor = TlsAcceptor::from(tls.config.clone());
    let stream = acceptor.accept(stream).into_fallible().await.map_err(Failed::handshake)?;
    let (_, connection) = stream.get_ref();
    let server_name = connection.server_name().map(str::to_owned);
    let facts = TlsFacts { server_name, ..negotiated(connection) };
    Ok((TlsStream::from(stream), facts))
}

async fn connect(
    tls: &ClientTls,
    name: ServerName<'static>,
    server_name: Option<String>,
    stream: Box<dyn Stream>,
) -> Result<Handshaken, Failed> {
    let connector = TlsConnector::from(tls.config.clone());
    let connect = connector.connect(name.clone(), stream).into_fallible();
    let stream = connect.await.map_err(Failed::handshake)?;
    let (_, connection) = stream.get_ref();
    let chain = connection.peer_certificates().unwrap_or_default();
    let (verified, unverified) = match tls.proof(chain, &name) {
        Ok(verified) => (verified, None),
        Err(why) => (Verified::No, Some(printable(&why))),
    };
    let facts = TlsFacts {
        server_name,
        certificate: chain.first().map(|first| peer_certificate(first)),
        verified,
        unverified,
        ..negotiated(connection)
    };
    Ok((TlsStream::from(stream), facts))
}

/// The name to verify, and the name that is sent as SNI.
fn name_of_server(
    tls: &ClientTls,
    server_name: &str,
    peer: SocketAddr,
) -> Result<(ServerName<'static>, Option<String>), TlsError> {
    let text = server_name.strip_suffix('.').unwrap_or(server_name);
    match ServerName::try_from(text.to_owned()) {
        Ok(name @ ServerName::DnsName(_)) => Ok((name, Some(text.to_owned()))),
        Ok(name) => Ok((name, None)),
        // Some MX host names are no host names; the address is as good where nothing is proved.
        Err(_) if tls.takes_anybody() => Ok((ServerName::IpAddress(peer.ip().into()), None)),
        Err(_) => Err(TlsError::ServerName { name: server_name.to_owned() }),
    }
}

fn negotiated(connection: &CommonState) -> TlsFacts {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLS",
    };
    let cipher = connection.negotiated_cipher_suite().map_or_else(String::new, |suite| {
        // rustls marks the suites of TLS 1.3; the registry does not.
        let name = format!("{:?}", suite.suite());
        name.replacen("TLS13_", "TLS_", 1)
    });
    let alpn = connection.alpn_protocol().map(|id| String::from_utf8_lossy(id).into_owned());
    TlsFacts { version, cipher, alpn, ..TlsFacts::default() }
}

fn peer_certificate(certificate: &[u8]) -> PeerCertificate {
    let digest = Sha256::digest(certificate);
    let fingerprint = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        let unknown = || "?".to_owned();
        return PeerCertificate {
            subject: unknown(),
            fingerprint,
            issuer: unknown(),
            names: Vec::new(),
            expires: None,
        };
    };
    let names = match parsed.subject_alternative_name() {
        Ok(Some(extension)) => extension.value.general_names.as_slice(),
        _ => &[],
    };
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(printable(name)),
        _ => None,
    };
    PeerCertificate {
        subject: printable(&parsed.subject().to_string()),
        fingerprint,
        issuer: printable(&parsed.issuer().to_string()),
        names: names.iter().filter_map(host).take(NAMES_MAX).collect(),
        expires: Some(Timestamp::from_seconds(parsed.validity().not_after.timestamp())),
    }
}

/// Text of a peer as we keep it.
fn printable(text: &str) -> String {
    let printable = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(SUBJECT_CHARACTERS_MAX).map(printable).collect()
}

/// The error of rustls inside of the one that Tokio's wrapper gives.
fn handshake_error(error: io::Error) -> TlsError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(inner) => TlsError::Handshake(inner.clone()),
        None => TlsError::Broken(error),
    }
}

/// An encrypted stream.
struct Encrypted {
    stream: TlsStream<Box<dyn Stream>>,
    peer: SocketAddr,
    local: SocketAddr,
}

impl Stream for Encrypted {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            // Many peers leave without the closing alert. Mail protocols say themselves where a
            // thing ends, so that nothing can be cut off unnoticed.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Encrypted {
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
