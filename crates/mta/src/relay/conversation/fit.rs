//! Whether a server can take a message as it is, and what is made of it where it cannot.
//!
//! ```text
//!   offers 8BITMIME, or content is 7-bit ─▶ as it is
//!   otherwise                             ─▶ made 7-bit, or 5.6.3 where that breaks something
//!   binary, no BINARYMIME or no CHUNKING  ─▶ likewise
//!   UTF-8 in header or sender, no SMTPUTF8 ─▶ 5.6.7 for all
//!   UTF-8 in a recipient,      no SMTPUTF8 ─▶ 5.6.7 for that one
//!   wanted back by a time,    no DELIVERBY ─▶ 5.3.3 for all
//! ```
//!
//! The store keeps the message as it came; only what goes to this server is another.
//!
//! Standards: RFC 2852 §4.1.4 (DELIVERBY), RFC 6152 §3 (8-bit content), RFC 3030 §3 (binary content), RFC 6531 §3.4 (when SMTPUTF8 is asked for) and §3.6
//! (servers without it), RFC 9422 §4.2 (RCPTMAX), RFC 3463 §3.7 (5.6.3), RFC 6531 §3.5 (5.6.7).
//! Not here: the conversion (crate `message`).

use std::collections::BTreeMap;

use bytes::Bytes;
use envelope::{
    Address, BodyType, ByMode, DeliverBy, EnhancedStatus, Envelope, Notify, Recipient, SECONDS_MAX,
};
use message::{Message, header};
use smtp::client::{DeliverByOffer, Stage};
use store::Deadline;

use super::{Conversation, Told};

/// Largest content that is made 7-bit: it and what comes of it are in memory together.
const CONVERTED_OCTETS_MAX: u64 = 16 * 1024 * 1024;
/// Most of a header that is looked at for UTF-8.
const HEAD_OCTETS_MAX: usize = 1024 * 1024;

/// How a message goes to one server.
#[derive(Debug, Default)]
pub(super) struct Fit {
    /// The content, where it is not the stored one.
    pub(super) converted: Option<Bytes>,
    /// Whether SMTPUTF8 is asked for.
    smtputf8: bool,
    /// What is left of the time in which it should be delivered, for a server that minds it.
    deliver_by: Option<DeliverBy>,
    /// The server does not mind the time, but it can tell of a delay.
    asks_for_delays: bool,
    /// Recipients by their places, to whom this server cannot get the message now.
    left_out: BTreeMap<usize, Told>,
}

impl Fit {
    /// The envelope as this server gets it.
    pub(super) fn envelope(&self, envelope: &Envelope) -> Envelope {
        let mut fitted = envelope.clone();
        fitted.smtputf8 = self.smtputf8;
        fitted.requests.deliver_by = self.deliver_by;
        if self.asks_for_delays {
            fitted.recipients.iter_mut().for_each(ask_for_delays);
        }
        let mut place = 0usize;
        fitted.recipients.retain(|_| {
            let stays = !self.left_out.contains_key(&place);
            place = place.saturating_add(1);
            stays
        });
        fitted
    }

    /// What all recipients were told, given what those were told that were not left out.
    pub(super) fn completed(&self, told: Vec<Told>) -> Vec<Told> {
        let recipients = told.len().saturating_add(self.left_out.len());
        let mut told = told.into_iter();
        (0..recipients)
            .filter_map(|place| self.left_out.get(&place).cloned().or_else(|| told.next()))
            .collect()
    }

    /// Whether the envelope goes as it is.
    pub(super) fn is_plain(&self, envelope: &Envelope) -> bool {
        let as_it_is = self.left_out.is_empty() && self.smtputf8 == envelope.smtputf8;
        as_it_is && self.deliver_by.is_none() && !self.asks_for_delays
    }
}

/// RFC 2852 §4.1.4.2: a server that does not mind the time shall at least tell of delays.
fn ask_for_delays(recipient: &mut Recipient) {
    let notify = recipient.notify();
    if notify != Notify::NEVER {
        recipient.notify = Some(Notify { delay: true, ..notify });
    }
}

/// What a server does not take.
const NOT_EIGHT_BIT: &str = "no 8-bit content (RFC 6152)";
const NOT_BINARY: &str = "no binary content (RFC 3030)";

/// Whether octets are 7-bit and their lines end in CRLF.
fn is_plain(octets: &[u8]) -> bool {
    let mut after_cr = false;
    octets.iter().all(|octet| {
        let fits = octet.is_ascii() && after_cr == (*octet == b'\n');
        after_cr = *octet == b'\r';
        fits
    }) && !after_cr
}

