//! Who and where: the words of RFC 5598 that three or more crates share.
//!
//! An *envelope* is what travels beside a message: a reverse-path and recipients. It is
//! not the header; a message's From, Sender and the envelope's reverse-path may all differ.
//! Values are parsed once, at the edge, and cannot be wrong afterwards.
//!
//! Standards: RFC 5321 §4.1.2 (paths and mailboxes), RFC 3461 (delivery status
//! notification parameters), RFC 4865, RFC 2852, RFC 6710 and RFC 3865 (what a sender may ask),
//! RFC 6531 §3.3 and §3.4 (UTF-8), RFC 3463 (enhanced status codes), RFC 5598 (vocabulary).
//! Not here: header fields and addressees (crate `message`), SMTP syntax around a path
//! (crate `smtp`), who an address belongs to (crate `directory`).

mod address;
mod dsn;
mod request;
mod status;

pub use address::{
    ADDRESS_OCTETS_MAX, Address, AddressError, DOMAIN_OCTETS_MAX, Domain, LABEL_OCTETS_MAX,
    LOCAL_PART_OCTETS_MAX, LocalPart, ReversePath,
};
pub use dsn::{
    ENVELOPE_ID_OCTETS_MAX, EnvelopeId, Notify, ORIGINAL_RECIPIENT_OCTETS_MAX, OriginalRecipient,
    Return, XtextError, unitext,
};
pub use request::{
    ByMode, ByTrace, DeliverBy, Hold, Moment, Priority, RequestError, Requests, SECONDS_MAX,
    SOLICITATION_OCTETS_MAX, Solicitation, Urgency,
};
pub use status::EnhancedStatus;

use serde::{Deserialize, Serialize};

/// Where a message comes from and where it goes (RFC 5598 §4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Where notices about this message go; null for notices themselves.
    pub reverse_path: ReversePath,
    /// Accepted recipients, in the order given.
    pub recipients: Vec<Recipient>,
    /// How much of the message a failure notice returns (RFC 3461 §4.3).
    pub ret: Option<Return>,
    /// The sender's own name for this submission (RFC 3461 §4.4).
    pub envelope_id: Option<EnvelopeId>,
    /// What the content may contain (RFC 6152 §2).
    pub body: BodyType,
    /// Whether SMTPUTF8 goes with it (RFC 6531 §3.4): an address or the header has UTF-8.
    #[serde(default)]
    pub smtputf8: bool,
    /// What the sender asks of the transfer besides.
    #[serde(default)]
    pub requests: Requests,
}

/// One recipient of an envelope, with what its sender wants to hear about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Where the message goes.
    pub address: Address,
    /// Which notices the sender asked for (RFC 3461 §4.1); `None` when it did not say.
    pub notify: Option<Notify>,
    /// The address that the sender first wrote (RFC 3461 §4.2).
    pub original: Option<OriginalRecipient>,
}

impl Envelope {
    /// Whether an address in it can be told only to a peer that knows SMTPUTF8.
    pub fn is_international(&self) -> bool {
        let international = |address: &Address| address.is_international();
        self.reverse_path.address().is_some_and(international)
            || self.recipients.iter().any(|to| to.address.is_international())
    }
}

impl Recipient {
    /// A recipient without delivery status parameters.
    pub fn new(address: Address) -> Self {
        Self { address, notify: None, original: None }
    }

    /// What the sender wants to hear. Without a NOTIFY parameter that is failure, and delay
    /// where the MTA chooses to say so (RFC 3461 §4.1).
    pub fn notify(&self) -> Notify {
        self.notify.unwrap_or(Notify::DEFAULT)
    }
}

/// The BODY parameter of MAIL (RFC 6152 §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BodyType {
    /// Nothing said: 7-bit by the letter, 8-bit in practice.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBitMime,
    /// `BODY=BINARYMIME`: not made of lines (RFC 3030 §3).
    BinaryMime,
}
