//! What deciding costs: steps of the lifecycle of very many partitions.

use std::collections::VecDeque;

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::partition::{
    BrokerId, PartitionIndex, SourceBroker, SourceId, TopicId, TopicIdPartition,
};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::lifecycle::{Action, EngineEvent, Input, Lifecycle, UncleanElection};
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::partition_state::MirrorPartitionState;
use mirror_coordinator::retry::RetryPolicy;

use crate::workload::{Runs, Workload, counted};

const PARTITIONS: i32 = 1000;

/// The first start of partitions until all are MIRRORING; and news of those that are.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let starting = Workload::new("coordinator/first-start", "step", || {
        let steps = start().steps;
        Runs::new(steps, move || assert_eq!(start().steps, steps, "every start is alike"))
    });
    let progress = Workload::new("coordinator/progress", "step", || {
        let mut started = start();
        Runs::new(usize::try_from(PARTITIONS).expect("not negative"), move || {
            for index in 0..PARTITIONS {
                let event = EngineEvent::Progressed { last_epoch: SourceLeaderEpoch::from_wire(3) };
                started.tell(Input::Engine { partition: partition(index), event });
            }
            assert!(started.unanswered.is_empty(), "nothing follows from progress");
        })
    });
    vec![starting, progress]
}

/// A lifecycle and what it wants done.
struct Host {
    lifecycle: Lifecycle,
    unanswered: VecDeque<Action>,
    actions: Vec<Action>,
    steps: usize,
}

/// All partitions from nothing to MIRRORING.
fn start() -> Host {
    let mut host = Host {
        lifecycle: Lifecycle::new(RetryPolicy::default(), 1),
        unanswered: VecDeque::new(),
        actions: Vec::new(),
        steps: 0,
    };
    let mirror = MirrorName::parse("m").expect("a legal name");
    for index in 0..PARTITIONS {
        host.tell(Input::Desired {
            partition: partition(index),
            mirror: mirror.clone(),
            desired: DesiredState::Mirroring,
            leader_epoch: LeaderEpoch::ZERO,
        });
        host.tell(Input::SourcePartition {
            partition: partition(index),
            leader: Some(broker()),
            epoch: SourceLeaderEpoch::from_wire(3),
            unclean_election: UncleanElection::Fail,
        });
    }
    while let Some(action) = host.unanswered.pop_front() {
        if let Some(input) = answer(&action) {
            host.tell(input);
        }
    }
    for index in 0..PARTITIONS {
        let state = host.lifecycle.state(partition(index));
        assert_eq!(state, MirrorPartitionState::Mirroring, "partition {index} got there");
    }
    host
}

impl Host {
    fn tell(&mut self, input: Input) {
        let (lifecycle, actions) = (&mut self.lifecycle, &mut self.actions);
        counted(|| lifecycle.step(0, input, actions));
        self.unanswered.extend(self.actions.drain(..));
        self.steps += 1;
    }
}

/// What a host without troubles answers to an action.
fn answer(action: &Action) -> Option<Input> {
    Some(match action {
        Action::Persist { ticket, write } => {
            let epoch = write.state_epoch.and_then(|epoch| epoch.next());
            let outcome = Ok(epoch.expect("states are written behind those read"));
            Input::Persisted { partition: write.partition, ticket: *ticket, outcome }
        }
        Action::Align { partition, ticket } => {
            Input::Aligned { partition: *partition, ticket: *ticket, outcome: Ok(()) }
        }
        Action::AwaitReplicas { partition, ticket, .. } => {
            Input::ReplicasConverged { partition: *partition, ticket: *ticket }
        }
        Action::RaiseLeaderEpoch { partition, ticket, above } => {
            let outcome = Ok(LeaderEpoch::from_wire(above + 1).expect("above no epoch is one"));
            Input::LeaderEpochRaised { partition: *partition, ticket: *ticket, outcome }
        }
        Action::AddPartition { partition, source_epoch, .. } => {
            let event = EngineEvent::Loaded { last_epoch: *source_epoch };
            Input::Engine { partition: *partition, event }
        }
        _ => return None,
    })
}

fn partition(index: i32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId::from_wire([7; 16]).expect("an id"),
        partition: PartitionIndex::from_wire(index).expect("not negative"),
    }
}

fn broker() -> SourceBroker {
    let broker = BrokerId::from_wire(1).expect("not negative");
    SourceBroker { source: SourceId::new(0), broker }
}
