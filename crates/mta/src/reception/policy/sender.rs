//! MAIL: could a notice to this reverse-path go anywhere?
//!
//! Standards: RFC 5321 §5.1 (MX look-up), RFC 7505 §4.2 (domains that send no mail), RFC 3463 §3.2
//! (X.1.8).
//! Not here: whether the client may use that domain (SPF).

use dns::{DnsError, Mx};
use envelope::{Domain, EnhancedStatus, ReversePath};
use smtp::Reply;

use super::Verdict;
use crate::Mta;

/// What is asked of the domain of a reverse-path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenderDomain {
    /// Nothing.
    #[default]
    Any,
    /// DNS has it, with a host that takes mail.
    TakesMail,
}

pub(super) async fn check(wanted: SenderDomain, mta: &Mta, sender: &ReversePath) -> Verdict {
    let address = match (wanted, sender.address()) {
        (SenderDomain::Any, _) => return Verdict::Silent,
        (SenderDomain::TakesMail, None) => {
            return Verdict::Sound("the null reverse-path needs no domain".to_owned());
        }
        (SenderDomain::TakesMail, Some(address)) => address,
    };
    let domain = address.domain();
    if domain.literal().is_some() {
        return Verdict::Sound(format!("{domain} is an address"));
    }
    if mta.world.directory.is_local(domain) {
        return Verdict::Sound(format!("{domain} is ours"));
    }
    match mta.world.resolver.mx(domain).await {
        Ok(answer) if answer.records.iter().any(Mx::is_null) => {
            let text = format!("The sender's domain {domain} takes no mail (null MX)");
            Verdict::Refused(Reply::new(550, EnhancedStatus::new(5, 7, 27), text))
        }
        Ok(_) => Verdict::Sound(format!("{domain} has mail servers")),
        // RFC 5321 §5.1: without MX records the domain is its own host.
        Err(DnsError::NoRecords { .. }) => match mta.world.resolver.addresses(domain).await {
            Ok(_) => Verdict::Sound(format!("{domain} has an address")),
            Err(error) => no(domain, &error),
        },
        Err(error) => no(domain, &error),
    }
}

fn no(domain: &Domain, error: &DnsError) -> Verdict {
    let (code, status, text) = match error {
        DnsError::NoSuchDomain { .. } => (
            550,
            EnhancedStatus::new(5, 1, 8),
            format!("The sender's domain {domain} does not exist"),
        ),
        error if error.is_temporary() => (
            451,
            EnhancedStatus::new(4, 4, 3),
            format!("Cannot look up the sender's domain {domain} now, please try again later"),
        ),
        _ => (
            550,
            EnhancedStatus::new(5, 1, 8),
            format!("The sender's domain {domain} has no mail server and no address"),
        ),
    };
    Verdict::Refused(Reply::new(code, status, text))
}
