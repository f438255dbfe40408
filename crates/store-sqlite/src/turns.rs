//! Whose turn it is: senders take turns, and of each sender its destinations do.
//!
//! ```text
//!   sender ──▶ 256 lines ─┐
//!   domain ──▶ 256 lines ─┼▶ line of a recipient, kept in its row ─▶ index (line, due)
//!   urgency ─▶ 3 levels ──┘
//!
//!   lease ─▶ the level that has waited longest, leads included; of two turns one is for urgent mail
//!         ─▶ its next sender that has something due ─▶ its next destination ─▶ the oldest there
//! ```
//!
//! Whoever has a hundred thousand messages waiting, or floods one destination, so delays only
//! itself and whom luck put into the same line (stochastic fairness queueing). What is kept in
//! memory is one place for each line in use, however much waits: before it, nothing in that line
//! is free. It is a lower bound: raised by looking, lowered by whatever puts something there.
//!
//! Standards: RFC 5321 §4.5.4.1 (queueing strategy is the sender's), RFC 6710 §5.1 (higher
//! priorities first).
//! Not here: reading and leasing rows (`due`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use envelope::{Domain, ReversePath, Urgency};
use store::{AccountId, SubmissionId, URGENCY_LEAD, UnixMillis};

/// A line: the level of urgency, the sender's octet and the destination's.
pub(crate) type Line = u32;

/// Where a row stands in its line.
pub(crate) type Place = (UnixMillis, SubmissionId, u32);

/// The part of a line's number that its sender and their wish give.
///
/// Who logged in is one sender, whatever it writes. Of others the domain and the beginning of the
/// local part count: lists write a unique reverse-path for each recipient.
pub(crate) fn lines_of_sender(
    urgency: Urgency,
    account: Option<AccountId>,
    reverse_path: &ReversePath,
) -> Line {
    let mut hash = blake3::Hasher::new();
    match (account, reverse_path.address()) {
        (Some(account), _) => hash.update(&account.0.to_be_bytes()),
        (None, Some(address)) => {
            let local = address.local().as_str();
            let begins = local.split(['+', '=', '-']).next().unwrap_or_default();
            hash.update(begins.to_lowercase().as_bytes());
            hash.update(b"@");
            hash.update(address.domain().as_str().as_bytes())
        }
        (None, None) => hash.update(b"<>"),
    };
    let level = match urgency {
        Urgency::Urgent => 0,
        Urgency::Normal => 1,
        Urgency::NonUrgent => 2,
    };
    Line::from_be_bytes([0, level, first_octet(&hash.finalize()), 0])
}

/// The line of a sender's mail for a domain.
pub(crate) fn line(of_sender: Line, domain: &Domain) -> Line {
    of_sender | Line::from(first_octet(&blake3::hash(domain.as_str().as_bytes())))
}

fn first_octet(hash: &blake3::Hash) -> u8 {
    hash.as_bytes().first().copied().unwrap_or_default()
}

/// All lines in which something waits.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the lines that the database has are known.
    known: bool,
    /// Nothing in a line is free before its place.
    places: BTreeMap<Line, Place>,
    urgent: Level,
    normal: Level,
    non_urgent: Level,
    /// Whether the last turn was not urgent mail's.
    others_went: bool,
    /// Up to which time lines were made ready.
    woken: Option<UnixMillis>,
}

/// The lines of one level of urgency.
#[derive(Debug, Default)]
struct Level {
    /// All of them, by the times of their places.
    order: BTreeSet<(UnixMillis, Line)>,
    /// Those in which something may be due.
    ready: BTreeSet<Line>,
    last_sender: u8,
    /// Each sender's destination that had its turn last.
    last_destinations: BTreeMap<u8, u8>,
}

impl Turns {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether [`learn`](Self::learn) was told what the database has.
    pub(crate) fn is_known(&self) -> bool {
        self.state().known
    }

    /// Takes the first place of every line, as the database has them.
    pub(crate) fn learn(&self, places: impl IntoIterator<Item = (Line, Place)>) {
        let mut state = self.state();
        *state = State { known: true, ..State::default() };
        for (line, place) in places {
            state.set(line, Some(place));
        }
    }

    /// Forgets everything: rows were changed behind our back.
    pub(crate) fn forget(&self) {
        *self.state() = State::default();
    }

