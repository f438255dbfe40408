//! Passwords: in a file that only its owner may read, or from a command.
//!
//! Standards: none.
//! Not here: what a password proves (crate `sasl`).

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use platform::Disk;
use sasl::Password;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{Account, AccountError};
use crate::home::Home;

/// Largest `secrets.toml` that we read.
const FILE_OCTETS_MAX: usize = 1024 * 1024;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secrets {
    /// Address to password.
    #[serde(default)]
    passwords: BTreeMap<String, String>,
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.passwords.values_mut().for_each(Zeroize::zeroize);
    }
}

/// The password of an account.
pub fn password(home: &Home, disk: &dyn Disk, account: &Account) -> Result<Password, AccountError> {
    if let Some(command) = &account.password_command {
        return from_command(command);
    }
    let address = account.address.to_string();
    let secrets = read(home, disk)?;
    let found = secrets.passwords.get(&address).ok_or(AccountError::NoPassword { address })?;
    Ok(Password::new(found.as_str()))
}

/// Keeps a password in the file.
pub fn keep(
    home: &Home,
    disk: &dyn Disk,
    account: &Account,
    password: &Password,
) -> Result<(), AccountError> {
    let path = home.secrets();
    let mut secrets = read(home, disk)?;
    secrets.passwords.insert(account.address.to_string(), password.reveal().to_owned());
    let text = Zeroizing::new(toml::to_string(&*secrets).map_err(|_| {
        AccountError::BadPassword { reason: "cannot be written as TOML".to_owned() }
    })?);
    disk.write_whole(&path, text.as_bytes()).map_err(|source| AccountError::File {
        path,
        action: "write",
        source,
    })
}

/// A password that a person or a script gave: without its line end, and usable for a login.
pub fn from_input(mut text: Zeroizing<String>) -> Result<Password, AccountError> {
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    let checked = sasl::prepare(text.as_bytes(), sasl::PASSWORD_OCTETS_MAX);
    match checked {
        Ok(password) => Ok(Password::new(password)),
        Err(error) => Err(AccountError::BadPassword { reason: error.to_string() }),
    }
}

/// Runs a command by the shell and takes the first line that it prints.
pub fn from_command(command: &str) -> Result<Password, AccountError> {
    let failed = |reason: String| AccountError::Command { command: command.to_owned(), reason };
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .stderr(Stdio::inherit())
        .stdin(Stdio::inherit())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    let printed = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let text =
        std::str::from_utf8(&printed).map_err(|_| failed("it printed no text".to_owned()))?;
    let line = Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
    from_input(line).map_err(|error| failed(error.to_string()))
}

fn read(home: &Home, disk: &dyn Disk) -> Result<Box<Secrets>, AccountError> {
    let path = home.secrets();
    let failed = |source| AccountError::File { path: path.clone(), action: "read", source };
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Box::default()),
        Err(error) => return Err(failed(error)),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            let mode = found.permissions().mode() & 0o777;
            return Err(AccountError::Readable { path, mode });
        }
        Ok(_) => {}
    }
    let octets = Zeroizing::new(disk.read_whole(&path, FILE_OCTETS_MAX).map_err(failed)?);
    // The text of a TOML error would show the line, and with it a password.
    let text = std::str::from_utf8(&octets).ok();
    text.and_then(|text| toml::from_str(text).ok()).map(Box::new).ok_or_else(|| {
        AccountError::BadFile {
            place: path.display().to_string(),
            reason: "it is not TOML with a table [passwords]".to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};

    use platform::RealDisk;

    use super::*;
    use crate::account::{Server, TlsMode};

    fn account(password_command: Option<&str>) -> Account {
        let server = Server { host: "h".into(), port: 1, tls: TlsMode::Implicit };
        Account {
            address: "ada@example.org".parse().unwrap(),
            name: None,
            login: None,
            password_command: password_command.map(str::to_owned),
            ca: None,
            leave_on_server: true,
            pop3: server.clone(),
            submission: server,
        }
    }

    #[test]
    fn passwords_come_back_and_nobody_else_may_read_them() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().to_owned());
        let ada = account(None);
        let missing = password(&home, &RealDisk, &ada).unwrap_err();
        assert!(matches!(missing, AccountError::NoPassword { .. }), "{missing}");
        keep(&home, &RealDisk, &ada, &Password::new("a \"b\" \\ 'ü")).unwrap();
        assert_eq!(password(&home, &RealDisk, &ada).unwrap().reveal(), "a \"b\" \\ 'ü");
        let mode = std::fs::metadata(home.secrets()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        set_permissions(home.secrets(), Permissions::from_mode(0o640)).unwrap();
        let open = password(&home, &RealDisk, &ada).unwrap_err();
        assert!(matches!(open, AccountError::Readable { mode: 0o640, .. }), "{open}");
    }

    #[test]
    fn a_broken_file_does_not_show_a_password() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().to_owned());
        RealDisk.write_whole(&home.secrets(), b"[passwords\n\"a@b\" = \"hunter2\"\n").unwrap();
        let error = password(&home, &RealDisk, &account(None)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn a_command_prints_the_password() {
        let table = [
            ("printf 'secret\\nuser: ada\\n'", Some("secret"), "only the first line"),
            ("exit 3", None, "a failure"),
            ("true", None, "nothing printed"),
        ];
        for (command, wanted, why) in table {
            let found = from_command(command).ok().map(|found| found.reveal().to_owned());
            assert_eq!(found.as_deref(), wanted, "{command}: {why}");
        }
    }
}
