//! Kafka bytes: nouns, record batches, the streaming Fetch reader. No I/O.

pub mod batch_stream;
pub mod batch_writer;
pub mod byte_cursor;
pub mod control_record;
pub mod epoch;
pub mod fetch_event;
pub mod fetch_reader;
pub mod fetch_request;
pub mod offset;
pub mod partition;
pub mod producer;
pub mod record_batch;
