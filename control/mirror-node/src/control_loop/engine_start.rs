//! The engine of a run: begun when a source answered first, one for all mirrors.

use std::path::Path;

use mirror_uring::{Engine, EngineConfig, RECORD_BUFFER_BYTES, ShardLimits, SourceLimits};

use super::node_settings::throttle;
use super::{MirrorError, MirrorLoop};
use crate::client_properties::ClientProperties;
use crate::mirror_news::MirrorNews;

/// Where the engine runs and how big it may get.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// CPUs to run on; empty means all this process may use.
    pub cores: Vec<usize>,
    /// Sizes of each shard.
    pub limits: ShardLimits,
    /// Memory of all shards together in which the records written last stay for clients of a node
    /// that follow the end of a log; not taken when nobody is served.
    pub recent_bytes: u64,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { cores: Vec::new(), limits: ShardLimits::default(), recent_bytes: RECENT_BYTES }
    }
}

impl MirrorLoop<'_> {
    /// Starts the engine unless it runs.
    pub(super) fn ensure_engine(
        &mut self,
        source_cluster_id: Option<&str>,
    ) -> Result<(), MirrorError> {
        if self.engine.is_some() {
            return Ok(());
        }
        let (root, is_served) = (self.destination.directory.root(), self.destination.is_served);
        let mut config = engine_config(&self.config.engine, root, is_served);
        config.seed = self.config.seed;
        let (engine, reports) = Engine::start(config)?;
        self.destination.catalog.set_recent_records(engine.recent_records());
        let news = MirrorNews::Started {
            source_cluster_id: source_cluster_id.map(str::to_owned),
            shards: engine.shard_count(),
            was_clean: self.destination.directory.take_clean_marker()?,
        };
        (self.engine, self.reports) = (Some(engine), Some(reports));
        self.commands.push(throttle(&self.node_config()));
        self.tell(news);
        Ok(())
    }
}

/// How a source is asked and waited for: what its mirror says, else what the engine does anyway.
pub(super) fn source_limits(settings: &EngineSettings, said: &ClientProperties) -> SourceLimits {
    let SourceLimits {
        fetch_bytes_max,
        partition_fetch_bytes,
        partition_fetch_bytes_max,
        fetch_wait_ms,
        backoff_ms,
        backoff_max_ms,
        request_timeout_ms: _,
    } = settings.limits.source();
    SourceLimits {
        request_timeout_ms: said.request_timeout_ms,
        fetch_bytes_max: said.fetch_bytes_max.unwrap_or(fetch_bytes_max),
        partition_fetch_bytes,
        partition_fetch_bytes_max: said
            .partition_fetch_bytes_max
            .unwrap_or(partition_fetch_bytes_max),
        fetch_wait_ms: said.fetch_wait_ms.unwrap_or(fetch_wait_ms),
        backoff_ms: said.backoff_ms.unwrap_or(backoff_ms),
        backoff_max_ms: said.backoff_max_ms.unwrap_or(backoff_max_ms),
    }
}

pub(super) fn engine_config(
    settings: &EngineSettings,
    data_dir: &Path,
    is_served: bool,
) -> EngineConfig {
    let mut limits = settings.limits;
    limits.reuse_files &= !is_served;
    limits.recent_buffer_count = if is_served { recent_buffers(settings) } else { 0 };
    EngineConfig { data_dir: data_dir.to_owned(), cores: settings.cores.clone(), limits, seed: 0 }
}

/// [`EngineSettings::recent_bytes`] that suits most: a tenth of a second of two cores at full
/// speed, which is the time readers of the tail have to come back.
pub const RECENT_BYTES: u64 = 256 << 20;

/// A shard's share of the buffers for what was written last.
pub(super) fn recent_buffers(settings: &EngineSettings) -> u32 {
    let buffers = settings.recent_bytes / u64::from(RECORD_BUFFER_BYTES) / settings.shard_count();
    u32::try_from(buffers).unwrap_or(u32::MAX)
}
