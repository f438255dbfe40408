-- Posthouse's store, schema 1.
--
-- Content stands in segment files beside this database; everything else stands here.
-- Times are milliseconds since 1970 (UTC). Ids of submissions are ULIDs as 16 octets.
-- Columns with JSON carry the version of their form as "v".

-- Numbers that only grow. One row, written once per commit.
CREATE TABLE numbers (
    id                INTEGER PRIMARY KEY CHECK (id = 1),
    modseq            INTEGER NOT NULL, -- of the last change of a mailbox (RFC 7162)
    message_next      INTEGER NOT NULL, -- the next message's id
    uid_validity_last INTEGER NOT NULL, -- given to the last mailbox (RFC 9051 §2.3.1.1)
    lineage           BLOB NOT NULL     -- the same in all states of one store, and only there
) STRICT;
INSERT INTO numbers VALUES (1, 0, 1, 0, randomblob(16));

-- ---- who and where ----

CREATE TABLE domain (
    name     TEXT PRIMARY KEY, -- in lower case
    added_at INTEGER NOT NULL,
    relay    TEXT              -- JSON: how its mail is handed on; NULL: it is local
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    address      TEXT NOT NULL UNIQUE,              -- in lower case
    domain       TEXT NOT NULL REFERENCES domain,
    name         TEXT,
    quota_octets INTEGER,                           -- NULL: no limit
    credential   TEXT,                              -- JSON; NULL: nobody can log in
    disabled     INTEGER NOT NULL DEFAULT 0,        -- 1: no login, no mail is taken
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX account_domain ON account (domain);

CREATE TABLE alias (
    key     TEXT PRIMARY KEY, -- ada@example.org, or @example.org for the whole domain
    domain  TEXT NOT NULL REFERENCES domain,
    targets TEXT NOT NULL     -- JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_domain ON alias (domain);

-- Small facts that a client keeps.
CREATE TABLE note (
    account INTEGER NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;

-- What greylisting remembers: networks, and letters from them.
CREATE TABLE greylist (
    id       INTEGER PRIMARY KEY,  -- grows with each write: the lowest were written longest ago
    key      TEXT NOT NULL UNIQUE, -- 192.0.2.0/24, or that with reverse-path and recipient
    first_at INTEGER NOT NULL,
    until    INTEGER NOT NULL      -- then it is forgotten
) STRICT;
CREATE INDEX greylist_until ON greylist (until);

-- ---- content ----

-- Files named NNNNNNNN.seg.
CREATE TABLE segment (
    id          INTEGER PRIMARY KEY,
    octets      INTEGER NOT NULL, -- up to where its records go; nothing behind it counts
    live_octets INTEGER NOT NULL  -- of records whose messages still exist
) STRICT;

-- A message is one content, however many entries and recipients it has.
CREATE TABLE message (
    id      INTEGER PRIMARY KEY, -- never used twice
    segment INTEGER NOT NULL,
    at      INTEGER NOT NULL,    -- where its record begins in the segment
    octets  INTEGER NOT NULL,    -- of the content
    blake3  BLOB NOT NULL,       -- of the content
    refs    INTEGER NOT NULL     -- entries, and one more while the queue needs it
) STRICT;

-- ---- mail at rest ----

CREATE TABLE mailbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    account      INTEGER NOT NULL REFERENCES account,
    name         TEXT NOT NULL,
    role         TEXT,             -- RFC 6154
    uid_validity INTEGER NOT NULL,
    uid_next     INTEGER NOT NULL, -- never goes back
    modseq       INTEGER NOT NULL, -- of its last change
    messages     INTEGER NOT NULL, -- entries
    octets       INTEGER NOT NULL, -- of its entries, prefixes included
    unseen       INTEGER NOT NULL, -- entries without \Seen
    UNIQUE (account, name)
) STRICT;

CREATE TABLE entry (
    mailbox      INTEGER NOT NULL,
    uid          INTEGER NOT NULL,
    account      INTEGER NOT NULL,
    message      INTEGER NOT NULL,
    submission   BLOB NOT NULL,    -- under which it came
    prefix       BLOB NOT NULL,    -- trace fields of this delivery (RFC 5321 §4.4)
    octets       INTEGER NOT NULL, -- prefix and content
    delivered_at INTEGER NOT NULL,
    born         INTEGER NOT NULL, -- the modseq it came with; in a mailbox it grows with the UIDs
    modseq       INTEGER NOT NULL, -- of its last change
    flags        INTEGER NOT NULL, -- 1 seen, 2 answered, 4 flagged, 8 deleted, 16 draft
    keywords     TEXT,             -- JSON list; NULL: none
    PRIMARY KEY (mailbox, uid)
) STRICT, WITHOUT ROWID;
-- What changed in an account after a modseq. What only came is found by its UID, so that a delivery
-- writes one page less.
CREATE INDEX entry_modseq ON entry (account, modseq) WHERE modseq <> born;

-- Entries that were removed, for those who saw them.
CREATE TABLE expunged (
    account INTEGER NOT NULL,
    modseq  INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    uid     INTEGER NOT NULL,
    PRIMARY KEY (account, modseq, mailbox, uid)
) STRICT, WITHOUT ROWID;

-- ---- mail in motion ----

CREATE TABLE submission (
    id           BLOB PRIMARY KEY,
    accepted_at  INTEGER NOT NULL,
    origin       TEXT NOT NULL,    -- JSON
    reverse_path TEXT NOT NULL,    -- empty: null (RFC 5321 §4.5.5)
    ret          TEXT,             -- FULL or HDRS (RFC 3461 §4.3)
    envelope_id  TEXT,             -- ENVID, decoded
    body         TEXT,             -- BODY, where it was given
    terms        TEXT,             -- what its sender asked of the transfer, JSON; NULL: nothing
    message_id   TEXT,             -- without angle brackets
    message      INTEGER NOT NULL, -- its row may be gone once everything is settled
    octets       INTEGER NOT NULL,
    open         INTEGER NOT NULL  -- recipients that are queued, held or deferred
) STRICT, WITHOUT ROWID;
CREATE INDEX submission_open ON submission (id) WHERE open > 0;
-- What somebody sent after logging in.
CREATE INDEX submission_login ON submission (json_extract(origin, '$.account'), id)
    WHERE json_extract(origin, '$.account') IS NOT NULL;
CREATE INDEX submission_message_id ON submission (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX submission_envelope_id ON submission (envelope_id) WHERE envelope_id IS NOT NULL;

CREATE TABLE recipient (
    submission    BLOB NOT NULL,
    number        INTEGER NOT NULL,
    address       TEXT NOT NULL,
    notify        TEXT,             -- as NOTIFY has it
    original      TEXT,             -- as ORCPT has it
    expanded_from TEXT,             -- the alias through which it became one
    state         TEXT NOT NULL,
    changed_at    INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    due           INTEGER,          -- when it is tried next; NULL: never
    line          INTEGER NOT NULL, -- in which it waits: urgency, sender, destination (turns.rs)
    host          TEXT,             -- the server that spoke last
    reply         TEXT,             -- its words, JSON
    delay_told    INTEGER NOT NULL, -- 1: the sender was told of a delay
    route         TEXT,             -- where an operator wants it sent, JSON
    PRIMARY KEY (submission, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_due ON recipient (line, due, submission, number)
    WHERE due IS NOT NULL;

-- What the sender still has to be told; its submission's content stays for as long.
CREATE TABLE untold (
    submission BLOB NOT NULL,
    recipient  INTEGER NOT NULL,
    due        INTEGER NOT NULL, -- when it is told at the latest
    news       TEXT NOT NULL,    -- JSON
    PRIMARY KEY (submission, recipient)
) STRICT, WITHOUT ROWID;
CREATE INDEX untold_due ON untold (due);

-- Which new mail is held.
CREATE TABLE hold_rule (
    id   INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    rule TEXT NOT NULL                      -- JSON
) STRICT;

-- Addresses to which nothing is sent, in lower case.
CREATE TABLE suppression (
    address  TEXT PRIMARY KEY,
    reason   TEXT NOT NULL,
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How often addresses, in lower case, were refused for good because they do not exist.
CREATE TABLE refusal (
    address TEXT PRIMARY KEY,
    times   INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    submission BLOB NOT NULL,
    number     INTEGER NOT NULL, -- from 0
    at         INTEGER NOT NULL,
    recipient  INTEGER,          -- NULL: the whole submission
    happening  TEXT NOT NULL,    -- JSON
    reason     TEXT NOT NULL,
    PRIMARY KEY (submission, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    submission BLOB NOT NULL,
    number     INTEGER NOT NULL, -- from 0
    facts      TEXT NOT NULL,    -- JSON
    transcript TEXT NOT NULL,
    PRIMARY KEY (submission, number)
) STRICT;
