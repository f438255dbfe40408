//! The words that stand for closed sets of values in text columns.
//!
//! Standards: RFC 3461 §4.3 (RET), RFC 6152 §2 and RFC 3030 §3 (BODY), RFC 6154 §2 (special use),
//! RFC 6710 §5 (levels of priority).
//! Not here: recipient states, which know their names themselves.

use std::collections::BTreeSet;

use envelope::{Address, BodyType, Return, ReversePath};
use store::{Flags, MailboxRole, RecipientState, StoreError};

use crate::database::damaged;

/// RET as RFC 3461 §4.3 writes it.
pub(crate) fn ret(ret: Return) -> &'static str {
    match ret {
        Return::Full => "FULL",
        Return::Headers => "HDRS",
    }
}

/// Reads [`ret`].
pub(crate) fn to_ret(word: &str) -> Option<Return> {
    [Return::Full, Return::Headers].into_iter().find(|known| ret(*known) == word)
}

/// BODY as RFC 6152 §2 and RFC 3030 §3 write it; `None` where nothing was said.
pub(crate) fn body(body: BodyType) -> Option<&'static str> {
    match body {
        BodyType::EightBitMime => Some("8BITMIME"),
        BodyType::BinaryMime => Some("BINARYMIME"),
        _ => None,
    }
}

/// Reads [`body`].
pub(crate) fn to_body(word: Option<&str>) -> BodyType {
    let types = [BodyType::SevenBit, BodyType::EightBitMime, BodyType::BinaryMime];
    types.into_iter().find(|known| body(*known) == word).unwrap_or(BodyType::EightBitMime)
}

const ROLES: [(MailboxRole, &str); 7] = [
    (MailboxRole::Inbox, "inbox"),
    (MailboxRole::Sent, "sent"),
    (MailboxRole::Drafts, "drafts"),
    (MailboxRole::Trash, "trash"),
    (MailboxRole::Junk, "junk"),
    (MailboxRole::Archive, "archive"),
    (MailboxRole::Reports, "reports"),
];

/// A role's word.
pub(crate) fn role(role: MailboxRole) -> &'static str {
    ROLES.iter().find(|(known, _)| *known == role).map_or("", |(_, word)| word)
}

/// Reads [`role`].
pub(crate) fn to_role(word: &str) -> Option<MailboxRole> {
    ROLES.iter().find(|(_, known)| *known == word).map(|(role, _)| *role)
}

/// Reads a recipient's state.
pub(crate) fn to_state(word: &str) -> Result<RecipientState, StoreError> {
    RecipientState::ALL
        .into_iter()
        .find(|state| state.name() == word)
        .ok_or_else(|| damaged("a recipient", format!("there is no state {word}")))
}

/// Reads an address.
pub(crate) fn to_address(text: &str) -> Result<Address, StoreError> {
    Address::parse(text).map_err(|error| damaged(format!("the address {text}"), error))
}

/// Reads a reverse-path; empty is the null one.
pub(crate) fn to_reverse_path(text: &str) -> Result<ReversePath, StoreError> {
    if text.is_empty() {
        return Ok(ReversePath::default());
    }
    Ok(ReversePath::from(to_address(text)?))
}

/// Keywords as a JSON list; `None`: there are none.
pub(crate) fn keywords(flags: &Flags) -> Result<Option<String>, StoreError> {
    if flags.keywords.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(&flags.keywords)
        .map(Some)
        .map_err(|error| StoreError::Refused { reason: error.to_string() })
}

/// Flags from their columns.
pub(crate) fn to_flags(bits: u32, keywords: Option<&str>) -> Result<Flags, StoreError> {
    let keywords: BTreeSet<String> = match keywords {
        None => BTreeSet::new(),
        Some(text) => {
            serde_json::from_str(text).map_err(|error| damaged("an entry's keywords", error))?
        }
    };
    Ok(Flags::from_bits(bits, keywords))
}
