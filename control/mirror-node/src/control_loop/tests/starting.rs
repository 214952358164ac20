use std::collections::BTreeMap;

use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::mirror_api::MirrorResponse;
use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribedMirror, DescribedPartition, DescribedTopic,
};
use kafka_wire::mirror_api::list_cluster_mirrors::ListedMirror;
use kafka_wire::mirror_api::start_mirror_topics::{
    StartMirrorTopicsRequest, StartMirrorTopicsResponse,
};
use kafka_wire::mirror_state_record::{MirrorPartitionKey, MirrorStateRecord};
use kafka_wire::offset::Offset;
use mirror_coordinator::cluster_metadata::ClusterMetadata;
use mirror_coordinator::log_alignment::PeerMirrors;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_position::MirrorPosition;

use super::loop_rig::{Stopped, dr, orders};
use crate::control_loop::MirrorLoop;
use crate::control_loop::start_lookup::Resolved;
use crate::source_client::{SourceMetadata, SourceTopic};

/// What is asked of a start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Start,
    Confirmed,
    Plan,
}

/// Has `orders` started in a mirror of a source that says so much of its own mirrors, and has the
/// topic without partitions.
async fn start(
    control: &mut MirrorLoop<'_>,
    peer: PeerMirrors,
    asked: Asked,
) -> StartMirrorTopicsResponse {
    start_from("berlin", control, peer, asked).await
}

/// The same, of a source with this cluster id.
async fn start_from(
    cluster_id: &str,
    control: &mut MirrorLoop<'_>,
    peer: PeerMirrors,
    asked: Asked,
) -> StartMirrorTopicsResponse {
    let topic_id = control.destination.catalog.topic(&orders()).unwrap().id;
    let topic =
        SourceTopic { topic_id: Some(topic_id), is_internal: false, partitions: BTreeMap::new() };
    let topics = BTreeMap::from([(orders(), topic)]);
    let cluster_id = Some(cluster_id.to_owned());
    let metadata = SourceMetadata { cluster_id, topics, ..SourceMetadata::default() };
    let request = StartMirrorTopicsRequest {
        mirror_name: "back".to_owned(),
        include_patterns: vec!["orders".to_owned()],
        timeout_ms: 1_000,
        topics: Vec::new(),
        state_offset: -1,
        exclude_patterns: Vec::new(),
        confirm: asked == Asked::Confirmed,
        plan_only: asked == Asked::Plan,
    };
    let resolved = Resolved { metadata, peer: Some(peer), ..Resolved::default() };
    match control.start(&request, resolved).await.unwrap() {
        MirrorResponse::StartMirrorTopics(told) => told,
        other => panic!("{other:?}"),
    }
}

/// Why it was refused.
async fn refusal(control: &mut MirrorLoop<'_>, peer: PeerMirrors, asked: Asked) -> (i16, String) {
    let told = start(control, peer, asked).await;
    let [orders] = told.topics.as_slice() else { panic!("{told:?}") };
    assert_eq!(told.error_code, orders.error_code);
    (orders.error_code, orders.error_message.clone().unwrap_or_default())
}

async fn begun(control: &mut MirrorLoop<'_>) -> ClusterMetadata {
    assert_eq!(control.create("back").await, 0);
    knows_its_source(control, "back");
    control.metadata.clone()
}

/// The source of a mirror is the one that `start` asks.
fn knows_its_source(control: &mut MirrorLoop<'_>, mirror: &str) {
    let mirror = MirrorName::parse(mirror).unwrap();
    let known = control.metadata.plan_source_cluster_id(&mirror, "berlin").unwrap();
    assert!(control.commit_telling(&known));
}

#[tokio::test]
async fn a_start_that_makes_a_loop_is_refused_with_the_cure_whatever_was_confirmed() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let before = begun(&mut control).await;
    let forward = ListedMirror {
        mirror_name: "forward".to_owned(),
        source_bootstrap: String::new(),
        source_cluster_id: "here".to_owned(),
        topic_count: 1,
        topic_names: Some(vec!["orders".to_owned()]),
    };
    for asked in [Asked::Start, Asked::Confirmed] {
        let peer = PeerMirrors::read("here", std::slice::from_ref(&forward), &[]);
        let (code, reason) = refusal(&mut control, peer, asked).await;
        assert_eq!(code, 42, "{reason}");
        assert!(reason.starts_with("Detected mirror loop for mirror: forward"), "{reason}");
        assert!(reason.contains("failover --mirror forward --topics orders"), "{reason}");
    }
    control.after_input().await.unwrap();
    assert!(node.topic.is_writable());
    assert_eq!(control.metadata, before);
}

#[tokio::test]
async fn records_of_a_topic_whose_source_does_not_tell_are_put_at_risk_on_the_operators_word_only()
{
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let before = begun(&mut control).await;
    write_one(&node);
    let peer = PeerMirrors::silent("here", &[], "broker 3 is gone");
    let (code, reason) = refusal(&mut control, peer, Asked::Start).await;
    assert_eq!(code, 42, "{reason}");
    for word in ["broker 3 is gone", "--confirm", "orders holds records"] {
        assert!(reason.contains(word), "{reason}");
    }
    assert!(node.topic.is_writable());
    assert_eq!(control.metadata, before);
}

