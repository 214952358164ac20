//! Sealing the logs of many partitions whose mirroring was stopped together: each is written, all
//! are made durable at once, and each is left open, so that clients get it without its being read.

use std::sync::Arc;

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::LogEndOffset;
use mirror_uring::deferred_files::{DeferredFiles, SharedSync};

use super::stopped_mirrors::Sealed;
use super::{LocalTopics, log_settings};
use crate::catalog::Partition;
use crate::finding_text::finding_text;
use crate::writable_log::{ClosedLogState, WritableLog};

/// A log that was sealed and closed, but for being durable.
struct UnsettledSeal {
    aborted: usize,
    log: ClosedLogState,
}

impl LocalTopics {
    /// Does what [`Self::seal`] does to each of these logs; one outcome for each.
    pub fn seal_together(
        &self,
        logs: &[(Arc<Partition>, LeaderEpoch)],
        now_ms: i64,
    ) -> Vec<Result<Sealed, String>> {
        // Whoever opens logs takes their order from the same queue as this, so none opens one now.
        let is_open =
            |(partition, _): &&(Arc<Partition>, LeaderEpoch)| partition.held_log().is_some();
        let _alone: Vec<_> = logs
            .iter()
            .filter(|one| !is_open(one))
            .map(|(partition, _)| partition.lock_upkeep())
            .collect();
        // Before anything is written.
        let sync = match SharedSync::open(self.directory.root()) {
            Ok(sync) => sync,
            Err(error) => return logs.iter().map(|one| Err(failed(&one.0, &error))).collect(),
        };
        let mut files = Vec::new();
        let mut written = Vec::new();
        for one in logs {
            let (partition, leader_epoch) = one;
            written.push(if is_open(&one) {
                Written::AtOnce(self.seal(partition, *leader_epoch, now_ms))
            } else {
                match self.write_seal(partition, *leader_epoch, now_ms) {
                    Ok((seal, of_log)) => {
                        files.push(of_log);
                        Written::Unsettled(Box::new(seal))
                    }
                    Err(reason) => Written::AtOnce(Err(reason)),
                }
            });
        }
        let mut settled = sync.settle(files).into_iter();
        let outcomes = logs.iter().zip(written).map(|((partition, _), written)| match written {
            Written::AtOnce(outcome) => outcome,
            Written::Unsettled(seal) => {
                let settled = settled.next().expect("every log that was written is settled");
                settled.map_err(|error| failed(partition, &error))?;
                Ok(self.hold_sealed(partition, *seal))
            }
        });
        outcomes.collect()
    }

    fn write_seal(
        &self,
        partition: &Arc<Partition>,
        leader_epoch: LeaderEpoch,
        now_ms: i64,
    ) -> Result<(UnsettledSeal, DeferredFiles), String> {
        let name = &partition.name;
        let topic = self.catalog.topic(&name.topic);
        let configs = topic.map(|topic| topic.configs.clone()).unwrap_or_default();
        let spec = self.spec_of_log(partition, log_settings::of(&configs));
        let shown = partition.view.state();
        let leader_epoch = leader_epoch.max(self.told(partition));
        self.directory.note_open(name);
        let (log, findings) = WritableLog::open_deferred(spec).map_err(|error| {
            format!("cannot open the log: {}", self.with_cure(partition, error.to_string()))
        })?;
        for finding in findings {
            tracing::warn!("{name}: {}", finding_text(&finding));
        }
        log.note_cut_unless(shown.as_deref());
        self.remember(partition, leader_epoch, log.producer_id_max())
            .map_err(|reason| format!("{name}: {reason}"))?;
        self.catalog.note_producer_id(log.producer_id_max());
        log.set_leader_epoch(leader_epoch);
        let aborted = log.end_mirroring(now_ms).map_err(|error| failed(partition, &error))?;
        let (log, files) = log.close_deferred().map_err(|error| failed(partition, &error))?;
        Ok((UnsettledSeal { aborted, log }, files))
    }

    /// Nobody has the log: those of these logs were locked before they were opened.
    fn hold_sealed(&self, partition: &Partition, seal: UnsettledSeal) -> Sealed {
        let UnsettledSeal { aborted, log } = seal;
        let (log_start, end) = (partition.view.state().map(|state| state.log_start), log.end());
        self.note(partition, end, log_start.unwrap_or_default());
        // Its epoch was raised for the stop: the repair needs no other one.
        self.directory.note_epoch_told(&partition.name);
        partition.hold_log(Arc::new(log.reopened()));
        Sealed { aborted, log_end: LogEndOffset::new(end) }
    }
}

/// How far the seal of one log is.
enum Written {
    /// Done, or failed.
    AtOnce(Result<Sealed, String>),
    /// Written, and not durable.
    Unsettled(Box<UnsettledSeal>),
}

fn failed(partition: &Partition, error: &dyn std::error::Error) -> String {
    format!("{}: cannot end the mirroring in its log: {error}", partition.name)
}
