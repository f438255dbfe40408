//! What must hold between the rows, as queries that find where it does not.
//!
//! Not here: what must hold between rows and files (`verify`).

use rusqlite::Connection;
use store::{Finding, Repair, StoreError};

use crate::batch::Batch;
use crate::database::{number, sql};

/// Something that must hold.
struct Rule {
    name: &'static str,
    /// Where it does not hold, and what was found: two texts for each row.
    broken: &'static str,
    /// What makes it hold; empty where nothing can.
    repair: &'static str,
}

/// The order matters for repairs: what is counted is mended before its counts.
const RULES: &[Rule] = &[
    Rule {
        name: "entry-message",
        broken: "SELECT 'entry ' || uid || ' of mailbox ' || mailbox, 'message ' || message ||
                     ' is missing' FROM entry
                 WHERE NOT EXISTS (SELECT 1 FROM message WHERE id = entry.message)",
        repair: "",
    },
    Rule {
        name: "entry-mailbox",
        broken: "SELECT 'entry ' || uid || ' of mailbox ' || entry.mailbox,
                     'there is no such mailbox of account ' || entry.account
                 FROM entry LEFT JOIN mailbox ON mailbox.id = entry.mailbox
                 WHERE mailbox.account IS NOT entry.account",
        repair: "",
    },
    Rule {
        name: "mailbox-account",
        broken: "SELECT 'mailbox ' || id, 'account ' || account || ' is missing' FROM mailbox
                 WHERE NOT EXISTS (SELECT 1 FROM account WHERE id = mailbox.account)",
        repair: "",
    },
    Rule {
        name: "entry-octets",
        broken: "SELECT 'entry ' || uid || ' of mailbox ' || mailbox, entry.octets || ' octets'
                 FROM entry JOIN message ON message.id = entry.message
                 WHERE entry.octets <> message.octets + length(prefix)",
        repair: "UPDATE entry SET octets = length(prefix) + message.octets
                 FROM message WHERE message.id = entry.message
                     AND entry.octets <> message.octets + length(prefix)",
    },
    Rule {
        name: "mailbox-counts",
        broken: "SELECT 'mailbox ' || mailbox.id, mailbox.messages || ' messages, ' ||
                     mailbox.octets || ' octets, ' || unseen || ' unseen instead of ' ||
                     count(uid) || ', ' || ifnull(sum(entry.octets), 0) || ', ' ||
                     ifnull(sum(flags & 1 = 0), 0)
                 FROM mailbox LEFT JOIN entry ON entry.mailbox = mailbox.id GROUP BY mailbox.id
                 HAVING messages <> count(uid) OR unseen <> ifnull(sum(flags & 1 = 0), 0)
                     OR mailbox.octets <> ifnull(sum(entry.octets), 0)",
        repair: "UPDATE mailbox SET
                     messages = (SELECT count(*) FROM entry WHERE mailbox = id),
                     octets = (SELECT ifnull(sum(octets), 0) FROM entry WHERE mailbox = id),
                     unseen = (SELECT count(*) FROM entry WHERE mailbox = id AND flags & 1 = 0)",
    },
    Rule {
        name: "uid-next",
        broken: "SELECT 'mailbox ' || id, 'the next UID is ' || uid_next || ', but ' ||
                     (SELECT max(uid) FROM entry WHERE mailbox = id) || ' is in use'
                 FROM mailbox
                 WHERE uid_next <= (SELECT max(uid) FROM entry WHERE mailbox = id)",
        repair: "UPDATE mailbox SET uid_next = (SELECT max(uid) + 1 FROM entry WHERE mailbox = id)
                 WHERE uid_next <= (SELECT max(uid) FROM entry WHERE mailbox = id)",
    },
    Rule {
        name: "mailbox-modseq",
        broken: "SELECT 'mailbox ' || id, 'modseq ' || modseq || ' is older than an entry''s'
                 FROM mailbox
                 WHERE modseq < (SELECT max(modseq) FROM entry WHERE mailbox = id)",
        repair: "UPDATE mailbox SET modseq = (SELECT max(modseq) FROM entry WHERE mailbox = id)
                 WHERE modseq < (SELECT max(modseq) FROM entry WHERE mailbox = id)",
    },
    Rule {
        name: "modseq",
        broken: "SELECT 'the store', 'modseq ' || modseq || ' is older than a change''s'
                 FROM numbers WHERE modseq < max(
                     ifnull((SELECT max(modseq) FROM mailbox), 0),
                     ifnull((SELECT max(modseq) FROM expunged), 0))",
        repair: "UPDATE numbers SET modseq = max(modseq,
                     ifnull((SELECT max(modseq) FROM mailbox), 0),
                     ifnull((SELECT max(modseq) FROM expunged), 0))",
    },
    Rule {
        name: "message-next",
        broken: "SELECT 'the store', 'the next message is ' || message_next || ', which is in use'
                 FROM numbers WHERE message_next <= (SELECT max(id) FROM message)",
        repair: "UPDATE numbers SET message_next = (SELECT max(id) + 1 FROM message)
                 WHERE message_next <= (SELECT max(id) FROM message)",
    },
    Rule {
        name: "queue-counts",
        broken: "SELECT 'submission ' || hex(id), open || ' open recipients instead of ' ||
                     sum(state IN ('queued', 'held', 'deferred'))
                 FROM submission JOIN recipient ON submission = id GROUP BY id
                 HAVING open <> sum(state IN ('queued', 'held', 'deferred'))",
        repair: "UPDATE submission SET open = (SELECT count(*) FROM recipient
                     WHERE submission = id AND state IN ('queued', 'held', 'deferred'))",
    },
    Rule {
        name: "queue-due",
        broken: "SELECT 'recipient ' || number || ' of submission ' || hex(submission),
                     state || ', but due ' || ifnull(due, 'never')
                 FROM recipient WHERE (state IN ('queued', 'deferred')) = (due IS NULL)",
        repair: "UPDATE recipient SET due = iif(state IN ('queued', 'deferred'), changed_at, NULL)
                 WHERE (state IN ('queued', 'deferred')) = (due IS NULL)",
    },
    Rule {
        name: "queue-message",
        broken: "SELECT 'submission ' || hex(id), 'message ' || message || ' is missing'
                 FROM submission WHERE open > 0
                     AND NOT EXISTS (SELECT 1 FROM message WHERE id = submission.message)",
        repair: "",
    },
    Rule {
        name: "recipient-submission",
        broken: "SELECT 'recipient ' || number || ' of submission ' || hex(submission),
                     'the submission is missing' FROM recipient
                 WHERE NOT EXISTS (SELECT 1 FROM submission WHERE id = recipient.submission)",
        repair: "",
    },
    Rule {
        name: "untold-recipient",
        broken: "SELECT 'news of recipient ' || recipient || ' of submission ' || hex(submission),
                     'there is no such recipient' FROM untold
                 WHERE NOT EXISTS (SELECT 1 FROM recipient
                     WHERE recipient.submission = untold.submission
                         AND number = untold.recipient)",
        repair: "DELETE FROM untold
                 WHERE NOT EXISTS (SELECT 1 FROM recipient
                     WHERE recipient.submission = untold.submission
                         AND number = untold.recipient)",
    },
    Rule {
        name: "event-submission",
        broken: "SELECT 'event ' || number || ' of submission ' || hex(submission),
                     'the submission is missing' FROM event
                 WHERE NOT EXISTS (SELECT 1 FROM submission WHERE id = event.submission)",
        repair: "DELETE FROM event
                 WHERE NOT EXISTS (SELECT 1 FROM submission WHERE id = event.submission)",
    },
    Rule {
        name: "message-refs",
        broken: "WITH held AS (SELECT message, count(*) AS n FROM
                     (SELECT message FROM entry
                      UNION ALL SELECT message FROM submission WHERE open > 0
                          OR EXISTS (SELECT 1 FROM untold WHERE submission = submission.id))
                     GROUP BY message)
                 SELECT 'message ' || id, refs || ' references instead of ' || ifnull(n, 0)
                 FROM message LEFT JOIN held ON held.message = id WHERE refs <> ifnull(n, 0)",
        repair: "WITH held AS (SELECT message, count(*) AS n FROM
                     (SELECT message FROM entry
                      UNION ALL SELECT message FROM submission WHERE open > 0
                          OR EXISTS (SELECT 1 FROM untold WHERE submission = submission.id))
                     GROUP BY message)
                 UPDATE message SET
                     refs = ifnull((SELECT n FROM held WHERE held.message = message.id), 0)",
    },
    Rule {
        name: MESSAGE_NEEDLESS,
        broken: "SELECT 'message ' || id, 'nothing refers to it' FROM message WHERE refs <= 0",
        repair: "DELETE FROM message WHERE refs <= 0",
    },
    Rule {
        name: "segment-missing",
        broken: "SELECT 'message ' || id, 'segment ' || segment || ' has no row' FROM message
                 WHERE NOT EXISTS (SELECT 1 FROM segment WHERE segment.id = message.segment)",
        repair: "INSERT INTO segment (id, octets, live_octets)
                 SELECT segment, max(at + octets + 32 + 4 * ((octets + 65535) / 65536)), 0
                 FROM message
                 WHERE NOT EXISTS (SELECT 1 FROM segment WHERE segment.id = message.segment)
                 GROUP BY segment",
    },
    Rule {
        name: "segment-counts",
        broken: "WITH live AS (SELECT segment,
                     sum(octets + 32 + 4 * ((octets + 65535) / 65536)) AS n
                     FROM message GROUP BY segment)
                 SELECT 'segment ' || id, live_octets || ' live octets instead of ' || ifnull(n, 0)
                 FROM segment LEFT JOIN live ON live.segment = id
                 WHERE live_octets <> ifnull(n, 0)",
        repair: "WITH live AS (SELECT segment,
                     sum(octets + 32 + 4 * ((octets + 65535) / 65536)) AS n
                     FROM message GROUP BY segment)
                 UPDATE segment SET
                     live_octets = ifnull((SELECT n FROM live WHERE live.segment = segment.id), 0)",
    },
    Rule {
        name: "segment-end",
        broken: "SELECT 'segment ' || segment.id, 'message ' || message.id || ' ends behind it'
                 FROM message JOIN segment ON segment.id = message.segment
                 WHERE at + message.octets + 32 + 4 * ((message.octets + 65535) / 65536)
                     > segment.octets",
        repair: "UPDATE segment SET octets = max(octets, (
                     SELECT max(at + octets + 32 + 4 * ((octets + 65535) / 65536)) FROM message
                     WHERE message.segment = segment.id))
                 WHERE id IN (SELECT segment FROM message)",
    },
];

