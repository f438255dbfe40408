//! In which order recipients that are due get their turn: urgent ones a while earlier.
//!
//! ```text
//!   urgent      due ≤ now, oldest first ─┐
//!   normal      due ≤ now, oldest first ─┼─▶ the one that has waited longest, leads included
//!   non-urgent  due ≤ now, oldest first ─┘
//! ```
//!
//! Each lane is a walk along the index, so that what is not looked at costs nothing.
//!
//! Standards: RFC 6710 §5.1 (higher priorities first).
//! Not here: who leases them (`queue`).

use envelope::Urgency;
use rusqlite::{CachedStatement, Connection, Rows};
use store::{StoreError, SubmissionId, URGENCY_LEAD, UnixMillis};

use crate::database::sql;

macro_rules! lane {
    ($urgency:literal) => {
        concat!(
            "SELECT submission, number, due FROM recipient WHERE urgency = ",
            $urgency,
            " AND due <= ?1 ORDER BY due, submission, number"
        )
    };
}

/// The lanes, with the column's value of each as [`words::urgency`](crate::words::urgency) has it.
const LANES: [(Urgency, &str); 3] = [
    (Urgency::Urgent, lane!("1")),
    (Urgency::Normal, lane!("0")),
    (Urgency::NonUrgent, lane!("-1")),
];

/// What a lane's time in the queue is taken to be longer by, in milliseconds.
fn lead(urgency: Urgency) -> i64 {
    let lead = i64::try_from(URGENCY_LEAD.as_millis()).unwrap_or(i64::MAX);
    match urgency {
        Urgency::Urgent => lead,
        Urgency::Normal => 0,
        Urgency::NonUrgent => -lead,
    }
}

/// One recipient that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) submission: SubmissionId,
    pub(crate) number: u32,
    pub(crate) due: UnixMillis,
}

/// The lanes' statements, which [`Turns`] borrows.
pub(crate) struct Lanes<'d>(Vec<(Urgency, CachedStatement<'d>)>);

impl<'d> Lanes<'d> {
    pub(crate) fn prepare(database: &'d Connection) -> Result<Self, StoreError> {
        let failed = sql("look for what is due");
        let mut lanes = Vec::with_capacity(LANES.len());
        for (urgency, statement) in LANES {
            lanes.push((urgency, database.prepare_cached(statement).map_err(&failed)?));
        }
        Ok(Self(lanes))
    }

    /// Those that are due by `by`, in the order of their turns.
    pub(crate) fn turns(&mut self, by: UnixMillis) -> Result<Turns<'_>, StoreError> {
        let failed = sql("look for what is due");
        let mut lanes = Vec::with_capacity(self.0.len());
        for (urgency, select) in &mut self.0 {
            let rows = select.query([by.0]).map_err(&failed)?;
            let mut lane = Lane { rows, lead: lead(*urgency), next: None };
            lane.step()?;
            lanes.push(lane);
        }
        Ok(Turns { lanes })
    }

    /// Those of each lane by themselves, oldest first.
    pub(crate) fn each(&mut self, mut look: impl FnMut(Waiting) -> Look) -> Result<(), StoreError> {
        let failed = sql("look for what is due");
        for (_, select) in &mut self.0 {
            let rows = select.query([i64::MAX]).map_err(&failed)?;
            let mut lane = Lane { rows, lead: 0, next: None };
            while let Some(waiting) = lane.step()? {
                if look(waiting) == Look::Enough {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Whether to look further along a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Further,
    Enough,
}

/// Recipients that are due, in the order of their turns.
pub(crate) struct Turns<'s> {
    lanes: Vec<Lane<'s>>,
}

struct Lane<'s> {
    rows: Rows<'s>,
    lead: i64,
    next: Option<Waiting>,
}

impl Lane<'_> {
    /// Reads the next one of this lane.
    fn step(&mut self) -> Result<Option<Waiting>, StoreError> {
        let failed = sql("look for what is due");
        self.next = match self.rows.next().map_err(&failed)? {
            None => None,
            Some(row) => Some(Waiting {
                submission: SubmissionId::from_octets(row.get(0).map_err(&failed)?),
                number: row.get(1).map_err(&failed)?,
                due: UnixMillis(row.get(2).map_err(&failed)?),
            }),
        };
        Ok(self.next)
    }

    /// Whose turn it is: the least of all lanes.
    fn turn(&self) -> Option<(i64, SubmissionId, u32)> {
        let Waiting { submission, number, due } = self.next?;
        Some((due.0.saturating_sub(self.lead), submission, number))
    }
}

impl Turns<'_> {
    /// The next one.
    pub(crate) fn next(&mut self) -> Result<Option<Waiting>, StoreError> {
        let first =
            self.lanes.iter_mut().filter(|lane| lane.next.is_some()).min_by_key(|lane| lane.turn());
        let Some(lane) = first else { return Ok(None) };
        let waiting = lane.next;
        lane.step()?;
        Ok(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words;

    #[test]
    fn lanes_are_walked_along_the_index() {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(include_str!("schema/0001.sql")).unwrap();
        for (urgency, statement) in LANES {
            let column = words::urgency(urgency);
            assert!(statement.contains(&format!("urgency = {column} ")), "{statement}");
            let plan: Vec<String> = database
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap()
                .query_map([0], |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            let wanted =
                "SEARCH recipient USING COVERING INDEX recipient_due (urgency=? AND due<?)";
            assert_eq!(plan, [wanted], "nothing is sorted, nothing else is read");
        }
    }
}
