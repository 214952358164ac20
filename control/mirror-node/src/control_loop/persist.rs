//! States on their way to `__mirror_state`: one append at a time, with all that waits by then.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_wire::mirror_state_record::MirrorStateRecord;
use kafka_wire::partition::TopicIdPartition;
use mirror_coordinator::lifecycle::{Input, PersistFailure, Ticket};
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_position::MirrorPosition;
use mirror_coordinator::stored_state::{StateWrite, StoredState};
use tokio::time::Instant;

use super::{LoopEvent, MirrorLoop};
use crate::local_topics::keeper::now_ms;
use crate::mirror_state_journal::MirrorStateJournal;

/// What is to be written, and whether somebody writes.
#[derive(Default)]
pub(super) struct Persisting {
    waiting: Vec<(Ticket, StateWrite)>,
    /// Mirrors that are gone, whose states are to be deleted.
    deleted: Deleted,
    pub(super) is_writing: bool,
    /// Not before then, since the disk refused.
    not_before: Option<Instant>,
}

/// What is gone, and its states with it.
#[derive(Debug, Default)]
struct Deleted {
    mirrors: BTreeSet<MirrorName>,
    partitions: BTreeSet<(MirrorName, TopicIdPartition)>,
}

impl Deleted {
    fn is_empty(&self) -> bool {
        self.mirrors.is_empty() && self.partitions.is_empty()
    }
}

/// States that were appended together, or not.
#[derive(Debug)]
pub(crate) struct PersistedStates {
    planned: Vec<PlannedWrite>,
    /// Deletions, and of what.
    deletions: Vec<MirrorStateRecord>,
    deleted: Deleted,
    outcome: Result<(), String>,
    /// On its way back.
    journal: Option<MirrorStateJournal>,
}

#[derive(Debug)]
struct PlannedWrite {
    ticket: Ticket,
    write: StateWrite,
    records: Vec<MirrorStateRecord>,
}

impl Persisting {
    pub(super) fn add(&mut self, ticket: Ticket, write: StateWrite) {
        self.waiting.push((ticket, write));
    }

    /// Has the states of a mirror that is gone deleted; tried until it is done.
    pub(super) fn delete(&mut self, mirror: MirrorName) {
        self.deleted.mirrors.insert(mirror);
    }

    /// Has the states of a partition that is gone deleted; tried until it is done.
    pub(super) fn delete_partition(&mut self, mirror: MirrorName, partition: TopicIdPartition) {
        self.deleted.partitions.insert((mirror, partition));
    }

    fn may_begin(&self) -> bool {
        let is_time = self.not_before.is_none_or(|at| at <= Instant::now());
        let is_wanted = !self.waiting.is_empty() || (!self.deleted.is_empty() && is_time);
        is_wanted && !self.is_writing
    }
}

