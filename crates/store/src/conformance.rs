//! The promises of a store, as laws that every engine is tested against.
