//! `posthouse explain`: what would happen to a message at each stage, and why.
//!
//! Standards: RFC 5321 §3.3.
//! Not here: deciding it (crate `mta`).

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use envelope::{Address, Domain};

use super::message::read;
use super::output::Style;
use super::{Office, Output, visible};
use crate::control::{Item, Request, StepItem, Supposed};
use crate::failure::{Exit, Failure, of_file};

/// Largest message, so that it fits into one question to the server; rules look at its header,
/// and its size counts.
const CONTENT_OCTETS_MAX: usize = 8 * 1024 * 1024;

/// A message that somebody else might bring.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Its reverse-path; <> for a notice
    #[arg(long, value_name = "ADDRESS", value_parser = sender)]
    from: Sender,
    /// Its recipients
    #[arg(long, value_name = "ADDRESS", required = true, num_args = 1..)]
    to: Vec<Address>,
    /// The address of the client that brings it
    #[arg(long, value_name = "ADDRESS")]
    ip: IpAddr,
    /// What the client calls itself [default: its address in brackets]
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// A file with the message
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
}

/// A reverse-path.
#[derive(Clone, Debug)]
pub(crate) struct Sender(Option<Address>);

fn sender(text: &str) -> Result<Sender, String> {
    match text {
        "" | "<>" => Ok(Sender(None)),
        text => match Address::parse(text) {
            Ok(address) => Ok(Sender(Some(address))),
            Err(error) => Err(format!("{error}; write an address, or <> for a notice")),
        },
    }
}

pub(super) async fn run(
    options: Options,
    office: &Office,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let content = match &options.message {
        None => None,
        Some(file) => Some(sasl::encode_base64(&message(file)?).to_string()),
    };
    let supposed = Supposed {
        config: office.config.file.clone(),
        from: options.from.0,
        to: options.to,
        peer: options.ip,
        hello: options.helo.unwrap_or_else(|| Domain::from(options.ip).to_string()),
        content,
    };
    let request = Request::Explain(Box::new(supposed));
    office
        .list(request, |item| match item {
            Item::Step(step) => {
                let line = line(&step, output);
                output.tell(&step, || line)
            }
            _ => Ok(()),
        })
        .await
}

/// A message as it would come over the network, whatever ends its lines in the file.
fn message(file: &Path) -> Result<Vec<u8>, Failure> {
    let octets = read(file).map_err(|error| of_file("read the message", file, &error))?;
    if octets.len() > CONTENT_OCTETS_MAX {
        return Err(Failure::new("the message is larger than 8 MiB")
            .in_path(file)
            .remedy("give its header and the beginning of its body: rules look at no more"));
    }
    let mut sent = Vec::with_capacity(octets.len());
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\n").map(|bare| bare.strip_suffix(b"\r").unwrap_or(bare)) {
            Some(bare) => {
                sent.extend_from_slice(bare);
                sent.extend_from_slice(b"\r\n");
            }
            None => sent.extend_from_slice(line),
        }
    }
    Ok(sent)
}

fn line(step: &StepItem, output: &Output) -> String {
    let style = match step.outcome.as_str() {
        "accepted" => Style::Good,
        "deferred" => Style::Doubtful,
        "refused" => Style::Bad,
        _ => Style::Faint,
    };
    let outcome = output.paint(style, &format!("{:<9}", step.outcome));
    let about = step.about.as_ref().map(|about| format!("{}: ", visible(about)));
    let (about, text) = (about.unwrap_or_default(), visible(&step.text));
    format!("{:<10} {outcome} {about}{text}", step.stage)
}
