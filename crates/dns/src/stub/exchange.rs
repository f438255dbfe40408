//! One question to one server.
//!
//! A forger who does not see our packets has to guess the id, the port and the spelling of the
//! name. What does not match is not looked at: the true answer may still come. An answer that
//! matches but for the spelling may come from a server that changes it, so that is asked again
//! over TCP, which cannot be forged that way.
//!
//! Standards: RFC 5452 (forged answers), RFC 6891 (EDNS), RFC 7766 (TCP), and
//! draft-vixie-dnsext-dns0x20 (spelling).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use platform::clock::{TimedOut, within};
use platform::{Clock, Net, Random};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Largest datagram that we ask for: fits into every network without fragments.
const DATAGRAM_OCTETS_MAX: u16 = 1232;
/// Where the number of questions stands in a message (RFC 1035 §4.1.1).
const QUESTIONS_AT: std::ops::Range<usize> = 4..6;
/// Most datagrams that do not match before we give up on a socket: somebody is guessing.
const FORGERIES_MAX: usize = 100;

/// The world, as far as questions need it.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) net: Arc<dyn Net>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

/// Why a server gave no message.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// Nothing came in time.
    Silent,
    /// The network failed.
    Io(io::Error),
    /// What came over TCP is not an answer to the question.
    Nonsense,
}

impl From<io::Error> for ExchangeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<TimedOut> for ExchangeError {
    fn from(_: TimedOut) -> Self {
        Self::Silent
    }
}

/// How a received message relates to the question.
enum Match {
    Answer(Box<Message>),
    /// All fits but the spelling of the name.
    Respelled,
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extended {
    Yes,
    /// For servers that do not know EDNS.
    No,
}

impl Exchange {
    /// Asks one server: over UDP, and over TCP when the answer does not fit.
    ///
    /// `patience` is for each of the two.
    pub(super) async fn ask(
        &self,
        server: SocketAddr,
        name: &Name,
        record_type: RecordType,
        patience: Duration,
    ) -> Result<Message, ExchangeError> {
        let message = self.ask_as(server, name, record_type, patience, Extended::Yes).await?;
        match message.metadata.response_code {
            // RFC 6891 §7: so do servers from before EDNS answer.
            ResponseCode::FormErr | ResponseCode::NotImp => {
                self.ask_as(server, name, record_type, patience, Extended::No).await
            }
            _ => Ok(message),
        }
    }

    async fn ask_as(
        &self,
        server: SocketAddr,
        name: &Name,
        record_type: RecordType,
        patience: Duration,
        extended: Extended,
    ) -> Result<Message, ExchangeError> {
        let question = self.question(name, record_type, extended);
        let by_udp = self.by_udp(server, &question);
        match within(&*self.clock, patience, by_udp).await?? {
            Some(message) if !message.metadata.truncation => Ok(message),
            _ => within(&*self.clock, patience, self.by_tcp(server, &question)).await?,
        }
    }

    fn question(&self, name: &Name, record_type: RecordType, extended: Extended) -> Message {
        let mut id = [0; 2];
        self.random.fill(&mut id);
        let id = u16::from_le_bytes(id);
        let mut question = Message::new(id, MessageType::Query, OpCode::Query);
        question.metadata.recursion_desired = true;
        question.metadata.authentic_data = true; // RFC 6840 §5.7: we want to know
        question.add_query(Query::query(self.respelled(name), record_type));
        if extended == Extended::Yes {
            let mut edns = Edns::new();
            edns.set_max_payload(DATAGRAM_OCTETS_MAX);
            question.set_edns(edns);
        }
        question
    }

