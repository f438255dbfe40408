//! What a client may ask with MAIL beside the envelope: later, by a time, before others.
//!
//! ```text
//!   EHLO: FUTURERELEASE 2592000 2026-12-25T02:22:10Z   MAIL: HOLDFOR=, HOLDUNTIL=  (authors only)
//!         DELIVERBY 60                                       BY=
//!         MT-PRIORITY MIXER                                  MT-PRIORITY=
//!         NO-SOLICITING org.example:ADV                      SOLICIT=
//! ```
//!
//! Standards: RFC 4865 §3 and §4.2, RFC 2852 §2 and §4, RFC 6710 §3 and §4.1, RFC 3865 §2.
//! Not here: what is done about it (crate `mta`).

use std::num::NonZeroU32;

use envelope::{ByMode, DeliverBy, EnhancedStatus, Hold, Moment, Priority, Requests, Solicitation};

use super::parameters::Parameter;
use super::{Greeting, Kind, Session};
use crate::reply::Reply;

/// Which requests may come with MAIL. None by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// FUTURERELEASE: for how many seconds at most a message is kept back. Offered to authors
    /// only (RFC 4865 §4.2), and where EHLO is answered by [`Answer::AcceptAt`].
    ///
    /// [`Answer::AcceptAt`]: super::Answer::AcceptAt
    pub hold_seconds_max: Option<NonZeroU32>,
    /// DELIVERBY, with the shortest time in seconds after which a message may be wanted back.
    pub deliver_by_seconds_min: Option<u32>,
    /// MT-PRIORITY.
    pub priorities: Priorities,
    /// NO-SOLICITING with these classes. They must fit into a reply line.
    pub no_soliciting: Option<Solicitation>,
}

/// Whether messages may have priorities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priorities {
    /// MT-PRIORITY is not offered.
    #[default]
    None,
    /// Three levels (RFC 6710 appendix B).
    Mixer,
}

impl Session {
    /// Until when a message can be kept back, as seen from `now`.
    pub(super) fn hold_until_max(&self, now: Moment) -> Option<Moment> {
        let seconds = self.config.offers.hold_seconds_max?;
        let offered = self.config.kind == Kind::Submission;
        offered.then(|| Moment::from_unix(now.unix_seconds().saturating_add(seconds.get().into())))
    }

    /// The lines of EHLO.
    pub(super) fn tell_offers(&self, text: &mut String) {
        let offers = &self.config.offers;
        if let (Some(seconds), Some(until)) = (offers.hold_seconds_max, self.hold_until) {
            text.push_str(&format!("\nFUTURERELEASE {seconds} {until}"));
        }
        if let Some(least) = offers.deliver_by_seconds_min {
            text.push_str(&format!("\nDELIVERBY {least}"));
        }
        if offers.priorities == Priorities::Mixer {
            text.push_str("\nMT-PRIORITY MIXER");
        }
        if let Some(classes) = &offers.no_soliciting {
            text.push_str(&format!("\nNO-SOLICITING {}", classes.as_str()));
        }
    }

    /// One parameter of MAIL.
    pub(super) fn request(
        &self,
        parameter: &Parameter<'_>,
        requests: &mut Requests,
    ) -> Result<(), Reply> {
        let value = parameter.value.unwrap_or_default();
        let offers = &self.config.offers;
        match parameter.keyword.as_str() {
            _ if self.greeting != Greeting::Ehlo => return Err(parameter.unknown()),
            "HOLDFOR" | "HOLDUNTIL" => {
                let (Some(seconds_max), Some(until_max)) =
                    (offers.hold_seconds_max, self.hold_until)
                else {
                    return Err(parameter.unknown());
                };
                if requests.hold.is_some() {
                    return Err(parameter.wrong_value("HOLDFOR or HOLDUNTIL, not both"));
                }
                requests.hold = Some(hold(parameter, value, seconds_max, until_max)?);
            }
            "BY" => {
                let Some(least) = offers.deliver_by_seconds_min else {
                    return Err(parameter.unknown());
                };
                requests.deliver_by = Some(deliver_by(parameter, value, least)?);
            }
            "MT-PRIORITY" if offers.priorities == Priorities::Mixer => {
                let priority = Priority::parse(value);
                let wanted = "a number from -9 to 9";
                requests.priority = Some(priority.map_err(|_| parameter.wrong_value(wanted))?);
            }
            "SOLICIT" if offers.no_soliciting.is_some() => {
                let classes = Solicitation::parse(value);
                let wanted = "classes joined by commas, 1000 octets at most";
                requests.solicitation = Some(classes.map_err(|_| parameter.wrong_value(wanted))?);
            }
            _ => return Err(parameter.unknown()),
        }
        Ok(())
    }
}

/// RFC 4865 §4.2: what is longer than we told is refused.
fn hold(
    parameter: &Parameter<'_>,
    value: &str,
    seconds_max: NonZeroU32,
    until_max: Moment,
) -> Result<Hold, Reply> {
    if parameter.keyword == "HOLDFOR" {
        let wanted = format!("seconds, from 1 to {seconds_max}");
        let hold = Hold::parse_for(value).map_err(|_| parameter.wrong_value(&wanted))?;
        return match hold {
            Hold::For(seconds) if seconds > seconds_max => Err(parameter.wrong_value(&wanted)),
            hold => Ok(hold),
        };
    }
    let wanted = format!("a time in UTC such as {until_max}, which is the latest");
    match Hold::parse_until(value).map_err(|_| parameter.wrong_value(&wanted))? {
        Hold::Until(moment) if moment > until_max => Err(parameter.wrong_value(&wanted)),
        hold => Ok(hold),
    }
}

fn deliver_by(parameter: &Parameter<'_>, value: &str, least: u32) -> Result<DeliverBy, Reply> {
    let wanted = "seconds;R with more than 0, or seconds;N, and T for a trace";
    let by = DeliverBy::parse(value).map_err(|_| parameter.wrong_value(wanted))?;
    if by.mode() == ByMode::Return && i64::from(by.seconds()) < i64::from(least) {
        // RFC 2852 §3 wants 55z, §4 has 555 for what we cannot do.
        let text = format!("BY: a message may be wanted back after {least} seconds at the soonest");
        return Err(Reply::new(555, EnhancedStatus::new(5, 5, 4), text));
    }
    Ok(by)
}
