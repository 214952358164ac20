//! Repository tasks: ci, kafka.
fn main() {}
