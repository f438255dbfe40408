//! An engine with one fault: everything else is passed on to a good one.

use std::sync::Arc;

use bytes::Bytes;
use envelope::{Address, Domain, Priority};
use store::{
    Accept, Accepted, Account, AccountId, AccountState, AccountUse, Alias, AliasKey, Announcement,
    Change, Changes, Content, Counters, Credential, DomainRelay, DomainRow, Due, Entry, Finding,
    Finish, FlagChange, Flags, HoldRule, HoldRuleId, LocalDelivery, Mailbox, MailboxId, MessageId,
    Modseq, NewAccount, NewEvent, NewFate, NewHoldRule, NewMailbox, Note, Orders, Pending,
    QueueFilter, Refused, Repair, Search, Seen, Spool, Steer, SteerAction, Store, StoreError,
    SubmissionId, SubmissionKey, SubmissionView, Summary, Suppression, Tell, Uid, UnixMillis,
    UntoldDue, VerifyReport,
};
use tokio::sync::broadcast;

macro_rules! faults {
    ($($(#[$what:meta])* $fault:ident => $law:literal,)*) => {
        /// What is wrong with the engine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($(#[$what])* $fault,)*
        }

        impl Fault {
            pub(crate) const ALL: &[Self] = &[$(Self::$fault),*];

            /// The law that has to notice it.
            pub(crate) fn breaks(self) -> &'static str {
                match self {
                    $(Self::$fault => $law,)*
                }
            }
        }
    };
}

faults! {
    /// Takes the recipients that it can.
    AcceptsInPart => "accept_is_all_or_nothing",
    /// Gives another id to the second message of an id.
    RenamesIds => "ids_are_used_once",
    /// One bit flips behind the first octets.
    FlipsABit => "content_comes_back",
    /// One octet of a later chunk is lost.
    LosesAnOctet => "spooled_content_comes_back",
    /// Each account has a message of its own.
    CopiesContent => "content_is_shared",
    /// What is gone can still be read.
    KeepsContent => "content_goes_with_its_last_reference",
    /// Each recipient has an entry of its own.
    DeliversTwice => "one_entry_for_each_account",
    /// UIDs are places in the list.
    RenumbersUids => "uids_are_never_used_twice",
    /// One entry stays when several are removed.
    ForgetsAnExpunge => "expunge_removes",
    /// Keywords are not kept.
    LosesKeywords => "flags_are_kept",
    /// One too many.
    Miscounts => "counts_are_what_is_there",
    /// The MODSEQ of a flag stays behind.
    StandsStill => "modseq_grows",
    /// Removals are not told.
    HidesRemovals => "changes_are_complete_and_ordered",
    /// Anybody may look into any mailbox.
    ShowsOthers => "accounts_do_not_see_each_other",
    /// Nobody hears of anything.
    StaysSilent => "news_follows_commits",
    /// Says that it did what cannot be done.
    IgnoresStates => "finish_keeps_to_the_states",
    /// ORCPT is not kept.
    LosesOriginals => "submissions_come_back_whole",
    /// Leases end at once.
    LeasesToAll => "due_recipients_are_leased",
    /// Does not know what is urgent.
    KnowsNoUrgency => "urgent_recipients_are_leased_first",
    /// Lets an operator try what its sender wants kept back.
    ReleasesEarly => "nothing_is_due_before_its_release",
    /// The oldest come first, whoever sends them.
    LeasesOldestFirst => "leases_are_shared_fairly",
    /// Takes no lease back.
    KeepsLeases => "leases_can_be_given_back",
    /// Wakes the queue too late.
    WakesLate => "next_due_is_the_earliest",
    /// Says that it holds, and does not.
    HoldsNothing => "operators_can_steer",
    /// Lets what was held go on when an attempt ends.
    ForgetsHolds => "holding_outlives_an_attempt",
    /// Notices of a finish come in a commit of their own.
    NotifiesLater => "finish_brings_its_notices",
    /// Notices of an accept come in a commit of their own.
    AcceptsNoticesLater => "accepts_bring_their_notices",
    /// The newest event is the first.
    TurnsEventsAround => "events_are_kept_in_order",
    /// The oldest submission is found first.
    FindsOldestFirst => "submissions_are_found",
    /// The queue shows what is settled, too.
    ListsSettled => "queue_lists_what_is_open",
    /// Asked for what is due late, lists all that waits.
    ListsSoonAsLate => "queue_lists_what_is_open",
    /// Finds what somebody else sent.
    SearchesForAll => "searches_find_what_matches",
    /// Forgets the young as well.
    ForgetsEarly => "settled_is_forgotten_when_old",
    /// Verification cries wolf.
    CriesWolf => "verify_finds_nothing",
    /// Quotas are not kept.
    DropsQuotas => "quota_holds",
    /// The first quota stays.
    KeepsQuotas => "quota_holds",
    /// Accounts stay.
    KeepsAccounts => "removed_accounts_take_their_mail",
    /// Says that it made an account when it did not.
    InventsAccounts => "directory_refuses_what_is_wrong",
    /// Takes every domain for its own.
    DeliversOthers => "directory_refuses_what_is_wrong",
    /// A disabled account is as before.
    DisablesNobody => "directory_refuses_what_is_wrong",
    /// Hold rules are gone when one looks again.
    ForgetsRules => "hold_rules_stand",
    /// What should be held goes on.
    QueuesTheHeld => "new_mail_can_be_held",
    /// Knows suppressed addresses only as they were written.
    KnowsOneCase => "suppressed_addresses_are_known",
    /// Counts nothing.
    CountsNothing => "refusals_are_counted",
    /// What should be told later is lost.
    LosesNews => "news_waits_to_be_told",
    /// Tells what was told before.
    TellsTwice => "news_waits_to_be_told",
    /// Nobody hears of what was taken back.
    CancelsQuietly => "cancelling_can_be_told",
    /// Mail goes where it always goes.
    KeepsRoutes => "routes_can_be_changed",
    /// What was said is never forgotten.
    KeepsTranscripts => "transcripts_are_forgotten",
    /// Notes stay.
    KeepsNotes => "notes_are_kept",
    /// Who was seen once is known for ever.
    ForgetsNobody => "clients_are_remembered",
}

