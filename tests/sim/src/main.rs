//! Deterministic simulation of the engine.
fn main() {}
