//! Messages that others wrote, and what others found in them.
//!
//! `POSTHOUSE_CORPORA` names the folder; without it these tests say so and pass. Where we find
//! something else, `docs/conformance-message.md` says why; the tests fail when a disagreement
//! is not listed there, and when something is listed that both agree on.
#![expect(clippy::disallowed_methods, reason = "test input lies on the developer's disk")]
#![expect(clippy::print_stdout, reason = "a test that tests nothing says so")]
#![expect(clippy::indexing_slicing, reason = "an expected result without a value fails the test")]

mod addresses;
mod bounces;
mod embedded;
mod files;
mod gmime;
mod mail_parser;
mod mbox;
mod mime4j;
mod python;
mod quotes;
mod ruby_mail;
mod support;
mod texts;
mod views;