/// An engine with one fault.
#[derive(Debug)]
pub(crate) struct Broken<S> {
    inner: Arc<S>,
    fault: Fault,
}

impl<S: Store> Broken<S> {
    pub(crate) fn new(inner: Arc<S>, fault: Fault) -> Self {
        Self { inner, fault }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

/// A copy with other recipients, of content in memory.
fn copy_of(accept: &Accept, id: SubmissionId, recipients: usize) -> Accept {
    let content = match &accept.content {
        Content::Memory(octets) => Content::Memory(octets.clone()),
        Content::File(_) => Content::Memory(Bytes::new()),
    };
    Accept {
        id,
        at: accept.at,
        origin: accept.origin.clone(),
        reverse_path: accept.reverse_path.clone(),
        ret: accept.ret,
        envelope_id: accept.envelope_id.clone(),
        body: accept.body,
        terms: accept.terms.clone(),
        message_id: accept.message_id.clone(),
        content,
        recipients: accept.recipients.iter().take(recipients).cloned().collect(),
        copies: accept.copies.clone(),
        events: accept.events.clone(),
        notes: accept.notes.clone(),
        notices: Vec::new(),
    }
}

/// Recipients' deliveries once more, as copies.
fn deliveries_of(accept: &Accept) -> Vec<LocalDelivery> {
    let delivery = |fate: &NewFate| match fate {
        NewFate::Deliver(delivery) => Some(delivery.clone()),
        NewFate::Queue { .. } | NewFate::Hold => None,
    };
    accept.recipients.iter().skip(1).filter_map(|new| delivery(&new.fate)).collect()
}

/// Loses the last octet of every chunk but the first.
#[derive(Debug)]
struct LossySpool(Box<dyn Spool>);

impl Spool for LossySpool {
    fn write(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        let kept = if self.0.octets() > 0 { octets.len() - 1 } else { octets.len() };
        self.0.write(octets.get(..kept).unwrap_or_default())
    }

    fn octets(&self) -> u64 {
        self.0.octets()
    }

    fn seal(self: Box<Self>) -> Result<Content, StoreError> {
        self.0.seal()
    }
}

impl<S: Store> Orders for Broken<S> {
    fn hold_rules(&self) -> Pending<'_, Vec<HoldRule>> {
        if self.has(Fault::ForgetsRules) {
            return Box::pin(async { Ok(Vec::new()) });
        }
        self.inner.hold_rules()
    }

    fn add_hold_rule(&self, rule: NewHoldRule) -> Pending<'_, HoldRuleId> {
        self.inner.add_hold_rule(rule)
    }

