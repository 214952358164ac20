//! Rounds against a source that tells what it is told to.

use kafka_protocol::messages::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    ApiKey, DescribeShareGroupOffsetsResponse, ListGroupsResponse, RequestKind, TopicName as Name,
};
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::source_sync::SyncResult;
use crate::source_sync::consumer_groups::tests::{CLUSTER, Scene};
use crate::source_sync::every_coordinator::EveryCoordinator;
use crate::source_sync::fake_source::{Answers, Reply, Served, serve};

/// Where groups stand at the source: topic, partition, start offset.
type Told = &'static [(&'static str, &'static [(&'static str, i32, i64)])];

async fn round(scene: &Scene, served: Served, answers: Arc<Answers>) -> SyncResult {
    let mut client = SourceClient::new(serve(CLUSTER, 1, served, answers).await);
    let kind = ShareGroupsOfSource::default();
    EveryCoordinator::new(&mut client, &scene.mirrored, kind).run().await
}

fn telling(told: Told) -> Arc<Answers> {
    Arc::new(move |_, request| match request {
        RequestKind::ListGroups(asked) => {
            assert_eq!(asked.types_filter, [StrBytes::from_static_str(SHARE)]);
            let group = |(name, _): &(&'static str, _)| {
                ListedGroup::default()
                    .with_group_id(StrBytes::from_static_str(name).into())
                    .with_group_type(StrBytes::from_static_str("Share"))
            };
            let groups = told.iter().map(group).collect();
            Reply::with(ListGroupsResponse::default().with_groups(groups))
        }
        RequestKind::DescribeShareGroupOffsets(asked) => {
            let groups = asked.groups.iter().map(|group| {
                let (_, offsets) =
                    told.iter().find(|(name, _)| *name == group.group_id.as_str()).unwrap();
                let topics = offsets.iter().map(|(topic, partition, start)| {
                    let partition = DescribeShareGroupOffsetsResponsePartition::default()
                        .with_partition_index(*partition)
                        .with_start_offset(*start);
                    DescribeShareGroupOffsetsResponseTopic::default()
                        .with_topic_name(Name(StrBytes::from_static_str(topic)))
                        .with_partitions(vec![partition])
                });
                DescribeShareGroupOffsetsResponseGroup::default()
                    .with_group_id(group.group_id.clone())
                    .with_topics(topics.collect())
            });
            let response = DescribeShareGroupOffsetsResponse::default();
            Reply::with(response.with_groups(groups.collect()))
        }
        _ => Reply::Closes,
    })
}

/// From where a group reads here: partition of `orders`, offset.
fn kept(scene: &Scene, group: &str) -> Option<Vec<(i32, i64)>> {
    let states = scene.mirrored.share_groups.states_of(&GroupId::parse(group).unwrap()).unwrap();
    let kept = states?
        .into_iter()
        .map(|((_, partition), state)| (partition.get(), state.start_offset.unwrap().get()));
    Some(kept.collect())
}

#[tokio::test]
async fn start_offsets_are_kept_within_the_logs_here() {
    let scene = Scene::new(&[("groups.exclude", "left-out")]).await;
    let told: Told = &[
        ("inside", &[("orders", 0, 60), ("held", 0, 20), ("elsewhere", 0, 5)]),
        ("outside", &[("orders", 0, 3), ("orders", 1, 1_000)]),
        ("fresh", &[("orders", 0, -1)]),
        ("broken", &[("orders", 0, -7), ("orders", 9, 20)]),
        ("left-out", &[("orders", 0, 60)]),
    ];
    let first = round(&scene, TELLS, telling(told)).await.unwrap();
    assert_eq!((first.written, first.in_step, first.failed.count), (3, 4, 0), "{first:?}");
    assert_eq!(
        first.skipped.first,
        [
            "group broken, orders-0: -7 is no offset",
            "group broken, orders-9: the partition is not here yet"
        ]
    );
    assert_eq!(kept(&scene, "inside"), Some(vec![(0, 60)]));
    assert_eq!(kept(&scene, "outside"), Some(vec![(0, 10), (1, 100)]));
    for group in ["fresh", "broken", "left-out"] {
        assert_eq!(kept(&scene, group), None);
    }
    let second = round(&scene, TELLS, telling(told)).await.unwrap();
    assert_eq!((second.written, second.in_step), (0, 4));
    let told: Told = &[("inside", &[("orders", 0, 61)])];
    assert_eq!(round(&scene, TELLS, telling(told)).await.unwrap().written, 1);
    assert_eq!(kept(&scene, "inside"), Some(vec![(0, 61)]));
    assert_eq!(kept(&scene, "outside"), Some(vec![(0, 10), (1, 100)]), "nothing is deleted here");
}

#[tokio::test]
async fn a_source_that_tells_none_is_told_of_and_is_no_error() {
    let scene = Scene::new(&[]).await;
    let outcome = round(&scene, &[(ApiKey::ListGroups, 5)], telling(&[])).await.unwrap();
    assert_eq!((outcome.failed.count, outcome.skipped.first), (0, vec![NOT_OFFERED.to_owned()]));
    let outcome = round(&scene, TELLS, telling(&[])).await.unwrap();
    assert_eq!(outcome, SyncOutcome::default());
}

const TELLS: Served = &[(ApiKey::ListGroups, 5), (ApiKey::DescribeShareGroupOffsets, 0)];