impl Conversation<'_> {
    /// How the message goes to this server, or why it cannot.
    pub(super) async fn fit(&self) -> Result<Fit, Told> {
        let mut fit = Fit::default();
        if self.cargo.envelope.smtputf8 {
            self.fit_addresses(&mut fit).await?;
        }
        self.fit_number(&mut fit);
        if let Some(refusal) = self.fit_time(&mut fit) {
            return Err(refusal);
        }
        let capabilities = self.session.capabilities();
        let (binary_mime, eight_bit_mime) = (capabilities.binary_mime, capabilities.eight_bit_mime);
        match self.cargo.envelope.body {
            BodyType::BinaryMime if binary_mime => {}
            BodyType::BinaryMime => fit.converted = self.converted(NOT_BINARY).await?,
            _ if eight_bit_mime => {}
            _ if self.is_ascii().await => {}
            _ => fit.converted = self.converted(NOT_EIGHT_BIT).await?,
        }
        Ok(fit)
    }

    async fn fit_addresses(&self, fit: &mut Fit) -> Result<(), Told> {
        let envelope = self.cargo.envelope;
        let in_header = self.has_utf8_header().await;
        if self.session.capabilities().smtputf8 {
            fit.smtputf8 = in_header || envelope.is_international();
            return Ok(());
        }
        let sender = envelope.reverse_path.address().is_some_and(Address::is_international);
        if in_header || sender {
            return Err(self.no_smtputf8());
        }
        let places = envelope.recipients.iter().enumerate();
        fit.left_out = places
            .filter(|(_, to)| to.address.is_international())
            .map(|(place, _)| (place, self.no_smtputf8()))
            .collect();
        match fit.left_out.len() == envelope.recipients.len() {
            true => Err(self.no_smtputf8()),
            false => Ok(()),
        }
    }

    /// Recipients over the server's own limit go in a transaction of their own (RFC 9422 §4.2).
    fn fit_number(&self, fit: &mut Fit) {
        let Some(most) = self.session.capabilities().limits.recipients_max else { return };
        let most = usize::try_from(most.get()).unwrap_or(usize::MAX);
        let left_out = &mut fit.left_out;
        let stay: Vec<_> = (0..self.cargo.envelope.recipients.len())
            .filter(|place| !left_out.contains_key(place))
            .collect();
        for place in stay.into_iter().skip(most) {
            let text = format!("{} takes {most} recipients at a time", self.host.name);
            left_out.insert(place, Told::one_too_many(&self.host.name, text));
        }
    }

    /// What is left of the message's time goes along; or why it cannot go. What should come back
    /// goes to servers only that mind it in time (RFC 2852 §4.1.4).
    fn fit_time(&self, fit: &mut Fit) -> Option<Told> {
        let Deadline { at, mode, trace } = self.cargo.terms.deliver_by?;
        let left = at.0.saturating_sub(self.mta.queue_now().0).div_euclid(1000);
        let host = &self.host.name;
        let refusal = |stage, status, text| Some(self.silent(stage, status, text));
        match (mode, self.session.capabilities().deliver_by) {
            (ByMode::Return, DeliverByOffer::NotOffered) => {
                let text = format!("{host} does not deliver by a time (DELIVERBY, RFC 2852)");
                // RFC 2852 §7: we look for no other host that does.
                refusal(Stage::Mail, EnhancedStatus::new(5, 3, 3), text)
            }
            (ByMode::Return, _) if left <= 0 => {
                let text = "the time was over before it could be handed on".to_owned();
                refusal(Stage::Mail, EnhancedStatus::new(5, 4, 7), text)
            }
            (ByMode::Return, DeliverByOffer::Offered { seconds_min })
                if left < i64::from(seconds_min) =>
            {
                let text =
                    format!("{host} wants at least {seconds_min} s to deliver, {left} are left");
                refusal(Stage::Hello, EnhancedStatus::new(5, 3, 3), text)
            }
            (_, DeliverByOffer::Offered { .. }) => {
                let most = i64::from(SECONDS_MAX);
                fit.deliver_by = DeliverBy::new(left.clamp(-most, most), mode, trace).ok();
                None
            }
            (ByMode::Notify, DeliverByOffer::NotOffered) => {
                fit.asks_for_delays = left > 0;
                None
            }
        }
    }

    /// The server cannot be told an address or header outside of ASCII.
    fn no_smtputf8(&self) -> Told {
        let text = format!(
            "{} takes no addresses or headers outside of ASCII (SMTPUTF8, RFC 6531)",
            self.host.name
        );
        self.silent(Stage::Hello, EnhancedStatus::new(5, 6, 7), text)
    }

    /// Whether the header has anything outside of ASCII. What is wrong with our store is found
    /// out again when the content is sent.
    async fn has_utf8_header(&self) -> bool {
        let mut head = Vec::new();
        while head.len() < HEAD_OCTETS_MAX {
            let Ok(Some(piece)) = self.piece(head.len() as u64).await else { break };
            let searched = head.len();
            head.extend_from_slice(&piece);
            if let Some(end) = header::head_end_from(&head, searched) {
                head.truncate(end);
                break;
            }
        }
        !head.is_ascii()
    }

    /// The content in 7 bits and in lines; `None` if it is so already.
    async fn converted(&self, lacks: &str) -> Result<Option<Bytes>, Told> {
        if self.cargo.octets > CONVERTED_OCTETS_MAX {
            return Err(self.cannot_take(lacks, "it is too large to be converted"));
        }
        let mut content = Vec::new();
        loop {
            match self.piece(content.len() as u64).await {
                Ok(Some(piece)) => content.extend_from_slice(&piece),
                Ok(None) => break,
                // Found out again, and told, when it is sent.
                Err(_) => return Ok(None),
            }
        }
        match Message::parse(&content).to_seven_bit() {
            Ok(None) if is_plain(&content) => Ok(None),
            Ok(Some(converted)) if is_plain(&converted) => Ok(Some(Bytes::from(converted))),
            Ok(_) => Err(self.cannot_take(lacks, "its encodings do not tell of all such octets")),
            Err(error) => Err(self.cannot_take(lacks, &error.to_string())),
        }
    }

    async fn is_ascii(&self) -> bool {
        let mut offset = 0u64;
        while let Ok(Some(piece)) = self.piece(offset).await {
            if !piece.is_ascii() {
                return false;
            }
            offset = offset.saturating_add(piece.len() as u64);
        }
        true
    }

    fn cannot_take(&self, lacks: &str, why: &str) -> Told {
        let text = format!("{} takes {lacks}, which this message has: {why}", self.host.name);
        self.silent(Stage::Hello, EnhancedStatus::new(5, 6, 3), text)
    }
}
