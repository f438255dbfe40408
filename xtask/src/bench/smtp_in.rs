//! `cargo xtask bench smtp-in`: durable accepts of one kind of message, by connections.
//!
//! Not here: how it is measured (`series`).

use clap::Args;

use crate::bench::series::{Case, Kind, Part, Plan, Setting};

/// Connections of the three runs of a series.
const CONNECTIONS: [u32; 3] = [1, 20, 200];

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    setting: Setting,
    /// Octets of a message.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    size: usize,
    /// What to measure.
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',',
          default_values_t = [Kind::Disk, Kind::Sink, Kind::Posthouse, Kind::Postfix])]
    only: Vec<Kind>,
}

impl Options {
    pub(super) fn plan(&self) -> Plan<'_> {
        let case = |connections| Case {
            part: Part::Accept,
            octets: self.size,
            recipients: 1,
            connections,
            waiting: None,
        };
        Plan {
            benchmark: "smtp-in",
            setting: &self.setting,
            kinds: &self.only,
            cases: CONNECTIONS.map(case).to_vec(),
        }
    }
}
