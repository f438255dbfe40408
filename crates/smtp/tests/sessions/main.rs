//! Whole conversations with the sessions of this crate, as their callers see them.
//!
//! Standards: RFC 5321 and its extensions; each test says which part.
//! Not here: single machines (beside their source), real sockets (crate `platform`).

mod bad_inputs;
mod both_sides;
mod chunks;
mod client_dialogs;
mod converse;
mod dialogs;
mod framing;
mod linear;
mod lmtp;
mod trust;
mod vectors;
