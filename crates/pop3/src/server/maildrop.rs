//! The messages of a session, as they were at login, and what is marked as deleted.
//!
//! Standards: RFC 1939 §5 (scan listings, deletion marks), §7 (UIDL).

use std::io::Write as _;

use crate::Uidl;

/// One message of the maildrop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Exact number of octets that its content has (RFC 1939 §11), before dot-stuffing.
    pub octets: u64,
    /// Its unique-id.
    pub uidl: Uidl,
}

/// Why a message number names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoMessage {
    Unknown,
    Deleted,
}

/// All messages, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Maildrop {
    entries: Vec<Entry>,
    is_deleted: Vec<bool>,
}

/// A multi-line listing that is being written.
#[derive(Debug)]
pub(super) struct Listing {
    column: Column,
    next_index: usize,
}

#[derive(Debug)]
enum Column {
    Size,
    UniqueId,
}

impl Listing {
    pub(super) fn sizes() -> Self {
        Self { column: Column::Size, next_index: 0 }
    }

    pub(super) fn unique_ids() -> Self {
        Self { column: Column::UniqueId, next_index: 0 }
    }
}

impl Maildrop {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let is_deleted = vec![false; entries.len()];
        Self { entries, is_deleted }
    }

    /// The index of a message number that [`entry`](Self::entry) has found.
    pub(super) fn index(message: u32) -> usize {
        usize::try_from(message).map_or(usize::MAX, |number| number.wrapping_sub(1))
    }

    pub(super) fn entry(&self, message: u32) -> Result<&Entry, NoMessage> {
        let index = Self::index(message);
        match (self.entries.get(index), self.is_deleted.get(index)) {
            (Some(entry), Some(false)) => Ok(entry),
            (Some(_), _) => Err(NoMessage::Deleted),
            (None, _) => Err(NoMessage::Unknown),
        }
    }

    pub(super) fn delete(&mut self, message: u32) -> Result<(), NoMessage> {
        self.entry(message)?;
        if let Some(mark) = self.is_deleted.get_mut(Self::index(message)) {
            *mark = true;
        }
        Ok(())
    }

    pub(super) fn reset(&mut self) {
        self.is_deleted.fill(false);
    }

    pub(super) fn deleted(&self) -> Vec<usize> {
        let marks = self.is_deleted.iter().enumerate();
        marks.filter(|(_, deleted)| **deleted).map(|(index, _)| index).collect()
    }

    /// Messages and octets that are not deleted.
    pub(super) fn totals(&self) -> (usize, u64) {
        self.kept(0).fold((0, 0), |(messages, octets), (_, entry)| {
            (messages + 1, entry.octets.saturating_add(octets))
        })
    }

    pub(super) fn summary(&self) -> String {
        let (messages, octets) = self.totals();
        format!("{messages} messages ({octets} octets)")
    }

    /// Writes lines until `octets_max` are waiting; true when the listing is complete.
    pub(super) fn write(
        &self,
        listing: &mut Listing,
        output: &mut Vec<u8>,
        octets_max: usize,
    ) -> bool {
        for (index, entry) in self.kept(listing.next_index) {
            if output.len() >= octets_max {
                listing.next_index = index;
                return false;
            }
            let number = index + 1;
            match listing.column {
                Column::Size => write!(output, "{number} {}\r\n", entry.octets),
                Column::UniqueId => write!(output, "{number} {}\r\n", entry.uidl.as_str()),
            }
            .expect("a Vec takes everything");
        }
        output.extend_from_slice(b".\r\n");
        true
    }

    fn kept(&self, from_index: usize) -> impl Iterator<Item = (usize, &Entry)> {
        let entries = self.entries.iter().zip(&self.is_deleted).enumerate().skip(from_index);
        entries.filter(|(_, (_, deleted))| !**deleted).map(|(index, (entry, _))| (index, entry))
    }
}
