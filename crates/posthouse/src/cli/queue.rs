//! `posthouse queue`: mail that waits.
//!
//! Standards: RFC 5321 §4.5.4 (queueing).
//! Not here: when it is tried again (crate `mta`).

mod rule;
mod search;

use clap::{Args, Subcommand};
use envelope::{Address, Domain};
use store::{FixedRoute, SenderPattern, SubmissionId};

use super::table::size;
use super::timeline::Timeline;
use super::{Office, Output, Talk, visible};
use crate::config::{self, HostPort};
use crate::control::{Item, QueueItem, RecipientItem, Request, Steering, Wanted};
use crate::failure::{Exit, Failure};

/// What to do with mail that waits.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what waits, oldest first
    List,
    /// Show one message of the queue
    Show {
        /// The id, as in `queue list`
        id: SubmissionId,
    },
    /// Find messages, settled ones as well, newest first
    Search(search::Options),
    /// Try to deliver now
    Retry(Which),
    /// Do not try until it is released
    Hold(Which),
    /// Try again what was held
    Release(Which),
    /// Give up
    Cancel {
        #[command(flatten)]
        which: Which,
        /// Tell the sender, unless they do not want to hear of failures
        #[arg(long)]
        notify: bool,
    },
    /// Send it to another host; who is not held is tried now
    Route {
        #[command(flatten)]
        which: Which,
        /// To this host, such as mx.example.net:25 or [2001:db8::1]:25
        #[arg(long, value_name = "HOST:PORT", value_parser = route)]
        #[arg(required_unless_present = "default", conflicts_with = "default")]
        to: Option<FixedRoute>,
        /// Where it goes by itself
        #[arg(long)]
        default: bool,
    },
    /// Which new mail is held
    #[command(subcommand)]
    Rule(rule::Command),
}

fn route(text: &str) -> Result<FixedRoute, String> {
    let HostPort { host, port } = config::host_port(text)?;
    let host = host.literal().map_or_else(|| host.to_string(), |address| address.to_string());
    Ok(FixedRoute { host, port })
}

/// One message, or one recipient of it; or all that waits and matches.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Which {
    /// The id, as in `queue list`; without it, all that waits and matches
    #[arg(
        required_unless_present_any = ["sender", "recipient", "domain"],
        conflicts_with_all = ["sender", "domain"]
    )]
    id: Option<SubmissionId>,
    /// Only this recipient
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Address>,
    /// All of this sender: an address, @DOMAIN, or <> for notices
    #[arg(long, value_name = "SENDER", value_parser = search::sender)]
    sender: Option<SenderPattern>,
    /// All recipients of this domain
    #[arg(long, value_name = "DOMAIN", conflicts_with = "recipient")]
    domain: Option<Domain>,
}

impl Which {
    fn request(self, action: Steering) -> Request {
        let Self { id, recipient, sender, domain } = self;
        match id {
            Some(id) => Request::QueueSteer { id, recipient, action },
            None => {
                let recipient = search::recipient(recipient, domain);
                let wanted = Wanted { sender, recipient, ..Wanted::default() };
                Request::QueueSteerAll { wanted: Box::new(wanted), action }
            }
        }
    }
}

pub(super) async fn run(
    command: Command,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let (which, action) = match command {
        Command::List => {
            return office.list(Request::QueueList, |item| list(&item, output)).await;
        }
        Command::Show { id } => return show(id, office, output).await,
        Command::Search(options) => {
            return office.list(options.request(), |item| list(&item, output)).await;
        }
        Command::Retry(which) => (which, Steering::Retry),
        Command::Hold(which) => (which, Steering::Hold),
        Command::Release(which) => (which, Steering::Release),
        Command::Cancel { which, notify: false } => (which, Steering::Cancel),
        Command::Cancel { which, notify: true } => (which, Steering::CancelAndTell),
        Command::Route { which, to, .. } => (which, Steering::Route(to)),
        Command::Rule(command) => return rule::run(command, office, output, talk).await,
    };
    let words = done(&action);
    let request = which.request(action);
    let told = |item| {
        if let Item::Changed(recipients) = item {
            for address in recipients {
                talk.say(format_args!("{address} {words}"));
            }
        }
        Ok(())
    };
    office.list(request, told).await
}

