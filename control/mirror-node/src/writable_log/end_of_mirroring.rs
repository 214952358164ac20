//! What is written behind the last mirrored batch when a log becomes writable (KIP-1279).

use kafka_log::partition_files::PartitionFiles;
use kafka_wire::batch_writer::BatchBuilder;
use kafka_wire::control_record::ControlRecord;
use kafka_wire::offset::Offset;
use kafka_wire::producer::{ProducerEpoch, ProducerId};

use super::{AppendError, WritableLog};

/// A transaction that nobody will end: its coordinator is the source's.
struct Abandoned {
    producer: (ProducerId, ProducerEpoch),
    coordinator_epoch: i32,
}

impl<F: PartitionFiles> WritableLog<F> {
    /// Aborts every open transaction, then voids what the log knows of producers. Returns how many
    /// transactions that were. `now_ms` is our clock, milliseconds since 1970.
    ///
    /// # Errors
    /// Why not all of it was appended; transactions that were aborted stay so.
    pub fn end_mirroring(&self, now_ms: i64) -> Result<usize, AppendError> {
        let abandoned = self.abandoned()?;
        for Abandoned { producer, coordinator_epoch } in &abandoned {
            let marker = ControlRecord::Abort { coordinator_epoch: *coordinator_epoch };
            let batch =
                BatchBuilder::transaction_marker(Offset::ZERO, None, *producer, marker, now_ms);
            self.append_records(&batch.finish())?;
        }
        self.append_records(&BatchBuilder::mirror_pid_reset(Offset::ZERO, None, now_ms).finish())?;
        Ok(abandoned.len())
    }

    fn abandoned(&self) -> Result<Vec<Abandoned>, AppendError> {
        let open = self.lock_open();
        let open = open.as_ref().ok_or(AppendError::Closed)?;
        let producers = open.log.producers();
        let abandoned = producers.open_transactions().iter().map(|(_, id)| {
            let state = producers.get(*id).expect("a producer with an open transaction is known");
            Abandoned { producer: (*id, state.epoch), coordinator_epoch: state.coordinator_epoch }
        });
        Ok(abandoned.collect())
    }
}
