//! `setup`: makes an account, or changes it.

use mailbag::account::{self, Account, Server, TlsMode, secret};
use mailbag::discover::{self, Service};
use mailbag::{Exit, Fault};
use sasl::Password;

use super::terminal::{PasswordFrom, password};
use super::trouble::Trouble;
use super::{Context, PathArgument, ServerArgument};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The password is asked for, or read from stdin (--password-stdin), or printed by a command each
time it is needed (--password-command). It is tried at both servers before anything is written.
Mail stays on the server; `leave_on_server = false` in accounts.toml changes that.")]
pub(crate) struct Options {
    /// Your address.
    address: envelope::Address,
    /// The POP3 server; found by itself when not given.
    #[arg(long, value_name = "HOST:PORT")]
    pop3: Option<ServerArgument>,
    /// The submission server; found by itself when not given.
    #[arg(long, value_name = "HOST:PORT")]
    submission: Option<ServerArgument>,
    /// An IMAP server: not available in this version.
    #[arg(long, hide = true, value_name = "HOST:PORT")]
    imap: Option<String>,
    /// How to encrypt; `none` only on this very machine. By the port when not given.
    #[arg(long, value_enum)]
    tls: Option<Tls>,
    /// A certificate authority to trust besides the system's (PEM).
    #[arg(long, value_name = "FILE")]
    ca: Option<PathArgument>,
    /// The name beside your address in letters.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// What to log in as, when it is not the address.
    #[arg(long, value_name = "TEXT")]
    login: Option<String>,
    /// Read the password from stdin.
    #[arg(long, conflicts_with = "password_command")]
    password_stdin: bool,
    /// A command that prints the password.
    #[arg(long, value_name = "COMMAND")]
    password_command: Option<String>,
    #[arg(long, hide = true)]
    password: Option<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Tls {
    Starttls,
    Implicit,
    None,
}

impl From<Tls> for TlsMode {
    fn from(tls: Tls) -> Self {
        match tls {
            Tls::Starttls => Self::Starttls,
            Tls::Implicit => Self::Implicit,
            Tls::None => Self::None,
        }
    }
}

pub(crate) async fn run(context: &Context, mut options: Options) -> Result<Exit, Trouble> {
    refuse(&options)?;
    let ca = options.ca.take().map(absolute).transpose()?;
    let password = password_of(&options)?;
    let (pop3, submission) = (options.pop3.take(), options.submission.take());
    let pop3 = server(context, &options, Service::Pop3, pop3, ca.as_deref()).await?;
    let submission =
        server(context, &options, Service::Submission, submission, ca.as_deref()).await?;
    let accounts = context.accounts()?;
    let before = accounts.iter().find(|known| known.address == options.address);
    let account = Account {
        name: options.name.or_else(|| before.and_then(|known| known.name.clone())),
        login: options.login,
        password_command: options.password_command,
        ca,
        leave_on_server: before.is_none_or(|known| known.leave_on_server),
        pop3,
        submission,
        address: options.address,
    };
    account::refuse_clear_text(&account)?;
    let talk = context.talk;
    talk.progress(&format!("logging in at {} and {}…", account.pop3, account.submission));
    discover::check_logins(&context.world, &account, &password).await?;
    talk.clear();
    let done = told(&account);
    keep(context, account, &password).await?;
    for line in &done {
        talk.say(line);
    }
    Ok(Exit::Done)
}

/// What cannot be, before anything is asked.
fn refuse(options: &Options) -> Result<(), Trouble> {
    if options.password.is_some() {
        return Err(Trouble::wrong_use(
            "a password on the command line can be read by everybody on this machine",
            "use --password-stdin or --password-command, or type it when asked",
        ));
    }
    if options.imap.is_some() {
        return Err(Trouble::wrong_use("IMAP is not available in this version", "use --pop3"));
    }
    Ok(())
}

fn password_of(options: &Options) -> Result<Password, Trouble> {
    match (&options.password_command, options.password_stdin) {
        (Some(command), _) => Ok(secret::from_command(command)?),
        (None, true) => password(&options.address.to_string(), PasswordFrom::Stdin),
        (None, false) => password(&options.address.to_string(), PasswordFrom::Terminal),
    }
}

/// Writes the account down, in place of one of the same address.
async fn keep(context: &Context, account: Account, password: &Password) -> Result<(), Trouble> {
    // Whoever has the lock is the only one that changes the files.
    let store = context.store().await?;
    store.account(&account.address).await?;
    let disk = &*context.world.disk;
    if account.password_command.is_none() {
        secret::keep(&context.home, disk, &account, password)?;
    }
    let mut accounts = context.accounts()?;
    match accounts.iter_mut().find(|known| known.address == account.address) {
        Some(known) => *known = account,
        None => accounts.push(account),
    }
    Ok(account::write(&context.home, disk, &accounts)?)
}

fn told(account: &Account) -> [String; 4] {
    let server = |what: &str, server: &Server| {
        let tls = match server.tls {
            TlsMode::None => "not encrypted, on this machine only".to_owned(),
            tls => format!("encrypted ({}), certificate verified", tls.name()),
        };
        format!("  {what:<11} {server}, {tls}")
    };
    [
        format!("{} is set up; the login works at both servers", account.address),
        server("POP3", &account.pop3),
        server("submission", &account.submission),
        "next: mailbag sync".to_owned(),
    ]
}

async fn server(
    context: &Context,
    options: &Options,
    service: Service,
    named: Option<ServerArgument>,
    ca: Option<&std::path::Path>,
) -> Result<Server, Trouble> {
    let world = &context.world;
    let tls = options.tls.map(TlsMode::from);
    let server = match named {
        Some(named) => {
            context.talk.progress(&format!("looking at {}…", named.host));
            discover::with_tls(world, service, named, tls, ca).await
        }
        None => {
            let domain = options.address.domain();
            context.talk.progress(&format!("looking for the servers of {domain}…"));
            discover::find(world, service, domain, tls, ca).await?
        }
    };
    Ok(server)
}

/// The file's path from anywhere: commands run in other folders later.
fn absolute(path: PathArgument) -> Result<PathArgument, Fault> {
    path.canonicalize().map_err(|error| Fault::File {
        action: "read",
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}
