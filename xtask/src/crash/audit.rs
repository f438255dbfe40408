//! What was acknowledged, against what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};

use crate::collect::{Login, collect};
use crate::letter::{Form, Marker, Recognised};
use crate::server::PASSWORD;

/// Markers that a report names; the rest is only counted.
const NAMED_MAX: usize = 5;

/// Everything that was ever acknowledged.
#[derive(Debug)]
pub(super) struct Ledger {
    form: Form,
    acknowledged: BTreeSet<Marker>,
}

/// How the mailboxes differ from the ledger.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Audit {
    /// Acknowledged, but not there.
    lost: Vec<Marker>,
    /// There more than once.
    doubled: Vec<Marker>,
    /// There, but in an account that it was not sent to.
    astray: Vec<Marker>,
    /// Sent only in part, and there nevertheless.
    unfinished: Vec<Marker>,
    /// Messages with octets that nobody sent.
    torn: usize,
    /// All messages that are there.
    present: usize,
}

impl Ledger {
    pub(super) fn new(form: Form) -> Self {
        Self { form, acknowledged: BTreeSet::new() }
    }

    pub(super) fn note_round(&mut self, markers: impl Iterator<Item = Marker>) {
        self.acknowledged.extend(markers);
    }

    /// Reads all accounts.
    pub(super) fn audit(&self, pop3: SocketAddr) -> Result<Audit> {
        let mut audit = Audit::default();
        let mut seen = BTreeMap::new();
        for address in self.form.addresses() {
            let login = Login { server: pop3, address: &address, password: PASSWORD };
            let each = |content: &[u8]| self.note(content, &address, &mut seen, &mut audit);
            collect(login, each).with_context(|| format!("reading {address} by POP3"))?;
        }
        self.compare(&seen, &mut audit);
        Ok(audit)
    }

    fn note(
        &self,
        content: &[u8],
        account: &str,
        seen: &mut BTreeMap<Marker, u32>,
        audit: &mut Audit,
    ) {
        audit.present += 1;
        match self.form.recognise(content) {
            Recognised::Whole(marker) => {
                *seen.entry(marker).or_default() += 1;
                if self.form.recipient(marker) != account {
                    audit.astray.push(marker);
                }
            }
            Recognised::Torn(_) => audit.torn += 1,
        }
    }

    fn compare(&self, seen: &BTreeMap<Marker, u32>, audit: &mut Audit) {
        audit.lost = self.acknowledged.iter().filter(|m| !seen.contains_key(m)).copied().collect();
        audit.doubled = seen.iter().filter(|(_, count)| **count > 1).map(|(m, _)| *m).collect();
        let held = |marker: &&Marker| marker.connection >= super::CONNECTIONS;
        audit.unfinished = seen.keys().filter(held).copied().collect();
    }
}

impl Audit {
    /// An error unless everything is there, once, whole, and where it belongs.
    pub(super) fn judge(&self) -> Result<()> {
        let lists = [&self.lost, &self.doubled, &self.astray, &self.unfinished];
        if self.torn == 0 && lists.iter().all(|list| list.is_empty()) {
            return Ok(());
        }
        let named: Vec<String> = lists
            .into_iter()
            .flat_map(|list| list.iter().take(NAMED_MAX))
            .map(ToString::to_string)
            .collect();
        bail!("{self}: {}", named.join(" "))
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} read: {} lost, {} twice, {} torn, {} astray, {} unfinished",
            self.present,
            self.lost.len(),
            self.doubled.len(),
            self.torn,
            self.astray.len(),
            self.unfinished.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Audit, Ledger};
    use crate::letter::{Form, Marker};

    const FORM: Form = Form { accounts: 4, size_octets: 1000 };

    fn marker(connection: u32, number: u32) -> Marker {
        Marker { round: 1, connection, number }
    }

    /// A ledger with two messages, and what an audit says of these mailboxes.
    fn audit_of(mailboxes: &[(String, Vec<u8>)]) -> Audit {
        let mut ledger = Ledger::new(FORM);
        ledger.note_round([marker(0, 0), marker(0, 1)].into_iter());
        let (mut seen, mut audit) = (BTreeMap::new(), Audit::default());
        for (account, content) in mailboxes {
            ledger.note(content, account, &mut seen, &mut audit);
        }
        ledger.compare(&seen, &mut audit);
        audit
    }

    fn delivered(marker: Marker) -> (String, Vec<u8>) {
        (FORM.recipient(marker), FORM.content(marker))
    }

    #[test]
    fn every_kind_of_difference_is_seen() {
        let (first, second) = (delivered(marker(0, 0)), delivered(marker(0, 1)));
        let unacknowledged = delivered(marker(0, 2));
        let held = delivered(marker(super::super::CONNECTIONS, 0));
        let torn = (first.0.clone(), first.1[..900].to_vec());
        let astray = (second.0.clone(), first.1.clone());
        #[rustfmt::skip]
        let table = [
            // what is there, passes, why
            (vec![first.clone(), second.clone()], true, "everything once"),
            (vec![first.clone(), second.clone(), unacknowledged], true, "the 250 came too late"),
            (vec![first.clone()], false, "one is lost"),
            (vec![first.clone(), first.clone(), second.clone()], false, "one is there twice"),
            (vec![torn, second.clone()], false, "one is torn"),
            (vec![astray, second.clone()], false, "one is in another's mailbox"),
            (vec![first, second, held], false, "one was never finished"),
        ];
        for (mailboxes, passes, why) in table {
            let audit = audit_of(&mailboxes);
            assert_eq!(audit.judge().is_ok(), passes, "{why}: {audit}");
        }
    }
}
