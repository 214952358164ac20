//! Sealing the logs of many partitions whose mirroring was stopped together: each is written, all
//! are made durable at once, and each is left closed.

use std::sync::Arc;

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::{LogEndOffset, Offset};
use mirror_uring::deferred_files::{DeferredFiles, SharedSync};

use super::stopped_mirrors::Sealed;
use super::{LocalTopics, log_settings};
use crate::catalog::Partition;
use crate::finding_text::finding_text;
use crate::writable_log::WritableLog;

/// A log that was sealed and closed, but for being durable.
struct UnsettledSeal {
    aborted: usize,
    end: Offset,
}

impl LocalTopics {
    /// Does what [`Self::seal`] does to each of these logs; one outcome for each. A log that nobody
    /// had open is closed when this returns.
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
                        Written::Unsettled(seal)
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
                Ok(self.note_sealed(partition, &seal))
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
        let (end, files) = log.close_deferred().map_err(|error| failed(partition, &error))?;
        Ok((UnsettledSeal { aborted, end }, files))
    }

    fn note_sealed(&self, partition: &Partition, seal: &UnsettledSeal) -> Sealed {
        let log_start = partition.view.state().map(|state| state.log_start);
        self.note(partition, seal.end, log_start.unwrap_or_default());
        self.directory.note_closed(&partition.name);
        // Its epoch was raised for the stop: another one for the repair would be a write of
        // `ringmirror.json` for each of these logs when clients get them.
        self.directory.note_epoch_told(&partition.name);
        Sealed { aborted: seal.aborted, log_end: LogEndOffset::new(seal.end) }
    }
}

/// How far the seal of one log is.
enum Written {
    /// Done, or failed.
    AtOnce(Result<Sealed, String>),
    /// Written, and not durable.
    Unsettled(UnsettledSeal),
}

fn failed(partition: &Partition, error: &dyn std::error::Error) -> String {
    format!("{}: cannot end the mirroring in its log: {error}", partition.name)
}
