//! What a client asks of the transfer with MAIL: may it, and what that is in our own time.
//!
//! Standards: RFC 4865 §4.2 and §5.2.2, §6 (quota), RFC 2852 §4.1, RFC 6710 §4.1 (who may raise a
//! priority).
//! Not here: syntax and limits (crate `smtp`), what follows (`queue`, `relay`).

use std::num::NonZeroU32;
use std::time::Duration;

use envelope::{ByMode, ByTrace, EnhancedStatus, Hold, Moment, Priority, Requests, SECONDS_MAX};
use smtp::Reply;
use smtp::server::{Answer, Offers, Priorities, Sender};
use store::{AccountId, Deadline, Release, Search, StatePattern, Store, Terms, UnixMillis};
use tracing::info;

use super::policy::Policy;
use super::{Service, SmtpDrive, reply};
use crate::QueueConfig;

/// Most messages of one account that are kept back at a time (RFC 4865 §6 wants a limit): years of
/// birthday letters, and not a store full of them.
const HELD_MESSAGES_MAX: usize = 200;
/// So many of an account's newest messages that wait are looked through to count them.
const HELD_SEARCHED_MAX: u32 = 1000;

/// What EHLO offers at a listener.
pub(super) fn offers(service: &Service, queue: &QueueConfig, policy: &Policy) -> Offers {
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(SECONDS_MAX);
    Offers {
        hold_seconds_max: NonZeroU32::new(seconds(queue.hold_max).min(SECONDS_MAX)),
        deliver_by_seconds_min: Some(seconds(queue.deliver_by_min).min(SECONDS_MAX)),
        priorities: Priorities::Mixer,
        // It is about what strangers bring.
        no_soliciting: match service {
            Service::Smtp { .. } => policy.no_soliciting().cloned(),
            _ => None,
        },
    }
}

/// Whether a client may raise the priority of its mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// It logged in, or is one of ours.
    Trusted,
    /// Anybody (RFC 6710 §4.1: at most lower it).
    Stranger,
}

impl SmtpDrive {
    /// What is answered to a greeting that was taken: FUTURERELEASE tells the time.
    pub(super) fn welcome(&self) -> Answer {
        let queue = &self.mta().config.queue;
        match self.reception.config.service {
            Service::Submission if !queue.hold_max.is_zero() => {
                Answer::AcceptAt(Moment::from_unix(self.mta().now().0.div_euclid(1000)))
            }
            _ => Answer::Accept,
        }
    }

    /// What we shall keep to for a message, or why we cannot.
    pub(super) async fn terms(&mut self, sender: &Sender) -> Result<Terms, Reply> {
        let requests = &sender.requests;
        if *requests == Requests::default() {
            return Ok(Terms::default());
        }
        let trusted = self.login.is_some()
            || self.reception.config.service == Service::Lmtp
            || self.reception.may_relay(self.peer);
        let trust = if trusted { Trust::Trusted } else { Trust::Stranger };
        let now = self.mta().now();
        let terms = agreed(requests, trust, now)?;
        if let (Some(_), Some(login)) = (terms.release, &self.login) {
            room_to_hold(self.mta().world.store.as_ref(), login.account, now).await?;
        }
        info!(peer = %self.peer, terms = ?told(&terms), "asked of the transfer");
        Ok(terms)
    }
}

/// The reply to MAIL: where the priority is another one, it says so (RFC 6710 §4.1).
pub(super) fn answer(requests: &Requests, terms: &Terms) -> Answer {
    let asked = requests.priority.unwrap_or_default();
    if asked == terms.priority {
        return Answer::Accept;
    }
    let text =
        format!("{} is the priority: only authors may raise it, not {asked}", terms.priority);
    Reply::new(250, EnhancedStatus::new(2, 3, 6), text).into()
}

fn agreed(requests: &Requests, trust: Trust, now: UnixMillis) -> Result<Terms, Reply> {
    let asked = requests.priority.unwrap_or_default();
    let priority = match trust {
        Trust::Trusted => asked,
        Trust::Stranger => asked.min(Priority::NORMAL),
    };
    let release = requests.hold.map(|asked| Release { at: release_at(asked, now), asked });
    // A moment that is over holds nothing back.
    let release = release.filter(|release| release.at > now);
    let deliver_by = requests.deliver_by.map(|by| Deadline {
        at: UnixMillis(now.0.saturating_add(i64::from(by.seconds()).saturating_mul(1000))),
        mode: by.mode(),
        trace: by.trace(),
    });
    if let (Some(release), Some(deadline)) = (release, deliver_by)
        && release.at > deadline.at
    {
        let text = "The message should be delivered before it is released: HOLD is later than BY";
        return Err(Reply::new(501, EnhancedStatus::new(5, 5, 4), text));
    }
    let solicitation = requests.solicitation.clone();
    Ok(Terms { release, deliver_by, priority, solicitation, ..Terms::default() })
}

