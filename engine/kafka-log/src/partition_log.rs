//! One partition's log in memory: where it starts and ends, its segments, epochs and producers.

/// State of one partition's log; opens no file.
#[derive(Debug)]
pub struct PartitionLog {}
