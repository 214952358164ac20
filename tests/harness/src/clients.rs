//! Kafka clients in five languages, and what each of them must get from a cluster.
//!
//! Every client is behind a small program in `tests/clients` that takes the same requests, one
//! JSON object per line, and condenses what it consumes in the same way.

use std::fmt;
use std::str::FromStr;

mod checks;
mod installed;
mod matrix;
pub mod moving;
mod program;

pub use checks::{Finding, Outcome};
pub use installed::{Installed, install};
pub use matrix::{ClientReport, GroupProtocol, Matrix, Refusal, run};
pub use program::{About, Consumed, ConsumedRecords, Program, Read};

/// A client library or program of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// Kafka's own, in Java.
    Java,
    /// librdkafka, through its Python binding.
    ConfluentKafka,
    /// librdkafka, through its command-line program.
    Kcat,
    /// A client in Python alone.
    KafkaPython,
    /// A client in JavaScript alone.
    Kafkajs,
    /// A client in Go.
    FranzGo,
}

impl Client {
    /// All of them, the slowest to run first.
    pub const ALL: [Self; 6] = [
        Self::ConfluentKafka,
        Self::Java,
        Self::Kcat,
        Self::Kafkajs,
        Self::KafkaPython,
        Self::FranzGo,
    ];

    /// The name of its package.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::ConfluentKafka => "confluent-kafka",
            Self::Kcat => "kcat",
            Self::KafkaPython => "kafka-python",
            Self::Kafkajs => "kafkajs",
            Self::FranzGo => "franz-go",
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Client {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|client| client.name() == text);
        named.ok_or_else(|| format!("no such client: {text} (known: {})", Self::names()))
    }
}

impl Client {
    fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}
