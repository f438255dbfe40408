//! Networks in CIDR form, such as `127.0.0.0/8`.
//!
//! Standards: RFC 4632 §3.1 (prefix notation), RFC 4291 §2.3.
//! Not here: which networks may do what (the configuration).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// All addresses that share a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// The text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network such as 192.0.2.0/24 or 2001:db8::/32")]
pub struct NetworkError(String);

impl Network {
    /// Whether an address is in it. An IPv4 address in IPv6 clothes counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => (32u32, u128::from(address.to_bits())),
            IpAddr::V6(address) => (128, address.to_bits()),
        };
        let (width, own) = bits(self.address);
        let (other_width, other) = bits(address.to_canonical());
        let shift = width.saturating_sub(u32::from(self.prefix_bits));
        width == other_width
            && own.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            Some(bits) => bits.parse().map_err(|_| wrong())?,
            None => width,
        };
        if prefix_bits > width {
            return Err(wrong());
        }
        Ok(Self { address, prefix_bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_shares_their_prefix() {
        #[rustfmt::skip]
        let rows = [
            ("127.0.0.0/8", "127.9.9.9", true, "inside"),
            ("127.0.0.0/8", "128.0.0.1", false, "outside"),
            ("192.0.2.7", "192.0.2.7", true, "a single address"),
            ("192.0.2.7/32", "192.0.2.8", false, "its neighbour"),
            ("0.0.0.0/0", "203.0.113.5", true, "everything"),
            ("0.0.0.0/0", "::1", false, "of its own family"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", true, "IPv4 in IPv6 clothes"),
            ("2001:db8::/32", "2001:db8:ffff::1", true, "IPv6"),
            ("::/0", "2001:db8::1", true, "all of IPv6"),
        ];
        for (network, address, wanted, why) in rows {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), wanted, "{network}: {why}");
        }
        for text in ["", "127.0.0.0/33", "127.0.0/8", "::/129", "localhost", "1.2.3.4/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
