//! Rows of a benchmark, as a table and as JSON.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::meter::Reading;
use crate::bench::series::{Case, Kind, Part};

/// Times from MAIL to the 250, in order.
#[derive(Debug, Clone)]
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
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
    kind: Kind,
    case: Case,
    messages: usize,
    per_second: f64,
    done_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_ms: f64,
    syncs: Option<f64>,
    checkpoint_syncs: Option<f64>,
    flushes: Option<f64>,
    octets: f64,
    memory_mib: Option<f64>,
    noise: f64,
}

impl Row {
    /// The times are those until the last 250, and until all was where it belongs.
    pub(super) fn new(
        kind: Kind,
        case: Case,
        latencies: Latencies,
        [accepted_in, done_in]: [Duration; 2],
        reading: Reading,
    ) -> Self {
        const MIB: f64 = 1024.0 * 1024.0;
        let count = latencies.count().max(1) as f64;
        let each = |sum: u64| sum as f64 / count;
        Self {
            kind,
            case,
            messages: latencies.count(),
            per_second: count / accepted_in.as_secs_f64(),
            done_per_second: count / done_in.as_secs_f64(),
            p50_ms: latencies.quantile_ms(50),
            p99_ms: latencies.quantile_ms(99),
            cpu_ms: reading.cpu.as_secs_f64() * 1000.0 / count,
            syncs: reading.syncs.map(|syncs| each(syncs.accept)),
            checkpoint_syncs: reading.syncs.map(|syncs| each(syncs.checkpoint)),
            flushes: reading.flushes.map(each),
            octets: each(reading.octets),
            memory_mib: reading.memory.map(|memory| memory as f64 / MIB),
            noise: reading.noise,
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.kind.to_string(),
            "part": self.case.part.to_string(),
            "size_octets": self.case.octets,
            "recipients": self.case.recipients,
            "connections": self.case.connections,
            "waiting": self.case.waiting,
            "messages": self.messages,
            "per_second": rounded(self.per_second),
            "done_per_second": rounded(self.done_per_second),
            "p50_ms": rounded(self.p50_ms),
            "p99_ms": rounded(self.p99_ms),
            "cpu_ms_per_message": rounded(self.cpu_ms),
            "syncs_per_message": self.syncs.map(rounded),
            "checkpoint_syncs_per_message": self.checkpoint_syncs.map(rounded),
            "flushes_per_message": self.flushes.map(rounded),
            "octets_per_message": rounded(self.octets),
            "memory_mib": self.memory_mib.map(rounded),
            "noise": rounded(self.noise),
        })
    }

    /// How it compares with others of the same series.
    fn comparison(&self, rows: &[Self]) -> Option<String> {
        let mut words = Vec::new();
        let of = |kind| rows.iter().find(|row| row.kind == kind && row.case == self.case);
        for rival in [Kind::Postfix, Kind::Opensmtpd] {
            if let Some(row) = of(rival) {
                let times = self.done_per_second / row.done_per_second;
                words.push(format!("{times:.1} times the rate of {rival}"));
            }
        }
        if let Some(sink) = of(Kind::Sink) {
            words.push(format!("{:.2} of the sink's", self.per_second / sink.per_second));
        }
        let queue_of = |row: &Self| row.case.waiting.unwrap_or(u32::MAX);
        let shortest = rows
            .iter()
            .filter(|row| row.kind == self.kind && row.case.part == self.case.part)
            .min_by_key(|row| queue_of(row));
        if let Some(shortest) = shortest
            && let (Some(here), Some(there)) = (self.case.waiting, shortest.case.waiting)
            && here > there
        {
            let (cpu, rate) =
                (self.cpu_ms / shortest.cpu_ms, self.done_per_second / shortest.done_per_second);
            words.push(format!("{cpu:.2} times the CPU and {rate:.2} the rate with {there}"));
        }
        (!words.is_empty()).then(|| format!("{}: {}", self.case, words.join(", ")))
    }
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn or_dash(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = self.case;
        let done = match (self.kind, case.part) {
            (Kind::Disk | Kind::Sink, _) => "–".to_owned(),
            (_, Part::Accept | Part::Relay) => format!("{:.0}", self.done_per_second),
        };
        write!(
            out,
            "| {:<9} | {:<6} | {:>6} | {:>5} | {:>5} | {:>7} | {:>8} | {:>7.0} | {:>7} | {:>7.2} \
             | {:>7.2} | {:>7.3} | {:>6} | {:>6} | {:>7} | {:>7.0} | {:>5} | {:>4.0}% |",
            self.kind.to_string(),
            case.part.to_string(),
            case.octets,
            case.recipients,
            case.connections,
            case.waiting.map_or_else(|| "–".to_owned(), |waiting| waiting.to_string()),
            self.messages,
            self.per_second,
            done,
            self.p50_ms,
            self.p99_ms,
            self.cpu_ms,
            or_dash(self.syncs, 3),
            or_dash(self.checkpoint_syncs, 3),
            or_dash(self.flushes, 3),
            self.octets,
            or_dash(self.memory_mib, 0),
            self.noise * 100.0
        )
    }
}

/// A Markdown table, and how we compare with the others.
pub(super) fn print(rows: &[Row]) -> String {
    let mut lines = vec![
        "| what      | part   |   size | rcpts | conns | waiting | messages | 250 / s |  done/s |  p50 ms |  p99 ms |  CPU ms |  syncs | chkpt. | flushes |  octets |   MiB | noise |".to_owned(),
        "|-----------|--------|-------:|------:|------:|--------:|---------:|--------:|--------:|--------:|--------:|--------:|-------:|-------:|--------:|--------:|------:|------:|".to_owned(),
    ];
    lines.extend(rows.iter().map(ToString::to_string));
    lines.push(String::new());
    let ours = rows.iter().filter(|row| row.kind == Kind::Posthouse);
    lines.extend(ours.filter_map(|row| row.comparison(rows)));
    lines.join("\n")
}

/// One line for programs.
pub(super) fn json(benchmark: &str, rows: &[Row]) -> Value {
    json!({
        "benchmark": benchmark,
        "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
    })
}
