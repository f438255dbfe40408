//! The laws: what the sessions were told is what is there.

use std::collections::{BTreeMap, BTreeSet};

use store::{
    AccountId, Entry, MessageId, RecipientState, Repair, Store, SubmissionId, SubmissionView,
};

use crate::history::{History, Letter, Told, content, prefix};

/// Everything that the store shows.
struct Shown {
    entries: BTreeMap<SubmissionId, Vec<(AccountId, Entry)>>,
    submissions: BTreeMap<SubmissionId, SubmissionView>,
}

impl History {
    /// Checks every law, and learns what became of what nobody was told.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        let shown = self.look()?;
        let ids: Vec<SubmissionId> = self.letters.keys().copied().collect();
        let known: BTreeSet<SubmissionId> = ids.iter().copied().collect();
        if let Some(stranger) = shown.entries.keys().find(|id| !known.contains(id)) {
            return Err(format!("nobody sent letter {stranger}"));
        }
        for id in ids {
            let Some(mut letter) = self.letters.remove(&id) else { continue };
            let judged = self.judge(id, &mut letter, &shown);
            judged.map_err(|broken| format!("letter {id}: {broken}"))?;
            self.letters.insert(id, letter);
        }
        // A notice and what it tells of are one.
        let notices: Vec<_> =
            self.letters.values().filter_map(|l| l.notice_of.map(|of| (of, l.told))).collect();
        for (of, told) in notices {
            let failed = self
                .letters
                .get(&of)
                .is_some_and(|letter| letter.states.contains(&RecipientState::Failed));
            if told == Told::Accepted && !failed {
                return Err(format!("there is a notice of {of}, which did not fail"));
            }
        }
        let store = self.store();
        let report = self.wait(store.verify(Repair::No))?;
        match report.findings.first() {
            None => Ok(()),
            Some(finding) => Err(format!("verification found {finding:?}")),
        }
    }

    fn look(&mut self) -> Result<Shown, String> {
        let store = self.store();
        let mut entries: BTreeMap<SubmissionId, Vec<(AccountId, Entry)>> = BTreeMap::new();
        for (account, mailbox) in self.accounts.clone() {
            let mut last = None;
            for entry in self.wait(store.entries(account, mailbox))? {
                if last.is_some_and(|last| last >= entry.uid) {
                    return Err(format!("UID {:?} is there twice", entry.uid));
                }
                last = Some(entry.uid);
                entries.entry(entry.submission).or_default().push((account, entry));
            }
        }
        let mut submissions = BTreeMap::new();
        for id in self.letters.keys().copied().collect::<Vec<_>>() {
            if let Some(view) = self.wait(store.submission(id))? {
                submissions.insert(id, view);
            }
        }
        Ok(Shown { entries, submissions })
    }

    fn judge(
        &mut self,
        id: SubmissionId,
        letter: &mut Letter,
        shown: &Shown,
    ) -> Result<(), String> {
        let none = Vec::new();
        let entries = shown.entries.get(&id).unwrap_or(&none);
        let view = shown.submissions.get(&id);
        match letter.told {
            Told::Refused if view.is_some() || !entries.is_empty() => {
                return Err("it was refused, and is there".to_owned());
            }
            Told::Refused => return Ok(()),
            Told::Accepted if view.is_none() => {
                return Err("it was acknowledged, and is lost".to_owned());
            }
            Told::Nothing if view.is_none() && !entries.is_empty() => {
                return Err("it has entries, but no submission".to_owned());
            }
            Told::Nothing if view.is_none() => {
                letter.told = Told::Refused; // nobody may find it later
                return Ok(());
            }
            Told::Nothing | Told::Accepted => letter.told = Told::Accepted,
        }
        let Some(view) = view else { return Ok(()) };
        judge_states(letter, view)?;
        self.judge_entries(id, letter, entries)?;
        let message = view.summary.message;
        let open = letter.states.iter().any(|state| state.is_open());
        if (open || !entries.is_empty()) && message.is_none() {
            return Err("its content is gone".to_owned());
        }
        match message {
            Some(message) => self.judge_content(id, letter, message),
            None => Ok(()),
        }
    }

    fn judge_entries(
        &mut self,
        id: SubmissionId,
        letter: &mut Letter,
        entries: &[(AccountId, Entry)],
    ) -> Result<(), String> {
        for account in std::mem::take(&mut letter.maybe_expunged) {
            if !entries.iter().any(|(there, _)| *there == account) {
                letter.entries.remove(&account);
            }
        }
        let there: Vec<_> = entries.iter().map(|(account, _)| *account).collect();
        let expected: Vec<_> = letter.entries.keys().copied().collect();
        if there != expected {
            return Err(format!("it is in {there:?} instead of {expected:?}"));
        }
        for (account, entry) in entries {
            let uid = letter.entries.get(account).copied().flatten();
            if uid.is_some_and(|uid| uid != entry.uid) {
                return Err(format!("its UID was {uid:?} and is {:?}", entry.uid));
            }
            if entry.prefix != prefix(id) {
                return Err("its prefix is another".to_owned());
            }
            letter.entries.insert(*account, Some(entry.uid));
            let used = self.uids_used.entry(*account).or_insert(entry.uid);
            *used = (*used).max(entry.uid);
        }
        Ok(())
    }

    fn judge_content(
        &mut self,
        id: SubmissionId,
        letter: &Letter,
        message: MessageId,
    ) -> Result<(), String> {
        let store = self.store();
        let mut found = Vec::new();
        loop {
            let octets = self.wait(store.read(message, found.len() as u64, 1 << 20))?;
            if octets.is_empty() {
                break;
            }
            found.extend_from_slice(&octets);
        }
        if found == content(id, letter.octets) {
            return Ok(());
        }
        Err(format!("its content is damaged: {} of {} octets", found.len(), letter.octets))
    }
}

fn judge_states(letter: &mut Letter, view: &SubmissionView) -> Result<(), String> {
    let states: Vec<RecipientState> =
        view.summary.recipients.iter().map(|recipient| recipient.state).collect();
    let maybe = letter.maybe_states.take();
    if states != letter.states && Some(&states) != maybe.as_ref() {
        return Err(format!("it stands at {states:?} instead of {:?}", letter.states));
    }
    letter.states = states;
    Ok(())
}
