//! `send`: into the outbox first, then out; a line for each recipient's fate.

use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::time::Duration;

use mailbag::account::{self, Account, secret};
use mailbag::compose::{self, Composed, TextFormat, Wanted};
use mailbag::outbox::{self, Round, Which};
use mailbag::track::Tracked;
use mailbag::{Bag, Exit, Fault};
use message::{Attachment, HeaderSection, safe_file_name};
use platform::Disk;
use store::SubmissionId;

use super::format;
use super::sync::receive;
use super::terminal::{print, stdout_is_terminal};
use super::track::tracked;
use super::trouble::{Once, Trouble};
use super::{Context, PathArgument, duration};

/// Largest file that is sent along, and largest message.
const FILE_OCTETS_MAX: usize = 256 * 1024 * 1024;
/// Pauses between looks for reports: short at first, since most come at once.
const POLL_FIRST: Duration = Duration::from_millis(500);
const POLL_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The letter is in the outbox, on disk, before the first octet goes to the network; what cannot be
sent now stays there, and `mailbag sync` tries again. One refused recipient never stops the others.
Exit: 0 taken for all; 67 refused for some; 75 stays in the outbox; 77 login refused; 1 unknown.")]
pub(crate) struct Options {
    /// Recipients: ADDRESS or 'NAME <ADDRESS>'; may be repeated.
    #[arg(long, value_name = "A", num_args = 1.., required_unless_present = "eml")]
    to: Vec<String>,
    /// Those who get a copy.
    #[arg(long, value_name = "A", num_args = 1.., conflicts_with = "eml")]
    cc: Vec<String>,
    /// Those who get a copy that nobody else knows of.
    #[arg(long, value_name = "A", num_args = 1.., conflicts_with = "eml")]
    bcc: Vec<String>,
    /// The subject.
    #[arg(short, long, value_name = "S", required_unless_present = "eml", conflicts_with = "eml")]
    subject: Option<String>,
    /// Files to send along.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "eml")]
    attach: Vec<PathArgument>,
    /// Send this message file (- for stdin) to --to, or else to its own addressees.
    #[arg(long, value_name = "FILE")]
    eml: Option<PathArgument>,
    /// The text is Markdown: send it as it is, and as HTML beside it.
    #[arg(long, conflicts_with = "eml")]
    markdown: bool,
    /// From which account; the first one when not given.
    #[arg(long, value_name = "A")]
    account: Option<String>,
    /// Until the server took it (accepted), or until reports told everybody's fate (final).
    #[arg(long, value_enum, default_value = "accepted")]
    wait: Wait,
    /// How long to wait for reports.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    timeout: Duration,
    /// One JSON object, as `track --json`.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Wait {
    Accepted,
    Final,
}

pub(crate) async fn run(context: &Context, options: Options) -> Result<Exit, Trouble> {
    let accounts = context.accounts()?;
    let (account, letter) = match &options.eml {
        Some(path) => from_file(context, &accounts, &options, path)?,
        None => from_options(context, &accounts, &options)?,
    };

    let mut bag = context.bag();
    let id = outbox::put(bag.store().await?, account, letter).await?;
    context.talk.progress(&format!("in the outbox as {id}; connecting to {}…", account.submission));
    let trouble = match hand_over(context, &mut bag, account, id).await {
        Ok(round) => round.trouble.map(Trouble::from),
        Err(trouble) => Some(trouble),
    };
    let mut now = tracked(bag.store().await?, id).await?;
    bag.let_go();
    context.talk.clear();
    if let Some(trouble) = trouble {
        trouble.print();
        let queued = format!("the letter stays in the outbox as {id}; `mailbag sync` tries again");
        context.talk.say(&queued);
        show(&now, options.json)?;
        let refused = trouble.exit() == Exit::LoginRefused;
        return Ok(if refused { Exit::LoginRefused } else { Exit::Queued });
    }
    let mut exit = exit_of(&now);
    if options.wait == Wait::Final && exit != Exit::Failed {
        now = wait_for_reports(context, account, id, now, options.timeout).await?;
        exit = match now.is_settled() || exit_of(&now) != Exit::Done {
            true => exit_of(&now),
            false => {
                context.talk.say("no final news yet; `mailbag track --follow` waits on");
                Exit::Queued
            }
        };
    }
    show(&now, options.json)?;
    if stdout_is_terminal() && !options.json {
        let short = format::short(id);
        context.talk.say(&format!("{id}; see what becomes of it by `mailbag track {short}`"));
    }
    Ok(exit)
}

async fn hand_over(
    context: &Context,
    bag: &mut Bag,
    account: &Account,
    id: SubmissionId,
) -> Result<Round, Trouble> {
    let password = secret::password(&context.home, &*context.world.disk, account)?;
    Ok(outbox::send(bag, account, &password, Which::Only(id)).await?)
}

/// A letter from a message file, by the account that is named or else the one that it is from.
fn from_file<'a>(
    context: &Context,
    accounts: &'a [Account],
    options: &Options,
    path: &Path,
) -> Result<(&'a Account, Composed), Trouble> {
    let octets = match path.as_os_str() == "-" {
        true => stdin(context)?,
        false => file(&*context.world.disk, path)?,
    };
    let from = HeaderSection::parse(&octets).from();
    let from = from.mailboxes().next().map(|author| author.address.to_lowercase());
    let is_from = |account: &&Account| from == Some(account.address.to_string().to_lowercase());
    let account = match (options.account.as_deref(), accounts.iter().find(is_from)) {
        (None, Some(account)) => account,
        (named, _) => account::choose(accounts, named)?,
    };
    let letter = compose::from_file(&context.world, account, &octets, &options.to)?;
    Ok((account, letter))
}

