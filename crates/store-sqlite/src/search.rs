//! Searches over all submissions, by the index that fits best.
//!
//! Whatever is looked for, rows are read from the newest one back, in the order of an index, and
//! reading ends with the page: a page costs the same however many submissions there are, unless
//! few of them match and no index says which.
//!
//! Not here: looking one up by its id (`queue`).

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use store::{
    RecipientPattern, RecipientState, Search, SenderPattern, StatePattern, StoreError,
    SubmissionId, Summary, UnixMillis,
};

use crate::database::sql;
use crate::queue::summary;

/// Ids tell when they were made, which is a little before the accept. No transfer takes so long.
const ID_SLACK_MS: i64 = 24 * 60 * 60 * 1000;

/// The domain of an address, in SQL; `recipient_domain` is an index over just this.
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
    let tables = match &wanted.recipient {
        Some(RecipientPattern::Address(address)) => {
            conditions.add("r.address = ? COLLATE NOCASE", address.to_string());
            "recipient AS r INDEXED BY recipient_address CROSS JOIN submission AS s \
             ON s.id = r.submission"
        }
        Some(RecipientPattern::Domain(domain)) => {
            let words = format!("({DOMAIN_OF_RECIPIENT}) = ? COLLATE NOCASE");
            conditions.add(&words, domain.as_str().to_owned());
            "recipient AS r INDEXED BY recipient_domain CROSS JOIN submission AS s \
             ON s.id = r.submission"
        }
        None => "submission AS s",
    };
    of_recipients(wanted, &mut conditions);
    of_submission(wanted, &mut conditions);
    let (id, once) = match wanted.recipient {
        // Several recipients of one submission may match; they stand together in the index.
        Some(_) => ("r.submission", "GROUP BY r.submission"),
        None => ("s.id", ""),
    };
    let (from, below) = bounds(wanted);
    conditions.add(&format!("{id} >= ?"), from.to_octets().to_vec());
    conditions.add(&format!("{id} < ?"), below.to_octets().to_vec());
    let words = conditions.words.join(" AND ");
    let statement =
        format!("SELECT {id} FROM {tables} WHERE {words} {once} ORDER BY {id} DESC LIMIT ?");
    conditions.values.push(Value::from(i64::from(wanted.limit)));
    (statement, conditions.values)
}

fn of_recipients(wanted: &Search, conditions: &mut Conditions) {
    let own = wanted.recipient.is_some();
    let mut state = |words: &str, name: Option<RecipientState>| {
        let words = match own {
            true => words.to_owned(),
            false => format!(
                "EXISTS (SELECT 1 FROM recipient AS r WHERE r.submission = s.id AND {words})"
            ),
        };
        match name {
            Some(name) => conditions.add(&words, name.name().to_owned()),
            None => conditions.words.push(words),
        }
    };
    match wanted.state {
        Some(StatePattern::Is(name)) => state("r.state = ?", Some(name)),
        Some(StatePattern::Open) if own => {
            state("r.state IN ('queued', 'held', 'deferred')", None);
        }
        _ => {}
    }
    let is_open = match wanted.state {
        Some(StatePattern::Open) => true,
        Some(StatePattern::Is(state)) => state.is_open(),
        None => false,
    };
    if is_open {
        conditions.words.push("s.open > 0".to_owned());
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
    fn what_can_be_many_is_found_by_an_index() {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(include_str!("schema/0001.sql")).unwrap();
        let address = Address::parse("bob@b.test").unwrap();
        let domain = Domain::parse("b.test").unwrap();
        let any = Search::any(10);
        #[rustfmt::skip]
        let rows = [
            (Search { recipient: Some(RecipientPattern::Address(address.clone())), ..any.clone() },
             "INDEX recipient_address (address=? AND submission>? AND submission<?)"),
            (Search { recipient: Some(RecipientPattern::Domain(domain)), ..any.clone() },
             "INDEX recipient_domain (<expr>=? AND submission>? AND submission<?)"),
            (Search { sender: Some(SenderPattern::Address(address)), ..any.clone() },
             "INDEX submission_sender (reverse_path=? AND id>? AND id<?)"),
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
