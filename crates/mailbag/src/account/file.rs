//! `accounts.toml`: read strictly, written whole.

use std::io;

use platform::Disk;
use serde::{Deserialize, Serialize};

use super::{Account, AccountError, TlsMode};
use crate::home::Home;

/// Largest `accounts.toml` that we read: thousands of accounts.
const FILE_OCTETS_MAX: usize = 1024 * 1024;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "account")]
    accounts: Vec<Account>,
}

/// The accounts in the order of the file; none when there is no file.
pub fn read(home: &Home, disk: &dyn Disk) -> Result<Vec<Account>, AccountError> {
    let path = home.accounts();
    let octets = match disk.read_whole(&path, FILE_OCTETS_MAX) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(AccountError::File { path, action: "read", source }),
    };
    let bad = |line: Option<usize>, reason: String| AccountError::BadFile {
        place: match line {
            Some(line) => format!("{}:{line}", path.display()),
            None => path.display().to_string(),
        },
        reason,
    };
    let text = String::from_utf8(octets).map_err(|_| bad(None, "it is not UTF-8".to_owned()))?;
    let file: File = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        bad(
            before.map(|before| before.matches('\n').count() + 1),
            error.message().replace('\n', ", "),
        )
    })?;
    for account in &file.accounts {
        refuse_clear_text(account)?;
    }
    Ok(file.accounts)
}

/// TLS is left out only on this very machine.
pub fn refuse_clear_text(account: &Account) -> Result<(), AccountError> {
    for server in [&account.pop3, &account.submission] {
        if server.tls == TlsMode::None && !server.is_loopback() {
            return Err(AccountError::NotLoopback { server: server.to_string() });
        }
    }
    Ok(())
}

/// Writes all accounts.
pub fn write(home: &Home, disk: &dyn Disk, accounts: &[Account]) -> Result<(), AccountError> {
    let path = home.accounts();
    let file = File { accounts: accounts.to_vec() };
    let text = toml::to_string(&file).map_err(|error| AccountError::BadFile {
        place: path.display().to_string(),
        reason: error.to_string(),
    })?;
    disk.write_whole(&path, text.as_bytes()).map_err(|source| AccountError::File {
        path,
        action: "write",
        source,
    })
}

#[cfg(test)]
mod tests {
    use platform::RealDisk;

    use super::*;
    use crate::account::Server;

    fn ada() -> Account {
        Account {
            address: "ada@example.org".parse().unwrap(),
            name: Some("Ada \"A\" Lovelace".to_owned()),
            login: None,
            password_command: None,
            ca: None,
            leave_on_server: true,
            pop3: Server { host: "mx.example.org".into(), port: 995, tls: TlsMode::Implicit },
            submission: Server { host: "::1".into(), port: 587, tls: TlsMode::Starttls },
        }
    }

    #[test]
    fn accounts_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().to_owned());
        assert_eq!(read(&home, &RealDisk).unwrap(), [], "no file, no account");
        write(&home, &RealDisk, &[ada()]).unwrap();
        assert_eq!(read(&home, &RealDisk).unwrap(), [ada()]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let good = "[[account]]\naddress = \"a@b\"\npop3 = { host = \"h\", port = 1, tls = \"implicit\" }\nsubmission = { host = \"h\", port = 1, tls = \"implicit\" }\n";
        #[rustfmt::skip]
        let table = [
            (good.to_owned(), "", "", "nothing wrong"),
            (format!("{good}colour = 1\n"), ":5", "unknown field `colour`", "an unknown key"),
            (good.replace("a@b", "ab"), ":2", "an address is local-part@domain", "no address"),
            (good.replace("implicit", "sometimes"), ":3", "unknown variant", "no such mode"),
            (good.replace("implicit", "none"), "", "without TLS", "clear text to another machine"),
            ("[[account]\n".to_owned(), ":1", "", "no TOML"),
        ];
        for (text, line, wanted, why) in table {
            let dir = tempfile::tempdir().unwrap();
            let home = Home::at(dir.path().to_owned());
            RealDisk.write_whole(&home.accounts(), text.as_bytes()).unwrap();
            match read(&home, &RealDisk) {
                Ok(accounts) => assert_eq!((accounts.len(), wanted), (1, ""), "{why}"),
                Err(error) => {
                    assert!(error.to_string().contains(wanted), "{why}: {error}");
                    assert!(error.place().ends_with(line), "{why}: {}", error.place());
                }
            }
        }
    }
}
