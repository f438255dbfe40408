//! Content that is arriving: its header is looked at, all of it goes to the store's spool.
//!
//! ```text
//!   piece ─▶ head (until the empty line) ─ checked, on submission completed ─▶ spool
//!         └▶ body ────────────────────────────────────────────────────────────▶ spool
//! ```
//!
//! What is kept in memory besides is little, and counted: all sessions share one [`Room`].
//!
//! Standards: RFC 5321 §6.3 (loops), §4.4 (trace), RFC 8689 §4.1 (TLS-Required), RFC 3865 §2.5
//! (Solicitation).
//! Not here: what a submission's header lacks (`submission`), the commit (`transaction`).
//!
//! [`Room`]: crate::room::Room

use directory::Login;
use envelope::{EnhancedStatus, Solicitation};
use message::MessageId;
use message::header::{self, HeaderSection};
use smtp::Reply;
use store::{Announcement, Content, Spool, SubmissionId, TlsWish, UnixMillis};

use super::{Reception, Service, reply};
use crate::report::REPORT_OCTETS_MAX;
use crate::room::Share;
use crate::submission;

/// Most of a submission's header section, which must be looked at whole.
const SUBMISSION_HEAD_OCTETS_MAX: usize = 1024 * 1024;
/// Most that is looked at of a header section from another MTA; what comes later is taken as it
/// is. Trace fields, which tell of loops, stand first (RFC 5321 §4.4).
const HEAD_OCTETS_MAX: usize = 256 * 1024;
/// This much of a head is not counted, so that usual mail never waits for those who send long
/// ones: it is bounded by the number of connections.
const UNCOUNTED_HEAD_OCTETS: usize = 64 * 1024;
/// Most that all sessions together keep of long heads and of reports; more is answered by 452.
pub(crate) const LOOKED_AT_OCTETS_MAX: usize = 64 * 1024 * 1024;
/// A message with more Received fields goes in circles (RFC 5321 §6.3: at least 100).
const RECEIVED_FIELDS_MAX: usize = 100;
/// Most mailboxes that a message has been in by its own account; the last ones stand first.
const DELIVERED_TO_FIELDS_MAX: usize = 20;

/// Content that is arriving.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) id: SubmissionId,
    pub(super) at: UnixMillis,
    spool: Box<dyn Spool>,
    head: Vec<u8>,
    head_ended: bool,
    /// Whether the header's lines are still to be looked at.
    minds_lines: bool,
    keep: Keep,
    /// The beginning of the body, where a report may be.
    body: Vec<u8>,
    facts: Facts,
    share: Share,
    /// Tells the store that a commit is coming.
    announcement: Announcement,
}

/// What is kept of the content for when it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing.
    Nothing,
    /// The head: a notice about this message shows it.
    Head,
    /// The head and the beginning of the body: it may be a report about mail of ours.
    Report,
}

/// What the header told.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) message_id: Option<MessageId>,
    /// What was changed about it.
    pub(super) completed: Vec<String>,
    /// Mailboxes in which it has been.
    pub(super) delivered_to: Vec<String>,
    /// What it says about TLS (RFC 8689 §4.1).
    pub(super) tls: TlsWish,
    /// Which kinds of solicitation it says to be (RFC 3865 §2.5).
    pub(super) solicitation: Option<Solicitation>,
}

/// Content that is whole.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) content: Content,
    /// As it goes on; empty if it was not kept.
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) facts: Facts,
    pub(super) announcement: Announcement,
}

impl Incoming {
    /// Content that begins with our `received` field.
    pub(super) fn new(
        reception: &Reception,
        (id, at): (SubmissionId, UnixMillis),
        received: &str,
        keep: Keep,
    ) -> Result<Self, Reply> {
        let mta = &reception.mta;
        let mut spool = mta.world.store.spool().map_err(|error| reply::store_trouble(&error))?;
        spool.write(received.as_bytes()).map_err(|error| reply::store_trouble(&error))?;
        Ok(Self {
            id,
            at,
            spool,
            head: Vec::new(),
            head_ended: false,
            minds_lines: false,
            keep,
            body: Vec::new(),
            facts: Facts::default(),
            share: mta.looked_at.share(),
            announcement: mta.world.store.announce(),
        })
    }

    /// The content is binary: what the session sees to otherwise is seen to here, for the header
    /// (RFC 3030 §3).
    pub(super) fn mind_lines(&mut self) {
        self.minds_lines = true;
    }