    fn remove_hold_rule(&self, id: HoldRuleId) -> Pending<'_, ()> {
        self.inner.remove_hold_rule(id)
    }

    fn suppress(&self, suppression: Suppression) -> Pending<'_, ()> {
        self.inner.suppress(suppression)
    }

    fn unsuppress(&self, address: Address) -> Pending<'_, ()> {
        self.inner.unsuppress(address)
    }

    fn suppressed(&self, mut addresses: Vec<Address>) -> Pending<'_, Vec<Suppression>> {
        if self.has(Fault::KnowsOneCase) {
            addresses.retain(|address| *address == address.folded());
        }
        self.inner.suppressed(addresses)
    }

    fn suppressions(&self, after: Option<Address>, limit: u32) -> Pending<'_, Vec<Suppression>> {
        self.inner.suppressions(after, limit)
    }

    fn count_refusals(
        &self,
        mut addresses: Vec<Address>,
        at: UnixMillis,
    ) -> Pending<'_, Vec<Refused>> {
        if self.has(Fault::CountsNothing) {
            addresses.clear();
        }
        self.inner.count_refusals(addresses, at)
    }

    fn refused(
        &self,
        times_min: u32,
        after: Option<Address>,
        limit: u32,
    ) -> Pending<'_, Vec<Refused>> {
        self.inner.refused(times_min, after, limit)
    }
}

impl<S: Store> Store for Broken<S> {
    fn spool(&self) -> Result<Box<dyn Spool>, StoreError> {
        let spool = self.inner.spool()?;
        Ok(if self.has(Fault::LosesAnOctet) { Box::new(LossySpool(spool)) } else { spool })
    }

    fn announce(&self) -> Announcement {
        self.inner.announce()
    }

