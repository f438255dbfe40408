//! `cargo xtask bench message`: how fast messages are read, beside mail-parser and Python.
//!
//! Times are CPU times of one thread, so that what else runs on the machine counts little.
//!
//! Not here: whether what is read is right (tests of the crate `message`).

mod input;

use std::alloc::System;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use mail_parser::MessageParser;
use message::transfer::base64;
use message::{AddressList, ContentType, DateTime, Disposition, Message, Structure};
use nix::time::{ClockId, clock_gettime};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use self::input::Input;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Octets that base64 is measured with: more than the caches hold.
const BASE64_OCTETS: usize = 64 << 20;

/// What is timed at once takes at least this long.
const SPAN_MIN: Duration = Duration::from_millis(20);

/// Reads files again and again; prints CPU seconds of one round.
const PYTHON: &str = "
import email, email.policy, sys, time
contents = [open(name, 'rb').read() for name in sys.argv[2:]]
def read(content):
    for part in email.message_from_bytes(content, policy=email.policy.default).walk():
        try:
            part.items()
        except Exception:
            pass
        if not part.is_multipart():
            part.get_payload(decode=True)
best, begun = None, time.process_time()
while best is None or time.process_time() - begun < float(sys.argv[1]):
    start = time.process_time()
    for content in contents:
        read(content)
    took = time.process_time() - start
    best = took if best is None else min(best, took)
print(best)
";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// CPU seconds of each measurement.
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    seconds: f64,
}

