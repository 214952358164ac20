//! States on their way to `__mirror_state`: one append at a time, with all that waits by then.

use std::collections::VecDeque;
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
use crate::mirror_news::MirrorNews;
use crate::mirror_state_journal::{MIRROR_STATE_TOPIC, MirrorStateError, MirrorStateJournal};

/// What is to be written, and whether somebody writes.
#[derive(Default)]
pub(super) struct Persisting {
    /// In the order in which it was asked for: a mirror may be deleted and made anew before the
    /// disk hears of either.
    waiting: VecDeque<Request>,
    pub(super) is_writing: bool,
    /// No deletion before then, since the disk refused.
    not_before: Option<Instant>,
    /// Why nothing is written any more in this run: states stay as they are, and a partition that
    /// waits for a write waits to the end.
    given_up: Option<String>,
}

/// What the store of states is asked for.
#[derive(Debug)]
enum Request {
    Write(Ticket, StateWrite),
    Delete(Gone),
}

/// What is gone, and its states with it.
#[derive(Debug)]
enum Gone {
    Mirror(MirrorName),
    Partition(MirrorName, TopicIdPartition),
}

/// States that were appended together, or not.
#[derive(Debug)]
pub(crate) struct PersistedStates {
    batch: Batch,
    outcome: Result<(), String>,
    /// On its way back.
    journal: Option<MirrorStateJournal>,
}

/// What is appended together: each kind is planned against all that was asked for before.
#[derive(Debug)]
enum Batch {
    Writes(Vec<PlannedWrite>),
    Deletions(Vec<Gone>, Vec<MirrorStateRecord>),
}

#[derive(Debug)]
struct PlannedWrite {
    ticket: Ticket,
    write: StateWrite,
    records: Vec<MirrorStateRecord>,
}

impl Persisting {
    pub(super) fn add(&mut self, ticket: Ticket, write: StateWrite) {
        self.ask(Request::Write(ticket, write));
    }

    /// Has the states of a mirror that is gone deleted; tried until it is done.
    pub(super) fn delete(&mut self, mirror: MirrorName) {
        self.ask(Request::Delete(Gone::Mirror(mirror)));
    }

    /// Has the states of a partition that is gone deleted; tried until it is done.
    pub(super) fn delete_partition(&mut self, mirror: MirrorName, partition: TopicIdPartition) {
        self.ask(Request::Delete(Gone::Partition(mirror, partition)));
    }

    /// Why no state is written any more in this run.
    pub(super) fn given_up(&self) -> Option<&str> {
        self.given_up.as_deref()
    }

    fn ask(&mut self, request: Request) {
        if self.given_up.is_none() {
            self.waiting.push_back(request);
        }
    }

    fn give_up(&mut self, reason: String) {
        self.waiting.clear();
        self.given_up = Some(reason);
    }

    fn may_begin(&self) -> bool {
        let is_time = || self.not_before.is_none_or(|at| at <= Instant::now());
        let is_wanted = match self.waiting.front() {
            None => false,
            Some(Request::Write(..)) => true,
            Some(Request::Delete(_)) => is_time(),
        };
        is_wanted && !self.is_writing
    }

    /// The writes before the next deletion.
    fn take_writes(&mut self) -> Vec<(Ticket, StateWrite)> {
        let mut writes = Vec::new();
        while let Some(request) = self.waiting.pop_front() {
            match request {
                Request::Write(ticket, write) => writes.push((ticket, write)),
                Request::Delete(_) => {
                    self.waiting.push_front(request);
                    break;
                }
            }
        }
        writes
    }

    /// The deletions before the next write.
    fn take_deletions(&mut self) -> Vec<Gone> {
        let mut deletions = Vec::new();
        while let Some(request) = self.waiting.pop_front() {
            match request {
                Request::Delete(gone) => deletions.push(gone),
                Request::Write(..) => {
                    self.waiting.push_front(request);
                    break;
                }
            }
        }
        deletions
    }
}