    fn accept(&self, mut accept: Accept) -> Pending<'_, Accepted> {
        if self.has(Fault::QueuesTheHeld) {
            let due = accept.at;
            let held = accept.recipients.iter_mut().map(|new| &mut new.fate);
            held.filter(|fate| matches!(fate, NewFate::Hold))
                .for_each(|fate| *fate = NewFate::Queue { due });
        }
        if self.has(Fault::DeliversTwice) {
            let twice = deliveries_of(&accept);
            accept.copies.extend(twice);
        }
        if self.has(Fault::KnowsNoUrgency) {
            accept.terms.priority = Priority::NORMAL;
        }
        if self.has(Fault::ReleasesEarly) {
            accept.terms.release = None;
        }
        let notices = if self.has(Fault::AcceptsNoticesLater) {
            std::mem::take(&mut accept.notices)
        } else {
            Vec::new()
        };
        let in_part = copy_of(&accept, accept.id, 1);
        let other_id = SubmissionId::from_octets((u128::MAX / 77).to_be_bytes());
        let renamed = copy_of(&accept, other_id, usize::MAX);
        Box::pin(async move {
            let accepted = match self.inner.accept(accept).await {
                Err(StoreError::NotFound { what }) if self.has(Fault::AcceptsInPart) => {
                    self.inner.accept(in_part).await?;
                    Err(StoreError::NotFound { what })
                }
                Err(StoreError::Exists { .. }) if self.has(Fault::RenamesIds) => {
                    self.inner.accept(renamed).await
                }
                result => result,
            };
            for notice in notices {
                self.inner.accept(notice).await?;
            }
            accepted
        })
    }

    fn finish(&self, mut finish: Finish) -> Pending<'_, ()> {
        if self.has(Fault::LosesNews) {
            finish.untold.clear();
        }
        let apart = self.has(Fault::NotifiesLater);
        let notices = if apart { std::mem::take(&mut finish.notices) } else { Vec::new() };
        let (submission, at) = (finish.submission, finish.at);
        Box::pin(async move {
            match self.inner.finish(finish).await {
                Err(StoreError::Refused { .. }) if self.has(Fault::IgnoresStates) => {}
                result => result?,
            }
            if self.has(Fault::ForgetsHolds) {
                let action = SteerAction::Release;
                self.inner.steer(Steer { submission, recipient: None, action, at }).await?;
            }
            for notice in notices {
                self.inner.accept(notice).await?;
            }
            Ok(())
        })
    }

    fn record(&self, submission: SubmissionId, events: Vec<NewEvent>) -> Pending<'_, ()> {
        self.inner.record(submission, events)
    }

    fn lease_due(&self, now: UnixMillis, until: UnixMillis, limit: u32) -> Pending<'_, Vec<Due>> {
        let until = if self.has(Fault::LeasesToAll) { now } else { until };
        if self.has(Fault::LeasesOldestFirst) {
            return Box::pin(async move {
                let mut due = self.inner.lease_due(now, until, u32::MAX).await?;
                due.sort_by_key(|due| due.summary.id);
                let kept = due.len().min(usize::try_from(limit).expect("few"));
                for Due { summary, due } in due.drain(kept..) {
                    self.inner.release(summary.id, due).await?;
                }
                Ok(due)
            });
        }
        self.inner.lease_due(now, until, limit)
    }

    fn release(&self, submission: SubmissionId, recipients: Vec<u32>) -> Pending<'_, ()> {
        if self.has(Fault::KeepsLeases) {
            return Box::pin(async { Ok(()) });
        }
        self.inner.release(submission, recipients)
    }

    fn next_due(&self) -> Pending<'_, Option<UnixMillis>> {
        let late = i64::from(self.has(Fault::WakesLate));
        let next = self.inner.next_due();
        Box::pin(async move { Ok(next.await?.map(|due| UnixMillis(due.0 + late))) })
    }

    fn untold(&self, now: UnixMillis, limit: u32) -> Pending<'_, UntoldDue> {
        self.inner.untold(now, limit)
    }

    fn tell(&self, mut tell: Tell) -> Pending<'_, ()> {
        if self.has(Fault::TellsTwice) && tell.recipients.len() > 1 {
            tell.recipients.truncate(1);
        }
        self.inner.tell(tell)
    }

    fn steer(&self, mut steer: Steer) -> Pending<'_, Vec<u32>> {
        match &steer.action {
            SteerAction::CancelAndTell if self.has(Fault::CancelsQuietly) => {
                steer.action = SteerAction::Cancel;
            }
            SteerAction::Route(_) if self.has(Fault::KeepsRoutes) => {
                steer.action = SteerAction::Retry;
            }
            _ => {}
        }
        if self.has(Fault::HoldsNothing) && steer.action == SteerAction::Hold {
            return Box::pin(async { Ok(vec![1, 2, 3]) });
        }
        self.inner.steer(steer)
    }

    fn queue(&self, mut filter: QueueFilter) -> Pending<'_, Vec<Summary>> {
        filter.settled |= self.has(Fault::ListsSettled);
        filter.due_after = filter.due_after.filter(|_| !self.has(Fault::ListsSoonAsLate));
        self.inner.queue(filter)
    }

    fn search(&self, mut search: Search) -> Pending<'_, Vec<Summary>> {
        if self.has(Fault::SearchesForAll) {
            search.login = None;
        }
        self.inner.search(search)
    }

    fn submission(&self, id: SubmissionId) -> Pending<'_, Option<SubmissionView>> {
        let found = self.inner.submission(id);
        Box::pin(async move {
            let mut found = found.await?;
            if let Some(view) = &mut found {
                if self.has(Fault::LosesOriginals) {
                    view.summary.recipients.iter_mut().for_each(|r| r.recipient.original = None);
                }
                if self.has(Fault::TurnsEventsAround) {
                    view.events.reverse();
                }
            }
            Ok(found)
        })
    }

    fn find_submissions(&self, key: SubmissionKey) -> Pending<'_, Vec<SubmissionId>> {
        let found = self.inner.find_submissions(key);
        Box::pin(async move {
            let mut found = found.await?;
            if self.has(Fault::FindsOldestFirst) {
                found.reverse();
            }
            Ok(found)
        })
    }

    fn forget_settled(&self, before: UnixMillis) -> Pending<'_, u64> {
        let early = self.has(Fault::ForgetsEarly);
        self.inner.forget_settled(if early { UnixMillis(i64::MAX) } else { before })
    }

    fn forget_transcripts(
        &self,
        before: UnixMillis,
        after: Option<SubmissionId>,
    ) -> Pending<'_, Option<SubmissionId>> {
        if self.has(Fault::KeepsTranscripts) {
            return Box::pin(async { Ok(None) });
        }
        self.inner.forget_transcripts(before, after)
    }

    fn mailboxes(&self, account: AccountId) -> Pending<'_, Vec<Mailbox>> {
        let found = self.inner.mailboxes(account);
        let more = u64::from(self.has(Fault::Miscounts));
        Box::pin(async move {
            let mut found = found.await?;
            found.iter_mut().for_each(|mailbox| mailbox.messages += more);
            Ok(found)
        })
    }

    fn create_mailbox(&self, account: AccountId, mailbox: NewMailbox) -> Pending<'_, Mailbox> {
        self.inner.create_mailbox(account, mailbox)
    }

    fn entries(&self, account: AccountId, mailbox: MailboxId) -> Pending<'_, Vec<Entry>> {
        let found = self.inner.entries(account, mailbox);
        Box::pin(async move {
            let mut found = match found.await {
                Err(StoreError::NotFound { .. }) if self.has(Fault::ShowsOthers) => Vec::new(),
                found => found?,
            };
            for (place, entry) in (1..).zip(&mut found) {
                if self.has(Fault::CopiesContent) {
                    entry.message = MessageId(entry.message.0 * 1000 + account.0);
                }
                if self.has(Fault::RenumbersUids) {
                    entry.uid = Uid::new(place).unwrap_or(Uid::FIRST);
                }
            }
            Ok(found)
        })
    }

    fn entry(&self, a: AccountId, mailbox: MailboxId, uid: Uid) -> Pending<'_, Option<Entry>> {
        self.inner.entry(a, mailbox, uid)
    }

    fn read(&self, message: MessageId, offset: u64, octets_max: usize) -> Pending<'_, Bytes> {
        let found = self.inner.read(message, offset, octets_max);
        Box::pin(async move {
            let mut octets = match found.await {
                Err(StoreError::NotFound { .. }) if self.has(Fault::KeepsContent) => Bytes::new(),
                found => found?.to_vec().into(),
            };
            if self.has(Fault::FlipsABit) && offset > 0 {
                let mut flipped = octets.to_vec();
                flipped.iter_mut().take(1).for_each(|octet| *octet ^= 1);
                octets = flipped.into();
            }
            Ok(octets)
        })
    }

    fn set_flags(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
        change: FlagChange,
    ) -> Pending<'_, Modseq> {
        let plain = |flags: Flags| Flags::from_bits(flags.bits(), std::iter::empty().collect());
        let change = match change {
            change if !self.has(Fault::LosesKeywords) => change,
            FlagChange::Add(flags) => FlagChange::Add(plain(flags)),
            FlagChange::Remove(flags) => FlagChange::Remove(plain(flags)),
            FlagChange::Replace(flags) => FlagChange::Replace(plain(flags)),
        };
        let changed = self.inner.set_flags(account, mailbox, uids, change);
        let stands = self.has(Fault::StandsStill);
        Box::pin(async move { Ok(if stands { Modseq(1) } else { changed.await? }) })
    }

    fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        mut uids: Vec<Uid>,
    ) -> Pending<'_, Modseq> {
        if self.has(Fault::ForgetsAnExpunge) {
            uids.retain(|uid| uid.get() != 4);
        }
        self.inner.expunge(account, mailbox, uids)
    }

    fn changes(&self, account: AccountId, since: Modseq) -> Pending<'_, Changes> {
        let found = self.inner.changes(account, since);
        Box::pin(async move {
            let mut found = found.await?;
            if self.has(Fault::HidesRemovals) {
                found.expunged.clear();
            }
            Ok(found)
        })
    }

    fn domains(&self) -> Pending<'_, Vec<DomainRow>> {
        self.inner.domains()
    }

    fn add_domain(&self, domain: Domain, at: UnixMillis) -> Pending<'_, ()> {
        self.inner.add_domain(domain, at)
    }

    fn relay_domain(&self, domain: Domain, relay: DomainRelay, at: UnixMillis) -> Pending<'_, ()> {
        match self.has(Fault::DeliversOthers) {
            true => self.inner.add_domain(domain, at),
            false => self.inner.relay_domain(domain, relay, at),
        }
    }

    fn remove_domain(&self, domain: Domain) -> Pending<'_, ()> {
        self.inner.remove_domain(domain)
    }

    fn accounts(&self) -> Pending<'_, Vec<Account>> {
        self.inner.accounts()
    }

    fn account_use(&self, account: AccountId) -> Pending<'_, AccountUse> {
        self.inner.account_use(account)
    }

    fn add_account(&self, mut account: NewAccount) -> Pending<'_, AccountId> {
        if self.has(Fault::DropsQuotas) {
            account.quota_octets = None;
        }
        let made = self.inner.add_account(account);
        Box::pin(async move {
            match made.await {
                Err(_) if self.has(Fault::InventsAccounts) => Ok(AccountId(0)),
                made => made,
            }
        })
    }

    fn set_account_state(&self, account: AccountId, state: AccountState) -> Pending<'_, ()> {
        let active = self.has(Fault::DisablesNobody);
        let state = if active { AccountState::Active } else { state };
        self.inner.set_account_state(account, state)
    }

    fn set_credential(&self, account: AccountId, credential: Credential) -> Pending<'_, ()> {
        self.inner.set_credential(account, credential)
    }

    fn set_quota(&self, account: AccountId, quota_octets: Option<u64>) -> Pending<'_, ()> {
        match self.has(Fault::KeepsQuotas) {
            true => Box::pin(std::future::ready(Ok(()))),
            false => self.inner.set_quota(account, quota_octets),
        }
    }

    fn remove_account(&self, account: AccountId) -> Pending<'_, ()> {
        if self.has(Fault::KeepsAccounts) {
            return Box::pin(async { Ok(()) });
        }
        self.inner.remove_account(account)
    }

    fn aliases(&self) -> Pending<'_, Vec<Alias>> {
        self.inner.aliases()
    }

    fn set_alias(&self, alias: Alias) -> Pending<'_, ()> {
        self.inner.set_alias(alias)
    }

    fn remove_alias(&self, alias: AliasKey) -> Pending<'_, ()> {
        self.inner.remove_alias(alias)
    }

    fn notes(&self, account: AccountId, prefix: &str) -> Pending<'_, Vec<Note>> {
        self.inner.notes(account, prefix)
    }

    fn set_notes(&self, mut notes: Vec<Note>) -> Pending<'_, ()> {
        if self.has(Fault::KeepsNotes) {
            notes.retain(|note| note.value.is_some());
        }
        self.inner.set_notes(notes)
    }

    fn seen(&self, keys: Vec<String>, now: UnixMillis) -> Pending<'_, Vec<Seen>> {
        let now = if self.has(Fault::ForgetsNobody) { UnixMillis(0) } else { now };
        self.inner.seen(keys, now)
    }

    fn see(&self, seen: Seen, now: UnixMillis) -> Pending<'_, ()> {
        self.inner.see(seen, now)
    }

    fn subscribe(&self) -> broadcast::Receiver<Change> {
        match self.fault {
            Fault::StaysSilent => broadcast::Sender::new(1).subscribe(),
            _ => self.inner.subscribe(),
        }
    }

    fn verify(&self, repair: Repair) -> Pending<'_, VerifyReport> {
        let found = self.inner.verify(repair);
        Box::pin(async move {
            let mut report = found.await?;
            if self.has(Fault::CriesWolf) {
                let wolf = || "wolf".to_owned();
                let (rule, place, found) = (wolf(), wolf(), wolf());
                report.findings.push(Finding { rule, place, found, repaired: false });
            }
            Ok(report)
        })
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}
