//! POP3 sessions over a store in memory, which can be told to fail.

mod fake_store;
mod sessions;
mod world;