fn done(action: &Steering) -> String {
    match action {
        Steering::Retry => "is tried now".to_owned(),
        Steering::Hold => "is held".to_owned(),
        Steering::Release => "is not held any more".to_owned(),
        Steering::Cancel => "will not be tried again".to_owned(),
        Steering::CancelAndTell => "will not be tried again; the sender is told".to_owned(),
        Steering::Route(Some(to)) => format!("goes to {to}"),
        Steering::Route(None) => "goes where it goes by itself".to_owned(),
    }
}

async fn show(id: SubmissionId, office: &Office, output: &mut Output) -> Result<Exit, Failure> {
    let mut timeline = Timeline::new();
    office.list(Request::QueueShow { id }, |item| timeline.take(item, output)).await?;
    timeline.end(output)?;
    Ok(Exit::Done)
}

fn list(item: &Item, output: &mut Output) -> Result<(), Failure> {
    let Item::Queued(queued) = item else { return Ok(()) };
    output.tell(queued, || block(queued))
}

fn block(queued: &QueueItem) -> String {
    let QueueItem { id, created, sender, size: octets, terms, recipients } = queued;
    let mut lines = vec![format!("{id}  {created}  {:>9}  from <{sender}>{terms}", size(*octets))];
    lines.extend(recipients.iter().map(recipient));
    lines.join("\n")
}

/// One recipient and its fate, on one line.
pub(super) fn recipient(recipient: &RecipientItem) -> String {
    let mut line = format!("  {:<32}  {:<9}", recipient.address, recipient.state);
    if let Some(next) = &recipient.next_attempt {
        line.push_str(&format!("  next {next}"));
    }
    if recipient.attempts > 0 {
        line.push_str(&format!(
            "  after {}",
            super::table::count(recipient.attempts.into(), "attempt")
        ));
    }
    if let Some(reply) = &recipient.last_reply {
        let host = recipient.host.as_deref().unwrap_or("the host");
        line.push_str(&format!("  {} said: {}", visible(host), visible(reply)));
    }
    if let Some(route) = &recipient.route {
        line.push_str(&format!("  goes to {route}"));
    }
    if let Some(what) = &recipient.waits_for {
        line.push_str(&format!("\n    now: {}", visible(what)));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_entry_tells_each_recipient() {
        let waits = RecipientItem {
            number: 0,
            address: "bob@harbour.example".into(),
            state: "deferred".into(),
            attempts: 2,
            next_attempt: Some("2026-11-25T02:30:00Z".into()),
            last_reply: Some("451 4.7.1 later\u{1b}[2J".into()),
            host: Some("mx.harbour.example".into()),
            expanded_from: None,
            changed: "2026-11-25T02:22:00Z".into(),
            settled: false,
            route: None,
            waits_for: Some("at harbour.example 2 of 2 connections are busy\u{7}".into()),
        };
        let mut queued = QueueItem {
            id: "01KAV3M2Q0T9D7S5XW8Y4Z6B1C".into(),
            created: "2026-11-25T02:20:00Z".into(),
            sender: "anna@castle.example".into(),
            size: 4300,
            terms: Default::default(),
            recipients: vec![waits],
        };
        queued.terms.released_at = Some("2026-11-25T02:21:00Z".into());
        queued.terms.priority = -4;
        insta::assert_snapshot!(block(&queued), @r"
    01KAV3M2Q0T9D7S5XW8Y4Z6B1C  2026-11-25T02:20:00Z    4.1 KiB  from <anna@castle.example>  released at 2026-11-25T02:21:00Z  priority -4
      bob@harbour.example               deferred   next 2026-11-25T02:30:00Z  after 2 attempts  mx.harbour.example said: 451 4.7.1 later␛[2J
        now: at harbour.example 2 of 2 connections are busy␇
    ");
    }
}