    /// Something stands at this place of a line, or will when the commit is done.
    pub(crate) fn lower(&self, line: Line, place: Place) {
        let mut state = self.state();
        let lower = state.places.get(&line).is_none_or(|known| place < *known);
        if state.known && lower {
            state.set(line, Some(place));
        }
    }

    /// A look found that nothing in a line is free before `place`, or nothing at all.
    pub(crate) fn raise(&self, line: Line, place: Option<Place>) {
        self.state().set(line, place);
    }

    /// Makes those lines ready whose time has come.
    pub(crate) fn wake(&self, now: UnixMillis) {
        let mut state = self.state();
        // What was ready before is ready still; after a jump of the clock all are looked through.
        let since = state.woken.filter(|woken| *woken <= now).unwrap_or(UnixMillis(i64::MIN));
        for Level { order, ready, .. } in state.levels() {
            ready.extend(order.range((since, 0)..=(now, Line::MAX)).map(|(_, line)| *line));
        }
        state.woken = Some(now);
    }

    /// How many of `limit` may be taken from a line in one turn: few lines are not asked once for
    /// each message.
    pub(crate) fn share(&self, limit: usize) -> usize {
        let mut state = self.state();
        let ready = state.levels().map(|level| level.ready.len());
        match ready.iter().filter(|ready| **ready > 0).count() {
            0 | 1 => (limit / ready.iter().sum::<usize>().max(1)).max(1),
            // Between levels age decides, one by one.
            _ => 1,
        }
    }

    /// The line whose turn it is, with its place.
    pub(crate) fn next(&self) -> Option<(Line, Place)> {
        let mut state = self.state();
        let urgents = state.others_went && !state.urgent.ready.is_empty();
        let lead = i64::try_from(URGENCY_LEAD.as_millis()).unwrap_or(i64::MAX);
        let [urgent, normal, non_urgent] = state.levels();
        let line = if urgents {
            urgent.next()
        } else {
            let levels = [(urgent, lead), (normal, 0), (non_urgent, lead.saturating_neg())];
            let ready = levels.into_iter().filter(|(level, _)| !level.ready.is_empty());
            let oldest = ready.min_by_key(|(level, lead)| {
                level.order.first().map(|(due, _)| due.0.saturating_sub(*lead))
            });
            oldest.and_then(|(level, _)| level.next())
        }?;
        state.others_went = level_of(line) != 0;
        Some((line, state.places.get(&line).copied()?))
    }

    /// The line in which something may be free first.
    pub(crate) fn earliest(&self) -> Option<(Line, Place)> {
        let mut state = self.state();
        let firsts = state.levels().map(|level| level.order.first().copied());
        let (_, line) = firsts.into_iter().flatten().min()?;
        Some((line, state.places.get(&line).copied()?))
    }
}

/// A line's level: 0 is the most urgent.
fn level_of(line: Line) -> u8 {
    let [_, level, _, _] = line.to_be_bytes();
    level
}

impl Level {
    /// Of the next sender behind the last one the next destination behind its last one.
    fn next(&mut self) -> Option<Line> {
        let any = self.ready.first().copied()?;
        let of = |sender: u8, from: u8| {
            let [_, level, _, _] = any.to_be_bytes();
            Line::from_be_bytes([0, level, sender, from])
        };
        let behind = |last: u8| Some(of(last.checked_add(1)?, 0));
        let found = behind(self.last_sender).and_then(|from| self.ready.range(from..).next());
        let first = found.copied().unwrap_or(any);
        let [_, _, sender, _] = first.to_be_bytes();
        let last = self.last_destinations.get(&sender).and_then(|last| last.checked_add(1));
        let found = last.and_then(|from| {
            self.ready.range(of(sender, from)..=of(sender, u8::MAX)).next().copied()
        });
        let line = found.unwrap_or(first);
        let [_, _, _, destination] = line.to_be_bytes();
        self.last_sender = sender;
        self.last_destinations.insert(sender, destination);
        Some(line)
    }
}

impl State {
    fn levels(&mut self) -> [&mut Level; 3] {
        [&mut self.urgent, &mut self.normal, &mut self.non_urgent]
    }

