//! How many connections, and files of answers, the system has file descriptors for.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::log_reader::FileLimits;
use crate::server::limits::ServerLimits;

/// Raises the process's limit of open files as far as it may, and returns how many connections
/// there may be at once: those of `limits`, or half of all files, since logs need files too.
pub(super) fn connections(limits: &ServerLimits) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!("the limit of open files stays what it is: {error}");
        }
    }
    let files = getrlimit(Resource::Nofile).current;
    let connections = connections_with(limits, files);
    if connections < limits.connections_max {
        tracing::warn!(
            "{connections} connections at once instead of {}: {} files may be open; raise that \
             (ulimit -n, LimitNOFILE=)",
            limits.connections_max,
            files.unwrap_or(u64::MAX)
        );
    }
    connections
}

/// How many files may be open for reading: those that answers hold are an eighth of all files at
/// most, beside the connections, those being written and those kept open.
pub(crate) fn reading(limits: &ServerLimits) -> FileLimits {
    reading_with(limits, getrlimit(Resource::Nofile).maximum)
}

fn reading_with(limits: &ServerLimits, files: Option<u64>) -> FileLimits {
    let eighth = files.and_then(|files| usize::try_from(files / 8).ok()).unwrap_or(usize::MAX);
    FileLimits { open_max: limits.open_files_max, lent_max: limits.sent_files_max.min(eighth) }
}

fn connections_with(limits: &ServerLimits, files: Option<u64>) -> usize {
    let half = files.and_then(|files| usize::try_from(files / 2).ok());
    half.map_or(limits.connections_max, |half| limits.connections_max.min(half.max(1)))
}

#[cfg(test)]
mod tests;
