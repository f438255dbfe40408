//! The laws: what must be true of peers, authors and the store when all is over.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use platform::Timestamp;
use store::{
    Happening, RecipientState, RecipientView, Repair, Store, SubmissionKey, SubmissionView,
};

use crate::author::Told;
use crate::peer::{Copy, GREYLISTED, Peer};
use crate::plan::{Destination, Fate, Kind, Letter};
use crate::world::{ATTEMPTS_OF_DOMAIN_MAX, BEGAN, World, queue_config};

/// What takes a moment: connections, DNS, a commit; and a turn that was waited for.
const MOMENT: Duration = Duration::from_secs(15 * 60);
/// A copy that a peer took so shortly before the crash may come again: our store did not hear of
/// its 250.
const BEFORE_CRASH: Duration = Duration::from_secs(2 * 60 * 60);

/// What a notice told of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Noticed {
    action: String,
    status: String,
}

/// By token and recipient.
type Notices = BTreeMap<(String, String), Vec<Noticed>>;

impl World {
    /// What is wrong already while it goes on: schedules and concurrency.
    pub(crate) fn first_broken_at_peers(&self) -> Result<(), String> {
        let letters = self.letters();
        let taken = letters.iter().filter_map(|(letter, told)| match told {
            Told::Taken(at) => Some((letter.token.as_str(), *at)),
            _ => None,
        });
        let taken: BTreeMap<_, _> = taken.collect();
        for peer in &self.peers {
            let seen = peer.seen();
            let domain = &peer.destination.domain;
            if seen.transactions_most > ATTEMPTS_OF_DOMAIN_MAX {
                let most = seen.transactions_most;
                return Err(format!("{domain} had {most} transactions at a time"));
            }
            for ((token, recipient), asked) in &seen.asked {
                let Some(taken) = taken.get(token.as_str()) else { continue };
                schedule(peer, *taken, asked).map_err(|broken| {
                    format!("{token} to {recipient} at {:?}: {broken}", peer.destination.kind)
                })?;
            }
        }
        Ok(())
    }

    pub(crate) async fn check(&mut self) -> Result<(), String> {
        self.first_broken_at_peers()?;
        let notices = self.notices().await?;
        for (letter, told) in self.letters() {
            let view = self.submission(&letter.token).await?;
            let judged = self.judge(&letter, told, view.as_ref(), &notices);
            judged.map_err(|broken| {
                format!("{}: {broken}\n{}", letter.token, self.story(&letter, told, view.as_ref()))
            })?;
        }
        let store = self.store();
        let report = self.wait(store.verify(Repair::No)).await.map_err(|e| e.to_string())?;
        match report.findings.first() {
            None => Ok(()),
            Some(finding) => Err(format!("verification found {finding:?}")),
        }
    }

    async fn submission(&mut self, token: &str) -> Result<Option<SubmissionView>, String> {
        let store = self.store();
        let key = SubmissionKey::EnvelopeId(token.to_owned());
        let found = self.wait(store.find_submissions(key)).await.map_err(|e| e.to_string())?;
        match found.as_slice() {
            [] => Ok(None),
            [one] => self.wait(store.submission(*one)).await.map_err(|e| e.to_string()),
            more => Err(format!("{token} is there {} times", more.len())),
        }
    }

    /// Reads the author's INBOX.
    async fn notices(&mut self) -> Result<Notices, String> {
        let store = self.store();
        let words = |error: store::StoreError| error.to_string();
        let accounts = self.wait(store.accounts()).await.map_err(words)?;
        let account = accounts.first().ok_or("no account")?.id;
        let mailboxes = self.wait(store.mailboxes(account)).await.map_err(words)?;
        let inbox = mailboxes.first().ok_or("no INBOX")?.id;
        let mut notices = Notices::new();
        for entry in self.wait(store.entries(account, inbox)).await.map_err(words)? {
            let mut text = String::new();
            loop {
                let piece = self.wait(store.read(entry.message, text.len() as u64, 1 << 20)).await;
                let piece = piece.map_err(words)?;
                if piece.is_empty() {
                    break;
                }
                text.push_str(&String::from_utf8_lossy(&piece));
            }
            read_notice(&text, &mut notices).map_err(|broken| format!("{broken} in:\n{text}"))?;
        }
        Ok(notices)
    }

