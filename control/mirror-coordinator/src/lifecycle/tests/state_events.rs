//! What every event does in every state: a table to read and to compare with.

use super::rig::{Rig, broker, epoch, mirror, source_epoch, stored};
use crate::desired_state::DesiredState;
use crate::lifecycle::{EngineEvent, Input, UncleanElection};
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::RetryClass;

/// A partition in `state`, come there as partitions do, with the work of the state under way.
fn at(state: State) -> Rig {
    let mut rig = match state {
        State::Unknown => Rig::new(),
        State::LogAlignment => Rig::aligning(),
        _ => Rig::mirroring(),
    };
    match state {
        State::Unknown => drop(rig.want(DesiredState::Paused)),
        State::EpochFencing => {
            rig.engine(EngineEvent::Fenced { batch_epoch: source_epoch(100) });
            rig.answer();
        }
        State::UleRecovery => {
            rig.engine(EngineEvent::Truncated);
            rig.run_until(State::UleRecovery);
        }
        State::LogAlignment | State::Mirroring => {}
        State::Pausing => {
            rig.want(DesiredState::Paused);
            rig.answer();
        }
        State::Paused => {
            rig.want(DesiredState::Paused);
            rig.run();
        }
        State::Stopping => {
            rig.want(DesiredState::Stopped);
            rig.answer();
        }
        State::Stopped => {
            rig.want(DesiredState::Stopped);
            rig.run();
        }
        State::Failed => {
            rig.fail("broken", RetryClass::Retryable);
            rig.run();
        }
    }
    assert_eq!(rig.state(), state);
    rig
}

