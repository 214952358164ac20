//! The section `[limits]`: how big anything may get that a client decides about.

use std::time::Duration;

use mirror_node::server::limits::ServerLimits;

use super::effective::Effective;
use super::raw::{Bytes, Positive, RawLimits};
use super::{narrow, wide};
use crate::exit_code::CommandError;

/// All limits of the server, those of the file over the defaults.
///
/// # Errors
/// When one is more than the protocol can say, or two contradict each other.
pub(super) fn resolve(
    raw: &RawLimits,
    effective: &mut Effective,
) -> Result<ServerLimits, CommandError> {
    let default = ServerLimits::default();
    let mut section = Section { effective };
    let limits = ServerLimits {
        connections_max: section.count(
            "connections_max",
            raw.connections_max,
            default.connections_max,
        ),
        request_bytes_max: section.message_bytes(
            "request_bytes_max",
            raw.request_bytes_max,
            default.request_bytes_max,
        )?,
        requests_bytes_max: section.bytes(
            "requests_bytes_max",
            raw.requests_bytes_max,
            default.requests_bytes_max,
        ),
        decoding_bytes_max: section.bytes(
            "decoding_bytes_max",
            raw.decoding_bytes_max,
            default.decoding_bytes_max,
        ),
        produce_decompressed_bytes_max: section.long_bytes(
            "produce_decompressed_bytes_max",
            raw.produce_decompressed_bytes_max,
            default.produce_decompressed_bytes_max,
        ),
        answers_bytes_max: section.bytes(
            "answers_bytes_max",
            raw.answers_bytes_max,
            default.answers_bytes_max,
        ),
        idle_max: section.time("idle_ms_max", raw.idle_ms_max, default.idle_max),
        stall_max: section.time("stall_ms_max", raw.stall_ms_max, default.stall_max),
        fetch_bytes_max: section.message_bytes(
            "fetch_bytes_max",
            raw.fetch_bytes_max,
            default.fetch_bytes_max,
        )?,
        open_files_max: section.count("open_files_max", raw.open_files_max, default.open_files_max),
        sent_files_max: section.count("sent_files_max", raw.sent_files_max, default.sent_files_max),
        fetch_sessions_max: section.count(
            "fetch_sessions_max",
            raw.fetch_sessions_max,
            default.fetch_sessions_max,
        ),
        fetch_session_partitions_max: section.count(
            "fetch_session_partitions_max",
            raw.fetch_session_partitions_max,
            default.fetch_session_partitions_max,
        ),
        fetch_partitions_max: section.count(
            "fetch_partitions_max",
            raw.fetch_partitions_max,
            default.fetch_partitions_max,
        ),
        created_topics_max: section.count(
            "created_topics_max",
            raw.created_topics_max,
            default.created_topics_max,
        ),
        described_partitions_max: section.message_count(
            "described_partitions_max",
            raw.described_partitions_max,
            default.described_partitions_max,
        )?,
    };
    check_together(&limits)?;
    Ok(limits)
}

/// Limits that are each legal and together stop requests for good.
fn check_together(limits: &ServerLimits) -> Result<(), CommandError> {
    let (one, all) = (u64::from(limits.request_bytes_max), wide(limits.requests_bytes_max));
    if all < one {
        return Err(CommandError::usage(format!(
            "limits.requests_bytes_max is {all}, below limits.request_bytes_max ({one}): one \
             request may take as much as all together; raise the first or lower the second"
        )));
    }
    Ok(())
}

struct Section<'a> {
    effective: &'a mut Effective,
}

impl Section<'_> {
    fn pick(&mut self, key: &str, file: Option<u64>, default: u64) -> u64 {
        self.effective.pick(&format!("limits.{key}"), None, file, default)
    }

    fn count(&mut self, key: &str, file: Option<Positive>, default: usize) -> usize {
        narrow(self.pick(key, file.map(|count| count.0.into()), wide(default)))
    }

    fn bytes(&mut self, key: &str, file: Option<Bytes>, default: usize) -> usize {
        narrow(self.pick(key, file.map(|size| size.0), wide(default)))
    }

    fn long_bytes(&mut self, key: &str, file: Option<Bytes>, default: u64) -> u64 {
        self.pick(key, file.map(|size| size.0), default)
    }

    fn time(&mut self, key: &str, file: Option<Positive>, default: Duration) -> Duration {
        let default = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.pick(key, file.map(|time| time.0.into()), default))
    }

    /// Bytes of one message.
    fn message_bytes(
        &mut self,
        key: &str,
        file: Option<Bytes>,
        default: u32,
    ) -> Result<u32, CommandError> {
        let bytes = self.pick(key, file.map(|size| size.0), default.into());
        Ok(in_message(key, bytes)?.unsigned_abs())
    }

    /// A count that messages carry.
    fn message_count(
        &mut self,
        key: &str,
        file: Option<Positive>,
        default: i32,
    ) -> Result<i32, CommandError> {
        let default = u64::from(default.unsigned_abs());
        let count = self.pick(key, file.map(|count| count.0.into()), default);
        in_message(key, count)
    }
}

/// The protocol's numbers have 32 bits and a sign.
fn in_message(key: &str, value: u64) -> Result<i32, CommandError> {
    i32::try_from(value).map_err(|_| {
        let most = i32::MAX;
        CommandError::usage(format!("limits.{key} is {value}, the protocol can say {most} at most"))
    })
}
