//! Rows of a benchmark, as a table and as JSON.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::meter::Reading;

/// Times from MAIL to the 250, in order.
#[derive(Debug, Clone)]
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that `percent` of all stay below, in milliseconds.
    fn quantile_ms(&self, percent: usize) -> f64 {
        let place = self.0.len() * percent / 100;
        let time = self.0.get(place.min(self.0.len().saturating_sub(1)));
        time.map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }
}

/// One run.
#[derive(Debug, Clone)]
pub(super) struct Row {
    name: &'static str,
    connections: u32,
    messages: usize,
    per_second: f64,
    stored_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_ms: f64,
    syncs: Option<f64>,
    checkpoint_syncs: Option<f64>,
    flushes: Option<f64>,
    octets: f64,
    noise: f64,
}

impl Row {
    /// `accepted_in` is the time until the last 250, `stored_in` until all is in mailboxes.
    pub(super) fn new(
        name: &'static str,
        connections: u32,
        latencies: Latencies,
        accepted_in: Duration,
        stored_in: Duration,
        reading: Reading,
    ) -> Self {
        let count = latencies.count().max(1) as f64;
        let each = |sum: u64| sum as f64 / count;
        Self {
            name,
            connections,
            messages: latencies.count(),
            per_second: count / accepted_in.as_secs_f64(),
            stored_per_second: count / stored_in.as_secs_f64(),
            p50_ms: latencies.quantile_ms(50),
            p99_ms: latencies.quantile_ms(99),
            cpu_ms: reading.cpu.as_secs_f64() * 1000.0 / count,
            syncs: reading.syncs.map(|syncs| each(syncs.accept)),
            checkpoint_syncs: reading.syncs.map(|syncs| each(syncs.checkpoint)),
            flushes: reading.flushes.map(each),
            octets: each(reading.octets),
            noise: reading.noise,
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "connections": self.connections,
            "messages": self.messages,
            "per_second": rounded(self.per_second),
            "stored_per_second": rounded(self.stored_per_second),
            "p50_ms": rounded(self.p50_ms),
            "p99_ms": rounded(self.p99_ms),
            "cpu_ms_per_message": rounded(self.cpu_ms),
            "syncs_per_message": self.syncs.map(rounded),
            "checkpoint_syncs_per_message": self.checkpoint_syncs.map(rounded),
            "flushes_per_message": self.flushes.map(rounded),
            "octets_per_message": rounded(self.octets),
            "noise": rounded(self.noise),
        })
    }
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "| {:<9} | {:>5} | {:>8} | {:>8.0} | {:>8.0} | {:>7.2} | {:>7.2} | {:>7.3} | {:>6} | \
             {:>6} | {:>7} | {:>7.0} | {:>4.0}% |",
            self.name,
            self.connections,
            self.messages,
            self.per_second,
            self.stored_per_second,
            self.p50_ms,
            self.p99_ms,
            self.cpu_ms,
            or_dash(self.syncs),
            or_dash(self.checkpoint_syncs),
            or_dash(self.flushes),
            self.octets,
            self.noise * 100.0
        )
    }
}

/// A Markdown table, and how many times faster than Postfix we are.
pub(super) fn print(rows: &[Row]) -> String {
    let mut lines = vec![
        "| what      | conns | messages |  250 / s | stored/s |  p50 ms |  p99 ms |  CPU ms |  syncs | chkpt. | flushes |  octets | noise |".to_owned(),
        "|-----------|------:|---------:|---------:|---------:|--------:|--------:|--------:|-------:|-------:|--------:|--------:|------:|".to_owned(),
    ];
    lines.extend(rows.iter().map(ToString::to_string));
    for row in rows.iter().filter(|row| row.name == "posthouse") {
        let same = |other: &&Row| other.name == "Postfix" && other.connections == row.connections;
        if let Some(postfix) = rows.iter().find(same) {
            lines.push(format!(
                "{} connections: {:.1} times Postfix's rate",
                row.connections,
                row.stored_per_second / postfix.stored_per_second
            ));
        }
    }
    lines.join("\n")
}

/// One line for programs.
pub(super) fn json(rows: &[Row]) -> Value {
    json!({
        "benchmark": "smtp-in",
        "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
    })
}
