//! ringmirror, its peers and the machine's limits on the same work, in the same rounds.
//!
//! One topic of a real broker is copied from nothing to its end, by one contender at a time; the
//! others have nothing to do meanwhile. Every contender is a file of its own below, with
//!
//! * `start(..)`: whatever lives from copy to copy (a broker), ready and idle when it returns;
//! * `processes(&self) -> Vec<NeededProcess>`: the processes that live from copy to copy, because
//!   their work counts as ours where disturbed rounds are told, and because they have to live;
//! * `copy(&mut self, &CopyPlan<'_>) -> Result<CopyRun>`: one copying. It checks what was copied,
//!   returns an error for anything less than all of it, and leaves `directory` as it found it.
//!
//! The clock of a copying runs from the order to copy to the last byte, and so does the processor
//! time. The source's processor time, and whether the machine was calm, are measured around it.

pub mod agreement;
pub mod chart;
pub mod contender;
pub mod copied_logs;
pub mod discard;
pub mod figures;
pub mod follower;
pub mod goals;
pub mod librdkafka;
pub mod markdown;
pub mod mirror_maker;
pub mod node;
pub mod produced_topic;
pub mod record;
mod record_values;
pub mod rounds;
pub mod scenario;
pub mod sitting;
pub mod source_cluster;
pub mod spent_logs;
pub mod timed_copy;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::measurement::Sample;
use crate::needed_process::NeededProcess;

/// What every contender copies: one topic of a real broker, from nothing to its end.
#[derive(Clone, Copy, Debug)]
pub struct CopyPlan<'a> {
    /// Where the source broker listens.
    pub source: SocketAddr,
    /// The topic.
    pub topic: &'a str,
    /// Its partitions, numbered from 0; each begins at offset 0.
    pub partitions: u32,
    /// Records of all partitions.
    pub records: u64,
    /// Offset behind the last record of each partition.
    pub end_offsets: &'a [i64],
    /// Bytes of all batches, as they lie on the source's disk and as they are sent.
    pub bytes: u64,
    /// Most bytes asked for in one response, whatever the contender's own default is; its default
    /// when `None`.
    pub response_bytes_max: Option<u32>,
    /// Where to write: empty, and gone when the copying is over.
    pub directory: &'a Path,
    /// Where files go that are no longer used.
    pub spent: &'a Path,
    /// Who has to run until it is over: a copying that one of them leaves never ends.
    pub needed: &'a [NeededProcess],
    /// The directory of the source's logs, when a copy that is the same bytes is to be proved.
    pub compare_with: Option<&'a Path>,
}

/// What one copying showed.
#[derive(Clone, Copy, Debug)]
pub struct CopyRun {
    /// Bytes (those of the plan, whatever the contender makes of them), from the order to the last
    /// byte, and the processor time of the copying process. Of a contender that is measured for a
    /// part of its work, all three are of that part.
    pub sample: Sample,
    /// From the order to the first byte copied, where it is seen.
    pub first_byte: Option<Duration>,
    /// Processor time of the source in the time of `sample`, when that is a part of the copying.
    pub source_cpu: Option<Duration>,
    /// Processor time of the broker that the copying process writes to, where there is one.
    pub target_cpu: Option<Duration>,
    /// Most memory that the copying process had in use while it copied.
    pub resident_bytes_max: u64,
}
