//! A replica: its lifecycle, its log, its engine, and what is on its way between them.

use std::collections::VecDeque;

use crate::lifecycle::tests::rig::{log_end, source_epoch};
use crate::lifecycle::{Action, EngineEvent, Input, Lifecycle, LogEnd, UncleanElection};
use crate::retry::{RetryClass, RetryPolicy};

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Copied from the source; a number that no other record has.
    Mirrored(u32),
    /// ABORT markers and the reset of producers.
    Seal,
    /// Written by a client of ours.
    Local,
}

/// One record, at the offset that is its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) epoch: i32,
    pub(super) kind: Kind,
}

/// The partition in the engine.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) fetching: bool,
    pub(super) fenced: Option<i32>,
    pub(super) leader_epoch: i32,
    pub(super) unclean_election: UncleanElection,
}

#[derive(Debug)]
pub(super) struct Replica {
    pub(super) lifecycle: Lifecycle,
    pub(super) log: Vec<Record>,
    pub(super) engine: Option<Engine>,
    /// Clients may write here.
    pub(super) writable: bool,
    /// Counts its starts; what a former life asked for is not answered.
    pub(super) life: u32,
    /// Wanted by the lifecycle, not carried out yet.
    pub(super) outbox: VecDeque<Action>,
    /// From whoever hands out leaders and epochs, in order.
    pub(super) metadata: VecDeque<Input>,
    /// From the engine, in order.
    pub(super) events: VecDeque<EngineEvent>,
    /// Answers, in any order.
    pub(super) answers: Vec<Input>,
}

impl Replica {
    pub(super) fn new(seed: u64, life: u32, log: Vec<Record>) -> Self {
        let policy = RetryPolicy { initial_ms: 100, max_ms: 10_000, attempts_max: 8 };
        Self {
            lifecycle: Lifecycle::new(policy, seed),
            log,
            engine: None,
            writable: false,
            life,
            outbox: VecDeque::new(),
            metadata: VecDeque::new(),
            events: VecDeque::new(),
            answers: Vec::new(),
        }
    }

    pub(super) fn end(&self) -> LogEnd {
        let last = self.log.last().map_or(-1, |record| record.epoch);
        log_end(last, i64::try_from(self.log.len()).unwrap())
    }

    /// Where our log leaves `other`.
    pub(super) fn common_with(&self, other: &[Record]) -> usize {
        self.log.iter().zip(other).take_while(|(ours, other)| ours == other).count()
    }

    /// True when a stop of fetching is on its way to the engine.
    pub(super) fn is_told_to_hold(&self) -> bool {
        let holds =
            |action: &Action| matches!(action, Action::PauseFetcher(_) | Action::RemoveFetcher(_));
        self.outbox.iter().any(holds)
            || self.metadata.iter().any(|input| matches!(input, Input::Unbound(_)))
    }

    /// The engine fetches once. True when it appended.
    pub(super) fn fetch(&mut self, source: &[Record]) -> bool {
        let common = self.common_with(source);
        let Some(engine) = self.engine.as_mut().filter(|engine| engine.fetching) else {
            return false;
        };
        if common < self.log.len() {
            match engine.unclean_election {
                UncleanElection::Truncate => {
                    self.log.truncate(common);
                    self.events.push_back(EngineEvent::Truncated);
                }
                UncleanElection::Fail => {
                    engine.fetching = false;
                    let reason = "diverged".to_owned();
                    let class = RetryClass::NonRetryable;
                    self.events.push_back(EngineEvent::Failed { reason, class });
                }
            }
            return false;
        }
        let Some(record) = source.get(common) else { return false };
        if record.epoch > engine.leader_epoch {
            if engine.fenced.replace(record.epoch).is_none() {
                let batch_epoch = source_epoch(record.epoch);
                self.events.push_back(EngineEvent::Fenced { batch_epoch });
            }
            return false;
        }
        self.log.push(*record);
        let last_epoch = Some(source_epoch(record.epoch));
        self.events.push_back(EngineEvent::Progressed { last_epoch });
        true
    }
}
