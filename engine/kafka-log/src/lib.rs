//! Kafka's log directory format: what to write, where, and what bytes on disk mean.
