//! Kafka bytes: nouns, record batches, the Fetch codecs, whole messages.
//!
//! **Invariants.** Bytes from outside never panic here and never allocate more than a named
//! limit or the caller's frame allows. A value that exists was checked: an `Offset` is not
//! negative, a `BatchHeader` is magic 2 with legal lengths. Modules that say "hot path" allocate
//! nothing at all.
//!
//! **What it does not know.** Sockets, files, clocks, threads; whether a batch fits a log; what
//! to do about an error. Message schemas live in `kafka-protocol`, except Fetch, which must be
//! read and written in pieces, and what that crate does not have: the records of internal topics
//! and everything about mirrors.
//!
//! **Reading order.** `offset`, `epoch`, `partition`, `producer`; then `record_batch` and
//! `batch_stream`; then `fetch_request`, `fetch_event`, `fetch_reader`, `fetch_response`;
//! `message` and its users `api_versions` and `offset_lookup`; `request` for a server;
//! `batch_writer`, `metadata_record` and `group_record`; what KIP-1279 adds last: `mirror_api`,
//! `mirror_error` and `mirror_state_record`.

pub mod api_versions;
pub mod batch_stream;
pub mod batch_writer;
pub mod byte_cursor;
pub mod control_record;
mod count_guard;
pub mod epoch;
pub mod fetch_event;
pub mod fetch_reader;
pub mod fetch_request;
pub mod fetch_response;
pub mod fields;
pub mod group_record;
pub mod message;
pub mod metadata_record;
pub mod mirror_api;
pub mod mirror_error;
pub mod mirror_state_record;
pub mod offset;
pub mod offset_lookup;
pub mod partition;
pub mod producer;
pub mod record_batch;
pub mod request;
pub mod share_state_record;
#[cfg(test)]
mod test_hex;
