//! States reach `__mirror_state` in the order in which they were asked for.

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::mirror_state_record::{MirrorPartitionKey, MirrorStateRecord, PartitionStateValue};
use kafka_wire::partition::{TopicId, TopicIdPartition};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::lifecycle::Input;
use mirror_coordinator::partition_state::MirrorPartitionState;

use super::loop_rig::{Stopped, dr};
use crate::control_loop::MirrorLoop;

fn bound(partition: TopicIdPartition) -> Input {
    let desired = DesiredState::Stopped;
    Input::Desired { partition, mirror: dr(), desired, leader_epoch: LeaderEpoch::ZERO }
}

/// The ninth state of a partition, which failed for good.
fn failed(mirror_name: &str, partition: TopicIdPartition) -> MirrorStateRecord {
    let TopicIdPartition { topic_id, partition } = partition;
    let key = MirrorPartitionKey { mirror_name: mirror_name.to_owned(), topic_id, partition };
    let value = PartitionStateValue {
        state: MirrorPartitionState::Failed.number(),
        leader_epoch: Some(LeaderEpoch::ZERO),
        state_epoch: 9,
        error_message: Some("of the mirror before".to_owned()),
        retry_attempt: -1,
        previous_state: MirrorPartitionState::Mirroring.number(),
    };
    MirrorStateRecord::PartitionState(key, Some(value))
}

async fn settled(control: &mut MirrorLoop<'_>) {
    control.after_input().await.unwrap();
    control.until(|control| !control.persisting.is_writing).await;
}

#[tokio::test]
async fn a_mirror_made_anew_under_the_name_of_a_deleted_one_inherits_no_state() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let id = node.topic.partitions[0].id;
    control.states.apply(&failed("dr", id));
    control.persisting.delete(dr());
    control.inputs.extend([Input::Unbound(id), bound(id)]);
    control.after_input().await.unwrap();
    let stopped = MirrorPartitionState::Stopped;
    control.until(|control| control.lifecycle.state(id) == stopped).await;
    let stored = control.stored(&dr(), id).0;
    assert_eq!(
        (stored.state, stored.state_epoch.get()),
        (stopped, 3),
        "aligned, stopping, stopped"
    );
}

#[tokio::test]
async fn a_state_asked_for_before_its_partition_was_gone_does_not_outlive_it() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let id = node.topic.partitions[0].id;
    control.persisting.delete(dr());
    control.inputs.push_back(Input::Unbound(id));
    settled(&mut control).await;
    control.persisting.is_writing = true; // of another partition
    control.inputs.extend([bound(id), Input::Unbound(id)]);
    control.after_input().await.unwrap();
    control.persisting.delete_partition(dr(), id);
    control.persisting.is_writing = false;
    settled(&mut control).await;
    assert_eq!(control.states.iter().count(), 0);
}

#[tokio::test]
async fn states_of_what_was_gone_before_a_crash_are_deleted_by_the_next_run() {
    let node = Stopped::new();
    let id = node.topic.partitions[0].id;
    let of_deleted_topic =
        TopicIdPartition { topic_id: TopicId::from_wire([8; 16]).unwrap(), ..id };
    let left = [failed("deleted", id), failed("dr", of_deleted_topic)];
    let mut observe = |_| {};
    let mut control = node.begun_with(&left, &mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    control.until(|control| !control.persisting.is_writing).await;
    let kept: Vec<_> = control.states.iter().map(|(mirror, id, ..)| (mirror.clone(), id)).collect();
    assert_eq!(kept, [(dr(), id)]);
}
