//! The command line: what can be said, and how the answer looks.
//!
//! One file for each command. Data goes to standard output, talk to standard error, so that a
//! script can read the one and a person the other.
//!
//! Standards: POSIX.1-2024 §12.2 (utility syntax).
//! Not here: doing it (`control`, `serve`, `rehearsal`).

mod account;
mod alias;
mod backup;
mod check;
mod domain;
mod explain;
mod init;
mod man;
mod message;
mod output;
pub(crate) mod password;
mod queue;
mod records;
mod restore;
mod serve;
mod suppress;
pub(crate) mod table;
pub(crate) mod timeline;
mod trace;
mod transfer;
mod verify;
mod visible;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

pub(crate) use self::output::{Form, Output, Style, Talk};
pub(crate) use self::visible::visible;

use crate::config::Config;
use crate::control::{self, Answer, Item, Request};
use crate::failure::{Exit, Failure};
use crate::folder::Folder;

/// What stands above the list of commands.
const BEGIN: &str = "\
posthouse is a mail server and all of its administration.

  posthouse try       a whole mail system on your machine: look at it first
  posthouse init      set up a real server
  posthouse serve     run it";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "posthouse", version, about = None, before_help = BEGIN)]
#[command(disable_help_subcommand = true)]
#[command(override_usage = "posthouse [OPTIONS] COMMAND", subcommand_value_name = "COMMAND")]
struct CommandLine {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Options {
    /// The configuration [default: ./posthouse.toml, then /etc/posthouse/posthouse.toml]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON document; lists as one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say less
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Rehearse on loopback: two mail systems, DNS and a letter each way
    Try(crate::rehearsal::Options),
    /// Write a configuration, make the first account, tell the DNS records to publish
    Init(init::Options),
    /// Run the server in the foreground
    Serve(serve::Options),
    /// Check configuration, certificates, ports and store
    Check,
    #[command(flatten)]
    Administration(Administration),
    /// Message files
    #[command(subcommand)]
    Message(message::Command),
    /// Write the manual pages, one for each command
    Man(man::Options),
}

/// What a running server does for whoever asks, and a command by itself where none runs.
#[derive(Debug, Subcommand)]
enum Administration {
    /// Domains that we receive for
    #[command(subcommand)]
    Domain(domain::Command),
    /// Accounts and their passwords
    #[command(subcommand)]
    Account(account::Command),
    /// Other names for accounts, lists, catch-alls, forwarding
    #[command(subcommand)]
    Alias(alias::Command),
    /// Mail that waits
    #[command(subcommand)]
    Queue(queue::Command),
    /// What would happen to a message at each stage, and why; does nothing
    Explain(explain::Options),
    /// Addresses to which nothing is sent
    #[command(subcommand)]
    Suppress(suppress::Command),
    /// Everything that is known of one message
    Trace(trace::Options),
    /// Read the whole store; check every checksum, count and reference
    Verify(verify::Options),
    /// Copy everything while the server serves
    Backup(backup::Options),
    /// Bring back everything, an account, a mailbox or a message
    Restore(restore::Options),
    /// Take an mbox file or a Maildir in
    Import(transfer::ImportOptions),
    /// Take an account's messages out, as a Maildir or as mbox files
    Export(transfer::ExportOptions),
}

/// How the user can call this program again: as it was called now.
pub(crate) fn program() -> String {
    std::env::args()
        .next()
        .map_or_else(|| "posthouse".to_owned(), |name| visible(&name).into_owned())
}

/// Runs the program with these arguments.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => return syntax(&error),
    };
    let talk = Talk::new(&line.options);
    let mut output = Output::stdout(if line.options.json { Form::Json } else { Form::Text });
    let done = match line.command {
        None => help(&mut output),
        Some(command) => within_runtime(command, line.options, &mut output, &talk),
    };
    match done.and_then(|exit| output.flush().map(|()| exit)) {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.is_silent() {
                talk.error(&failure);
            }
            failure.exit()
        }
    }
}

/// Help and version go to standard output and are no failures; the rest is wrong use.
fn syntax(error: &clap::Error) -> Exit {
    // Whether it can be printed or not, the exit code tells.
    error.print().ok();
    if error.use_stderr() { Exit::WrongUse } else { Exit::Done }
}

fn help(output: &mut Output) -> Result<Exit, Failure> {
    output.text(&CommandLine::command().render_help().to_string())?;
    Ok(Exit::Done)
}

fn within_runtime(
    command: Command,
    options: Options,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let mut builder = match command {
        Command::Serve(_) | Command::Try(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().build().map_err(|error| {
        Failure::new(format!("the program cannot start its threads: {error}"))
            .remedy("see the limits of this user (ulimit -a)")
    })?;
    runtime.block_on(perform(command, &options, output, talk))
}

async fn perform(
    command: Command,
    options: &Options,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    match command {
        Command::Try(rehearsal) => crate::rehearsal::run(rehearsal, output, talk).await,
        Command::Init(init) => init::run(init, output, talk).await,
        Command::Check => check::run(options, output).await,
        Command::Serve(serve) => serve::run(&serve, options).await,
        Command::Message(message) => message::run(message, output, talk),
        Command::Man(man) => man::run(CommandLine::command(), &man),
        Command::Administration(order) => {
            let config = Config::find(options.config.as_deref())?;
            let office = Office { folder: Folder::new(&config.data_dir), config };
            administer(order, &office, output, talk).await
        }
    }
}

async fn administer(
    order: Administration,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    match order {
        Administration::Domain(domain) => domain::run(domain, office, output, talk).await,
        Administration::Account(account) => account::run(account, office, output, talk).await,
        Administration::Alias(alias) => alias::run(alias, office, output, talk).await,
        Administration::Queue(queue) => queue::run(queue, office, output, talk).await,
        Administration::Explain(options) => explain::run(options, office, output).await,
        Administration::Suppress(queue) => suppress::run(queue, office, output, talk).await,
        Administration::Trace(trace) => trace::run(trace, office, output).await,
        Administration::Verify(verify) => verify::run(&verify, office, output, talk).await,
        Administration::Backup(backup) => backup::run(backup, office, output, talk).await,
        Administration::Restore(restore) => restore::run(restore, office, output, talk).await,
        Administration::Import(import) => transfer::import(import, office, output, talk).await,
        Administration::Export(export) => transfer::export(export, office, output, talk).await,
    }
}

/// Where administrative commands are done: the server of a configuration, or its store.
#[derive(Debug)]
pub(crate) struct Office {
    config: Config,
    folder: Folder,
}

impl Office {
    /// Asks for something that is told piece by piece.
    async fn ask(&self, request: Request) -> Result<Answer, Failure> {
        control::ask(&self.folder, request).await
    }

    /// Asks for something that is done and no more.
    async fn order(&self, request: Request) -> Result<(), Failure> {
        self.ask(request).await?.done().await
    }

    /// Asks for a list and shows each piece.
    async fn list(
        &self,
        request: Request,
        mut show: impl FnMut(Item) -> Result<(), Failure>,
    ) -> Result<Exit, Failure> {
        let mut answer = self.ask(request).await?;
        while let Some(item) = answer.next().await? {
            show(item)?;
        }
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn help_begins_with_what_to_do() {
        let help = CommandLine::command().render_help().to_string();
        assert!(help.starts_with("posthouse is a mail server"), "{help}");
        let first = help.lines().nth(2).expect("a third line");
        assert!(first.contains("posthouse try"), "{first}");
    }
}