    fn judge(
        &self,
        letter: &Letter,
        told: Told,
        view: Option<&SubmissionView>,
        notices: &Notices,
    ) -> Result<(), String> {
        let Some(view) = view else {
            let got =
                letter.to.iter().any(|(to, at)| !self.copies(&letter.token, to, at).is_empty());
            return match told {
                Told::Taken(_) => Err("it was acknowledged, and the store has not got it".into()),
                _ if got => Err("a peer got what the store never had".into()),
                _ => Ok(()),
            };
        };
        if told == Told::Refused {
            return Err("it was refused, and the store has it".to_owned());
        }
        for (at, event) in (0..).zip(&view.events) {
            if event.number != at {
                return Err(format!("event {at} is missing"));
            }
        }
        for (recipient, destination) in &letter.to {
            let of = view.summary.recipients.iter();
            let mut of = of.filter(|view| view.recipient.address.to_string() == *recipient);
            let of = of.next().ok_or_else(|| format!("{recipient} is missing"))?;
            let judged = self.recipient(letter, view, of, destination, notices);
            judged.map_err(|broken| format!("{recipient} ({:?}): {broken}", destination.kind))?;
        }
        Ok(())
    }

    fn copies(&self, token: &str, recipient: &str, destination: &Destination) -> Vec<Copy> {
        let peer = self.peers.iter().find(|peer| peer.destination.domain == destination.domain);
        let key = (token.to_owned(), recipient.to_owned());
        peer.and_then(|peer| peer.seen().copies.get(&key).cloned()).unwrap_or_default()
    }

    fn recipient(
        &self,
        letter: &Letter,
        view: &SubmissionView,
        of: &RecipientView,
        destination: &Destination,
        notices: &Notices,
    ) -> Result<(), String> {
        let recipient = of.recipient.address.to_string();
        let copies = self.copies(&letter.token, &recipient, destination);
        if copies.iter().any(|copy| copy.body != letter.body) {
            return Err("what arrived is not what was sent".to_owned());
        }
        let key = (letter.token.clone(), recipient.clone());
        let told = notices.get(&key).cloned().unwrap_or_default();
        let of_action = |action| told.iter().filter(move |noticed| noticed.action == action);
        if of_action("delayed").count() > 1 {
            return Err("told of the delay more than once".to_owned());
        }
        let failed: Vec<_> = of_action("failed").collect();
        if letter.never && !told.is_empty() {
            return Err("NOTIFY=NEVER, and a notice".to_owned());
        }
        match destination.kind.fate(&recipient) {
            Fate::Delivered => {
                self.delivered(&copies, destination.kind)?;
                if !failed.is_empty() {
                    return Err(format!("delivered, and the author was told {failed:?}"));
                }
                self.soon(view, &copies, destination.kind)?;
                ends_with(view, of, RecipientState::Accepted)
            }
            Fate::Failed(status) => {
                if !copies.is_empty() {
                    return Err("it failed, and the peer has it".to_owned());
                }
                match failed.as_slice() {
                    [] if letter.never => {}
                    [noticed] if noticed.status == status => {}
                    other => return Err(format!("wanted one notice of {status}, not {other:?}")),
                }
                ends_with(view, of, RecipientState::Failed)
            }
        }
    }

    /// Once; once more for each time that our side could not know.
    fn delivered(&self, copies: &[Copy], kind: Kind) -> Result<(), String> {
        let unknown = |copy: &&Copy| {
            let crashed = self.crashed_at.is_some_and(|crash| {
                copy.at <= crash && crash.saturating_sub(copy.at) < BEFORE_CRASH
            });
            copy.reply_lost || crashed || (kind != Kind::LosesReply && kind.may_lose_replies())
        };
        let excused = copies.iter().filter(unknown).count();
        match copies.len() {
            0 => Err("nobody got it, and nobody was told".to_owned()),
            more if more > excused.saturating_add(1) => {
                Err(format!("the peer has it {more} times, of which {excused} without a reply"))
            }
            _ => Ok(()),
        }
    }

    /// Who does nothing wrong is served soon.
    fn soon(&self, view: &SubmissionView, copies: &[Copy], kind: Kind) -> Result<(), String> {
        let limit = match kind {
            Kind::Good | Kind::BreaksTls | Kind::SecondHost | Kind::Choosy => MOMENT,
            Kind::Greylists => GREYLISTED + MOMENT,
            _ => return Ok(()),
        };
        let accepted_at = Timestamp(view.summary.accepted_at.0).since(BEGAN);
        let crashed = self.crashed_at.is_some_and(|crash| accepted_at.abs_diff(crash) < limit);
        match copies.first() {
            Some(first) if first.at > accepted_at + limit && !crashed => {
                Err(format!("it took {:?}", first.at.saturating_sub(accepted_at)))
            }
            _ => Ok(()),
        }
    }

