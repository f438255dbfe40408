//! mailbag

fn main() {}
