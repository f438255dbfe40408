//! Searches over all submissions.
//!
//! Rows are read from the newest one back, in the order of the ids, and reading ends with the page.
//! What waits and what an account sent has an index. Senders and recipients have none: each would
//! cost every accept two pages of its own, and a fifth of the rate, so that a search in which few
//! match reads on to its oldest time.
//!
//! Not here: looking one up by its id (`queue`).

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use store::{
    RecipientPattern, Search, SenderPattern, StatePattern, StoreError, SubmissionId, Summary,
    UnixMillis,
};

use crate::database::sql;
use crate::queue::summary;

/// Ids tell when they were made, which is a little before the accept. No transfer takes so long.
const ID_SLACK_MS: i64 = 24 * 60 * 60 * 1000;

/// The domain of a recipient's address, in SQL.
const DOMAIN_OF_RECIPIENT: &str =
    "substr(r.address, length(rtrim(r.address, replace(r.address, '@', ''))) + 1)";

/// The account that had logged in; `submission_login` is an index over just this.
const LOGIN: &str = "json_extract(s.origin, '$.account')";

/// Submissions that match, newest first.
pub(crate) fn search(database: &Connection, wanted: &Search) -> Result<Vec<Summary>, StoreError> {
    let failed = sql("search for submissions");
    let (statement, values) = statement(wanted);
    let mut select = database.prepare_cached(&statement).map_err(&failed)?;
    let rows = select.query_map(params_from_iter(values), |row| row.get(0)).map_err(&failed)?;
    let ids = rows.collect::<rusqlite::Result<Vec<[u8; 16]>>>().map_err(&failed)?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(summary(database, SubmissionId::from_octets(id))?);
    }
    Ok(found)
}

/// Conditions of a search with their values.
#[derive(Default)]
struct Conditions {
    words: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds one; `?` stands for the value.
    fn add(&mut self, words: &str, value: impl Into<Value>) {
        self.words.push(words.to_owned());
        self.values.push(value.into());
    }
}

fn statement(wanted: &Search) -> (String, Vec<Value>) {
    let mut conditions = Conditions::default();
    of_recipients(wanted, &mut conditions);
    of_submission(wanted, &mut conditions);
    let (from, below) = bounds(wanted);
    conditions.add("s.id >= ?", from.to_octets().to_vec());
    conditions.add("s.id < ?", below.to_octets().to_vec());
    let words = conditions.words.join(" AND ");
    let statement =
        format!("SELECT s.id FROM submission AS s WHERE {words} ORDER BY s.id DESC LIMIT ?");
    conditions.values.push(Value::from(i64::from(wanted.limit)));
    (statement, conditions.values)
}

/// That one recipient is all that was asked for.
fn of_recipients(wanted: &Search, conditions: &mut Conditions) {
    let mut one = Conditions::default();
    match &wanted.recipient {
        Some(RecipientPattern::Address(address)) => {
            one.add("r.address = ? COLLATE NOCASE", address.to_string());
        }
        Some(RecipientPattern::Domain(domain)) => {
            let words = format!("({DOMAIN_OF_RECIPIENT}) = ? COLLATE NOCASE");
            one.add(&words, domain.as_str().to_owned());
        }
        None => {}
    }
    let is_open = match wanted.state {
        Some(StatePattern::Is(state)) => {
            one.add("r.state = ?", state.name().to_owned());
            state.is_open()
        }
        Some(StatePattern::Open) => {
            one.words.push("r.state IN ('queued', 'held', 'deferred')".to_owned());
            true
        }
        None => false,
    };
    if is_open {
        // It has an index, which says at once who need not be looked at.
        conditions.words.push("s.open > 0".to_owned());
    }
    if !one.words.is_empty() {
        let words = one.words.join(" AND ");
        conditions.words.push(format!(
            "EXISTS (SELECT 1 FROM recipient AS r WHERE r.submission = s.id AND {words})"
        ));
        conditions.values.extend(one.values);
    }
}

fn of_submission(wanted: &Search, conditions: &mut Conditions) {
    match &wanted.sender {
        None => {}
        Some(SenderPattern::Null) => {
            conditions.add("s.reverse_path = ? COLLATE NOCASE", String::new());
        }
        Some(SenderPattern::Address(address)) => {
            conditions.add("s.reverse_path = ? COLLATE NOCASE", address.to_string());
        }
        Some(SenderPattern::Domain(domain)) => {
            let end = format!("@{domain}");
            let octets = end.chars().count();
            let words = format!("substr(s.reverse_path, -{octets}) = ? COLLATE NOCASE");
            conditions.add(&words, end);
        }
    }
    if let Some(account) = wanted.login {
        conditions.add(&format!("{LOGIN} = ?"), account.0);
    }
    if let Some(UnixMillis(since)) = wanted.since {
        conditions.add("s.accepted_at >= ?", since);
    }
    if let Some(UnixMillis(until)) = wanted.until {
        conditions.add("s.accepted_at < ?", until);
    }
}

/// Between which ids to look; times narrow it, so that nothing older or newer is read.
fn bounds(wanted: &Search) -> (SubmissionId, SubmissionId) {
    let first = |at: i64| SubmissionId::first_of(UnixMillis(at));
    let from = wanted.since.map_or(SubmissionId::from_octets([0; 16]), |since| {
        first(since.0.saturating_sub(ID_SLACK_MS))
    });
    let last = SubmissionId::from_octets([0xff; 16]);
    let until = wanted.until.map_or(last, |until| first(until.0.saturating_add(ID_SLACK_MS)));
    (from, wanted.before.map_or(until, |before| before.min(until)))
}

#[cfg(test)]
mod tests {
    use envelope::{Address, Domain};
    use store::AccountId;

    use super::*;

    #[test]
    fn pages_are_read_in_the_order_of_an_index() {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(include_str!("schema/0001.sql")).unwrap();
        let address = Address::parse("bob@b.test").unwrap();
        let domain = Domain::parse("b.test").unwrap();
        let any = Search::any(10);
        #[rustfmt::skip]
        let rows = [
            (Search { recipient: Some(RecipientPattern::Address(address.clone())), ..any.clone() },
             "PRIMARY KEY (id>? AND id<?)"),
            (Search { recipient: Some(RecipientPattern::Domain(domain)), ..any.clone() },
             "PRIMARY KEY (id>? AND id<?)"),
            (Search { sender: Some(SenderPattern::Address(address)), ..any.clone() },
             "PRIMARY KEY (id>? AND id<?)"),
            (Search { login: Some(AccountId(1)), ..any.clone() },
             "INDEX submission_login (<expr>=? AND id>? AND id<?)"),
            (Search { state: Some(StatePattern::Open), ..any.clone() },
             "INDEX submission_open (id>? AND id<?)"),
            (any, "PRIMARY KEY (id>? AND id<?)"),
        ];
        for (wanted, index) in rows {
            let (words, values) = statement(&wanted);
            let mut explain = database.prepare(&format!("EXPLAIN QUERY PLAN {words}")).unwrap();
            let plan: Vec<String> = explain
                .query_map(params_from_iter(values), |row| row.get(3))
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap();
            assert!(plan.iter().any(|step| step.contains(index)), "{wanted:?}: {plan:#?}");
            assert!(!plan.iter().any(|step| step.contains("B-TREE")), "{wanted:?}: {plan:#?}");
        }
    }
}
