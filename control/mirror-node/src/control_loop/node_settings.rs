//! Settings of the node that concern mirrors (KIP-1279's of a broker), in effect from the moment
//! they are on disk.

use std::num::NonZeroU64;
use std::time::Duration;

use mirror_coordinator::mirror_node_config::{MirrorNodeConfig, NodeConfigs};
use mirror_uring::EngineCommand;

use super::MirrorLoop;
use crate::client_properties::metadata_refresh_ms;
use crate::source_sync::SyncIntervals;

impl MirrorLoop<'_> {
    /// What holds.
    pub(super) fn node_config(&self) -> MirrorNodeConfig {
        let made = self.node_configs().in_effect();
        MirrorNodeConfig::parse(&made).expect("settings are checked before they are kept")
    }

    /// What was made, and where.
    pub(super) fn node_configs(&self) -> NodeConfigs {
        let of_file = self.config.broker_settings.clone();
        NodeConfigs { of_file, ..self.metadata.node_configs().clone() }
    }

    /// Lets what is set count: when failed partitions are tried again, how often sources are
    /// looked at, how fast throttled partitions come in. How often the source of a client
    /// configuration is looked at is said there.
    pub(super) fn take_in_node_configs(&mut self) {
        let node = self.node_config();
        self.lifecycle.set_retry_policy(node.retry);
        let configured = self.config.mirror.as_ref().map(|configured| &configured.name);
        let refresh_ms = metadata_refresh_ms(&node);
        for (_, source) in self.sources.iter() {
            if let Some(sync) = &source.sync {
                sync.set_intervals(sync_intervals(&node));
            }
        }
        for (_, source) in self.sources.iter_mut().filter(|(name, _)| Some(*name) != configured) {
            source.properties.metadata_refresh_ms = refresh_ms;
            if let Some(watch) = &source.watch {
                watch.set_refresh(Duration::from_millis(refresh_ms));
            }
        }
        if self.engine.is_some() {
            self.commands.push(throttle(&node));
        }
    }
}

/// How often what a mirror has beside records is carried over.
pub(super) fn sync_intervals(node: &MirrorNodeConfig) -> SyncIntervals {
    let group_offsets = Duration::from_millis(node.group_offsets_ms.max(GROUP_OFFSETS_MS_MIN));
    let metadata = Duration::from_millis(metadata_refresh_ms(node));
    SyncIntervals { group_offsets, metadata }
}

/// The bound on throttled partitions, for the engine. A rate of 0 is taken for the slowest there
/// is: the partitions are to be held back, and not to count as stopped.
pub(super) fn throttle(node: &MirrorNodeConfig) -> EngineCommand {
    let rate = node.throttled_bytes_per_second;
    let bytes_per_second = rate.map(|rate| NonZeroU64::new(rate).unwrap_or(NonZeroU64::MIN));
    EngineCommand::SetThrottle { bytes_per_second }
}

/// As often as a source is looked at, at most.
const GROUP_OFFSETS_MS_MIN: u64 = 100;