    /// What happened to a letter, for whoever looks for the bug.
    fn story(&self, letter: &Letter, told: Told, view: Option<&SubmissionView>) -> String {
        let mut story = format!("the author was told {told:?}; crash at {:?}\n", self.crashed_at);
        for (recipient, destination) in &letter.to {
            let copies = self.copies(&letter.token, recipient, destination);
            let times: Vec<_> = copies.iter().map(|copy| (copy.at, copy.reply_lost)).collect();
            // Writing to a String does not fail.
            let _ = writeln!(story, "  {recipient} {:?}: copies {times:?}", destination.kind);
        }
        for event in view.iter().flat_map(|view| &view.events) {
            let (at, who) = (Timestamp(event.event.at.0), event.event.recipient);
            let at = at.since(BEGAN);
            let (what, why) = (&event.event.happening, &event.event.reason);
            let _ = writeln!(story, "  {at:?} {who:?} {what:?} {why}");
        }
        story
    }
}

/// No recipient is asked for again before its time. The peer may have missed attempts, which
/// make pauses longer, never shorter.
fn schedule(peer: &Peer, taken: Duration, asked: &[Duration]) -> Result<(), String> {
    if peer.destination.kind == Kind::FewRecipients {
        return Ok(()); // RFC 5321 §4.5.3.1.10: the others follow at once
    }
    let config = queue_config();
    let limits = [config.expire, config.delay_notice].map(|limit| taken + limit);
    for (attempt, pair) in (1..).zip(asked.windows(2)) {
        let [before, after] = *pair else { continue };
        let wanted = mta::queue::pause_before_retry(&config, attempt);
        // One more try falls on the time of a delay notice and on the last moment.
        let at_limit = limits.iter().any(|limit| after.abs_diff(*limit) < MOMENT);
        let pause = after.saturating_sub(before);
        if !at_limit && pause < wanted {
            return Err(format!("tried again after {pause:?} instead of {wanted:?}"));
        }
    }
    Ok(())
}

/// The last event tells of the state, once; and there is one for every attempt that was put off.
fn ends_with(
    view: &SubmissionView,
    of: &RecipientView,
    wanted: RecipientState,
) -> Result<(), String> {
    if of.state != wanted {
        return Err(format!("the store says {:?}", of.state));
    }
    let events = view.events.iter().filter(|event| event.event.recipient == Some(of.number));
    let count = |is: fn(&Happening) -> bool| {
        events.clone().filter(|event| is(&event.event.happening)).count()
    };
    let ends = match wanted {
        RecipientState::Accepted => count(|what| matches!(what, Happening::Accepted { .. })),
        _ => count(|what| matches!(what, Happening::Failed { .. })),
    };
    if ends != 1 {
        return Err(format!("{ends} events tell of its end"));
    }
    let put_off = count(|what| matches!(what, Happening::Deferred { .. }));
    if put_off.saturating_add(1) < usize::try_from(of.attempts).unwrap_or(usize::MAX) {
        return Err(format!("{} attempts, and {put_off} events of delay", of.attempts));
    }
    let noticed = count(|what| matches!(what, Happening::Noticed { .. } | Happening::NotNoticed));
    if wanted == RecipientState::Failed && noticed == 0 {
        return Err("no event tells whether its sender was told".to_owned());
    }
    Ok(())
}

/// The fields of RFC 3464 that a notice has for each recipient.
fn read_notice(text: &str, notices: &mut Notices) -> Result<(), String> {
    let field = |line: &str, name: &str| {
        let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
        value.map(|value| value.trim().to_owned())
    };
    let mut token = None;
    let mut recipient = None;
    let mut action = None;
    for line in text.lines() {
        if let Some(value) = field(line, "Original-Envelope-Id") {
            token = Some(value);
        } else if let Some(value) = field(line, "Final-Recipient") {
            recipient = value.strip_prefix("rfc822; ").map(str::to_owned);
            action = None;
        } else if let Some(value) = field(line, "Action") {
            action = Some(value);
        } else if let Some(status) = field(line, "Status") {
            let (Some(token), Some(recipient), Some(action)) =
                (token.clone(), recipient.take(), action.take())
            else {
                return Err("a notice without envelope id, recipient or action".to_owned());
            };
            notices.entry((token, recipient)).or_default().push(Noticed { action, status });
        }
    }
    match token {
        Some(_) => Ok(()),
        None => Err("the author got something that is no notice".to_owned()),
    }
}
