//! The questions that mail asks.
//!
//! Standards: RFC 5321 §5.1 (MX), RFC 7505 (null MX), RFC 1035 §3.5 and RFC 3596 §2.5
//! (reverse names).

use std::fmt;
use std::net::IpAddr;

use envelope::Domain;
use platform::BoxFuture;

use crate::{Answer, DnsError, Kind, Mx, Record};

/// Most MX records of a domain that are looked at: the first by preference. More is a mistake
/// or an attack.
pub const MX_MAX: usize = 20;
/// Most addresses of a host, of each kind, that are looked at.
pub const ADDRESSES_MAX: usize = 20;
/// Most names of an address that are looked at.
const PTR_MAX: usize = 10;

/// Answers questions about domains.
///
/// An implementation only looks records up; how they are read is the same for all.
pub trait Resolver: Send + Sync + fmt::Debug + 'static {
    /// The records of one kind, at the end of the name's CNAMEs; at least one.
    fn lookup<'a>(
        &'a self,
        name: &'a Domain,
        kind: Kind,
    ) -> BoxFuture<'a, Result<Answer<Vec<Record>>, DnsError>>;

    /// The hosts that take mail for a domain, at most [`MX_MAX`], by preference.
    ///
    /// A null MX is there alone. Names that cannot be hosts are left out.
    ///
    /// # Errors
    ///
    /// [`DnsError::NoRecords`] when the domain has no MX records: then it is its own host
    /// (RFC 5321 §5.1). Temporary also when it has some, but none can be used.
    fn mx<'a>(&'a self, domain: &'a Domain) -> BoxFuture<'a, Result<Answer<Vec<Mx>>, DnsError>> {
        Box::pin(async move {
            let answer = self.lookup(domain, Kind::Mx).await?;
            let answer = answer.with(exchangers);
            if answer.records.is_empty() {
                let reason = "none of its MX records names a host".to_owned();
                return Err(DnsError::Temporary { name: domain.clone(), kind: Kind::Mx, reason });
            }
            Ok(answer)
        })
    }

    /// The addresses of a host, IPv6 first, at most [`ADDRESSES_MAX`] of each kind.
    ///
    /// # Errors
    ///
    /// Temporary when one kind cannot be found out and there is none of the other.
    fn addresses<'a>(
        &'a self,
        host: &'a Domain,
    ) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        Box::pin(async move {
            let (six, four) =
                tokio::join!(self.lookup(host, Kind::Aaaa), self.lookup(host, Kind::A));
            match (six, four) {
                (Ok(six), Ok(four)) => {
                    let security = if six.security == four.security {
                        six.security
                    } else {
                        Default::default()
                    };
                    let mut records = addresses(six.records);
                    records.extend(addresses(four.records));
                    Ok(Answer { records, ttl: six.ttl.min(four.ttl), security })
                }
                // Some servers fail on AAAA; a host that has one kind can be reached.
                (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one.with(addresses)),
                (Err(six), Err(four)) => Err(if six.is_temporary() { six } else { four }),
            }
        })
    }

    /// The texts at a name. Whoever reads them must expect anything.
    fn txt<'a>(
        &'a self,
        name: &'a Domain,
    ) -> BoxFuture<'a, Result<Answer<Vec<Vec<u8>>>, DnsError>> {
        Box::pin(async move {
            let text = |record| match record {
                Record::Txt(text) => Some(text),
                _ => None,
            };
            let answer = self.lookup(name, Kind::Txt).await?;
            Ok(answer.with(|records| records.into_iter().filter_map(text).collect()))
        })
    }

    /// The names of an address. They are claims: only one whose [`addresses`](Self::addresses)
    /// include this one is true.
    fn ptr(&self, address: IpAddr) -> BoxFuture<'_, Result<Answer<Vec<Domain>>, DnsError>> {
        Box::pin(async move {
            let name = reverse_name(address);
            let host = |record| match record {
                Record::Ptr(name) => Domain::parse(&name).ok(),
                _ => None,
            };
            let answer = self.lookup(&name, Kind::Ptr).await?;
            let answer =
                answer.with(|records| records.into_iter().filter_map(host).take(PTR_MAX).collect());
            match answer.records {
                ref names if Vec::is_empty(names) => {
                    Err(DnsError::NoRecords { name, kind: Kind::Ptr })
                }
                _ => Ok(answer),
            }
        })
    }
}

