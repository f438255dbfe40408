//! Commands, options and the way a command ends.

mod format;
mod list;
mod man;
mod message;
mod outbox;
mod save;
mod send;
mod setup;
mod show;
mod sync;
mod terminal;
mod track;
mod trouble;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use mailbag::account::HostPort;
use mailbag::{Bag, Exit, Home, LocalStore, World};
use platform::{RealDisk, SystemClock, SystemRandom, TokioNet};

use self::trouble::Trouble;

/// How long a command waits while another mailbag works with the same mail.
const PATIENCE: Duration = Duration::from_secs(10);

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong use; 3 nothing found; 67 some recipients refused;
75 queued, will be tried again; 77 login refused.

Mail, accounts and passwords are kept in $MAILBAG_HOME, or else in the XDG folders.
While one mailbag receives or sends, others can read; a second one that wants to receive or
send waits for it.";

/// Your mail, on your own machine: receives by POP3, sends from an outbox that survives a
/// crash, and tells what became of each letter.
#[derive(Debug, Parser)]
#[command(name = "mailbag", version, after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true, display_order = 900)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an account; finds the servers by itself where they are not given.
    Setup(setup::Options),
    /// Receive new mail, then send what waits in the outbox.
    Sync(sync::Options),
    /// List messages of the local store; needs no network.
    List(list::Options),
    /// Show one message.
    Show(show::Options),
    /// Save a message or one of its parts as a file.
    Save(save::Options),
    /// Put a letter into the outbox, then send it; the text is read from stdin.
    Send(send::Options),
    /// Tell what became of a sent letter, recipient by recipient.
    Track(track::Options),
    /// List what is not sent yet, try it again, or take it back.
    Outbox(outbox::Options),
    /// Message files: what is in them; needs no account.
    #[command(subcommand)]
    Message(message::Command),
    /// Write the manual pages, one for each command.
    Man(man::Options),
    #[command(hide = true)]
    Import(Later),
    #[command(hide = true)]
    Export(Later),
    #[command(hide = true)]
    Search(Later),
}

/// A command that a later version has.
#[derive(Debug, clap::Args)]
struct Later {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<String>,
}

/// What every command works with.
#[derive(Debug)]
struct Context {
    home: Home,
    world: World,
    talk: terminal::Talk,
}

impl Context {
    /// Opens the local store; nobody else has it until it is dropped.
    async fn store(&self) -> Result<LocalStore, Trouble> {
        Ok(LocalStore::open(&self.home, &self.world, PATIENCE).await?)
    }

    /// The local store for talking to servers.
    fn bag(&self) -> Bag {
        Bag::new(self.home.clone(), self.world.clone(), PATIENCE)
    }

    fn accounts(&self) -> Result<Vec<mailbag::account::Account>, Trouble> {
        Ok(mailbag::account::read(&self.home, &*self.world.disk).map_err(mailbag::Fault::from)?)
    }
}

/// Runs what the command line asks for.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let ended = start(arguments);
    match ended {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(trouble) => {
            trouble.print();
            ExitCode::from(trouble.exit().code())
        }
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    // Its own printing goes to the right stream; a closed one is nobody's concern.
    error.print().ok();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(Exit::WrongUse.code()),
    }
}

fn start(arguments: Arguments) -> Result<Exit, Trouble> {
    match arguments.command {
        Command::Man(options) => man::write(Arguments::command(), &options),
        Command::Message(command) => message::run(command, terminal::Talk::new(arguments.quiet)),
        command => with_home(command, arguments.quiet),
    }
}

/// Runs a command that works with the user's mail.
fn with_home(command: Command, quiet: bool) -> Result<Exit, Trouble> {
    let home = Home::locate(|name| std::env::var_os(name)).map_err(mailbag::Fault::from)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Trouble::own(format!("the runtime does not start: {error}")))?;
    runtime.block_on(async {
        let world = World::system(
            Arc::new(SystemClock),
            Arc::new(SystemRandom),
            Arc::new(TokioNet),
            Arc::new(RealDisk),
        );
        let talk = terminal::Talk::new(quiet);
        let context = Context { home, world, talk };
        match command {
            Command::Setup(options) => setup::run(&context, options).await,
            Command::Sync(options) => sync::run(&context, options).await,
            Command::List(options) => list::run(&context, options).await,
            Command::Show(options) => show::run(&context, options).await,
            Command::Save(options) => save::run(&context, options).await,
            Command::Send(options) => send::run(&context, options).await,
            Command::Track(options) => track::run(&context, options).await,
            Command::Outbox(options) => outbox::run(&context, options).await,
            Command::Man(_) | Command::Message(_) => Ok(Exit::Done),
            Command::Import(_) | Command::Export(_) | Command::Search(_) => {
                Err(Trouble::wrong_use("not available in this version", "see `mailbag --help`"))
            }
        }
    })
}

/// Reads a time such as `90s`, `5m`, `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time such as 30s, 5m or 2h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).unwrap_or(text).parse::<u64>().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// A file or folder given on the command line, or `HOST:PORT`.
type PathArgument = PathBuf;
type ServerArgument = HostPort;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        let table = [
            ("90s", Some(90)),
            ("5m", Some(300)),
            ("2h", Some(7200)),
            ("1d", Some(86400)),
            ("5", None),
            ("m", None),
            ("", None),
            ("-1s", None),
            ("99999999999999999999s", None),
        ];
        for (text, wanted) in table {
            assert_eq!(duration(text).ok(), wanted.map(Duration::from_secs), "{text}");
        }
    }
}
