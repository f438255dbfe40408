//! Recipients to whom nothing is sent, and addresses that seem to be dead.
//!
//! Whoever is suppressed fails at once, before anybody is asked, and the sender reads why. An
//! address that servers refuse again and again because it does not exist is counted; it is
//! suppressed by itself only where the operator wants that.
//!
//! Standards: RFC 3463 §3.2 (5.1.1), §3.8 (5.7.1).
//! Not here: what follows from the answers (`settle`).

use std::collections::BTreeMap;

use envelope::{Domain, EnhancedStatus};
use store::{RecipientState, RecipientView, Summary, Suppression};
use tracing::{info, warn};

use super::settle::Settled;
use super::work::{Found, GivenUp, Work};
use crate::Mta;
use crate::relay::{Kind, Told};

impl Work {
    /// Finds out about those who are not suppressed; the answers of all, in their order.
    pub(super) async fn find_out_unless_suppressed(
        &self,
        summary: &Summary,
        domain: &Domain,
        views: &[&RecipientView],
    ) -> Result<Found, GivenUp> {
        let suppressed = suppressed(&self.mta, views).await;
        if suppressed.is_empty() {
            return self.find_out(summary, domain, views).await;
        }
        let mut left = views.to_vec();
        left.retain(|view| !suppressed.contains_key(&view.number));
        let found = match left.is_empty() {
            true => Found::default(),
            false => self.find_out(summary, domain, &left).await?,
        };
        let mut answers = found.told.into_iter();
        let told = views.iter().filter_map(|view| match suppressed.get(&view.number) {
            Some(told) => Some(told.clone()),
            None => answers.next(),
        });
        Ok(Found { told: told.collect(), ..found })
    }
}

/// What those are told who are suppressed, by number. When the store cannot say, nobody is: what
/// cannot be read can hardly be sent.
async fn suppressed(mta: &Mta, views: &[&RecipientView]) -> BTreeMap<u32, Told> {
    if !mta.orders.suppresses() {
        return BTreeMap::new();
    }
    let addresses = views.iter().map(|view| view.recipient.address.clone()).collect();
    let found = match mta.world.store.suppressed(addresses).await {
        Ok(found) => found,
        Err(error) => {
            warn!(%error, "cannot look for suppressed addresses");
            return BTreeMap::new();
        }
    };
    let reason = |view: &RecipientView| {
        let address = view.recipient.address.folded();
        found.iter().find(|one| one.address == address).map(|one| one.reason.clone())
    };
    let told = views.iter().filter_map(|view| {
        let text = format!("{} is suppressed here: {}", view.recipient.address, reason(view)?);
        Some((view.number, Told::ours(Kind::NotTried, EnhancedStatus::new(5, 7, 1), text)))
    });
    told.collect()
}

/// Counts who was refused for good because the address does not exist, and suppresses who was so
/// often enough, where the operator wants that.
pub(super) async fn learn(mta: &Mta, summary: &Summary, settled: &Settled) {
    let unknown = EnhancedStatus::new(5, 1, 1);
    let refused = settled.outcomes.iter().filter(|outcome| {
        let status = outcome.reply.as_ref().and_then(|reply| reply.status);
        outcome.state == RecipientState::Failed && status == Some(unknown)
    });
    let addresses: Vec<_> = refused
        .filter_map(|outcome| {
            summary.recipients.iter().find(|view| view.number == outcome.recipient)
        })
        .map(|view| view.recipient.address.clone())
        .collect();
    if addresses.is_empty() {
        return;
    }
    let counted = match mta.world.store.count_refusals(addresses, settled.at).await {
        Ok(counted) => counted,
        Err(error) => {
            warn!(%error, "a refusal was not counted");
            return;
        }
    };
    let Some(enough) = mta.config.queue.suppress_after else { return };
    for one in counted.into_iter().filter(|one| one.times >= enough) {
        let times = one.times;
        let suppression = Suppression {
            reason: format!("its server refused it {times} times because it does not exist"),
            address: one.address,
            added_at: settled.at,
        };
        match mta.world.store.suppress(suppression).await {
            Ok(()) => {
                mta.orders.now_suppresses();
                info!(times, "an address is suppressed from now on");
            }
            Err(error) => warn!(%error, "an address could not be suppressed"),
        }
    }
}
