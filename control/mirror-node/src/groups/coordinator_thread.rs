//! The thread that runs the group coordinator: calls in, appends, answers out.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use group_coordinator::answer::Answer;
use group_coordinator::coordinator::{Action, GroupCoordinator, GroupSettings, Input, WriteId};
use group_coordinator::group_id::GroupId;
use group_coordinator::request::{Now, Request, RequestId};
use group_coordinator::topics::TopicTable;
use kafka_wire::group_record::GroupRecord;
use tokio::sync::oneshot;

use crate::groups::loading::load_groups;
use crate::groups::offsets_journal::OffsetsJournal;
use crate::groups::{OffsetsTopic, Progress, Readiness};

/// What connections want of the coordinator.
pub(super) enum Call {
    /// A request to a group.
    Ask { body: Box<Request>, answer: oneshot::Sender<Answer> },
    /// All topics there are.
    Topics(TopicTable),
    /// A look at the groups.
    Look(Box<dyn FnOnce(&GroupCoordinator) + Send>),
}

impl fmt::Debug for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask { body, .. } => write!(out, "Ask({body:?})"),
            Self::Topics(topics) => write!(out, "Topics({topics:?})"),
            Self::Look(_) => out.write_str("Look"),
        }
    }
}

/// All that the thread owns.
#[derive(Debug)]
pub(super) struct CoordinatorThread {
    settings: GroupSettings,
    coordinator: GroupCoordinator,
    journal: OffsetsJournal,
    calls: Receiver<Call>,
    progress: Arc<Progress>,
    started: Instant,
    last_request: u64,
    waiting: BTreeMap<RequestId, oneshot::Sender<Answer>>,
    writes: VecDeque<Write>,
}

#[derive(Debug)]
struct Write {
    write: WriteId,
    group_id: GroupId,
    records: Vec<GroupRecord>,
}

impl CoordinatorThread {
    pub(super) fn new(
        topic: Box<dyn OffsetsTopic>,
        settings: GroupSettings,
        calls: Receiver<Call>,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            settings,
            coordinator: GroupCoordinator::new(settings, Now::default()),
            journal: OffsetsJournal::new(topic),
            calls,
            progress,
            started: Instant::now(),
            last_request: 0,
            waiting: BTreeMap::new(),
            writes: VecDeque::new(),
        }
    }

    /// Runs until nobody can call any more.
    pub(super) fn run(mut self) {
        while !self.load() {
            // Calls are refused meanwhile; only the end can be heard.
            match self.calls.recv_timeout(LOAD_RETRY) {
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        while self.turn() {}
    }

    fn load(&mut self) -> bool {
        let now = self.now();
        let progress = &self.progress;
        match load_groups(&mut self.journal, self.settings, now, &|| progress.is_ending()) {
            Ok(None) => false,
            Ok(Some(coordinator)) => {
                self.coordinator = coordinator;
                self.progress.set(Readiness::Ready);
                true
            }
            Err(reason) => {
                tracing::error!(reason, "consumer groups cannot be read");
                self.progress.set(Readiness::Unusable);
                false
            }
        }
    }

    /// Waits for a call or a time, and does all that follows; false when nobody can call any more.
    fn turn(&mut self) -> bool {
        let now_ms = self.now().elapsed_ms;
        let wait_ms = self.coordinator.next_deadline_ms().saturating_sub(now_ms);
        match self.calls.recv_timeout(Duration::from_millis(wait_ms)) {
            Ok(call) => {
                self.apply(call);
                for _ in 1..CALLS_PER_TURN {
                    let Ok(call) = self.calls.try_recv() else { break };
                    self.apply(call);
                }
            }
            Err(RecvTimeoutError::Timeout) => self.step(Input::Tick),
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        self.write();
        true
    }

    fn apply(&mut self, call: Call) {
        match call {
            Call::Topics(topics) => self.step(Input::Topics(topics)),
            Call::Look(look) => {
                // What was asked before is to be seen.
                self.write();
                look(&self.coordinator);
            }
            Call::Ask { body, answer } => {
                self.last_request += 1;
                let request = RequestId(self.last_request);
                self.waiting.insert(request, answer);
                self.step(Input::Request { request, body: *body });
            }
        }
    }

    fn step(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.coordinator.step(self.now(), input, &mut actions);
        for action in actions {
            match action {
                Action::Answer { request, answer } => {
                    let waiting = self.waiting.remove(&request);
                    let waiting = waiting.expect("only what was asked is answered, and once");
                    // A client that left needs no answer.
                    let _ = waiting.send(answer);
                }
                Action::Persist { write, group_id, records } => {
                    self.writes.push_back(Write { write, group_id, records });
                }
            }
        }
    }

    /// Appends what is to be kept, reports it, and what follows from that; then makes room.
    fn write(&mut self) {
        while let Some(Write { write, group_id, records }) = self.writes.pop_front() {
            let unix_ms = self.now().unix_ms;
            let outcome = self.journal.append(&group_id, &records, unix_ms);
            self.step(Input::Persisted { write, outcome });
        }
        let now = self.now();
        self.journal.write_anew_what_has_grown(&self.coordinator, now);
    }

    fn now(&self) -> Now {
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { elapsed_ms, unix_ms: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX) }
    }
}

/// Calls taken before their writes are appended.
const CALLS_PER_TURN: usize = 256;
/// How long until logs that cannot be used are tried again.
const LOAD_RETRY: Duration = Duration::from_secs(5);
