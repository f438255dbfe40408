//! A range of addresses: `192.0.2.0/24`.
//!
//! Standards: RFC 4632 §3.1 (IPv4 prefixes), RFC 4291 §2.3 (IPv6 prefixes).
//! Not here: what its members may do.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses. The bits behind its prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotANetwork {
    /// It has another form.
    #[error("it is not an address with a prefix length")]
    Form,
    /// An address in the middle of a network.
    #[error("it has bits behind its prefix; its network is {0}")]
    Inside(Network),
}

impl Network {
    /// How many bits all its addresses share.
    pub(super) fn prefix(self) -> u8 {
        self.prefix
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork::Form)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| NotANetwork::Form)?,
            None => bits,
        };
        if prefix > bits {
            return Err(NotANetwork::Form);
        }
        let network = Self { first: masked(address, prefix), prefix };
        if network.first == address { Ok(network) } else { Err(NotANetwork::Inside(network)) }
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(prefix)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_nothing_behind_their_prefix() {
        let inside = |text: &str| Err(NotANetwork::Inside(text.parse().expect("a network")));
        let table = [
            ("127.0.0.0/8", Ok("127.0.0.0/8"), "loopback"),
            ("192.0.2.7", Ok("192.0.2.7/32"), "one host"),
            ("2001:db8::/32", Ok("2001:db8::/32"), "IPv6"),
            ("0.0.0.0/0", Ok("0.0.0.0/0"), "everybody"),
            ("127.0.0.1/8", inside("127.0.0.0/8"), "a host with its network's length"),
            ("2001:db8::1/64", inside("2001:db8::/64"), "likewise"),
            ("10.0.0.0/33", Err(NotANetwork::Form), "too long"),
            ("10.0.0.0/", Err(NotANetwork::Form), "no length"),
            ("localhost/8", Err(NotANetwork::Form), "a name"),
        ];
        for (text, expected, why) in table {
            let found = text.parse::<Network>();
            let found = found.map(|network| network.to_string());
            assert_eq!(found, expected.map(str::to_owned), "{text}: {why}");
        }
    }
}
