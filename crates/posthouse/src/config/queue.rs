//! `[queue]`: how long mail waits, and when its sender hears of it.
//!
//! Standards: RFC 5321 §4.5.4.1 (retry strategy), RFC 4865 §3 and RFC 2852 §2 (what EHLO tells).
//! Not here: the schedule itself (crate `mta`).

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};
use super::unit::{time_of, written};

/// Most pauses that may be listed; the last one repeats anyway.
const PAUSES_MAX: usize = 100;

/// Most percent by which luck may make a pause longer; more would be another schedule.
const JITTER_PERCENT_MAX: u8 = 50;

/// How long mail waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    /// Pauses between attempts; the last one again and again.
    pub(crate) retry: Vec<Duration>,
    /// The same while greylisting lasts; empty: `retry`.
    pub(crate) retry_greylisted: Vec<Duration>,
    /// The same where no server could be spoken to; empty: `retry`.
    pub(crate) retry_unreachable: Vec<Duration>,
    /// The same for full mailboxes; empty: `retry`.
    pub(crate) retry_full: Vec<Duration>,
    /// By how many percent at most luck makes each pause longer.
    pub(crate) jitter_percent: u8,
    /// Then the sender gets a failure notice.
    pub(crate) expire: Duration,
    /// Then the sender hears that it takes longer.
    pub(crate) delay_notice: Duration,
    /// How long events and transcripts of settled mail are kept.
    pub(crate) keep_events: Duration,
    /// How long authors may let a message be kept back.
    pub(crate) hold_max: Duration,
    /// The shortest time after which a message may be wanted back.
    pub(crate) deliver_by_min: Duration,
    /// How long what was said in attempts is kept.
    pub(crate) keep_transcripts: Duration,
    /// After how many refusals as unknown an address is suppressed; never without it.
    pub(crate) suppress_after: Option<u32>,
}

impl Default for Queue {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        Self {
            // Short at first for greylisting, then as RFC 5321 §4.5.4.1 has it.
            retry: [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR]
                .map(Duration::from_secs)
                .to_vec(),
            retry_greylisted: Vec::new(),
            retry_unreachable: Vec::new(),
            retry_full: Vec::new(),
            jitter_percent: 0,
            expire: Duration::from_secs(5 * 24 * HOUR), // RFC 5321 §4.5.4.1: 4 to 5 days
            delay_notice: Duration::from_secs(4 * HOUR),
            // Notices come back within five days, and people ask what became of a letter within
            // the month.
            keep_events: Duration::from_secs(30 * 24 * HOUR),
            hold_max: Duration::from_secs(30 * 24 * HOUR),
            deliver_by_min: Duration::from_secs(MINUTE),
            keep_transcripts: Duration::from_secs(30 * 24 * HOUR),
            suppress_after: None,
        }
    }
}

/// Pauses as they are written.
type Pauses = Spanned<Vec<Spanned<String>>>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    retry: Option<Pauses>,
    retry_greylisted: Option<Pauses>,
    retry_unreachable: Option<Pauses>,
    retry_full: Option<Pauses>,
    jitter_percent: Option<Spanned<u8>>,
    expire: Option<Spanned<String>>,
    delay_notice: Option<Spanned<String>>,
    keep_events: Option<Spanned<String>>,
    hold_max: Option<Spanned<String>>,
    deliver_by_min: Option<Spanned<String>>,
    keep_transcripts: Option<Spanned<String>>,
    suppress_after: Option<Spanned<u32>>,
}