/// A letter from the command line and stdin. The text is read last, so that nobody writes one
/// that cannot be sent.
fn from_options<'a>(
    context: &Context,
    accounts: &'a [Account],
    options: &Options,
) -> Result<(&'a Account, Composed), Trouble> {
    let account = account::choose(accounts, options.account.as_deref())?;
    let mut wanted = Wanted {
        to: options.to.clone(),
        cc: options.cc.clone(),
        bcc: options.bcc.clone(),
        subject: options.subject.clone().unwrap_or_default(),
        format: if options.markdown { TextFormat::Markdown } else { TextFormat::Plain },
        ..Wanted::default()
    };
    compose::compose(&context.world, account, wanted.clone())?;
    for path in &options.attach {
        let name = path.file_name().map(|name| safe_file_name(&name.to_string_lossy()));
        let name = name.unwrap_or_default();
        let content_type = content_type(&name).to_owned();
        let octets = file(&*context.world.disk, path)?;
        wanted.attachments.push(Attachment { name, content_type, octets, content_id: None });
    }
    wanted.text = String::from_utf8(stdin(context)?).map_err(|error| {
        let line = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = line.filter(|octet| **octet == b'\n').count() + 1;
        Trouble::wrong_use(
            format!("the text is not UTF-8 (line {line})"),
            "convert it, for example by iconv, or send it by --attach",
        )
    })?;
    Ok((account, compose::compose(&context.world, account, wanted)?))
}

/// What a script is told about a letter.
pub(crate) fn exit_of(letter: &Tracked) -> Exit {
    if letter.has_failed() {
        Exit::Refused
    } else if letter.is_unknown() {
        Exit::Failed
    } else if letter.is_waiting() {
        Exit::Queued
    } else {
        Exit::Done
    }
}

fn show(letter: &Tracked, json: bool) -> Result<(), Trouble> {
    if json {
        let line =
            serde_json::to_string(letter).map_err(|error| Trouble::own(error.to_string()))?;
        return print(format!("{line}\n").as_bytes());
    }
    print_fates(letter)
}

/// A line for each recipient.
pub(crate) fn print_fates(letter: &Tracked) -> Result<(), Trouble> {
    let width = letter.recipients.iter().map(|one| format::columns(&one.address)).max();
    let lines = letter.recipients.iter().map(|one| format::fate_line(one, width.unwrap_or(0)));
    print(lines.collect::<String>().as_bytes())
}

/// Looks for reports until everybody's fate is known. Others may use the store in between.
async fn wait_for_reports(
    context: &Context,
    account: &Account,
    id: SubmissionId,
    mut now: Tracked,
    timeout: Duration,
) -> Result<Tracked, Trouble> {
    let clock = &context.world.clock;
    let began = clock.monotonic();
    let mut pause = POLL_FIRST;
    let mut told = Once::default();
    while !now.is_settled() && !now.is_waiting() {
        let waited = clock.monotonic().saturating_sub(began);
        if waited >= timeout {
            break;
        }
        context.talk.progress(&format!("waiting for reports ({} s)…", waited.as_secs()));
        clock.sleep(pause.min(timeout.saturating_sub(waited))).await;
        pause = (pause * 2).min(POLL_MAX);
        match look_for_reports(context, account, id).await {
            Ok(news) => now = news,
            Err(trouble) => told.tell(&trouble),
        }
    }
    context.talk.clear();
    Ok(now)
}

async fn look_for_reports(
    context: &Context,
    account: &Account,
    id: SubmissionId,
) -> Result<Tracked, Trouble> {
    let mut bag = context.bag();
    receive(context, &mut bag, account).await?;
    tracked(bag.store().await?, id).await
}

fn file(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, Fault> {
    disk.read_whole(path, FILE_OCTETS_MAX).map_err(|error| Fault::File {
        action: "read",
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

fn stdin(context: &Context) -> Result<Vec<u8>, Trouble> {
    let mut input = io::stdin();
    if input.is_terminal() {
        context.talk.say("write the text, then Ctrl-D on an empty line");
    }
    let mut octets = Vec::new();
    let mut limited = input.by_ref().take(u64::try_from(FILE_OCTETS_MAX).unwrap_or(u64::MAX));
    limited.read_to_end(&mut octets).map_err(|error| Fault::File {
        action: "read",
        path: "stdin".to_owned(),
        reason: error.to_string(),
    })?;
    Ok(octets)
}

/// The type of a file by its name; empty for one that we do not know.
fn content_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("txt" | "log" | "md") => "text/plain",
        Some("html" | "htm") => "text/html",
        Some("csv") => "text/csv",
        Some("ics") => "text/calendar",
        Some("pdf") => "application/pdf",
        Some("zip") => "application/zip",
        Some("gz") => "application/gzip",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("svg") => "image/svg+xml",
        Some("mp3") => "audio/mpeg",
        Some("ogg") => "audio/ogg",
        Some("mp4") => "video/mp4",
        Some("odt") => "application/vnd.oasis.opendocument.text",
        Some("ods") => "application/vnd.oasis.opendocument.spreadsheet",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "",
    }
}
