//! Internet messages: read without ever failing, written so that everybody can read them.
//!
//! [`Message::parse`] makes a tree of ranges into the octets that it was given; nothing is
//! copied or decoded until somebody asks. What is wrong with a message is a list of
//! [`Defect`]s, never an error. [`Draft::seal`] goes the other way and makes the only thing
//! that may be sent, a [`Sealed`] message.
//!
//! ```text
//!   octets → Message ─┬→ header → Field → address lists, dates, ids, text
//!                     ├→ parts  → Part  → decoded octets, text, file name
//!                     └→ defects
//!   Draft, report::DeliveryReport → seal → Sealed → octets
//! ```
//!
//! Every parser here is linear in its input, does not recurse on it, and stops at limits that
//! have names (`…_MAX`).
//!
//! # Guide
//!
//! | to … | ask |
//! |---|---|
//! | read a message | [`Message::parse`], [`Message::part`], [`Message::section`], [`Part`] |
//! | read only a header | [`HeaderSection::parse`], [`Header`], [`Field`] |
//! | show it to people | [`Message::text_to_show`], [`Message::preview`], [`Letter`], [`Message::attached`] |
//! | answer it | [`Header::reply_addresses`], [`Header::ancestors`], [`BaseSubject`], [`Message::automation`] |
//! | know what is wrong with it | [`Message::defects`], [`Message::examine`], [`DefectCode`] |
//! | write one | [`Draft`], [`Attachment`], [`Draft::with_markdown`], [`Sealed`] |
//! | pass one on | [`Resent`], [`Message::to_seven_bit`], [`HeaderSection::rewritten`] |
//! | report, or read a report | [`report`], [`ListFields`], [`AuthenticationResults`] |
//! | keep the tree | [`Structure::to_octets`], [`Message::with_structure`] |
//! | encode and decode in chunks | [`transfer`] |
//!
//! Read:
//!
//! ```
//! let content = b"From: Ada <ada@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHi!\r\n";
//! let message = message::Message::parse(content);
//! assert_eq!(message.subject().as_deref(), Some("Grüße"));
//! assert_eq!(message.from().mailboxes().next().unwrap().address, "ada@example.org");
//! assert_eq!(message.text_to_show(), "Hi!\n");
//! ```
//!
//! Write, and read again:
//!
//! ```
//! use message::{DateTime, Draft, Mailbox, Message, MessageId};
//! let now = DateTime::from_unix(1_700_000_000); // your clock
//! let draft = Draft {
//!     from: Mailbox::named("Jörg", "joerg@example.org").into(),
//!     to: Mailbox::new("ada@example.net").into(),
//!     date: Some(now),
//!     message_id: Some(MessageId::new(now, 42, "example.org")),
//!     ..Draft::default()
//! };
//! let sealed = draft.with_markdown("Tea is *ready*.\n").seal(&mut || 4).unwrap();
//! let message = Message::parse(sealed.octets());
//! assert_eq!(message.root().content_type().to_string(), "multipart/alternative");
//! assert_eq!(message.preview(), "Tea is *ready*.");
//! ```
//!
//! Report: [`report::read`] and [`report::DeliveryReport`] have examples.
//!
//! Standards: RFC 5322 (message format), RFC 6532 (UTF-8 in headers), RFC 2045 to RFC 2049
//! (MIME), RFC 2047 (encoded words), RFC 2231 (parameters), RFC 2183 (disposition),
//! RFC 3464 and RFC 6522 (delivery reports), RFC 8098 (disposition reports), RFC 5965 (abuse
//! reports), RFC 3834 (automatic replies); each module names its own.
//! Not here: the envelope (crate `envelope`), signatures (crate `verdict`), storage.

mod address;
mod attached;
mod authentication;
mod charset;
mod checksum;
mod content;
mod date;
mod defect;
mod embedded;
mod encoded_word;
mod examine;
mod file_name;
mod fragments;
pub mod fuzz;
pub mod header;
pub mod inspect;
mod lexer;
mod linked;
mod list;
pub mod mbox;
mod message;
mod message_id;
mod opened;
mod parameter;
mod part;
mod receipt;
pub mod report;
mod resent;
mod section;
mod structure;
pub mod tnef;
mod trace;
pub mod transfer;
mod view;
mod write;

/// The guide in `docs`, whose examples run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/message.md")]
struct Guide;

pub use crate::address::{ADDRESSES_MAX, AddressList, Addressee, Group, Mailbox};
pub use crate::attached::Piece;
pub use crate::authentication::{
    AuthenticationMethod, AuthenticationProperty, AuthenticationResult, AuthenticationResults,
    AuthenticationVerdict, PROPERTIES_MAX, RESULTS_MAX,
};
pub use crate::charset::TEXT_GROWTH_MAX;
pub use crate::checksum::Integrity;
pub use crate::content::{ContentType, Disposition, DispositionKind, TransferEncoding};
pub use crate::date::{DateTime, UnreadableDate};
pub use crate::defect::{Defect, DefectCode};
pub use crate::embedded::{EMBEDDED_FILES_MAX, EmbeddedEncoding, EmbeddedFile};
pub use crate::encoded_word::decode_text;
pub use crate::file_name::safe_file_name;
pub use crate::fragments::{FRAGMENTS_MAX, NotJoinable, join_fragments};
pub use crate::header::{Field, Header, HeaderSection};
pub use crate::list::{LIST_LINKS_MAX, ListFields};
pub use crate::message::Message;
pub use crate::message_id::{MessageId, NotMessageId, REFERENCES_MAX};
pub use crate::opened::{ExternalBody, Fragment, OpenedMessage};
pub use crate::parameter::{PARAMETERS_MAX, Parameter};
pub use crate::part::{Part, PartKind};
pub use crate::receipt::{RECEIPT_OPTIONS_MAX, ReceiptWish};
pub use crate::resent::{RESENT_BLOCKS_MAX, Resent};
pub use crate::structure::{
    DEFECTS_MAX, DEPTH_MAX, FIELDS_MAX, HEADER_OCTETS_MAX, PARTS_MAX, Structure,
};
pub use crate::trace::{RECEIVED_MAX, Received};
pub use crate::view::{
    Automation, BaseSubject, BodyParts, Letter, ReplyAddresses, Segment, SegmentKind,
};
pub use crate::write::downgrade::DowngradeError;
pub use crate::write::{Attachment, Draft, DraftError, HeaderForm, Sealed};
