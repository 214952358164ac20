//! The releases of Apache Kafka that the tests run against.

use std::fmt;
use std::str::FromStr;

/// A released Apache Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KafkaRelease {
    /// The newest 4.x release whose whole set of artifacts can be resolved from Maven Central.
    V4,
    /// The newest 3.9.x release: the last line before 4.0.
    V3_9,
}

/// How a release writes its log output, which its distribution decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoggingBackend {
    /// Log4j 2, from Kafka 4.0 on.
    Log4j2,
    /// The Log4j 1 API, as reload4j.
    Reload4j,
}

impl KafkaRelease {
    /// Both releases, newest first.
    pub const ALL: [Self; 2] = [Self::V4, Self::V3_9];

    /// The version as in the Maven coordinates.
    ///
    /// Pinned, so that a test means the same today and next year. Central lists a 4.4.0 of
    /// `kafka_2.13`, but `kafka-tools` and `kafka-tools-api` of it are missing there, so it does
    /// not resolve; raise the constant once it does.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::V4 => "4.3.1",
            Self::V3_9 => "3.9.2",
        }
    }

    /// The name of the directory under `tests/golden` for bytes captured from this release.
    #[must_use]
    pub const fn golden_name(self) -> &'static str {
        match self {
            Self::V4 => "kafka-4",
            Self::V3_9 => "kafka-3.9",
        }
    }

    /// The main class of the tool that prints log segments.
    #[must_use]
    pub const fn dump_log_segments(self) -> &'static str {
        match self {
            Self::V4 => "org.apache.kafka.tools.DumpLogSegments",
            Self::V3_9 => "kafka.tools.DumpLogSegments",
        }
    }

    pub(crate) const fn logging_backend(self) -> LoggingBackend {
        match self {
            Self::V4 => LoggingBackend::Log4j2,
            Self::V3_9 => LoggingBackend::Reload4j,
        }
    }

    /// Maven coordinates (group, artifact, version) of what a broker and the tools need.
    ///
    /// The published poms do not name a logging backend; the one here is what the release's own
    /// distribution ships.
    pub(crate) const fn coordinates(self) -> [(&'static str, &'static str, &'static str); 3] {
        let version = self.version();
        [
            ("org.apache.kafka", "kafka_2.13", version),
            ("org.apache.kafka", "kafka-tools", version),
            self.logging_coordinates(),
        ]
    }

    /// The same of what `MirrorMaker` 2 needs.
    pub(crate) const fn mirror_maker_coordinates(
        self,
    ) -> [(&'static str, &'static str, &'static str); 3] {
        let version = self.version();
        [
            ("org.apache.kafka", "connect-mirror", version),
            ("org.apache.kafka", "connect-runtime", version),
            self.logging_coordinates(),
        ]
    }

    const fn logging_coordinates(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::V4 => ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
            Self::V3_9 => ("org.slf4j", "slf4j-reload4j", "1.7.36"),
        }
    }
}

impl fmt::Display for KafkaRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version())
    }
}

impl FromStr for KafkaRelease {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |release: &Self| release.version() == text || release.golden_name() == text;
        let found = match text {
            "4" | "4.x" => Some(Self::V4),
            "3.9" | "3.9.x" => Some(Self::V3_9),
            _ => Self::ALL.into_iter().find(named),
        };
        found.ok_or_else(|| format!("no such Kafka release: {text} (known: 4, 3.9)"))
    }
}
