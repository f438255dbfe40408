//! What a client hears of our decisions.
//!
//! Standards: RFC 5321 §4.2.3 (codes), RFC 3463 §3 (enhanced codes), RFC 4954 §6 (AUTH).
//! Not here: replies about syntax and order (crate `smtp`).

use directory::SrsError;
use envelope::{Address, EnhancedStatus};
use sasl::Refusal;
use smtp::Reply;
use store::StoreError;

pub(super) fn not_your_address(login: &Address, address: &Address) -> Reply {
    let text = format!("Not allowed to send as {address}: you are logged in as {login}");
    Reply::new(550, EnhancedStatus::new(5, 7, 1), text)
}

pub(super) fn relay_refused(address: &Address) -> Reply {
    let text = format!(
        "We do not relay to {address}: {} is not ours; authors use the submission port with a login",
        address.domain()
    );
    Reply::new(550, EnhancedStatus::new(5, 7, 1), text)
}

pub(super) fn unknown_recipient(address: &Address) -> Reply {
    Reply::new(550, EnhancedStatus::new(5, 1, 1), format!("There is no mailbox {address} here"))
}

pub(super) fn over_quota(address: &Address) -> Reply {
    Reply::new(452, EnhancedStatus::new(4, 2, 2), format!("The mailbox of {address} is full"))
}

pub(super) fn disabled(address: &Address) -> Reply {
    let text = format!("The mailbox of {address} is disabled");
    Reply::new(550, EnhancedStatus::new(5, 2, 1), text)
}

/// Trying again does not help: even the empty mailbox is too small.
pub(super) fn never_fits(address: &Address, quota: u64) -> Reply {
    let text = format!("The mailbox of {address} holds {quota} octets at most");
    Reply::new(552, EnhancedStatus::new(5, 2, 2), text)
}

pub(super) fn returns_nowhere(address: &Address, error: SrsError) -> Reply {
    Reply::new(
        550,
        EnhancedStatus::new(5, 1, 1),
        format!("There is no mailbox {address} here: {error}"),
    )
}

/// Our operator's mistake, who may correct it.
pub(super) fn too_many_targets(address: &Address) -> Reply {
    let text = format!("{address} leads to more addresses than we can reach at a time");
    Reply::new(451, EnhancedStatus::new(4, 3, 5), text)
}

pub(super) fn login_refused(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Malformed => {
            Reply::new(501, EnhancedStatus::new(5, 5, 2), "Malformed authentication message")
        }
        Refusal::NotAuthorized => Reply::new(
            535,
            EnhancedStatus::new(5, 7, 8),
            "Acting for another user is not possible; leave the authorization identity empty",
        ),
        Refusal::Unsupported => Reply::new(
            504,
            EnhancedStatus::new(5, 5, 4),
            "Channel binding and extensions are not supported",
        ),
        _ => Reply::new(535, EnhancedStatus::new(5, 7, 8), "Wrong user name or password"),
    }
}

/// Below our Received field such a line would be read as a part of it.
pub(super) fn continues_nothing() -> Reply {
    let text = "The message begins with a blank, so its first line continues no header field";
    Reply::new(550, EnhancedStatus::new(5, 6, 0), text)
}

/// Binary content too has a header, and that is made of lines (RFC 3030 §3).
pub(super) fn bare_line_end() -> Reply {
    let text = "The header has a bare CR or LF; its lines must end in CRLF";
    Reply::new(550, EnhancedStatus::new(5, 6, 0), text)
}

pub(super) fn loops() -> Reply {
    Reply::new(554, EnhancedStatus::new(5, 4, 6), "This message goes in circles: too many hops")
}

/// Nothing was stored, so nobody may believe that it was.
pub(super) fn only_asked() -> Reply {
    Reply::new(451, EnhancedStatus::new(4, 3, 0), "This session only tells what would happen")
}

pub(super) fn no_room() -> Reply {
    Reply::new(452, EnhancedStatus::new(4, 3, 1), "Too much is coming in, please try again later")
}

/// The store does not tell what a decision needs.
pub(super) fn store_silent() -> Reply {
    let text = "We cannot look up what we need to decide, please try again later";
    Reply::new(451, EnhancedStatus::new(4, 3, 0), text)
}

/// The store's trouble, truthfully: whose fault it is, and whether trying again helps.
pub(super) fn store_trouble(error: &StoreError) -> Reply {
    match error {
        StoreError::Full | StoreError::Busy { .. } => {
            Reply::new(452, error.status(), "No room for this message now, please try again later")
        }
        StoreError::OverQuota { .. } => {
            Reply::new(452, error.status(), "A recipient's mailbox is full")
        }
        _ => Reply::new(
            451,
            EnhancedStatus::new(4, 3, 0),
            "Could not store the message safely; nothing was kept, please try again later",
        ),
    }
}