/// What reads, and how it is called.
type Reader = (&'static str, fn(&[u8]));

/// One reader of one input.
struct Row {
    input: &'static str,
    reader: &'static str,
    octets: usize,
    messages: usize,
    best: Duration,
    /// Allocations and octets of one round; Python's are not counted.
    allocations: Option<(usize, usize)>,
}

impl Row {
    fn megabytes_per_second(&self) -> f64 {
        self.octets as f64 / 1e6 / self.best.as_secs_f64().max(1e-9)
    }

    fn print(&self) -> String {
        let each = |sum: usize| sum as f64 / self.messages as f64;
        let (count, octets) = match self.allocations {
            Some((count, octets)) => (
                format!("{:.1}", each(count)),
                format!("{:.2}", octets as f64 / self.octets as f64),
            ),
            None => ("–".to_owned(), "–".to_owned()),
        };
        let speed = self.megabytes_per_second();
        let (input, reader) = (self.input, self.reader);
        format!("| {input:<16} | {reader:<24} | {speed:>10.1} | {count:>11} | {octets:>9} |")
    }
}

/// Measures everything and prints tables.
pub(super) fn run(options: &Options) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("bench-message-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let outcome = measure(options, &folder);
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let rows = outcome?;
    println!(
        "| input            | reader                   |       MB/s | allocations | allocated |"
    );
    println!(
        "|------------------|--------------------------|-----------:|------------:|----------:|"
    );
    for row in &rows {
        println!("{}", row.print());
    }
    for row in rows.iter().filter(|row| row.reader.starts_with("message")) {
        for name in ["mail-parser", "Python's email"] {
            let same = |other: &&Row| other.input == row.input && other.reader == name;
            if let Some(other) = rows.iter().find(same) {
                let times = row.megabytes_per_second() / other.megabytes_per_second();
                println!("{}: {} is {times:.1} times {name}", row.input, row.reader);
            }
        }
    }
    let rows = rows.iter().map(|row| {
        let speed = row.megabytes_per_second().round();
        json!({"input": row.input, "reader": row.reader, "megabytes_per_second": speed})
    });
    println!("{}", json!({"benchmark": "message", "rows": rows.collect::<Vec<_>>()}));
    Ok(())
}

fn measure(options: &Options, folder: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for input in input::all()? {
        let readers: [Reader; 3] = [
            ("message, structure only", |content| drop(black_box(Structure::parse(content)))),
            ("message, everything", read_everything),
            ("mail-parser", |content| drop(black_box(MessageParser::default().parse(content)))),
        ];
        for (reader, read) in readers {
            rows.push(measure_one(options, &input, reader, read)?);
        }
        rows.extend(measure_python(options, &input, folder)?);
    }
    rows.extend(measure_base64(options)?);
    Ok(rows)
}

fn measure_one(
    options: &Options,
    input: &Input,
    reader: &'static str,
    read: fn(&[u8]),
) -> Result<Row> {
    let region = Region::new(ALLOCATOR);
    input.contents.iter().for_each(|content| read(content));
    let change = region.change();
    let best = best_of(options, || input.contents.iter().for_each(|content| read(content)))?;
    Ok(Row {
        input: input.name,
        reader,
        octets: input.octets(),
        messages: input.contents.len(),
        best,
        allocations: Some((change.allocations + change.reallocations, change.bytes_allocated)),
    })
}

/// The shortest of many times: the others were disturbed. Short rounds are timed together, so that
/// the clock's steps count for nothing.
fn best_of(options: &Options, mut round: impl FnMut()) -> Result<Duration> {
    let begun = cpu()?;
    let (mut best, mut rounds) = (Duration::MAX, 1_u32);
    loop {
        let start = cpu()?;
        (0..rounds).for_each(|_| round());
        let now = cpu()?;
        let took = now.saturating_sub(start);
        if took < SPAN_MIN {
            rounds = rounds.saturating_mul(2);
            continue;
        }
        best = best.min(took / rounds);
        if now.saturating_sub(begun).as_secs_f64() >= options.seconds {
            return Ok(best);
        }
    }
}

/// CPU time of this thread.
fn cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Every field by its kind, every body without its encoding, every text in Unicode.
fn read_everything(content: &[u8]) {
    let message = Message::parse(content);
    for part in message.parts() {
        for field in part.header().fields() {
            let (name, value) = (field.name().to_ascii_lowercase(), field.raw_value());
            match name.as_str() {
                "from" | "sender" | "reply-to" | "to" | "cc" | "bcc" | "resent-from"
                | "resent-to" | "resent-cc" => drop(black_box(AddressList::parse(value))),
                "date" | "resent-date" => drop(black_box(DateTime::parse(&field.value()))),
                "content-type" => drop(black_box(ContentType::parse(value))),
                "content-disposition" => drop(black_box(Disposition::parse(value))),
                _ => drop(black_box(field.value())),
            }
        }
        if part.text().map(black_box).is_none() {
            drop(black_box(part.decoded()));
        }
    }
    drop(black_box((message.references(), message.in_reply_to(), message.message_id())));
}

fn measure_python(options: &Options, input: &Input, folder: &Path) -> Result<Option<Row>> {
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON, &options.seconds.to_string()]);
    for (number, content) in input.contents.iter().enumerate() {
        let file = folder.join(format!("{number}.eml"));
        fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        command.arg(file);
    }
    let Ok(output) = command.output() else {
        println!("there is no python3: Python's email is not measured");
        return Ok(None);
    };
    if !output.status.success() {
        bail!("python3: {}", String::from_utf8_lossy(&output.stderr));
    }
    let seconds: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    Ok(Some(Row {
        input: input.name,
        reader: "Python's email",
        octets: input.octets(),
        messages: input.contents.len(),
        best: Duration::from_secs_f64(seconds),
        allocations: None,
    }))
}

fn measure_base64(options: &Options) -> Result<Vec<Row>> {
    let octets = input::noise(BASE64_OCTETS);
    let text = base64::encode_all(&octets).into_bytes();
    let lines = |length: usize| {
        let lines = text.chunks(length).flat_map(|line| [line, b"\r\n"]);
        lines.collect::<Vec<_>>().concat()
    };
    let mut rows = Vec::new();
    for (input, encoded) in
        [("base64, 60", lines(60)), ("base64, 76", lines(76)), ("base64, one line", text.clone())]
    {
        let row = |reader, best| Row {
            input,
            reader,
            octets: encoded.len(),
            messages: 1,
            best,
            allocations: None,
        };
        let mut decoded = Vec::with_capacity(encoded.len());
        let best = best_of(options, || {
            decoded.clear();
            let mut decoder = base64::Decoder::default();
            decoder.feed(&encoded, &mut decoded);
            black_box(decoder.finish(&mut decoded));
        })?;
        rows.push(row("message, decoder", best));
        let best = best_of(options, || {
            decoded.clear();
            decoded.extend_from_slice(black_box(&encoded));
        })?;
        rows.push(row("copying alone", best));
    }
    Ok(rows)
}