fn release_at(hold: Hold, now: UnixMillis) -> UnixMillis {
    match hold {
        Hold::For(seconds) => {
            UnixMillis(now.0.saturating_add(i64::from(seconds.get()).saturating_mul(1000)))
        }
        Hold::Until(moment) => UnixMillis(moment.unix_seconds().saturating_mul(1000)),
    }
}

/// RFC 4865 §6: one author cannot fill the store with letters to the future.
async fn room_to_hold(store: &dyn Store, account: AccountId, now: UnixMillis) -> Result<(), Reply> {
    let search = Search {
        login: Some(account),
        state: Some(StatePattern::Open),
        ..Search::any(HELD_SEARCHED_MAX)
    };
    let waiting = store.search(search).await.map_err(|error| reply::store_trouble(&error))?;
    let is_held =
        |summary: &&store::Summary| summary.terms.held_until(summary.accepted_at, now).is_some();
    if waiting.iter().filter(is_held).count() < HELD_MESSAGES_MAX {
        return Ok(());
    }
    let text =
        format!("{HELD_MESSAGES_MAX} of your messages are kept back already, which is the most");
    Err(Reply::new(552, EnhancedStatus::new(5, 7, 16), text))
}

/// A moment as people see it.
pub(super) fn moment(at: UnixMillis) -> Moment {
    Moment::from_unix(at.0.div_euclid(1000))
}

/// The terms in words, for events and the log.
pub(super) fn told(terms: &Terms) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(release) = terms.release {
        told.push(format!("released at {}", moment(release.at)));
    }
    if let Some(Deadline { at, mode, trace }) = terms.deliver_by {
        let otherwise = match mode {
            ByMode::Return => "or back",
            ByMode::Notify => "or a notice",
        };
        let trace = match trace {
            ByTrace::None => "",
            ByTrace::Each => ", each relaying told",
        };
        told.push(format!("delivered by {} {otherwise}{trace}", moment(at)));
    }
    if terms.priority != Priority::NORMAL {
        told.push(format!("priority {}", terms.priority));
    }
    if let Some(classes) = &terms.solicitation {
        told.push(format!("solicitation {}", classes.as_str()));
    }
    if terms.tls == store::TlsWish::Optional {
        told.push("TLS not required".to_owned());
    }
    told
}

#[cfg(test)]
mod tests {
    use envelope::DeliverBy;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_573_330_000);

    fn requests(hold: &str, by: &str, priority: &str) -> Requests {
        Requests {
            hold: Hold::parse_for(hold).or_else(|_| Hold::parse_until(hold)).ok(),
            deliver_by: DeliverBy::parse(by).ok(),
            priority: Priority::parse(priority).ok(),
            solicitation: None,
        }
    }

    #[test]
    fn what_is_asked_becomes_our_own_time() {
        use Trust::{Stranger, Trusted};
        let release = |seconds: i64| Some(UnixMillis(NOW.0 + seconds * 1000));
        #[rustfmt::skip]
        let rows = [
            (requests("60", "", ""), Trusted, Some((release(60), None, 0)), "RFC 4865 §4.2 (5)"),
            (requests("2026-11-25T02:32:10Z", "", ""), Trusted, Some((release(600), None, 0)), "RFC 4865 §4.2 (6)"),
            (requests("2026-11-25T02:22:10Z", "", ""), Trusted, Some((None, None, 0)), "it is over"),
            (requests("", "120;R", ""), Stranger, Some((None, release(120), 0)), "RFC 2852 §4: a delta"),
            (requests("", "-120;N", ""), Stranger, Some((None, release(-120), 0)), "RFC 2852 §4: over already"),
            (requests("60", "60;R", ""), Trusted, Some((release(60), release(60), 0)), "just in time"),
            (requests("61", "60;R", ""), Trusted, None, "RFC 4865 §5.2.2"),
            (requests("61", "60;N", ""), Trusted, None, "RFC 4865 §5.2.2"),
            (requests("", "", "4"), Trusted, Some((None, None, 4)), "RFC 6710 §4.1"),
            (requests("", "", "4"), Stranger, Some((None, None, 0)), "RFC 6710 §4.1: no upgrade"),
            (requests("", "", "-4"), Stranger, Some((None, None, -4)), "RFC 6710 §4.1: it may lower it"),
        ];
        for (requests, trust, wanted, why) in rows {
            let found = agreed(&requests, trust, NOW).ok().map(|terms| {
                let release = terms.release.map(|release| release.at);
                (release, terms.deliver_by.map(|by| by.at), terms.priority.number())
            });
            assert_eq!(found, wanted, "{why}");
        }
    }

    #[test]
    fn terms_are_told_in_words() {
        let terms = agreed(&requests("60", "120;NT", "-1"), Trust::Stranger, NOW).unwrap();
        let words = [
            "released at 2026-11-25T02:23:10Z",
            "delivered by 2026-11-25T02:24:10Z or a notice, each relaying told",
            "priority -1",
        ];
        assert_eq!(told(&terms), words);
        assert!(told(&Terms::default()).is_empty());
    }
}