    /// The name in random spelling.
    fn respelled(&self, name: &Name) -> Name {
        let mut luck = [0; 32]; // a bit for each octet of the longest name
        self.random.fill(&mut luck);
        let mut bits = luck.iter().flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 == 1));
        let labels = name.iter().map(|label| {
            let spell = |octet: &u8| match bits.next() {
                Some(true) => octet.to_ascii_uppercase(),
                _ => octet.to_ascii_lowercase(),
            };
            label.iter().map(spell).collect::<Vec<u8>>()
        });
        let labels: Vec<_> = labels.collect();
        Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap_or_else(|_| name.clone())
    }

    /// `None` when TCP should be tried.
    async fn by_udp(
        &self,
        server: SocketAddr,
        question: &Message,
    ) -> Result<Option<Message>, ExchangeError> {
        let any = match server.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        // A port of its own for each question; the system chooses it at random.
        let socket = self.net.datagram(SocketAddr::new(any, 0)).await?;
        let octets = question.to_vec().map_err(io::Error::other)?;
        socket.send_to(&octets, server).await?;
        let mut buffer = [0; DATAGRAM_OCTETS_MAX as usize];
        for _ in 0..FORGERIES_MAX {
            let (octets, from) = socket.recv_from(&mut buffer).await?;
            if from != server {
                continue;
            }
            match compare(buffer.get(..octets).unwrap_or_default(), question) {
                Match::Answer(message) => return Ok(Some(*message)),
                Match::Respelled => return Ok(None),
                Match::Other => {}
            }
        }
        Ok(None)
    }

    async fn by_tcp(
        &self,
        server: SocketAddr,
        question: &Message,
    ) -> Result<Message, ExchangeError> {
        let mut stream = self.net.connect(None, server).await?;
        let octets = question.to_vec().map_err(io::Error::other)?;
        let length = u16::try_from(octets.len()).map_err(io::Error::other)?;
        // In one write: some servers want the length and the message in one segment.
        stream.write_all(&[&length.to_be_bytes(), octets.as_slice()].concat()).await?;
        stream.flush().await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        match compare(&answer, question) {
            Match::Answer(message) if !message.metadata.truncation => Ok(*message),
            _ => Err(ExchangeError::Nonsense),
        }
    }
}

/// Whether octets are an answer to a question (RFC 5452 §9.1).
fn compare(octets: &[u8], question: &Message) -> Match {
    // Looked at first, so that no room is made for 65 535 questions.
    if octets.get(QUESTIONS_AT) != Some(&[0, 1]) {
        return Match::Other;
    }
    let Ok(message) = Message::from_vec(octets) else { return Match::Other };
    let ([answered], [asked]) = (message.queries.as_slice(), question.queries.as_slice()) else {
        return Match::Other;
    };
    let fits = message.metadata.id == question.metadata.id
        && message.metadata.message_type == MessageType::Response
        && message.metadata.op_code == OpCode::Query
        && answered.query_type() == asked.query_type()
        && answered.query_class() == asked.query_class()
        && answered.name() == asked.name();
    if !fits {
        Match::Other
    } else if answered.name().eq_case(asked.name()) {
        Match::Answer(Box::new(message))
    } else {
        Match::Respelled
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question() -> Message {
        let mut question = Message::new(7, MessageType::Query, OpCode::Query);
        let name = Name::from_ascii("mx.Example.org.").unwrap();
        question.add_query(Query::query(name, RecordType::A));
        question
    }

    proptest! {
        /// Messages with damage, and noise, are read without harm, and only what has the id and
        /// question is an answer.
        #[test]
        fn damage_does_no_harm(
            cut in 0_usize..60,
            at in 0_usize..60,
            octet: u8,
            noise in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut answer = question();
            answer.metadata.message_type = MessageType::Response;
            let mut octets = answer.to_vec().unwrap();
            octets.extend(noise);
            octets.truncate(octets.len().saturating_sub(cut));
            if let Some(place) = octets.get_mut(at) {
                *place = octet;
            }
            if let Match::Answer(message) = compare(&octets, &question()) {
                prop_assert_eq!(message.metadata.id, 7);
                prop_assert!(message.queries[0].name().eq_case(question().queries[0].name()));
            }
        }
    }

    #[test]
    fn an_answer_fits_its_question() {
        let mut answer = question();
        answer.metadata.message_type = MessageType::Response;
        assert!(matches!(compare(&answer.to_vec().unwrap(), &question()), Match::Answer(_)));
        let lower = answer.queries[0].name().to_lowercase();
        answer.queries[0].set_name(lower);
        assert!(matches!(compare(&answer.to_vec().unwrap(), &question()), Match::Respelled));
        answer.metadata.id = 8;
        assert!(matches!(compare(&answer.to_vec().unwrap(), &question()), Match::Other));
    }
}
