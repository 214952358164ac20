//! Micro benchmarks of pure functions.