impl MirrorLoop<'_> {
    /// Begins to write what waits, unless a write is on its way. Without a store of states all is
    /// taken for written at once.
    pub(super) fn write_states(&mut self) {
        while self.persisting.may_begin() {
            let planned = self.plan_writes();
            let deleted = std::mem::take(&mut self.persisting.deleted);
            let deletions = self.tombstones(&deleted);
            let mut batch =
                PersistedStates { planned, deletions, deleted, outcome: Ok(()), journal: None };
            let Some(node) = &mut self.node else {
                self.on_persisted(batch);
                continue;
            };
            if batch.planned.is_empty() && batch.deletions.is_empty() {
                continue;
            }
            let mut journal = node.journal.take().expect("nobody else writes states");
            let anew = journal.has_grown().then(|| self.states.snapshot());
            let events = self.event_sender.clone();
            self.persisting.is_writing = true;
            tokio::spawn(async move {
                let written = tokio::task::spawn_blocking(move || {
                    if let Some(all) = anew {
                        journal.write_anew(all, now_ms());
                    }
                    let written = journal.append(&batch.records(), now_ms());
                    batch.outcome = written.map_err(|error| error.to_string());
                    batch.journal = Some(journal);
                    batch
                });
                let written = written.await.expect("writing states does not panic");
                // Nobody listens any more when the loop is ending.
                let _ = events.send(LoopEvent::Persisted(written)).await;
            });
        }
    }

    /// What the writes that wait come to; those that are refused are told so.
    fn plan_writes(&mut self) -> Vec<PlannedWrite> {
        let mut planned = Vec::new();
        for (ticket, write) in std::mem::take(&mut self.persisting.waiting) {
            let partition = write.partition;
            match self.states.plan_write(&write) {
                Ok(records) => planned.push(PlannedWrite { ticket, write, records }),
                Err(refusal) => {
                    tracing::debug!(?partition, %refusal, "a state was not written");
                    let (stored, position) = self.stored(&write.mirror, partition);
                    let outcome = Err(PersistFailure::Refused { stored, position });
                    self.inputs.push_back(Input::Persisted { partition, ticket, outcome });
                }
            }
        }
        planned
    }

    /// Records that delete the states of what is gone, and has not come back since.
    fn tombstones(&self, deleted: &Deleted) -> Vec<MirrorStateRecord> {
        let of_mirrors = deleted.mirrors.iter().flat_map(|mirror| self.states.tombstones(mirror));
        let of_partitions = deleted
            .partitions
            .iter()
            .flat_map(|(mirror, partition)| self.states.tombstones_of(mirror, *partition));
        of_mirrors.chain(of_partitions).filter(|record| !self.is_in_use(record)).collect()
    }

    /// True for the state of a partition that belongs to that mirror.
    fn is_in_use(&self, record: &MirrorStateRecord) -> bool {
        let (MirrorStateRecord::PartitionState(key, _)
        | MirrorStateRecord::LastMirrorEpochs(key, _)) = record
        else {
            return false;
        };
        let partition = TopicIdPartition { topic_id: key.topic_id, partition: key.partition };
        let mirror = self.lifecycle.mirror_of(partition);
        mirror.is_some_and(|mirror| mirror.as_str() == key.mirror_name)
    }

    fn apply_states(&mut self, records: &[MirrorStateRecord]) {
        for record in records {
            self.states.apply(record);
        }
    }

    /// What is stored of a partition of a mirror.
    pub(super) fn stored(
        &self,
        mirror: &MirrorName,
        partition: TopicIdPartition,
    ) -> (StoredState, MirrorPosition) {
        let stored = self.states.state(mirror, partition).cloned();
        (stored.unwrap_or(StoredState::UNKNOWN), self.states.position(mirror, partition))
    }

    pub(super) fn on_persisted(&mut self, done: PersistedStates) {
        self.persisting.is_writing = false;
        if let Some(node) = &mut self.node {
            node.journal = done.journal;
        }
        for PlannedWrite { ticket, write, records } in done.planned {
            let partition = write.partition;
            let outcome = match &done.outcome {
                Ok(()) => {
                    self.apply_states(&records);
                    Ok(self.stored(&write.mirror, partition).0.state_epoch)
                }
                Err(reason) => Err(PersistFailure::Unavailable { reason: reason.clone() }),
            };
            self.inputs.push_back(Input::Persisted { partition, ticket, outcome });
        }
        match done.outcome {
            Ok(()) => self.apply_states(&done.deletions),
            Err(reason) => {
                tracing::warn!(reason, "states of mirrors cannot be written");
                self.persisting.not_before = Some(Instant::now() + DELETION_PAUSE);
                self.persisting.deleted.mirrors.extend(done.deleted.mirrors);
                self.persisting.deleted.partitions.extend(done.deleted.partitions);
            }
        }
    }
}

impl PersistedStates {
    fn records(&self) -> Vec<MirrorStateRecord> {
        let written = self.planned.iter().flat_map(|one| &one.records);
        written.chain(&self.deletions).cloned().collect()
    }
}

/// How long the disk is left alone before deletions that it refused are tried again.
const DELETION_PAUSE: Duration = Duration::from_secs(1);