    /// Takes the next piece.
    pub(super) fn take(
        &mut self,
        reception: &Reception,
        login: Option<&Login>,
        octets: &[u8],
    ) -> Result<(), Reply> {
        if self.head_ended {
            return self.take_body(octets);
        }
        // The end of the head may straddle two pieces; the search never starts over.
        let before = self.head.len();
        let body = match before {
            // Nearly always the first piece holds the whole head.
            0 => header::head_end_from(octets, 0).map(|end| octets.split_at(end)),
            _ => None,
        };
        if let Some((head, body)) = body {
            self.grow_head(head)?;
            self.end_head(reception, login)?;
            return self.take_body(body);
        }
        self.grow_head(octets)?;
        if let Some(end) = header::head_end_from(&self.head, before) {
            let body = octets.get(end.saturating_sub(before)..).unwrap_or_default();
            self.head.truncate(end);
            self.end_head(reception, login)?;
            return self.take_body(body);
        }
        match reception.config.service {
            Service::Smtp { .. } | Service::Lmtp if self.head.len() > HEAD_OCTETS_MAX => {
                self.end_head(reception, login)
            }
            Service::Submission if self.head.len() > SUBMISSION_HEAD_OCTETS_MAX => Err(Reply::new(
                552,
                EnhancedStatus::new(5, 3, 4),
                "The header is larger than 1 MiB; send long lists in the body",
            )),
            _ => Ok(()),
        }
    }

    fn grow_head(&mut self, octets: &[u8]) -> Result<(), Reply> {
        let before = self.head.len().max(UNCOUNTED_HEAD_OCTETS);
        let counted = self.head.len().saturating_add(octets.len()).saturating_sub(before);
        if counted > 0 {
            self.share.grow(counted).map_err(|_| reply::no_room())?;
        }
        self.head.extend_from_slice(octets);
        Ok(())
    }

    /// The head is known: checks it and, on submission, completes it.
    fn end_head(&mut self, reception: &Reception, login: Option<&Login>) -> Result<(), Reply> {
        self.head_ended = true;
        if self.minds_lines && !has_whole_lines(&self.head) {
            return Err(reply::bare_line_end());
        }
        if self.head.starts_with(b" ") || self.head.starts_with(b"\t") {
            return Err(reply::continues_nothing());
        }
        if let (Service::Submission, Some(login)) = (&reception.config.service, login) {
            let (head, changes) =
                submission::complete(&reception.mta, login, &self.head, self.at, self.id)?;
            self.head = head;
            self.facts.completed = changes;
        }
        let section = HeaderSection::parse(&self.head);
        let mut received = 0usize;
        for field in section.header().fields() {
            if field.is("Received") {
                received += 1;
            } else if field.is("Delivered-To")
                && self.facts.delivered_to.len() < DELIVERED_TO_FIELDS_MAX
            {
                self.facts.delivered_to.push(field.value().trim().to_owned());
            } else if field.is("TLS-Required") {
                if field.value().trim().eq_ignore_ascii_case("no") {
                    self.facts.tls = TlsWish::Optional;
                }
            } else if field.is("Solicitation") {
                // RFC 3865 §2.7: only what has the right form is told to others.
                self.facts.solicitation = Solicitation::parse(field.value().trim()).ok();
            }
        }
        if received > RECEIVED_FIELDS_MAX {
            return Err(reply::loops());
        }
        self.facts.message_id = section.message_id();
        self.spool.write(&self.head).map_err(|error| reply::store_trouble(&error))?;
        if self.keep == Keep::Nothing {
            self.head = Vec::new();
        }
        Ok(())
    }

    fn take_body(&mut self, octets: &[u8]) -> Result<(), Reply> {
        if self.keep == Keep::Report {
            let room = REPORT_OCTETS_MAX.saturating_sub(self.body.len());
            let kept = octets.get(..room).unwrap_or(octets);
            // Without room it is a message like any other.
            match self.share.grow(kept.len()) {
                Ok(()) => self.body.extend_from_slice(kept),
                Err(_) => self.keep = Keep::Head,
            }
        }
        self.spool.write(octets).map_err(|error| reply::store_trouble(&error))
    }

    /// No more will come.
    pub(super) fn seal(
        mut self,
        reception: &Reception,
        login: Option<&Login>,
    ) -> Result<Whole, Reply> {
        if !self.head_ended {
            self.end_head(reception, login)?;
        }
        let content = self.spool.seal().map_err(|error| reply::store_trouble(&error))?;
        Ok(Whole {
            content,
            head: self.head,
            body: if self.keep == Keep::Report { self.body } else { Vec::new() },
            facts: self.facts,
            announcement: self.announcement,
        })
    }
}

/// Whether each CR and LF is part of a CRLF; one at the end may be cut.
fn has_whole_lines(octets: &[u8]) -> bool {
    let mut after_cr = false;
    octets.iter().all(|octet| {
        let fits = after_cr == (*octet == b'\n');
        after_cr = *octet == b'\r';
        fits
    })
}