/// What [`check_all`] names damage of SQLite's file.
pub(crate) const DATABASE: &str = "database";

/// Its repair takes content away, which somebody may still want.
const MESSAGE_NEEDLESS: &str = "message-needless";

/// Where rules do not hold, and what SQLite itself finds.
pub(crate) fn check_all(database: &Connection) -> Result<Vec<Finding>, StoreError> {
    let mut findings = integrity(database)?;
    findings.append(&mut check(database)?);
    Ok(findings)
}

/// Where rules do not hold.
pub(crate) fn check(database: &Connection) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    for rule in RULES {
        findings.append(&mut broken(database, rule)?);
    }
    Ok(findings)
}

/// The rules that are broken and can be mended.
pub(crate) fn mendable(findings: &[Finding], repair: Repair) -> Vec<String> {
    let rules = RULES.iter().filter(|rule| {
        !rule.repair.is_empty() && (rule.name != MESSAGE_NEEDLESS || repair == Repair::Remove)
    });
    rules
        .filter(|rule| findings.iter().any(|one| one.rule == rule.name && !one.repaired))
        .map(|rule| rule.name.to_owned())
        .collect()
}

/// Mends rules.
pub(crate) fn repair(batch: &mut Batch<'_>, names: &[String]) -> Result<(), StoreError> {
    let failed = sql("repair the store");
    for rule in RULES.iter().filter(|rule| names.iter().any(|name| name == rule.name)) {
        batch.database.execute(rule.repair, []).map_err(&failed)?;
    }
    let (modseq, message_next): (i64, i64) = batch
        .database
        .query_row("SELECT modseq, message_next FROM numbers", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(&failed)?;
    batch.reread(number(modseq), message_next);
    Ok(())
}

fn broken(database: &Connection, rule: &Rule) -> Result<Vec<Finding>, StoreError> {
    let failed = sql("check the store's rules");
    let mut select = database.prepare_cached(rule.broken).map_err(&failed)?;
    let finding = |row: &rusqlite::Row<'_>| {
        Ok(Finding {
            rule: rule.name.to_owned(),
            place: row.get(0)?,
            found: row.get(1)?,
            repaired: false,
        })
    };
    let rows = select.query_map([], finding).map_err(&failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(&failed)
}

/// What SQLite itself finds wrong with its file.
fn integrity(database: &Connection) -> Result<Vec<Finding>, StoreError> {
    let failed = sql("check the database");
    let mut check = database.prepare("PRAGMA integrity_check").map_err(&failed)?;
    let rows = check.query_map([], |row| row.get::<_, String>(0)).map_err(&failed)?;
    let mut findings = Vec::new();
    for row in rows {
        let found = row.map_err(&failed)?;
        if found != "ok" {
            let (rule, place) = (DATABASE.to_owned(), "the database".to_owned());
            findings.push(Finding { rule, place, found, repaired: false });
        }
    }
    Ok(findings)
}
