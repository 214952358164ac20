//! Why an engine cannot start or take an order.

use std::io;
use std::path::PathBuf;

use kafka_wire::partition::TopicIdPartition;

/// Why an engine cannot start or take an order; the text of start errors names the fix.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// io_uring exists but this process may not use it.
    #[error(
        "io_uring is forbidden for this process ({error}): set sysctl kernel.io_uring_disabled=0 \
         (or 1 and be in kernel.io_uring_group), and allow io_uring_setup, io_uring_enter and \
         io_uring_register in the container's seccomp profile"
    )]
    RingForbidden {
        /// What the system said; in the text already, so no source.
        error: io::Error,
    },
    /// The memory of a ring is charged to a limit that is too small.
    #[error(
        "io_uring gets no locked memory ({error}): raise the limit (ulimit -l unlimited, or \
         LimitMEMLOCK=infinity of the service)"
    )]
    RingMemory {
        /// What the system said; in the text already, so no source.
        error: io::Error,
    },
    /// The kernel has no io_uring.
    #[error("this kernel has no io_uring ({error}): Linux 6.0 or newer is needed")]
    RingMissing {
        /// What the system said; in the text already, so no source.
        error: io::Error,
    },
    /// The kernel's io_uring lacks what we set up.
    #[error("this kernel's io_uring is too old ({error}): Linux 6.0 or newer is needed")]
    RingTooOld {
        /// What the system said; in the text already, so no source.
        error: io::Error,
    },
    /// The ring cannot be made for another reason.
    #[error("cannot set io_uring up: {error}")]
    Ring {
        /// What the system said; in the text already, so no source.
        error: io::Error,
    },
    /// No memory for a shard's buffers.
    #[error(
        "cannot map {bytes} bytes for the buffers of shard {shard} ({source}): use fewer \
             cores or smaller limits, or give the process more memory"
    )]
    Slab {
        /// Which shard.
        shard: usize,
        /// Bytes asked for.
        bytes: u64,
        /// What the system said.
        source: io::Error,
    },
    /// No thread for a shard.
    #[error("cannot start the thread of shard {shard}: {source}")]
    Thread {
        /// Which shard.
        shard: usize,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("data directory {}: {source}", path.display())]
    DataDir {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The limits contradict each other.
    #[error("limits: {reason}")]
    Limits {
        /// Which and why.
        reason: String,
    },
    /// The system does not tell which CPUs this process may use.
    #[error("cannot tell which CPUs this process may use: name the cores")]
    NoCores,
    /// A CPU was named that this process may not use.
    #[error("core {core} is not one of those this process may use: {allowed:?}")]
    CoreNotAllowed {
        /// The one named.
        core: usize,
        /// Those that may be used.
        allowed: Vec<usize>,
    },
    /// An order for a partition that was not added, or was removed.
    #[error(
        "partition {} of topic {} is not mirrored here",
        partition.partition, partition.topic_id
    )]
    UnknownPartition {
        /// The partition.
        partition: TopicIdPartition,
    },
    /// A shard's queue has no room for the order.
    #[error("shard {shard} has too many orders waiting")]
    QueueFull {
        /// Which shard.
        shard: usize,
    },
    /// A shard has ended and takes no orders.
    #[error("shard {shard} has ended")]
    ShardEnded {
        /// Which shard.
        shard: usize,
    },
    /// A bug: a shard's thread panicked. Its logs are as after a crash.
    #[error("bug: the thread of shard {shard} panicked; its logs are recovered at the next start")]
    ShardPanicked {
        /// Which shard.
        shard: usize,
    },
}

impl EngineError {
    /// Tells what a refusal to make a ring means.
    pub(crate) fn from_ring(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::RingForbidden { error },
            Some(libc::ENOMEM) => Self::RingMemory { error },
            Some(libc::ENOSYS) => Self::RingMissing { error },
            Some(libc::EINVAL) => Self::RingTooOld { error },
            _ => Self::Ring { error },
        }
    }
}