/// Reads MX records. A null MX among others breaks RFC 7505 §3 and is left out.
fn exchangers(records: Vec<Record>) -> Vec<Mx> {
    let mut found = Vec::new();
    let mut null = None;
    for record in records {
        let Record::Mx { preference, host } = record else { continue };
        if host.is_empty() {
            null = Some(Mx { preference, host: None });
        } else {
            found.push((preference, host));
        }
    }
    if found.is_empty() {
        return null.into_iter().collect();
    }
    found.sort(); // also by name, so that the same records give the same order
    found.dedup_by(|later, earlier| later.1 == earlier.1 && later.0 == earlier.0);
    let host = |(preference, host): (u16, String)| {
        Some(Mx { preference, host: Some(Domain::parse(&host).ok()?) })
    };
    found.into_iter().filter_map(host).take(MX_MAX).collect()
}

fn addresses(records: Vec<Record>) -> Vec<IpAddr> {
    let address = |record| match record {
        Record::A(address) => Some(IpAddr::V4(address)),
        Record::Aaaa(address) => Some(IpAddr::V6(address)),
        _ => None,
    };
    records.into_iter().filter_map(address).take(ADDRESSES_MAX).collect()
}

/// The name under which an address has its PTR records.
pub(crate) fn reverse_name(address: IpAddr) -> Domain {
    let text = match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev();
            let labels = nibbles.map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            format!("{}ip6.arpa", labels.collect::<String>())
        }
    };
    Domain::parse(&text).expect("hexadecimal digits and dots are a domain")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_names() {
        #[rustfmt::skip]
        let table = [
            ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
            ("::ffff:192.0.2.1", "1.2.0.192.in-addr.arpa"),
            ("2001:db8::567:89ab",
             "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
        ];
        for (address, name) in table {
            assert_eq!(reverse_name(address.parse().unwrap()).as_str(), name, "RFC 3596 §2.5");
        }
    }

    #[test]
    fn mx_records_are_read_with_care() {
        type Row<'a> = (&'a [(u16, &'a str)], &'a str, &'a str);
        #[rustfmt::skip]
        let table: [Row<'_>; 8] = [
            // records, what is left, why
            (&[(10, "b"), (5, "a")], "5 a, 10 b", "by preference"),
            (&[(5, "b"), (5, "a"), (5, "b")], "5 a, 5 b", "the same twice is once"),
            (&[(0, "")], "0 .", "a null MX"),
            (&[(7, "")], "7 .", "RFC 7505 §3: whatever its preference"),
            (&[(0, ""), (10, "a")], "10 a", "a null MX may not be among others"),
            (&[(5, "-a"), (10, "b")], "10 b", "no host name"),
            (&[(5, "a b")], "", "none left"),
            (&[(0, ""), (5, "a b")], "", "a domain with two mistakes takes mail, but where?"),
        ];
        for (records, expected, why) in table {
            let record = |(preference, host): &(u16, &str)| Record::Mx {
                preference: *preference,
                host: (*host).to_owned(),
            };
            let text = exchangers(records.iter().map(record).collect())
                .into_iter()
                .map(|mx| {
                    let host = mx.host.as_ref().map_or(".", Domain::as_str);
                    format!("{} {host}", mx.preference)
                })
                .collect::<Vec<_>>()
                .join(", ");
            assert_eq!(text, expected, "{why}");
        }
    }
}
