//! Serves a [`Zone`] over real DNS.
//!
//! Standards: RFC 1035 §4.2 (UDP and TCP), RFC 6891 §6.2.5 (larger datagrams).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record as WireRecord};
use platform::clock::within;
use platform::{
    AcceptLimits, Acceptor, Clock, Datagram, Gate, Listener, Net, Shutdown, Stream, Task,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Found, Trouble, Zone};
use crate::{Security, wire};

/// Largest datagram without EDNS (RFC 1035 §4.2.1).
const PLAIN_OCTETS_MAX: usize = 512;
/// Largest datagram that we send; fits into every network without fragments.
const DATAGRAM_OCTETS_MAX: usize = 1232;
/// Time for one question over TCP.
const TCP_TIME_MAX: Duration = Duration::from_secs(10);
/// Tries to get the same port for UDP and TCP.
const PORT_TRIES_MAX: usize = 20;

/// Serves a zone until it is dropped.
#[derive(Debug)]
pub struct ZoneServer {
    address: SocketAddr,
    _tasks: [Task; 2],
}

impl ZoneServer {
    /// Serves `zone` at `at`, over UDP and TCP; port 0 lets the system choose one for both.
    ///
    /// # Errors
    ///
    /// When the address cannot be had.
    pub async fn serve(
        net: &dyn Net,
        clock: Arc<dyn Clock>,
        at: SocketAddr,
        zone: Zone,
    ) -> io::Result<Self> {
        let (datagram, listener) = both(net, at).await?;
        let address = listener.local();
        let acceptor = Acceptor {
            clock: Arc::clone(&clock),
            shutdown: Shutdown::new(),
            gate: Gate::new(AcceptLimits {
                connections_max: 100,
                connections_per_address_max: 100,
            }),
            refusal: Vec::new(),
        };
        let udp = Task::start(serve_udp(datagram, zone.clone()));
        let tcp = Task::start(async move {
            let session = move |stream| serve_tcp(stream, zone.clone(), Arc::clone(&clock));
            acceptor.run(listener, session).await;
        });
        Ok(Self { address, _tasks: [udp, tcp] })
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Sockets for UDP and TCP at the same port.
async fn both(net: &dyn Net, at: SocketAddr) -> io::Result<(Box<dyn Datagram>, Box<dyn Listener>)> {
    let mut tries = 0;
    loop {
        let listener = net.listen(at).await?;
        match net.datagram(listener.local()).await {
            Ok(datagram) => return Ok((datagram, listener)),
            // Somebody else has that port for UDP; another may be free.
            Err(_) if at.port() == 0 && tries < PORT_TRIES_MAX => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

async fn serve_udp(datagram: Box<dyn Datagram>, zone: Zone) {
    let mut buffer = [0; 4096];
    loop {
        // An error is about an earlier datagram, or passes.
        let Ok((octets, from)) = datagram.recv_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let question = buffer.get(..octets).unwrap_or_default();
        if let Some(answer) = answer(&zone, question, Way::Udp) {
            datagram.send_to(&answer, from).await.ok(); // the asker tries again
        }
    }
}

async fn serve_tcp(mut stream: Box<dyn Stream>, zone: Zone, clock: Arc<dyn Clock>) {
    while let Ok(Ok(true)) = within(&*clock, TCP_TIME_MAX, serve_one(&mut *stream, &zone)).await {}
}

/// One question and its answer; false when the conversation is over.
async fn serve_one(stream: &mut dyn Stream, zone: &Zone) -> io::Result<bool> {
    let octets = stream.read_u16().await?;
    let mut question = vec![0; usize::from(octets)];
    stream.read_exact(&mut question).await?;
    let Some(answer) = answer(zone, &question, Way::Tcp) else { return Ok(false) };
    let octets = u16::try_from(answer.len()).map_err(io::Error::other)?;
    stream.write_all(&[&octets.to_be_bytes(), answer.as_slice()].concat()).await?;
    stream.flush().await?;
    Ok(true)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
}

/// The answer to a message; `None` to say nothing.
fn answer(zone: &Zone, question: &[u8], way: Way) -> Option<Vec<u8>> {
    let message = Message::from_vec(question).ok()?;
    if message.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut answer = Message::new(message.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata = Metadata::response_from_request(&message.metadata);
    answer.metadata.authoritative = true;
    answer.metadata.recursion_available = true;
    if let Some(edns) = &message.edns {
        let octets_max = edns.max_payload();
        let mut edns = Edns::new();
        edns.set_max_payload(octets_max);
        answer.set_edns(edns);
    }
    answer.add_queries(message.queries.iter().cloned());
    let [query] = message.queries.as_slice() else {
        answer.metadata.response_code = ResponseCode::FormErr;
        return answer.to_vec().ok();
    };
    if message.metadata.op_code != OpCode::Query {
        answer.metadata.response_code = ResponseCode::NotImp;
        return answer.to_vec().ok();
    }
    // Other types get "no such records" from the kind that no name of ours has by accident.
    let kind = wire::kind(query.query_type());
    let (found, trouble) = zone.find(&wire::text(query.name()), kind.unwrap_or(crate::Kind::Ptr));
    let found = if kind.is_some() { found } else { Found { records: Vec::new(), ..found } };
    answer.metadata.authentic_data = found.security == Security::Secure;
    fill(&mut answer, query.name(), &found);
    match trouble {
        Some(Trouble::Silence) => return None,
        Some(Trouble::Garbage) => return Some(b"this is not DNS".to_vec()),
        Some(Trouble::ServFail) => empty(&mut answer, ResponseCode::ServFail),
        Some(Trouble::Refused) => empty(&mut answer, ResponseCode::Refused),
        Some(Trouble::WrongId) => answer.metadata.id = !answer.metadata.id,
        Some(Trouble::WrongQuestion) => {
            let other = wire::name("another.example.com")?;
            answer.queries.iter_mut().for_each(|query| {
                query.set_name(other.clone());
            });
        }
        Some(Trouble::Truncated) if way == Way::Udp => return answer.truncate().to_vec().ok(),
        Some(Trouble::Truncated) | None => {}
    }
    let octets = answer.to_vec().ok()?;
    let octets_max = match (way, &message.edns) {
        (Way::Tcp, _) => usize::from(u16::MAX),
        (Way::Udp, None) => PLAIN_OCTETS_MAX,
        (Way::Udp, Some(edns)) => usize::from(edns.max_payload()).min(DATAGRAM_OCTETS_MAX),
    };
    if octets.len() > octets_max { answer.truncate().to_vec().ok() } else { Some(octets) }
}

fn empty(answer: &mut Message, code: ResponseCode) {
    answer.metadata.response_code = code;
    answer.answers.clear();
    answer.authorities.clear();
}

fn fill(answer: &mut Message, asked: &Name, found: &Found) {
    let ttl = u32::try_from(found.ttl.as_secs()).unwrap_or(u32::MAX);
    let mut owner = asked.clone();
    for (from, to) in &found.cnames {
        if let (Some(from), Some(to)) = (wire::name(from), wire::name(to)) {
            // The first is about the name as it was asked for, in its own case.
            let from = if from == owner { owner } else { from };
            answer.add_answer(WireRecord::from_rdata(from, ttl, RData::CNAME(CNAME(to.clone()))));
            owner = to;
        }
    }
    for data in found.records.iter().filter_map(wire::write) {
        answer.add_answer(WireRecord::from_rdata(owner.clone(), ttl, data));
    }
    if !found.exists {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    if found.records.is_empty() {
        // RFC 2308 §3: says how long "no" may be kept.
        let soa = SOA::new(Name::root(), Name::root(), 1, 3600, 600, 86_400, ttl);
        answer.add_authority(WireRecord::from_rdata(Name::root(), ttl, RData::SOA(soa)));
    }
}
