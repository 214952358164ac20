//! The marker of a clean stop, `.kafka_cleanshutdown`: recovery is skipped where it lies.
//!
//! Written last, when every partition has a producer snapshot at its end; deleted first when the
//! directory is opened. Source: `CleanShutdownFileHandler` in Apache Kafka.

/// Name of the file at the root of a log directory.
pub const FILE_NAME: &str = ".kafka_cleanshutdown";
/// The broker epoch of a directory that was never registered at a controller.
pub const NO_BROKER_EPOCH: i64 = -1;

const BROKER_EPOCH: &str = "\"brokerEpoch\"";

/// Contents of the file.
#[must_use]
pub fn encode(broker_epoch: i64) -> Vec<u8> {
    format!("{{\"version\":0,{BROKER_EPOCH}:{broker_epoch}}}").into_bytes()
}

/// The broker epoch in the file; [`NO_BROKER_EPOCH`] when it cannot be read. The stop was clean
/// either way: that the file exists says so.
#[must_use]
pub fn parse(contents: &[u8]) -> i64 {
    let epoch = || {
        let (_, rest) = std::str::from_utf8(contents).ok()?.split_once(BROKER_EPOCH)?;
        let number = rest.trim_start().strip_prefix(':')?.trim_start();
        let end = number.find(|end: char| !end.is_ascii_digit() && end != '-');
        number[..end.unwrap_or(number.len())].parse().ok()
    };
    epoch().unwrap_or(NO_BROKER_EPOCH)
}

#[cfg(test)]
mod tests;
