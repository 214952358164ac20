//! A disk that fails to sync `__mirror_state`.

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::mirror_api::describe_cluster_mirrors::DescribeClusterMirrorsRequest;
use kafka_wire::mirror_api::recover_mirror_topics::RecoverMirrorTopicsRequest;
use kafka_wire::mirror_api::{MirrorRequest, MirrorResponse};
use kafka_wire::mirror_state_record::MirrorPartitionKey;
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::lifecycle::Input;
use mirror_coordinator::partition_state::MirrorPartitionState;
use tokio::sync::oneshot;

use super::loop_rig::{Stopped, dr};
use crate::control_loop::MirrorLoop;
use crate::mirror_orders::MirrorOrder;
use crate::mirror_state_journal::{MIRROR_STATE_TOPIC, state_partition_of};
use crate::test_log::FailingSync;

const KAFKA_STORAGE_ERROR: i16 = 56;

fn asked(control: &mut MirrorLoop<'_>, request: impl Into<MirrorRequest>) -> MirrorResponse {
    let (reply, mut replied) = oneshot::channel();
    control.on_order(MirrorOrder::Api { request: request.into(), reply });
    replied.try_recv().unwrap()
}

fn describe() -> DescribeClusterMirrorsRequest {
    DescribeClusterMirrorsRequest::everything()
}

#[tokio::test]
async fn after_a_sync_of_states_failed_they_stay_and_orders_are_refused_with_the_cure() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let id = node.topic.partitions[0].id;
    let desired = |epoch| Input::Desired {
        partition: id,
        mirror: dr(),
        desired: DesiredState::Stopped,
        leader_epoch: LeaderEpoch::from_wire(epoch).unwrap(),
    };
    // Whoever has a higher epoch writes the state again.
    control.inputs.push_back(desired(20));
    control.after_input().await.unwrap();
    control.until(|control| !control.persisting.is_writing).await;
    let before = control.stored(&dr(), id);

    let key = MirrorPartitionKey {
        mirror_name: dr().to_string(),
        topic_id: id.topic_id,
        partition: id.partition,
    };
    let journal = node.destination.catalog.topic_named(MIRROR_STATE_TOPIC).unwrap();
    let log = journal.partition(state_partition_of(&key).into()).unwrap().log().unwrap();
    let failing = FailingSync::of(&log);
    control.inputs.push_back(desired(40));
    control.after_input().await.unwrap();
    assert!(control.persisting.is_writing);
    control.until(|control| !control.persisting.is_writing).await;
    failing.mend();

    control.inputs.push_back(Input::Tick);
    control.after_input().await.unwrap();
    assert!(!control.persisting.is_writing, "it is not tried again");
    assert_eq!(control.stored(&dr(), id), before);
    assert_eq!(control.lifecycle.state(id), MirrorPartitionState::Stopped);
    assert!(node.topic.is_writable(), "clients are served");
    assert_eq!(control.create("other").await, KAFKA_STORAGE_ERROR);
    let topics = Vec::new();
    let recover = RecoverMirrorTopicsRequest { mirror_name: dr().to_string(), topics };
    let refused = asked(&mut control, recover);
    let (code, message) = refused.outcome();
    assert_eq!(code, KAFKA_STORAGE_ERROR);
    assert!(message.unwrap().contains("restart the node"), "{message:?}");
    let MirrorResponse::DescribeClusterMirrors(told) = asked(&mut control, describe()) else {
        panic!("an answer of another kind");
    };
    let said = told.mirrors[0].error_message.as_deref().unwrap();
    assert_eq!((told.mirrors[0].error_code, said.contains("restart the node")), (0, true));
}
