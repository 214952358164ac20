//! Kafka bytes: nouns, record batches, the streaming Fetch reader. No I/O.

pub mod epoch;
pub mod offset;
pub mod partition;
pub mod producer;
pub mod record_batch;
