//! Asking the listener for other mail servers what it would do with a message.
//!
//! A running server answers with what it has counted and remembered; without one the same
//! decisions are made from the configuration and the store.
//!
//! Standards: none of its own.
//! Not here: the decisions (crate `mta`).

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use envelope::{Address, ReversePath};
use mta::Reception;
use mta::reception::explain::{Question, Step};
use serde::{Deserialize, Serialize};

use super::item::Item;
use super::perform::Items;
use crate::config::Config;
use crate::engine::Engine;
use crate::failure::Failure;

/// A message that an operator asks about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Supposed {
    /// The configuration, for when no server runs.
    pub(crate) config: PathBuf,
    /// From whom; without it the null reverse-path.
    pub(crate) from: Option<Address>,
    /// To whom.
    pub(crate) to: Vec<Address>,
    /// Whose connection it would come over.
    pub(crate) peer: IpAddr,
    /// What that client would call itself.
    pub(crate) hello: String,
    /// Its octets in Base64.
    pub(crate) content: Option<String>,
}

/// What would happen at one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepItem {
    /// When: connect, hello, sender, recipient, content, delivery, queue or route.
    pub(crate) stage: String,
    /// To which recipient or domain, if to one.
    pub(crate) about: Option<String>,
    /// Whether it goes on: noted, accepted, deferred or refused.
    pub(crate) outcome: String,
    /// What and why.
    pub(crate) text: String,
}

impl From<Step> for StepItem {
    fn from(step: Step) -> Self {
        Self {
            stage: step.stage.to_owned(),
            about: step.about,
            outcome: step.outcome.name().to_owned(),
            text: step.text,
        }
    }
}

/// Tells what would happen, step by step.
pub(super) async fn explain(
    supposed: Supposed,
    engine: &Engine,
    items: &Items,
) -> Result<(), Failure> {
    let reception = reception(&supposed, engine).await?;
    let content = match &supposed.content {
        None => None,
        Some(text) => {
            let octets = sasl::decode_base64(text.as_bytes())
                .map_err(|error| Failure::new(format!("the message cannot be read: {error}")))?;
            Some(Bytes::copy_from_slice(&octets))
        }
    };
    let question = Question {
        peer: supposed.peer,
        hello: supposed.hello,
        reverse_path: supposed.from.map_or(ReversePath::NULL, ReversePath::from),
        recipients: supposed.to,
        content,
    };
    for step in reception.explain(&question).await {
        items.tell(Item::Step(StepItem::from(step))).await?;
    }
    Ok(())
}

async fn reception(supposed: &Supposed, engine: &Engine) -> Result<Arc<Reception>, Failure> {
    if engine.in_motion.get().is_none() {
        let config = Config::read(&supposed.config)?;
        engine.directory.separate_by(config.separator).await?;
        return crate::serve::supposed(&config, engine);
    }
    engine.reception.get().cloned().ok_or_else(crate::serve::no_smtp_listener)
}
