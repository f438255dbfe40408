//! posthouse

fn main() {}
