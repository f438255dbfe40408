//! The servers that the system uses.
//!
//! Standards: resolv.conf(5). Only `nameserver` is read: the search list is for people who
//! abbreviate, and mail does not.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use platform::Disk;

use super::{SERVERS_MAX, StubOptions};

const PATH: &str = "/etc/resolv.conf";
/// Largest file that is read.
const OCTETS_MAX: usize = 64 * 1024;
/// The port of DNS.
const PORT: u16 = 53;

/// Why the system's servers are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemServersError {
    /// The file could not be read.
    #[error("cannot read {PATH}: {0}")]
    File(#[source] io::Error),
    /// The file names none.
    #[error("{PATH} names no server")]
    None,
}

impl StubOptions {
    /// Asks the servers that the system uses.
    ///
    /// # Errors
    ///
    /// When they are not known.
    pub fn from_system(disk: &dyn Disk) -> Result<Self, SystemServersError> {
        let text =
            disk.read_whole(Path::new(PATH), OCTETS_MAX).map_err(SystemServersError::File)?;
        let servers = servers(&String::from_utf8_lossy(&text));
        if servers.is_empty() {
            return Err(SystemServersError::None);
        }
        Ok(Self::new(servers))
    }
}

fn servers(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        // An address of a link has its interface behind a %; we cannot ask there.
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, PORT))
    };
    text.lines().filter_map(server).take(SERVERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_a_file() {
        let text = "# by hand\nsearch example.org\nnameserver 192.0.2.1\n\
            ; nameserver 192.0.2.2\n  nameserver\t2001:db8::1 # the other\nnameserver\n\
            nameserver fe80::1%eth0\noptions edns0 nameserver 192.0.2.3\n";
        let found: Vec<_> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[2001:db8::1]:53"]);
        assert!(servers("").is_empty());
    }
}