impl Written {
    pub(super) fn check(&self, source: &Source<'_>) -> Result<Queue, Fault> {
        let default = Queue::default();
        let of_class = |name, written: &Option<Pauses>| match written {
            Some(pauses) => retry(name, pauses, source),
            None => Ok(Vec::new()),
        };
        let retry_greylisted = of_class("retry_greylisted", &self.retry_greylisted)?;
        let retry_unreachable = of_class("retry_unreachable", &self.retry_unreachable)?;
        let retry_full = of_class("retry_full", &self.retry_full)?;
        let retry = match &self.retry {
            Some(pauses) => retry("retry", pauses, source)?,
            None => default.retry,
        };
        let jitter_percent = match &self.jitter_percent {
            Some(percent) => jitter(percent, source)?,
            None => default.jitter_percent,
        };
        let expire = match &self.expire {
            Some(expire) => time_of(expire, source)?,
            None => default.expire,
        };
        let delay_notice = match &self.delay_notice {
            Some(notice) => time_of(notice, source)?,
            // Whoever shortens only `expire` need not think of this key as well.
            None => default.delay_notice.min(expire / 2),
        };
        if let Some(notice) = &self.delay_notice
            && delay_notice >= expire
        {
            let what = format!(
                "delay_notice = {:?} does not come before expire = {:?}; the sender would hear of \
                 the failure before the delay",
                written(delay_notice),
                written(expire),
            );
            return Err(source.fault(notice, what, "lower delay_notice, or raise expire"));
        }
        let keep_events = match &self.keep_events {
            Some(kept) => time_of(kept, source)?,
            None => default.keep_events,
        };
        let hold_max = seconds_of(self.hold_max.as_ref(), default.hold_max, source)?;
        let deliver_by_min =
            seconds_of(self.deliver_by_min.as_ref(), default.deliver_by_min, source)?;
        let keep_transcripts = self.keep_transcripts(keep_events, source)?;
        let suppress_after = self.suppress_after(source)?;
        Ok(Queue {
            retry,
            retry_greylisted,
            retry_unreachable,
            retry_full,
            jitter_percent,
            expire,
            delay_notice,
            keep_events,
            hold_max,
            deliver_by_min,
            keep_transcripts,
            suppress_after,
        })
    }

    fn keep_transcripts(
        &self,
        keep_events: Duration,
        source: &Source<'_>,
    ) -> Result<Duration, Fault> {
        let Some(kept) = &self.keep_transcripts else {
            // They go with their events at the latest.
            return Ok(Queue::default().keep_transcripts.min(keep_events));
        };
        let time = time_of(kept, source)?;
        if time > keep_events {
            let what = format!(
                "keep_transcripts = {:?} is longer than keep_events = {:?}, with which they go",
                written(time),
                written(keep_events),
            );
            return Err(source.fault(kept, what, "lower keep_transcripts, or raise keep_events"));
        }
        Ok(time)
    }

    fn suppress_after(&self, source: &Source<'_>) -> Result<Option<u32>, Fault> {
        match &self.suppress_after {
            Some(times) if *times.get_ref() == 0 => {
                let what = "suppress_after = 0 would suppress everybody".to_owned();
                Err(source.fault(times, what, "write at least 1, or leave it out"))
            }
            Some(times) => Ok(Some(*times.get_ref())),
            None => Ok(None),
        }
    }
}

/// A time that EHLO tells in nine digits of seconds (RFC 4865 §3, RFC 2852 §2).
fn seconds_of(
    written: Option<&Spanned<String>>,
    default: Duration,
    source: &Source<'_>,
) -> Result<Duration, Fault> {
    let Some(written) = written else { return Ok(default) };
    let time = time_of(written, source)?;
    if time <= Duration::from_secs(envelope::SECONDS_MAX.into()) {
        return Ok(time);
    }
    let what = format!("{:?} has more than nine digits of seconds", written.get_ref());
    Err(source.fault(written, what, "write at most \"11574d\", which is 31 years"))
}

fn jitter(percent: &Spanned<u8>, source: &Source<'_>) -> Result<u8, Fault> {
    let written = *percent.get_ref();
    if written > JITTER_PERCENT_MAX {
        let what = format!("jitter_percent = {written} is too much");
        return Err(source.fault(percent, what, "write at most 50; longer pauses go into retry"));
    }
    Ok(written)
}

fn retry(name: &str, pauses: &Pauses, source: &Source<'_>) -> Result<Vec<Duration>, Fault> {
    let list = pauses.get_ref();
    if list.is_empty() || list.len() > PAUSES_MAX {
        let what = format!("{name} has {} pauses", list.len());
        return Err(source.fault(
            pauses,
            what,
            "write between 1 and 100, such as [\"1m\", \"1h\"]",
        ));
    }
    list.iter().map(|pause| time_of(pause, source)).collect()
}
