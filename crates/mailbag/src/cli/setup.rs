//! `setup`: makes an account, or changes it.

use mailbag::account::{self, Account, Server, TlsMode, secret};
use mailbag::discover::{self, Service};
use mailbag::{Exit, Fault};

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
    if options.password.is_some() {
        return Err(Trouble::wrong_use(
            "a password on the command line can be read by everybody on this machine",
            "use --password-stdin or --password-command, or type it when asked",
        ));
    }
    if options.imap.is_some() {
        return Err(Trouble::wrong_use("IMAP is not available in this version", "use --pop3"));
    }
    let ca = options.ca.take().map(absolute).transpose()?;
    let talk = context.talk;
    let password = match &options.password_command {
        Some(command) => secret::from_command(command)?,
        None => {
            let from = match options.password_stdin {
                true => PasswordFrom::Stdin,
                false => PasswordFrom::Terminal,
            };
            password(&options.address.to_string(), from)?
        }
    };
    let pop3 =
        server(context, &options, Service::Pop3, options.pop3.clone(), ca.as_deref()).await?;
    let submission =
        server(context, &options, Service::Submission, options.submission.clone(), ca.as_deref())
            .await?;
    let mut accounts = context.accounts()?;
    let place = accounts.iter().position(|known| known.address == options.address);
    let before = place.and_then(|place| accounts.get(place));
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
    talk.progress(&format!("logging in at {} and {}…", account.pop3, account.submission));
    discover::check_logins(&context.world, &account, &password).await?;
    talk.clear();

    // Whoever has the lock is the only one that changes the files.
    let store = context.store().await?;
    store.account(&account.address).await?;
    let disk = &*context.world.disk;
    if account.password_command.is_none() {
        secret::keep(&context.home, disk, &account, &password)?;
    }
    let done = format!(
        "{} is set up: POP3 at {} ({}), submission at {} ({}); next: mailbag sync",
        account.address,
        account.pop3,
        account.pop3.tls.name(),
        account.submission,
        account.submission.tls.name(),
    );
    match place.and_then(|place| accounts.get_mut(place)) {
        Some(known) => *known = account,
        None => accounts.push(account),
    }
    account::write(&context.home, disk, &accounts)?;
    talk.say(&done);
    Ok(Exit::Done)
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