#[tokio::test]
async fn a_plan_tells_of_records_in_partitions_that_the_source_does_not_have() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    begun(&mut control).await;
    write_one(&node);
    let told = start(&mut control, PeerMirrors::default(), Asked::Plan).await;
    let [planned] = told.plan.as_slice() else { panic!("{told:?}") };
    assert!(planned.needs_confirmation);
    assert_eq!((planned.local_end, planned.truncate_to, planned.source_end), (1, 0, -1));
    let (_, reason) = refusal(&mut control, PeerMirrors::default(), Asked::Start).await;
    assert!(reason.contains("--confirm"), "the plan says what a start does: {reason}");
}

#[tokio::test]
async fn a_node_mirrors_nothing_from_itself() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let before = begun(&mut control).await;
    let own = control.node.as_ref().unwrap().cluster_id.clone();
    for asked in [Asked::Start, Asked::Confirmed, Asked::Plan] {
        let told = start_from(&own, &mut control, PeerMirrors::default(), asked).await;
        assert_eq!(told.error_code, 42, "{told:?}");
        assert!(told.error_message.unwrap().contains("this node itself"));
    }
    assert_eq!(control.metadata, before);
    assert!(node.topic.is_writable());
}

/// What a source says that mirrors `orders` from here no more, and had it up to this offset.
fn had_up_to(offset: i64) -> PeerMirrors {
    had_of(0, offset)
}

/// The same, with the epoch of the last record it had.
fn had_of(epoch: i32, offset: i64) -> PeerMirrors {
    let partition = DescribedPartition {
        partition_index: 0,
        state_value: "STOPPED".to_owned(),
        error_message: None,
        retry_attempt: 0,
        source_offset: -1,
        destination_offset: -1,
        last_mirror_epoch: epoch,
        last_mirror_offset: offset,
        lag_ms: -1,
        measured_age_ms: -1,
    };
    let topic = DescribedTopic { topic_name: "orders".to_owned(), partitions: vec![partition] };
    let forward = DescribedMirror {
        error_code: 0,
        error_message: None,
        mirror_name: "forward".to_owned(),
        source_bootstrap: None,
        source_cluster_id: Some("here".to_owned()),
        authorized_operations: i32::MIN,
        topics: vec![topic],
        syncs: Vec::new(),
    };
    PeerMirrors::read("here", &[], &[forward])
}

#[tokio::test]
async fn a_source_that_did_not_follow_the_last_failover_here_takes_no_records_without_a_word() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let key = MirrorPartitionKey {
        mirror_name: dr().to_string(),
        topic_id: node.topic.id,
        partition: node.topic.partitions[0].id.partition,
    };
    let ended = MirrorPosition::from_wire(0, 2);
    let ended = MirrorStateRecord::LastMirrorEpochs(key, Some(ended.into()));
    let mut control = node.begun_with(&[ended], &mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    begun(&mut control).await;
    for _ in 0..3 {
        write_one(&node);
    }
    // What was mirrored from another cluster says nothing of this one.
    let told = start(&mut control, had_up_to(1), Asked::Plan).await;
    assert!(!told.plan[0].needs_confirmation, "{told:?}");
    knows_its_source(&mut control, dr().as_str());
    let before = control.metadata.clone();
    let told = start(&mut control, had_up_to(1), Asked::Plan).await;
    let [planned] = told.plan.as_slice() else { panic!("{told:?}") };
    assert_eq!((planned.truncate_to, planned.needs_confirmation), (1, true));
    let (code, reason) = refusal(&mut control, had_up_to(1), Asked::Start).await;
    assert_eq!(code, 42, "{reason}");
    assert!(reason.contains("--confirm"), "{reason}");
    assert!(node.topic.is_writable());
    assert_eq!(control.metadata, before);
    // One that followed speaks for all that was here when it began to.
    let told = start(&mut control, had_up_to(2), Asked::Plan).await;
    let [planned] = told.plan.as_slice() else { panic!("{told:?}") };
    assert_eq!((planned.truncate_to, planned.needs_confirmation), (2, false));
    let (code, reason) = refusal(&mut control, had_up_to(2), Asked::Start).await;
    assert_eq!(code, 0, "{reason}");
}

/// Found by a reviewer: the last failover here was forgotten with its mirror, and a start took away
/// what was written since without a word.
#[tokio::test]
async fn a_mirror_that_was_deleted_takes_no_question_about_records_with_it() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    begun(&mut control).await;
    write_one(&node);
    // As the last failover did.
    node.topic.partitions[0].log().unwrap().set_leader_epoch(LeaderEpoch::from_wire(5).unwrap());
    (0..2).for_each(|_| write_one(&node));
    let deleted =
        control.with_view(|here| control.metadata.plan_delete(dr().as_str(), None, here)).unwrap();
    assert!(control.commit_telling(&deleted));
    assert!(!control.metadata.topics().contains_key(&orders()));
    let (code, reason) = refusal(&mut control, had_up_to(1), Asked::Start).await;
    assert_eq!(code, 42, "{reason}");
    assert!(reason.contains("--confirm"), "{reason}");
    let told = start(&mut control, had_up_to(1), Asked::Plan).await;
    assert_eq!((told.plan[0].truncate_to, told.plan[0].needs_confirmation), (1, true));
    // Records of the epoch that was mirrored from here are the tail that any failover loses.
    let told = start(&mut control, had_of(5, 2), Asked::Plan).await;
    assert_eq!((told.plan[0].truncate_to, told.plan[0].needs_confirmation), (2, false));
}

fn write_one(node: &Stopped) {
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    batch.push(&NewRecord { timestamp_ms: 1, key: None, value: Some(b"ours") });
    let log = node.topic.partitions[0].log().unwrap();
    log.append_produced(&batch.finish(), 1).unwrap();
}