/// An event and what it is called in the table.
type Event = (&'static str, fn(&mut Rig) -> String);

const EVENTS: [Event; 25] = [
    ("want MIRRORING", |rig| rig.want(DesiredState::Mirroring)),
    ("want PAUSED", |rig| rig.want(DesiredState::Paused)),
    ("want STOPPED", |rig| rig.want(DesiredState::Stopped)),
    ("lead in a new epoch", |rig| {
        rig.leader_epoch = 500;
        let desired = rig.lifecycle.desired(rig.partition).unwrap();
        rig.want(desired)
    }),
    ("unbound", |rig| rig.tell(Input::Unbound(rig.partition))),
    ("bound elsewhere", |rig| {
        let (partition, leader_epoch) = (rig.partition, epoch(20));
        let desired = DesiredState::Mirroring;
        rig.tell(Input::Desired { partition, mirror: mirror("n"), desired, leader_epoch })
    }),
    ("source moved", |rig| rig.source(2, 3)),
    ("source near our epoch", |rig| rig.source(1, 20)),
    ("source leaderless", |rig| {
        rig.tell(Input::SourcePartition {
            partition: rig.partition,
            leader: None,
            epoch: None,
            unclean_election: UncleanElection::Truncate,
        })
    }),
    ("source forgotten", |rig| rig.tell(Input::SourceForgotten(mirror("m")))),
    ("topic lost", |rig| {
        let (topic_id, reason) = (rig.partition.topic_id, "lost".to_owned());
        rig.tell(Input::TopicLost { topic_id, reason })
    }),
    ("source replaced", |rig| {
        let (mirror, reason) = (mirror("m"), "replaced".to_owned());
        rig.tell(Input::SourceReplaced { mirror, reason })
    }),
    ("loaded", |rig| rig.engine(EngineEvent::Loaded { last_epoch: Some(source_epoch(2)) })),
    ("progressed", |rig| rig.engine(EngineEvent::Progressed { last_epoch: Some(source_epoch(2)) })),
    ("leader unknown", |rig| rig.engine(EngineEvent::LeaderUnknown)),
    ("leader moved", |rig| {
        let (leader, epoch) = (broker(3).broker, source_epoch(3));
        rig.engine(EngineEvent::LeaderMoved { leader, epoch })
    }),
    ("fenced above ours", |rig| rig.engine(EngineEvent::Fenced { batch_epoch: source_epoch(300) })),
    ("fenced below ours", |rig| rig.engine(EngineEvent::Fenced { batch_epoch: source_epoch(3) })),
    ("truncated", |rig| rig.engine(EngineEvent::Truncated)),
    ("engine failed", |rig| rig.fail("again", RetryClass::Retryable)),
    ("engine failed for good", |rig| rig.fail("for good", RetryClass::NonRetryable)),
    ("engine removed it", |rig| rig.engine(EngineEvent::Removed { end: None })),
    ("recover", |rig| rig.tell(Input::Recover(rig.partition))),
    ("answer", Rig::answer),
    ("refusal", Rig::refuse),
];

#[test]
fn every_event_in_every_state_does_what_the_golden_table_says() {
    let mut table = String::new();
    for state in State::ALL {
        table.push_str(&format!("{state}\n"));
        for (name, event) in EVENTS {
            let shown = event(&mut at(state));
            table.push_str(format!("  {name:<24}{shown}").trim_end());
            table.push('\n');
        }
    }
    let golden = include_str!("state_events.golden");
    for (line, (seen, expected)) in table.lines().zip(golden.lines()).enumerate() {
        assert_eq!(seen, expected, "line {}; the table is\n{table}", line + 1);
    }
    assert_eq!(table.lines().count(), golden.lines().count(), "the table is\n{table}");
}

/// What is done about a partition found in each state at the start, by what is wanted of it.
const RESTARTS: &str = "\
UNKNOWN        MIRRORING  close; write LOG_ALIGNMENT no position
UNKNOWN        PAUSED     -
UNKNOWN        STOPPED    close; write LOG_ALIGNMENT no position
LOG_ALIGNMENT  MIRRORING  close; align
LOG_ALIGNMENT  PAUSED     close; align
LOG_ALIGNMENT  STOPPED    write STOPPING before LOG_ALIGNMENT
EPOCH_FENCING  MIRRORING  write MIRRORING
EPOCH_FENCING  PAUSED     write MIRRORING
EPOCH_FENCING  STOPPED    write STOPPING
ULE_RECOVERY   MIRRORING  await same
ULE_RECOVERY   PAUSED     await same
ULE_RECOVERY   STOPPED    write STOPPING
MIRRORING      MIRRORING  refresh
MIRRORING      PAUSED     write PAUSING
MIRRORING      STOPPED    write STOPPING
PAUSING        MIRRORING  write PAUSED
PAUSING        PAUSED     write PAUSED
PAUSING        STOPPED    write STOPPING
PAUSED         MIRRORING  write MIRRORING
PAUSED         PAUSED     -
PAUSED         STOPPED    write STOPPING
STOPPING       MIRRORING  measure
STOPPING       PAUSED     measure
STOPPING       STOPPED    measure
STOPPED        MIRRORING  close; write LOG_ALIGNMENT no position
STOPPED        PAUSED     -
STOPPED        STOPPED    open at 3
FAILED         MIRRORING  -
FAILED         PAUSED     -
FAILED         STOPPED    write STOPPING
";

#[test]
fn a_partition_found_in_any_state_at_the_start_goes_on_as_the_golden_table_says() {
    let mut table = String::new();
    for state in State::ALL {
        for desired in DesiredState::ALL {
            let (attempt, before) = match state {
                State::Failed => (1, State::Mirroring),
                _ => (0, State::Unknown),
            };
            let mut rig = Rig::restored(stored(state, before, attempt), MirrorPosition::EMPTY);
            let shown = rig.want(desired);
            let shown = if shown.is_empty() { "-" } else { &shown };
            table.push_str(&format!("{:<15}{:<11}{shown}\n", state.name(), desired.name()));
        }
    }
    assert_eq!(table, RESTARTS, "the table is\n{table}");
}
