//! Fixtures: real Kafka brokers, clients, temporary directories.
