//! One try to hand a message to one address of one host.
//!
//! Drives an `smtp` client session over a connection, streams the content from the store, and
//! keeps what was said. It decides nothing about the queue.
//!
//! Standards: RFC 5321 §3.3, §4.5.3.2 (timeouts), RFC 3207 and RFC 7435 (opportunistic TLS).
//! Not here: which host (`routing`), when again (`queue`).

mod conversation;
mod pool;
mod told;

use std::time::Duration;

use envelope::{Envelope, Requests, ReversePath};
use platform::{Endpoint, Shutdown};
use store::{Attempt, MessageId, Terms};

use self::conversation::Conversation;
pub(crate) use self::pool::{Leaving, Pool};
pub(crate) use self::told::{Kind, Told};
use crate::Mta;
use crate::routing::Host;
use crate::rules::Outgoing;
use crate::tlspolicy::{self, Demand};

/// For the reply to QUIT: the message is settled, only its commit waits.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// What is to be handed over.
#[derive(Debug)]
pub(crate) struct Cargo<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) message: MessageId,
    pub(crate) octets: u64,
    /// Trace fields that go before the content.
    pub(crate) prefix: &'a str,
    /// The recipients' numbers in the submission, in the envelope's order.
    pub(crate) numbers: &'a [u32],
    /// What its sender asked of the transfer.
    pub(crate) terms: &'a Terms,
    /// By when all of it must be over, by the monotonic clock.
    pub(crate) deadline: Duration,
    /// Whether there are other addresses.
    pub(crate) others: Others,
    /// The operator's settings for it.
    pub(crate) outgoing: &'a Outgoing<'a>,
    /// When we shut down, a try that has not come to the content is given up.
    pub(crate) shutdown: &'a Shutdown,
}

/// Whether other addresses may be tried when this one cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// It is the last one.
    None,
    /// There are more.
    Left,
}

/// How a try ended.
#[derive(Debug)]
pub(crate) struct Tried {
    /// One for each recipient of the envelope, in its order.
    pub(crate) results: Vec<Told>,
    /// What is kept of it.
    pub(crate) attempt: Attempt,
    /// How it ended.
    pub(crate) ending: Ending,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// There was a connection.
    Reached,
    /// There was none.
    Unreached,
    /// We shut down, and nothing had been handed over.
    GivenUp,
}

/// Tries one address, over a connection that waits where there is one. When that was closed
/// meanwhile, a new one is made at once, and it is one try all the same. When opportunistic TLS cannot be entered, the same address is tried once
/// more in clear: an attacker could have had that anyway (RFC 7435 §3).
pub(crate) async fn attempt(
    mta: &Mta,
    host: &Host,
    address: &Endpoint,
    cargo: &Cargo<'_>,
) -> Tried {
    let first = tlspolicy::demand(cargo.outgoing, host.kind, address);
    let mut transcript = String::new();
    let began_at = mta.now();
    let conversation = Conversation::new(mta, host, address, cargo, first, &mut transcript);
    let waiting = mta.idle.take(&conversation.key(), mta.world.clock.monotonic());
    let mut talked = match waiting {
        None => conversation.run().await,
        Some(parked) => conversation.resume(*parked).run().await,
    };
    if talked.was_stale && talked.ending != Ending::GivenUp {
        transcript.push_str("* the connection was gone; the server has nothing; a new one\n");
        let fresh = Conversation::new(mta, host, address, cargo, first, &mut transcript);
        talked = fresh.run().await;
    }
    if talked.tls_failed && first == Demand::Opportunistic {
        transcript.push_str("* TLS failed; once more in clear\n");
        let again = Conversation::new(mta, host, address, cargo, Demand::Never, &mut transcript);
        talked = again.run().await;
    }
    let result = talked.results.first().map(|told| told.text.clone()).unwrap_or_default();
    Tried {
        ending: talked.ending,
        attempt: Attempt {
            recipients: cargo.numbers.to_vec(),
            began_at,
            ended_at: mta.now(),
            host: host.name.clone(),
            address: address.ip(),
            port: address.port(),
            tls: talked.tls,
            result,
            transcript,
        },
        results: talked.results,
    }
}

/// An envelope for some recipients of a submission.
pub(crate) fn envelope_for(
    summary: &store::Summary,
    reverse_path: &ReversePath,
    recipients: &[&store::RecipientView],
) -> Envelope {
    let mut envelope = Envelope {
        reverse_path: reverse_path.clone(),
        recipients: recipients.iter().map(|view| view.recipient.clone()).collect(),
        ret: summary.ret,
        envelope_id: summary.envelope_id.clone(),
        body: summary.body,
        smtputf8: summary.origin.is_smtputf8(),
        requests: Requests {
            // RFC 6710 §4.2: to each server that wants to know, also when it is as usual.
            priority: Some(summary.terms.priority),
            solicitation: summary.terms.solicitation.clone(),
            ..Requests::default()
        },
    };
    envelope.smtputf8 |= envelope.is_international();
    envelope
}
