//! `cargo xtask bench mta`: durable accepts, relay to the end, and both with much mail that waits.
//!
//! ```text
//!   accept, relay:  every number of connections × the first size and number of recipients
//!                   20 connections × the other sizes, and × the other numbers of recipients
//!   queue:          accept and relay at 20 connections × each number of waiting messages
//! ```
//!
//! Not here: how it is measured (`series`).

use clap::{Args, ValueEnum};

use crate::bench::series::{Case, Kind, Part, Plan, Setting};

/// Connections of the cases in which something else varies.
const USUAL_CONNECTIONS: u32 = 20;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    setting: Setting,
    /// Parts to run.
    #[arg(long, value_name = "PART,…", value_delimiter = ',', value_enum,
          default_values_t = [Chapter::Accept, Chapter::Relay, Chapter::Queue])]
    part: Vec<Chapter>,
    /// Numbers of connections.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 20, 500])]
    connections: Vec<u32>,
    /// Octets of a message; the first is the usual one.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [4096, 65_536])]
    size: Vec<usize>,
    /// Recipients of a message; the first is the usual number.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 20])]
    recipients: Vec<u32>,
    /// Messages that wait already, for the part `queue`; 1000000 takes a few GB.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [10, 100_000])]
    waiting: Vec<u32>,
    /// What to measure.
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',', value_enum,
          default_values_t = Kind::ALL)]
    only: Vec<Kind>,
}

/// A part of the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Chapter {
    /// Messages into mailboxes.
    Accept,
    /// Messages to another server.
    Relay,
    /// Both, while much other mail waits.
    Queue,
}

impl Options {
    pub(super) fn plan(&self) -> Plan<'_> {
        let cases = self.part.iter().flat_map(|&chapter| match chapter {
            Chapter::Accept => self.cases(Part::Accept),
            Chapter::Relay => self.cases(Part::Relay),
            Chapter::Queue => self.queue_cases(),
        });
        Plan { benchmark: "mta", setting: &self.setting, kinds: &self.only, cases: cases.collect() }
    }

    fn cases(&self, part: Part) -> Vec<Case> {
        let usual = self.usual(part);
        let by_connections =
            self.connections.iter().map(|&connections| Case { connections, ..usual });
        let by_size = self.size.iter().skip(1).map(|&octets| Case { octets, ..usual });
        let by_recipients =
            self.recipients.iter().skip(1).map(|&recipients| Case { recipients, ..usual });
        by_connections.chain(by_size).chain(by_recipients).collect()
    }

    fn queue_cases(&self) -> Vec<Case> {
        let both = |&waiting: &u32| {
            [Part::Accept, Part::Relay]
                .map(|part| Case { waiting: Some(waiting), ..self.usual(part) })
        };
        self.waiting.iter().flat_map(both).collect()
    }

    fn usual(&self, part: Part) -> Case {
        Case {
            part,
            octets: self.size.first().copied().unwrap_or(4096),
            recipients: self.recipients.first().copied().unwrap_or(1),
            connections: USUAL_CONNECTIONS,
            waiting: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::Options;

    #[test]
    fn each_figure_varies_by_itself() {
        let command = Options::augment_args(Command::new("mta"));
        let options = Options::from_arg_matches(&command.get_matches_from(["mta"])).expect("fine");
        let plan = options.plan();
        let cases: Vec<_> = plan.cases.iter().map(ToString::to_string).collect();
        let one = |part: &str| {
            [
                format!("{part}, 4096 octets, 1 recipients, 1 connections"),
                format!("{part}, 4096 octets, 1 recipients, 20 connections"),
                format!("{part}, 4096 octets, 1 recipients, 500 connections"),
                format!("{part}, 65536 octets, 1 recipients, 20 connections"),
                format!("{part}, 4096 octets, 20 recipients, 20 connections"),
            ]
        };
        let mut expected = [one("accept"), one("relay")].concat();
        for waiting in [10, 100_000] {
            for part in ["accept", "relay"] {
                let usual = "4096 octets, 1 recipients, 20 connections";
                expected.push(format!("{part}, {usual}, {waiting} waiting"));
            }
        }
        assert_eq!(cases, expected);
    }
}