impl MirrorLoop<'_> {
    /// Begins to write what waits, unless a write is on its way. Without a store of states all is
    /// taken for written at once.
    pub(super) fn write_states(&mut self) {
        while self.persisting.may_begin() {
            let batch = self.plan_batch();
            let mut batch = PersistedStates { batch, outcome: Ok(()), journal: None };
            let Some(node) = &mut self.node else {
                self.on_persisted(batch);
                continue;
            };
            if batch.batch.is_empty() {
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
                    let written = journal.append(&batch.batch.records(), now_ms());
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

    /// What is to be appended next.
    fn plan_batch(&mut self) -> Batch {
        let writes = self.persisting.take_writes();
        if !writes.is_empty() {
            return Batch::Writes(self.plan_writes(writes));
        }
        let gone = self.persisting.take_deletions();
        let tombstones = gone.iter().flat_map(|gone| match gone {
            Gone::Mirror(mirror) => self.states.tombstones(mirror),
            Gone::Partition(mirror, partition) => self.states.tombstones_of(mirror, *partition),
        });
        let tombstones = tombstones.collect();
        Batch::Deletions(gone, tombstones)
    }

    /// What writes come to; those that are refused are told so.
    fn plan_writes(&mut self, writes: Vec<(Ticket, StateWrite)>) -> Vec<PlannedWrite> {
        let mut planned = Vec::new();
        for (ticket, write) in writes {
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
        if done.journal.as_ref().is_some_and(MirrorStateJournal::has_sync_failed) {
            self.give_up_states();
        }
        if let Some(node) = &mut self.node {
            node.journal = done.journal;
        }
        match done.batch {
            Batch::Writes(planned) => self.on_written(planned, &done.outcome),
            Batch::Deletions(gone, tombstones) => match done.outcome {
                Ok(()) => self.apply_states(&tombstones),
                Err(_) if self.persisting.given_up.is_some() => {}
                Err(reason) => {
                    tracing::warn!(reason, "states of mirrors cannot be deleted");
                    self.persisting.not_before = Some(Instant::now() + DELETION_PAUSE);
                    for gone in gone.into_iter().rev() {
                        self.persisting.waiting.push_front(Request::Delete(gone));
                    }
                }
            },
        }
    }

    /// What reached the disk is not known before a start reads it: nothing more is written, and
    /// nobody is told that it was.
    fn give_up_states(&mut self) {
        let reason = MirrorStateError::SyncFailed.to_string();
        tracing::error!("{reason}; what is mirrored goes on");
        self.persisting.give_up(reason.clone());
        let place = MIRROR_STATE_TOPIC.to_owned();
        self.tell(MirrorNews::DiskFault { place, reason, full: false });
    }

    fn on_written(&mut self, planned: Vec<PlannedWrite>, outcome: &Result<(), String>) {
        if outcome.is_err() && self.persisting.given_up.is_some() {
            return;
        }
        if let Err(reason) = outcome {
            tracing::warn!(reason, "states of mirrors cannot be written");
        }
        for PlannedWrite { ticket, write, records } in planned {
            let partition = write.partition;
            let outcome = match outcome {
                Ok(()) => {
                    self.apply_states(&records);
                    Ok(self.stored(&write.mirror, partition).0.state_epoch)
                }
                Err(reason) => Err(PersistFailure::Unavailable { reason: reason.clone() }),
            };
            self.inputs.push_back(Input::Persisted { partition, ticket, outcome });
        }
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        match self {
            Self::Writes(planned) => planned.is_empty(),
            Self::Deletions(_, tombstones) => tombstones.is_empty(),
        }
    }

    fn records(&self) -> Vec<MirrorStateRecord> {
        match self {
            Self::Writes(planned) => planned.iter().flat_map(|one| &one.records).cloned().collect(),
            Self::Deletions(_, tombstones) => tombstones.clone(),
        }
    }
}

/// How long the disk is left alone before deletions that it refused are tried again.
const DELETION_PAUSE: Duration = Duration::from_secs(1);
