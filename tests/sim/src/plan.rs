//! What a seed decides before anything happens: the source, the limits, the faults.

use kafka_log::log_config::LogConfig;
use mirror_shard::limits::{RECORD_BUFFER_BYTES, ShardLimits};

use crate::disk::DiskFaults;
use crate::history::BatchSizes;
use crate::network::NetworkFaults;
use crate::random::Random;
use crate::source::SourceTraits;

/// Largest batch a shard takes here.
const BATCH_BYTES_MAX: u32 = 3 << 20;

/// Everything a seed fixes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) source: SourceTraits,
    pub(crate) partition_count: i32,
    pub(crate) sizes: BatchSizes,
    pub(crate) limits: ShardLimits,
    pub(crate) log_config: LogConfig,
    pub(crate) disk: DiskFaults,
    pub(crate) network: NetworkFaults,
    /// Things that happen before all faults heal.
    pub(crate) event_count: u64,
    /// Steps that end in a crash, in ten thousand.
    pub(crate) crash_per_10k: u64,
    pub(crate) fails_on_divergence: bool,
    pub(crate) unclean_elections: bool,
    /// Topics are deleted and others made under their names.
    pub(crate) recreations: bool,
    /// The host interferes: pauses, truncations, removals, clean restarts.
    pub(crate) busy_host: bool,
    /// Batches are there before the mirror starts.
    pub(crate) backlog: u64,
}

impl Plan {
    pub(crate) fn draw(random: &mut Random, cluster_count: u32) -> Self {
        let calm = random.percent(15);
        let bulk = random.percent(8);
        let broker_count = i32::try_from(random.range(1, 3)).expect("small");
        let answers_epochs = !random.percent(5);
        let version = i16::try_from(random.range(4, 17)).expect("small");
        let fault = |random: &mut Random, percent, most| {
            if !calm && random.percent(percent) { random.range(1, most) } else { 0 }
        };
        let source = SourceTraits {
            cluster_count,
            broker_count,
            fetch_version_max: version,
            answers_epochs,
            keeps_sessions: !random.percent(10),
            leader_hints: random.percent(60),
        };
        let network = NetworkFaults {
            refuse_percent: fault(random, 30, 40),
            flip_permille: fault(random, 30, 60),
            garbage_permille: fault(random, 20, 30),
            cut_permille: fault(random, 30, 60),
        };
        let errors_permille = fault(random, 25, 20);
        Self {
            source,
            partition_count: i32::try_from(random.range(1, 5)).expect("small"),
            sizes: draw_sizes(random, bulk),
            limits: draw_limits(random, bulk, broker_count, cluster_count),
            log_config: draw_log_config(random, bulk),
            disk: DiskFaults { errors_permille, full: false },
            network,
            event_count: random.range(20, 120),
            crash_per_10k: fault(random, 40, 60),
            fails_on_divergence: random.percent(20),
            recreations: false,
            unclean_elections: !calm && answers_epochs && random.percent(50),
            busy_host: !calm && random.percent(50),
            backlog: random.range(0, 40),
        }
    }
}

fn draw_sizes(random: &mut Random, bulk: bool) -> BatchSizes {
    BatchSizes {
        typical_bytes_max: random.pick(&[50, 500, 3_000, 30_000]),
        huge_permille: if bulk { 60 } else { 0 },
        huge_bytes_max: 2_900_000,
        gaps: random.percent(50),
        transactions: random.percent(60),
    }
}

fn draw_limits(
    random: &mut Random,
    bulk: bool,
    broker_count: i32,
    cluster_count: u32,
) -> ShardLimits {
    let brokers = u32::try_from(broker_count).expect("not negative") * cluster_count;
    let connection_count_max = brokers + random.range_u32(0, 4);
    let large = BATCH_BYTES_MAX.div_ceil(RECORD_BUFFER_BYTES) + 1;
    let least = connection_count_max + large + 1;
    let fetch_bytes_max = match (bulk, random.below(3)) {
        (true, _) => random.range_u32(100_000, 6_000_000),
        (false, 0) => random.range_u32(100, 3_000),
        (false, _) => random.range_u32(1_000, 200_000),
    };
    let limits = ShardLimits {
        record_buffer_count: least + random.range_u32(0, 2),
        recent_buffer_count: 0,
        connection_count_max,
        connections_per_broker: random.range_u32(1, 3),
        fetches_per_connection: random.range_u32(1, 3),
        partition_count_max: 100,
        writes_in_flight_max: random.range_u32(1, 6),
        fetch_bytes_max,
        partition_fetch_bytes: 0,
        partition_fetch_bytes_max: random.range_u32(50, fetch_bytes_max),
        fetch_wait_ms: random.range_u32(5, 300),
        request_timeout_ms: random.range(600, 3_000),
        backoff_ms: random.range(1, 30),
        backoff_max_ms: random.range(50, 500),
        sync_bytes: random.pick(&[1, 1_000, 100_000, 64 << 20]),
        sync_interval_ms: random.range(1, 200),
        linger_ms: random.range(0, 30),
        allocate_bytes_max: random.pick(&[0, 100_000, 2_000_000]),
        batch_bytes_max: BATCH_BYTES_MAX,
        direct_writes: random.percent(70),
        // Without files to use again, a log that did not change is not closed again.
        reuse_files: cluster_count == 1,
    };
    // Grows up to eight times. Not drawn: histories of known seeds stay what they are.
    let shift = limits.fetch_wait_ms % 4;
    let partition_fetch_bytes = (limits.partition_fetch_bytes_max >> shift).max(50);
    ShardLimits { partition_fetch_bytes, ..limits }
}

fn draw_log_config(random: &mut Random, bulk: bool) -> LogConfig {
    let small = random.percent(70) && !bulk || random.percent(20);
    LogConfig {
        segment_bytes: if small { random.range_u32(4 << 10, 64 << 10) } else { 1 << 30 },
        segment_ms: if random.percent(10) { 60_000 } else { 7 * 24 * 3600 * 1000 },
        index_interval_bytes: random.pick(&[1, 500, 4096]),
        segment_index_bytes: if random.percent(10) { 100 } else { 10 << 20 },
    }
}
