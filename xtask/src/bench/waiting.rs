//! Mail that waits already, in any number.
//!
//! ```text
//!   posthouse:  store.accept, a thousand at a time, due in three hours: the door that all mail takes
//!   others:     by SMTP, to a domain whose mail they put off
//! ```
//!
//! It is small, so that its number counts and not its size.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use envelope::{Address, BodyType, Recipient, ReversePath};
use store::{
    Accept, Happening, IdSource, NewEvent, NewFate, NewRecipient, Origin, OriginKind, Store, Terms,
    UnixMillis,
};
use store_sqlite::{Options, SqliteStore};

use crate::bench::series::WAITING;
use crate::letter::{Audience, Form, Luck, Marker};
use crate::load::{End, Load};

/// How its messages look; so many accounts have some each.
const FORM: Form = Form { accounts: 1000, size_octets: 1024 };

const TO: Audience = Audience { domain: WAITING, each: 1 };

/// Longer than any series, and shorter than the pauses of the schedule: nothing looks odd.
const DUE_AFTER: Duration = Duration::from_secs(3 * 60 * 60);

/// As many as the store takes in one commit.
const AT_A_TIME: u32 = 1000;

/// Connections that bring it by SMTP.
const CONNECTIONS: u32 = 20;

/// Puts it into the store of a server that does not run.
pub(super) fn put_into_store(folder: &Path, count: u32) -> Result<()> {
    let begun = Instant::now();
    let store = SqliteStore::start(folder, Options::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let outcome = runtime.block_on(put(store.as_ref(), count));
    store.close();
    outcome?;
    println!("{count} messages wait, put there in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

async fn put(store: &SqliteStore, count: u32) -> Result<()> {
    let ids = IdSource::default();
    let mut luck = Luck::new(u64::from(count));
    let mut first = 0;
    while first < count {
        let end = count.min(first.saturating_add(AT_A_TIME));
        let mut accepts = Vec::new();
        for number in first..end {
            accepts.push(store.accept(message(&ids, &mut luck, number)?));
        }
        for accept in accepts {
            accept.await?;
        }
        first = end;
    }
    Ok(())
}

fn message(ids: &IdSource, luck: &mut Luck, number: u32) -> Result<Accept> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
    let millis = |time: Duration| i64::try_from(time.as_millis()).map(UnixMillis);
    let (at, due) = (millis(now)?, millis(now + DUE_AFTER)?);
    let marker = Marker { round: 0, connection: 0, number };
    let to = FORM.recipients(marker, TO);
    let to = to.first().ok_or_else(|| anyhow!("no recipient"))?;
    let mut origin = Origin::of(OriginKind::Reception);
    origin.helo = Some("load.sender.test".to_owned());
    origin.protocol = Some("ESMTP".to_owned());
    let received = Happening::Received {
        protocol: origin.protocol.clone(),
        peer: None,
        helo: origin.helo.clone(),
        tls: None,
        login: None,
        octets: FORM.size_octets as u64,
    };
    Ok(Accept {
        id: ids.next(at, u128::from(luck.next())),
        at,
        origin,
        reverse_path: ReversePath::from(Address::parse("load@sender.test")?),
        ret: None,
        envelope_id: None,
        body: BodyType::SevenBit,
        message_id: Some(format!("{marker}@sender.test")),
        content: FORM.content(marker).into(),
        recipients: vec![NewRecipient {
            recipient: Recipient::new(Address::parse(to)?),
            expanded_from: None,
            fate: NewFate::Queue { due },
        }],
        copies: Vec::new(),
        events: vec![
            NewEvent::new(at, received, ""),
            NewEvent::new(at, Happening::Queued, "").of(0),
        ],
        notes: Vec::new(),
        notices: Vec::new(),
        terms: Terms::default(),
    })
}

/// Sends it to a server that puts off what goes to [`WAITING`].
pub(super) fn send(smtp: SocketAddr, count: u32) -> Result<()> {
    let begun = Instant::now();
    let many = (CONNECTIONS, count / CONNECTIONS);
    let rest = (1, count % CONNECTIONS);
    for (round, (connections, each)) in (0..).zip([many, rest]) {
        let load = Load {
            address: smtp,
            form: FORM,
            to: TO,
            round,
            connections,
            held: 0,
            end: End::Sent(each),
        };
        if let Some(fault) = load.start()?.join().faults().first() {
            bail!("{count} messages shall wait, but a connection ended too early: {fault}");
        }
    }
    println!("{count} messages wait, sent in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}