    /// Keeps all views of a line's place in step.
    fn set(&mut self, line: Line, place: Option<Place>) {
        let before = match place {
            Some(place) => self.places.insert(line, place),
            None => self.places.remove(&line),
        };
        let woken = self.woken;
        let level = match level_of(line) {
            0 => &mut self.urgent,
            1 => &mut self.normal,
            _ => &mut self.non_urgent,
        };
        if let Some((due, ..)) = before {
            level.order.remove(&(due, line));
        }
        let due = place.map(|(due, ..)| due);
        level.order.extend(due.map(|due| (due, line)));
        if due.is_some_and(|due| woken.is_some_and(|woken| due <= woken)) {
            level.ready.insert(line);
        } else {
            level.ready.remove(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use envelope::Address;

    use super::*;

    fn place(due: i64) -> Place {
        (UnixMillis(due), SubmissionId::first_of(UnixMillis(0)), 0)
    }

    #[test]
    fn senders_take_turns_and_then_their_destinations() {
        let turns = Turns::default();
        let lines = [0x0001, 0x0002, 0x0003, 0x0501, 0xff00];
        turns.learn(lines.map(|line| (line, place(i64::from(line)))));
        turns.wake(UnixMillis(-1));
        assert_eq!(turns.next(), None, "nothing is due");
        turns.wake(UnixMillis(0xffff));
        let taken: Vec<_> = (0..9).filter_map(|_| Some(turns.next()?.0)).collect();
        let wanted = [0x0501, 0xff00, 0x0001, 0x0501, 0xff00, 0x0002, 0x0501, 0xff00, 0x0003];
        assert_eq!(taken, wanted);
        turns.raise(0x0501, None);
        turns.raise(0xff00, Some(place(0x1_0000)));
        assert_eq!(turns.next().map(|(line, _)| line), Some(0x0001), "the only sender left");
        assert_eq!(turns.earliest(), Some((0x0001, place(1))));
        turns.lower(0xff00, place(0));
        assert_eq!(turns.next(), Some((0xff00, place(0))), "something due came in");
        turns.lower(0xff00, place(7));
        assert_eq!(turns.earliest(), Some((0xff00, place(0))), "a later one changes nothing");
    }

    #[test]
    fn urgent_mail_has_every_second_turn_at_least() {
        let turns = Turns::default();
        let lead = i64::try_from(URGENCY_LEAD.as_millis()).unwrap();
        let (urgent, old, slow) = (0x0_0001, 0x1_0001, 0x2_0001);
        turns.learn([(urgent, place(3 * lead)), (old, place(0)), (slow, place(0))]);
        turns.wake(UnixMillis(4 * lead));
        let mut took = Vec::new();
        while let Some((line, (due, id, number))) = turns.next() {
            took.push(line);
            let later = UnixMillis(due.0 + 1);
            turns.raise(line, (took.len() < 6).then_some((later, id, number)));
        }
        assert_eq!(took, [old, urgent, old, urgent, old, urgent, old, slow]);
    }

    #[test]
    fn a_clock_that_was_set_back_hides_nothing() {
        let turns = Turns::default();
        turns.learn([(1, place(10)), (2, place(20))]);
        turns.wake(UnixMillis(30));
        turns.raise(1, Some(place(40)));
        turns.wake(UnixMillis(5));
        turns.wake(UnixMillis(50));
        let both = [turns.next(), turns.next()].map(|turn| turn.map(|(line, _)| line));
        assert_eq!(both, [Some(1), Some(2)]);
    }

    #[test]
    fn who_is_one_sender() {
        let half = |account: Option<i64>, text: &str| {
            let path = match text {
                "" => ReversePath::NULL,
                text => ReversePath::from(Address::parse(text).unwrap()),
            };
            lines_of_sender(Urgency::Normal, account.map(AccountId), &path)
        };
        #[rustfmt::skip]
        let rows = [
            (half(Some(1), "a@x.test"), half(Some(1), "b@y.test"), true, "one login"),
            (half(Some(1), "a@x.test"), half(Some(2), "a@x.test"), false, "two logins"),
            (half(None, "l+1=b@x.test"), half(None, "L+2=c@x.test"), true, "a list's unique paths"),
            (half(None, "a@x.test"), half(None, "b@x.test"), false, "two people"),
            (half(None, "a@x.test"), half(None, "a@z.test"), false, "two domains"),
            (half(None, ""), half(None, ""), true, "notices"),
        ];
        for (one, other, same, why) in rows {
            assert_eq!(one == other, same, "{why}");
        }
    }
}
