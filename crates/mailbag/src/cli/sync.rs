//! `sync`: receives, then sends.

use std::time::Duration;

use mailbag::account::{self, Account, secret};
use mailbag::outbox::{self, Which};
use mailbag::sync::{self, Progress, Received};
use mailbag::{Bag, Exit};

use super::Context;
use super::send::{exit_of, print_fates};
use super::track::tracked;
use super::trouble::Trouble;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Mail stays on the server unless accounts.toml says `leave_on_server = false`; then it is deleted
there only after it is safe here. Delivery reports that belong to a sent letter go to the mailbox
Reports and are shown by `mailbag track`. --watch lets other mailbags work between its rounds.")]
pub(crate) struct Options {
    /// Only this account.
    #[arg(long, value_name = "A")]
    account: Option<String>,
    /// Go on until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// How often --watch looks.
    #[arg(long, value_name = "TIME", value_parser = super::duration, default_value = "1m")]
    interval: Duration,
}

pub(crate) async fn run(context: &Context, options: Options) -> Result<Exit, Trouble> {
    let wanted = options.account.as_deref();
    if !options.watch {
        return round(context, wanted, Which::Waiting).await;
    }
    tokio::select! {
        ended = watch(context, wanted, options.interval) => ended,
        // Whatever the round is doing, it may stop: see `receive` and `send`.
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.ok();
            context.talk.clear();
            Ok(Exit::Done)
        }
    }
}

async fn watch(
    context: &Context,
    wanted: Option<&str>,
    interval: Duration,
) -> Result<Exit, Trouble> {
    let mut which = Which::Waiting;
    loop {
        if let Err(trouble) = round(context, wanted, which).await {
            trouble.print();
        }
        which = Which::Due;
        context.world.clock.sleep(interval).await;
    }
}

/// Receives and sends once.
async fn round(context: &Context, wanted: Option<&str>, which: Which) -> Result<Exit, Trouble> {
    let mut bag = context.bag();
    let mut exits = Vec::new();
    for trouble in receive_all(context, &mut bag, wanted).await? {
        trouble.print();
        exits.push(trouble.exit());
    }
    exits.extend(send_all(context, &mut bag, wanted, which).await?);
    Ok(worst(&exits))
}

/// What a script should hear first.
fn worst(exits: &[Exit]) -> Exit {
    let order = [Exit::LoginRefused, Exit::Refused, Exit::Failed, Exit::Queued];
    let found = order.into_iter().find(|exit| exits.contains(exit));
    found.or_else(|| exits.first().copied()).unwrap_or(Exit::Done)
}

/// The accounts that are meant: the one that is named, or all.
fn meant(context: &Context, wanted: Option<&str>) -> Result<Vec<Account>, Trouble> {
    let accounts = context.accounts()?;
    let chosen = account::choose(&accounts, wanted)?.clone();
    Ok(if wanted.is_some() { vec![chosen] } else { accounts })
}

/// Receives for every account; the trouble of one does not stop the others.
pub(crate) async fn receive_all(
    context: &Context,
    bag: &mut Bag,
    wanted: Option<&str>,
) -> Result<Vec<Trouble>, Trouble> {
    let mut troubles = Vec::new();
    for account in meant(context, wanted)? {
        match receive(context, bag, &account).await {
            Ok(received) => tell(context, &account, &received),
            Err(trouble) => troubles.push(trouble),
        }
    }
    Ok(troubles)
}

fn tell(context: &Context, account: &Account, received: &Received) {
    let plural = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let mut parts = vec![plural(received.new, "new message", "new messages")];
    if received.reports > 0 {
        parts.push(plural(received.reports, "delivery report", "delivery reports"));
    }
    if received.too_large > 0 {
        parts.push(format!("{} too large, left on the server", received.too_large));
    }
    context.talk.remark(&format!("{}: {}", account.address, parts.join(", ")));
}

/// Receives for one account.
pub(crate) async fn receive(
    context: &Context,
    bag: &mut Bag,
    account: &Account,
) -> Result<Received, Trouble> {
    let password = secret::password(&context.home, &*context.world.disk, account)?;
    let talk = context.talk;
    let progress = |progress: Progress| match progress {
        Progress::Connecting => talk.progress(&format!("connecting to {}…", account.pop3)),
        Progress::Fetching { done, of } => {
            talk.progress(&format!("{}: fetching {done} of {of}", account.address));
        }
    };
    let received = sync::receive(bag, account, &password, &progress).await;
    talk.clear();
    Ok(received?)
}

/// Sends for every account what waits; how it went, for scripts.
async fn send_all(
    context: &Context,
    bag: &mut Bag,
    wanted: Option<&str>,
    which: Which,
) -> Result<Vec<Exit>, Trouble> {
    let mut exits = Vec::new();
    for account in meant(context, wanted)? {
        let store = bag.store().await?;
        let owner = store.account(&account.address).await?;
        if outbox::waiting(store, owner).await?.is_empty() {
            continue;
        }
        context.talk.progress(&format!("sending by {}…", account.submission));
        let password = match secret::password(&context.home, &*context.world.disk, &account) {
            Ok(password) => password,
            Err(error) => {
                let trouble = Trouble::from(error);
                trouble.print();
                exits.push(trouble.exit());
                continue;
            }
        };
        let round = outbox::send(bag, &account, &password, which).await?;
        context.talk.clear();
        for id in round.tried {
            let letter = tracked(bag.store().await?, id).await?;
            print_fates(&letter)?;
            exits.push(exit_of(&letter));
        }
        if let Some(trouble) = round.trouble.map(Trouble::from) {
            trouble.print();
            exits.push(trouble.exit());
        }
    }
    exits.retain(|exit| *exit != Exit::Done);
    Ok(exits)
}
