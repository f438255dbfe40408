//! What clients that we trust may ask: to be taken for another client, or for the queue to start.
//!
//! Standards: RFC 1985 (ETRN); Postfix's XCLIENT_README.
//! Not here: the commands (crate `smtp`), attempts (`queue`).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use directory::Login;
use envelope::{Address, Domain, EnhancedStatus};
use smtp::Reply;
use smtp::server::{Answer, Attribute, Hello, ProxiedClient, ProxiedProtocol, Trust};
use store::{AccountState, RecipientPattern, Search, StatePattern, Steer, SteerAction, StoreError};
use tracing::{info, warn};

use super::{Network, Reception, SmtpDrive};
use crate::Mta;

/// Submissions that are in memory at a time, and the most that one command starts: more are tried
/// by the schedule, or by the next command.
const PAGE_SUBMISSIONS: u32 = 100;
const STARTED_SUBMISSIONS_MAX: usize = 10_000;

/// What came of starting the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Started {
    /// For so many recipients.
    All(usize),
    /// For so many, and there are more.
    Some(usize),
}

impl Reception {
    /// What a client may say beside what everybody may.
    pub(super) fn trust_in(&self, peer: IpAddr) -> Trust {
        Trust {
            xclient: self.xclient_from.iter().any(|network: &Network| network.contains(peer)),
            etrn: self.may_relay(peer),
        }
    }
}

impl SmtpDrive {
    /// XCLIENT: from here on the session is another client's, who gets no more than his due. The
    /// proxy may tell of a further one.
    pub(super) fn proxied(&mut self, told: ProxiedClient) {
        match self.take_for(told) {
            Ok(()) => {
                self.session.answer(Answer::Accept);
                let trust = self.reception.trust_in(self.peer);
                self.session.trust(Trust { xclient: true, ..trust });
            }
            Err(refusal) => self.session.answer(refusal),
        }
    }

    fn take_for(&mut self, told: ProxiedClient) -> Result<(), Reply> {
        let login = match &told.login {
            Attribute::Is(name) => match self.account_of(name) {
                Some(login) => Some(login),
                None => {
                    let text = format!("There is no account {name} here");
                    return Err(Reply::new(501, EnhancedStatus::new(5, 7, 8), text));
                }
            },
            Attribute::NotTold if told.address == Attribute::NotTold => self.login.take(),
            Attribute::NotTold | Attribute::Unknown => None,
        };
        let proxy = self.peer;
        self.peer = match &told.address {
            Attribute::Is(address) => address.to_canonical(),
            // Not the proxy's own: that one may do more.
            Attribute::Unknown => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Attribute::NotTold => self.peer,
        };
        info!(%proxy, peer = %self.peer, name = ?told.name, port = ?told.port,
            destination = ?told.destination, "a proxy tells of its client");
        self.login = login;
        let before = match &told.address {
            Attribute::NotTold => std::mem::take(&mut self.proxied),
            _ => Introduced::default(),
        };
        self.proxied = Introduced {
            helo: told.helo.or_before(before.helo),
            protocol: told.protocol.or_before(before.protocol),
        };
        (self.hello, self.exchange, self.transaction) = (None, None, None);
        self.checks.clear();
        Ok(())
    }

    fn account_of(&self, name: &str) -> Option<Login> {
        let account = self.mta().world.directory.account(&Address::parse(name).ok()?)?;
        let is_used = account.state == AccountState::Active;
        is_used.then_some(Login { account: account.id, address: account.address })
    }

    /// As the client introduced itself to the proxy, where that was told.
    pub(super) fn introduced(&self, hello: Hello) -> Hello {
        Hello {
            name: match &self.proxied.helo {
                Attribute::Is(name) => name.clone(),
                Attribute::Unknown | Attribute::NotTold => hello.name,
            },
            extended: match self.proxied.protocol {
                Attribute::Is(protocol) => protocol == ProxiedProtocol::Esmtp,
                Attribute::Unknown | Attribute::NotTold => hello.extended,
            },
        }
    }

    /// ETRN: what waits for a domain is tried now.
    pub(super) async fn queue_start(&mut self, node: &Domain) -> Reply {
        let mta = Arc::clone(&self.reception.mta);
        let started = start_all(&mta, node).await;
        info!(peer = %self.peer, %node, ?started, "queue started by ETRN");
        let ok = EnhancedStatus::new(2, 0, 0);
        match started {
            Ok(Started::All(0)) => {
                Reply::new(251, ok, format!("No messages waiting for node {node}"))
            }
            Ok(Started::All(count)) => {
                Reply::new(253, ok, format!("{count} pending messages for node {node} started"))
            }
            Ok(Started::Some(_)) => {
                Reply::new(252, ok, format!("Pending messages for node {node} started"))
            }
            Err(error) => {
                warn!(%error, "the queue cannot be started");
                let text = format!("Unable to queue messages for node {node} right now");
                Reply::new(458, EnhancedStatus::new(4, 3, 0), text)
            }
        }
    }
}

/// Starts what waits for a domain.
async fn start_all(mta: &Mta, node: &Domain) -> Result<Started, StoreError> {
    let store = Arc::clone(&mta.world.store);
    let mut search = Search {
        recipient: Some(RecipientPattern::Domain(node.clone())),
        state: Some(StatePattern::Open),
        ..Search::any(PAGE_SUBMISSIONS)
    };
    let (mut count, mut submissions) = (0usize, 0usize);
    mta.try_again();
    loop {
        let page = store.search(search.clone()).await?;
        let Some(oldest) = page.last() else { return Ok(Started::All(count)) };
        search.before = Some(oldest.id);
        for summary in &page {
            if submissions >= STARTED_SUBMISSIONS_MAX {
                return Ok(Started::Some(count));
            }
            submissions = submissions.saturating_add(1);
            let meant = summary.recipients.iter().filter(|view| search.is_about(view));
            let addresses: BTreeSet<_> = meant.map(|view| &view.recipient.address).collect();
            for address in addresses {
                let order = Steer {
                    submission: summary.id,
                    recipient: Some(address.clone()),
                    action: SteerAction::Retry,
                    at: mta.now(),
                };
                count = count.saturating_add(store.steer(order).await?.len());
            }
        }
    }
}

/// What a proxy told of how its client introduced itself.
#[derive(Debug, Default)]
pub(super) struct Introduced {
    helo: Attribute<String>,
    protocol: Attribute<ProxiedProtocol>,
}
