//! Rounds against a source that says what no cluster should, and against one that is moving.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use group_coordinator::limits::GROUP_OFFSETS_MAX;
use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::partition_log::LogPlace;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    ApiKey, DescribeGroupsResponse, FindCoordinatorResponse, ListGroupsResponse,
    OffsetFetchResponse, RequestKind,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::{HighWatermark, LastStableOffset, LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::TopicId;
use mirror_coordinator::cluster_metadata::{BoundTopic, ClusterMetadata, Mirror};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::topic_prefix::TopicPrefix;

use super::*;
use crate::catalog::{Binding, Catalog, TopicSpec};
use crate::client_properties::ClientProperties;
use crate::directory::DataDirectory;
use crate::groups::Groups;
use crate::groups::test_topic::TestTopic;
use crate::local_topics::LocalTopics;
use crate::log_view::LogState;
use crate::share_groups::ShareGroups;
use crate::shared_directory::SharedDirectory;
use crate::source_sync::board::SyncBoard;
use crate::source_sync::every_coordinator::EveryCoordinator;
use crate::source_sync::fake_source::{Answers, Reply, Served, serve};
use crate::source_sync::{LostTopics, SyncResult};
use crate::test_directory::TestDirectory;

mod recreated;

/// What groups committed at the source: partition of `orders`, offset, epoch.
type Committed = BTreeMap<&'static str, Vec<(i32, i64, i32)>>;

/// A node whose mirror `dc` has the topics `orders` (two partitions, offsets 10 to 100, epoch 2
/// from 10 and 4 from 50), which is mirrored, and `held`, which is stopped.
pub(in crate::source_sync) struct Scene {
    pub(in crate::source_sync) mirrored: Mirrored,
    topic: TestTopic,
    _root: TestDirectory,
}

impl Scene {
    pub(in crate::source_sync) async fn new(configs: &[(&str, &str)]) -> Self {
        let root = TestDirectory::new();
        let mut directory = DataDirectory::open_or_create(&root.0).unwrap();
        directory.state.cluster_mirrors = metadata(configs, DesiredState::Mirroring);
        let directory = SharedDirectory::new(directory).unwrap();
        let catalog = Arc::new(Catalog::new(root.0.clone()));
        for (name, id) in [("orders", ORDERS), ("held", HELD)] {
            let spec = TopicSpec {
                id: TopicId::from_wire(id).unwrap(),
                binding: Binding::Bound,
                configs: BTreeMap::new(),
                partition_count: 2,
            };
            for partition in &catalog.put(&topic(name), spec).partitions {
                partition.view.publish(log());
            }
        }
        let offsets = TestTopic::new();
        let groups = Groups::start(Box::new(offsets.clone()), Default::default()).unwrap();
        while groups.look(|_| ()).await.is_err() {
            tokio::task::yield_now().await;
        }
        let topics = LocalTopics::new(Arc::clone(&directory), Arc::clone(&catalog));
        let share_groups = ShareGroups::new(Arc::clone(&catalog), Arc::new(topics));
        let mirrored = Mirrored {
            mirror: mirror(),
            directory,
            catalog,
            groups: Arc::new(groups),
            share_groups: Arc::new(share_groups),
            board: Arc::<SyncBoard>::default(),
            lost_topics: LostTopics::default(),
        };
        Self { mirrored, topic: offsets, _root: root }
    }

    async fn round(&self, source: &Source) -> SyncResult {
        let properties = serve(CLUSTER, 2, source.served, Arc::clone(&source.answers)).await;
        let client = SourceClient::new(properties).with_responses_up_to(RESPONSE_BYTES_MAX);
        EveryCoordinator::new(&mut { client }, &self.mirrored, ConsumerGroups).run().await
    }

    /// Commits offsets as a round does that has brought them.
    async fn commit(&self, wanted: Vec<WantedOffsets>) -> SyncOutcome {
        let mut outcome = SyncOutcome::default();
        for committing in begin_commits(&self.mirrored, wanted) {
            finish_commit(committing, &mut outcome).await;
        }
        outcome
    }

    /// What a group committed here: partition, offset, epoch.
    async fn committed(&self, group: &str) -> Vec<(i32, i64, i32)> {
        let group = GroupId::parse(group).unwrap();
        let look = move |here: &GroupCoordinator| {
            let offsets = here.offsets(&group);
            let offsets = offsets.map(|(_, partition, held)| {
                let epoch = held.leader_epoch.map_or(-1, |epoch| epoch.get());
                (partition.get(), held.offset.get(), epoch)
            });
            offsets.collect()
        };
        self.mirrored.groups.look(look).await.unwrap()
    }

    /// How many records were appended for groups.
    fn records_kept(&self) -> i64 {
        let logs = self.topic.logs.lock().unwrap();
        let end = |log: &Arc<crate::writable_log::WritableLog>| {
            log.view().state().unwrap().log_end.offset().get()
        };
        logs.iter().map(end).sum()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.mirrored.groups.stop();
        self.topic.close();
    }
}

fn metadata(configs: &[(&str, &str)], orders: DesiredState) -> ClusterMetadata {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let configs = configs.iter().map(owned).collect();
    let of_mirror = Mirror { configs, source_cluster_id: Some(CLUSTER.to_owned()) };
    let bound = |id, desired| BoundTopic {
        topic_id: TopicId::from_wire(id).unwrap(),
        mirror: mirror(),
        desired,
        changed_at: 0,
    };
    let topics = [
        (topic("orders"), bound(ORDERS, orders)),
        (topic("held"), bound(HELD, DesiredState::Stopped)),
    ];
    let mirrors = BTreeMap::from([(mirror(), of_mirror)]);
    ClusterMetadata::restored(1, mirrors, topics.into(), Default::default()).unwrap()
}

fn log() -> LogState {
    let offset = |raw| Offset::from_wire(raw).unwrap();
    let mut epochs = EpochHistory::default();
    for (epoch, start) in [(2, 10), (4, 50)] {
        epochs.assign(SourceLeaderEpoch::from_wire(epoch).unwrap(), offset(start));
    }
    LogState {
        log_start: LogStartOffset::new(offset(10)),
        log_end: LogEndOffset::new(offset(100)),
        high_watermark: HighWatermark::new(offset(100)),
        last_stable_offset: LastStableOffset::new(offset(100)),
        end_place: LogPlace { segment: Offset::ZERO, position: 0 },
        epochs: Arc::new(epochs),
        leader_epoch: LeaderEpoch::from_wire(9).unwrap(),
        cut_count: 0,
    }
}

/// A source and what it serves.
struct Source {
    served: Served,
    answers: Arc<Answers>,
}

impl Source {
    /// Broker 0 has all groups.
    fn of(committed: Committed) -> Self {
        Self::answering(move |broker, request| match request {
            RequestKind::ListGroups(_) if broker == 0 => listed(committed.keys().copied()),
            RequestKind::OffsetFetch(asked) => {
                let groups = asked.groups.iter().map(|group| {
                    let all = &committed[group.group_id.as_str()];
                    told(&group.group_id, all)
                });
                offsets(groups.collect())
            }
            _ => listed([]),
        })
    }

    fn answering(answers: impl Fn(i32, RequestKind) -> Reply + Send + Sync + 'static) -> Self {
        Self { served: NEW, answers: Arc::new(answers) }
    }
}

fn listed(groups: impl IntoIterator<Item = &'static str>) -> Reply {
    listed_as(groups, "consumer", "Classic")
}

fn listed_as(
    groups: impl IntoIterator<Item = &'static str>,
    protocol: &'static str,
    kind: &'static str,
) -> Reply {
    let group = |name| {
        ListedGroup::default()
            .with_group_id(StrBytes::from_static_str(name).into())
            .with_protocol_type(StrBytes::from_static_str(protocol))
            .with_group_type(StrBytes::from_static_str(kind))
    };
    let groups = groups.into_iter().map(group).collect();
    Reply::with(ListGroupsResponse::default().with_groups(groups))
}

fn told(group: &str, committed: &[(i32, i64, i32)]) -> OffsetFetchResponseGroup {
    let partition = |(index, offset, epoch): &(i32, i64, i32)| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(*index)
            .with_committed_offset(*offset)
            .with_committed_leader_epoch(*epoch)
            .with_metadata(Some(StrBytes::from_static_str("note")))
    };
    let topics = ["held", "orders", "unheard-of"].map(|name| {
        OffsetFetchResponseTopics::default()
            .with_name(StrBytes::from_static_str(name).into())
            .with_partitions(committed.iter().map(partition).collect())
    });
    OffsetFetchResponseGroup::default()
        .with_group_id(StrBytes::from_string(group.to_owned()).into())
        .with_topics(topics.into())
}

fn offsets(groups: Vec<OffsetFetchResponseGroup>) -> Reply {
    Reply::with(OffsetFetchResponse::default().with_groups(groups))
}

fn asked_groups(request: &RequestKind) -> Vec<String> {
    match request {
        RequestKind::OffsetFetch(asked) => {
            asked.groups.iter().map(|group| group.group_id.to_string()).collect()
        }
        _ => Vec::new(),
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn mirror() -> MirrorName {
    MirrorName::parse("dc").unwrap()
}

#[tokio::test]
async fn offsets_of_mirrored_topics_are_committed_here_and_written_once() {
    let scene = Scene::new(&[]).await;
    let source = Source::of([("a", vec![(0, 60, 4), (1, 20, 2)]), ("b", vec![(1, 99, 4)])].into());
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!(scene.committed("a").await, [(0, 60, 4), (1, 20, 2)]);
    assert_eq!(scene.committed("b").await, [(1, 99, 4)]);
    assert_eq!((outcome.in_step, outcome.written), (2, 3), "{outcome:?}");
    assert_eq!((outcome.skipped.count, outcome.failed.count), (0, 0), "{outcome:?}");

    let kept = scene.records_kept();
    assert_eq!(kept, 3);
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!((outcome.in_step, outcome.written), (2, 0), "{outcome:?}");
    assert_eq!(scene.records_kept(), kept, "what is equal is not written again");

    // Gone at the source: it stays here.
    scene.round(&Source::of(Committed::new())).await.unwrap();
    assert_eq!(scene.committed("b").await, [(1, 99, 4)]);
}

#[tokio::test]
async fn what_is_no_offset_of_ours_is_noted_and_the_rest_goes_on() {
    let scene = Scene::new(&[]).await;
    let odd = vec![(0, -7, 4), (1, 500, 4), (2, 5, 0), (-1, 5, 0), (i32::MAX, 5, 0)];
    let source = Source::of([("none", vec![(0, -1, -1)]), ("odd", odd)].into());
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!(scene.committed("odd").await, [(1, 100, 4)]);
    assert_eq!(scene.committed("none").await, []);
    assert_eq!(outcome.failed.count, 0, "{outcome:?}");
    assert_eq!(
        outcome.skipped.first,
        [
            "group odd, orders-0: -7 is no offset",
            "group odd, orders-2: the partition is not here yet",
            "group odd, orders--1: the partition is not here yet",
            "group odd, orders-2147483647: the partition is not here yet",
        ]
    );
}

#[tokio::test]
async fn patterns_and_types_choose_groups() {
    let scene = Scene::new(&[("groups.include", "a.*"), ("groups.exclude", "a2")]).await;
    let source = Source::answering(|broker, request| match (broker, &request) {
        (0, RequestKind::ListGroups(_)) => listed(["a1", "a2", "b1"]),
        (1, RequestKind::ListGroups(_)) => listed_as(["a-share", "a1"], "share", "Share"),
        (_, RequestKind::OffsetFetch(_)) => {
            assert_eq!(asked_groups(&request), ["a1"]);
            offsets(vec![told("a1", &[(0, 60, 4)])])
        }
        _ => Reply::Closes,
    });
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!((outcome.in_step, outcome.failed.count), (1, 0), "{outcome:?}");
    assert_eq!(scene.committed("a1").await, [(0, 60, 4)]);

    for (protocol, kind, is_taken) in [
        ("consumer", "", true),
        ("", "Classic", true),
        ("consumer", "consumer", true),
        ("streams", "streams", true),
        ("connect", "Classic", false),
        ("share", "share", false),
        ("consumer", "of tomorrow", false),
    ] {
        let group = SourceGroup {
            id: "g".to_owned(),
            protocol_type: protocol.to_owned(),
            group_type: kind.to_owned(),
        };
        assert_eq!(!is_of_other_kind(&group), is_taken, "{protocol:?}, {kind:?}");
    }
}

/// A coordinator that loads is asked again, one that moved is looked for, and one that does neither
/// in time is told.
#[tokio::test]
async fn coordinators_that_move_are_followed_within_a_round() {
    let scene = Scene::new(&[]).await;
    let lists = AtomicU32::new(0);
    let source = Source::answering(move |broker, request| match (broker, &request) {
        (0, RequestKind::ListGroups(_)) if lists.fetch_add(1, Ordering::Relaxed) < 2 => {
            Reply::with(ListGroupsResponse::default().with_error_code(14))
        }
        (0, RequestKind::ListGroups(_)) => listed(["lost", "moved", "refused"]),
        (_, RequestKind::ListGroups(_)) => listed([]),
        (0, RequestKind::OffsetFetch(_)) => {
            let one = |name: &str, code| told(name, &[]).with_topics(vec![]).with_error_code(code);
            offsets(vec![one("lost", 15), one("moved", 16), one("refused", 30)])
        }
        (_, RequestKind::OffsetFetch(_)) => {
            assert_eq!(asked_groups(&request), ["moved"]);
            offsets(vec![told("moved", &[(0, 60, 4)])])
        }
        (_, RequestKind::FindCoordinator(asked)) => {
            let found = asked.coordinator_keys.iter().map(|key| {
                let (node, code) = if key.as_str() == "moved" { (1, 0) } else { (-1, 15) };
                Coordinator::default()
                    .with_key(key.clone())
                    .with_node_id(node.into())
                    .with_error_code(code)
            });
            let found = found.collect();
            Reply::with(FindCoordinatorResponse::default().with_coordinators(found))
        }
        _ => Reply::Closes,
    });
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!(scene.committed("moved").await, [(0, 60, 4)]);
    assert_eq!(outcome.in_step, 1, "{outcome:?}");
    let failed = [
        "group refused: the source says GROUP_AUTHORIZATION_FAILED",
        "group lost: no coordinator tells its offsets",
    ];
    assert_eq!(outcome.failed.first, failed);
}

/// A source does not list groups that may not be described: without a word that would look as if
/// there were none.
#[tokio::test]
async fn groups_that_the_source_hides_are_told() {
    let scene = Scene::new(&[("bootstrap.servers", "one:9092"), ("groups.include", ".*")]).await;
    let answers = |_, request: RequestKind| match request {
        RequestKind::DescribeGroups(asked) => {
            let denied = asked
                .groups
                .into_iter()
                .map(|group| DescribedGroup::default().with_group_id(group).with_error_code(30));
            Reply::with(DescribeGroupsResponse::default().with_groups(denied.collect()))
        }
        _ => listed([]),
    };
    let served = &[(ApiKey::ListGroups, 5), (ApiKey::DescribeGroups, 5)];
    let outcome = scene.round(&Source { served, answers: Arc::new(answers) }).await.unwrap();
    assert_eq!((outcome.in_step, outcome.failed.count), (0, 1), "{outcome:?}");
    let told = &outcome.failed.first[0];
    let right = "DESCRIBE on all groups (groups.include is for all). To give it: kafka-acls.sh \
                 --bootstrap-server one:9092 --add --allow-principal User:ANONYMOUS --operation \
                 Describe --group '*'";
    assert!(told.contains(right), "{told}");
}

#[tokio::test]
async fn a_broker_that_does_not_answer_leaves_the_round_incomplete_and_the_rest_goes_on() {
    let scene = Scene::new(&[]).await;
    let source = Source::answering(|broker, request| match (broker, request) {
        (0, _) => Reply::Closes,
        (_, RequestKind::ListGroups(_)) => listed(["a"]),
        _ => offsets(vec![told("a", &[(0, 60, 4)])]),
    });
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!(scene.committed("a").await, [(0, 60, 4)]);
    assert_eq!((outcome.in_step, outcome.failed.count), (1, 1), "{outcome:?}");
    let told = &outcome.failed.first[0];
    assert!(told.starts_with("groups that broker 0 coordinates are not known"), "{told}");
}

/// The group of a million offsets: its answer is not even begun to be read.
#[tokio::test]
async fn a_group_whose_offsets_do_not_fit_is_told_and_the_others_go_on() {
    let scene = Scene::new(&[]).await;
    let source = Source::answering(|broker, request| match (broker, &request) {
        (0, RequestKind::ListGroups(_)) => listed(["a", "b", "huge", "z"]),
        (_, RequestKind::ListGroups(_)) => listed([]),
        _ => {
            let groups = asked_groups(&request);
            if groups.iter().any(|group| group == "huge") {
                return Reply::Announces(20_000_000);
            }
            offsets(groups.iter().map(|group| told(group, &[(0, 60, 4)])).collect())
        }
    });
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!(outcome.in_step, 3, "{outcome:?}");
    let told = "group huge: its offsets come to 20000000 bytes, at most 16777216 are taken";
    assert_eq!(outcome.failed.first, [told]);
}

/// Versions of 2.1: groups are asked for one by one, and coordinators too.
#[tokio::test]
async fn an_old_source_is_asked_for_one_group_at_a_time() {
    let scene = Scene::new(&[]).await;
    let source = Source {
        served: OLD,
        ..Source::answering(|broker, request| match (broker, &request) {
            (0, RequestKind::ListGroups(_)) => listed_as(["a", "moved"], "consumer", ""),
            (_, RequestKind::ListGroups(_)) => listed([]),
            (broker, RequestKind::OffsetFetch(asked)) => {
                let answer = OffsetFetchResponse::default();
                if broker == 0 && asked.group_id.as_str() == "moved" {
                    return Reply::with(answer.with_error_code(16));
                }
                let partition = OffsetFetchResponsePartition::default()
                    .with_committed_offset(60)
                    .with_committed_leader_epoch(-1)
                    .with_metadata(Some(StrBytes::from_static_str("")));
                let topic = OffsetFetchResponseTopic::default()
                    .with_name(StrBytes::from_static_str("orders").into())
                    .with_partitions(vec![partition]);
                Reply::with(answer.with_topics(vec![topic]))
            }
            (_, RequestKind::FindCoordinator(asked)) => {
                assert_eq!(asked.key.as_str(), "moved");
                Reply::with(FindCoordinatorResponse::default().with_node_id(1.into()))
            }
            _ => Reply::Closes,
        })
    };
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!((outcome.in_step, outcome.failed.count), (2, 0), "{outcome:?}");
    for group in ["a", "moved"] {
        assert_eq!(scene.committed(group).await, [(0, 60, -1)], "{group}");
    }
}

/// A stop that comes while the source is asked: nothing is written behind it.
#[tokio::test]
async fn nothing_is_committed_behind_a_stop() {
    let scene = Scene::new(&[]).await;
    let directory = Arc::clone(&scene.mirrored.directory);
    let source = Source::answering(move |broker, request| match (broker, request) {
        (0, RequestKind::ListGroups(_)) => listed(["a"]),
        (_, RequestKind::ListGroups(_)) => listed([]),
        _ => {
            directory.lock().state.cluster_mirrors = metadata(&[], DesiredState::Stopped);
            offsets(vec![told("a", &[(0, 60, 4)])])
        }
    });
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!(outcome.written, 0, "{outcome:?}");
    assert_eq!(scene.committed("a").await, []);
    assert_eq!(scene.records_kept(), 0);
}

#[tokio::test]
async fn another_cluster_behind_the_address_and_a_topic_made_anew_are_not_believed() {
    let scene = Scene::new(&[]).await;
    let source = Source::of([("a", vec![(0, 60, 4)])].into());
    scene.mirrored.lost_topics.note(&topic("orders"), "made anew");
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!(outcome.skipped.first, ["not done, no topic is mirrored"]);
    assert_eq!(scene.committed("a").await, []);

    scene.mirrored.lost_topics.forget(&topic("orders"));
    let properties = serve("another", 1, NEW, source.answers).await;
    let mut client = SourceClient::new(properties);
    let round = EveryCoordinator::new(&mut client, &scene.mirrored, ConsumerGroups);
    let error = round.run().await.unwrap_err();
    assert_eq!(error.to_string(), "the source is cluster another now, this mirror is one of abc");
    assert_eq!(scene.committed("a").await, []);
}

#[tokio::test]
async fn topics_are_known_by_their_names_here() {
    let scene = Scene::new(&[]).await;
    let source = Source::answering(|broker, request| match (broker, request) {
        (0, RequestKind::ListGroups(_)) => listed(["a"]),
        (_, RequestKind::ListGroups(_)) => listed([]),
        _ => {
            let mut group = told("a", &[(0, 60, 4)]);
            for topic in &mut group.topics {
                // The others are `ororders` here, which is nothing of ours.
                let at_source = if topic.name.as_str() == "orders" { "ders" } else { "orders" };
                topic.name = StrBytes::from_static_str(at_source).into();
            }
            offsets(vec![group])
        }
    });
    let properties = ClientProperties {
        topic_prefix: TopicPrefix::parse("or").unwrap(),
        ..serve(CLUSTER, 2, NEW, source.answers).await
    };
    let mut client = SourceClient::new(properties);
    let round = EveryCoordinator::new(&mut client, &scene.mirrored, ConsumerGroups);
    let outcome = round.run().await.unwrap();
    assert_eq!((outcome.written, outcome.skipped.count), (1, 0), "{outcome:?}");
    assert_eq!(scene.committed("a").await, [(0, 60, 4)]);
}

/// One record of each group is kept anew when it ages, and none before.
#[test]
fn offsets_are_kept_alive_while_they_are_committed_at_the_source() {
    let held = |commit_timestamp_ms| CommittedOffsetValue {
        offset: Offset::ZERO,
        leader_epoch: None,
        metadata: String::new(),
        commit_timestamp_ms,
        expire_timestamp_ms: None,
        topic_id: None,
    };
    let wanted = OffsetToCommit {
        topic: topic("orders"),
        topic_id: None,
        partition: kafka_wire::partition::PartitionIndex::from_wire(0).unwrap(),
        offset: Offset::ZERO,
        leader_epoch: None,
        metadata: String::new(),
    };
    assert!(!differs(&held(0), &wanted));
    let expiring = CommittedOffsetValue { expire_timestamp_ms: Some(1), ..held(0) };
    assert!(differs(&expiring, &wanted));
    let week_ms = 7 * 24 * 3_600 * 1_000;
    let stale = stale_before(week_ms);
    let half = i64::try_from(week_ms / 2).unwrap();
    assert!((now_ms() - half - stale).abs() < 60_000);
    assert!(stale_before(u64::MAX) < now_ms() - i64::MAX / 4);
}

#[test]
fn many_offsets_are_committed_in_parts_that_fit_a_batch() {
    let wanted = |index: i32, metadata: usize| OffsetToCommit {
        topic: topic("orders"),
        topic_id: None,
        partition: kafka_wire::partition::PartitionIndex::from_wire(index).unwrap(),
        offset: Offset::ZERO,
        leader_epoch: None,
        metadata: "m".repeat(metadata),
    };
    let group = GroupId::parse("g").unwrap();
    let all: Vec<_> = (0..20_000).map(|index| wanted(index, 0)).collect();
    let split = parts(&group, all.clone());
    assert_eq!(split.len(), 3);
    assert_eq!(split.concat(), all);
    assert_eq!(parts(&group, vec![wanted(0, 600_000), wanted(1, 600_000)]).len(), 2);
    assert_eq!(parts(&group, Vec::new()), Vec::<Vec<_>>::new());
}

/// A name of 32 KiB is in every record.
#[tokio::test]
async fn a_group_with_the_longest_name_and_many_offsets_is_carried_over() {
    let scene = Scene::new(&[]).await;
    let name = "g".repeat(32_000);
    let offset = |index| OffsetToCommit {
        topic: topic("orders"),
        topic_id: None,
        partition: kafka_wire::partition::PartitionIndex::from_wire(index).unwrap(),
        offset: Offset::ZERO,
        leader_epoch: None,
        metadata: String::new(),
    };
    let offsets = (0..200).map(offset).collect();
    let wanted = WantedOffsets { group_id: GroupId::parse(&name).unwrap(), offsets };
    let outcome = scene.commit(vec![wanted]).await;
    assert_eq!((outcome.written, outcome.failed.count), (200, 0));
    assert_eq!(scene.committed(&name).await.len(), 200);
}

/// The other end of the group of a million offsets: more than a group may have here, in an answer
/// that is taken.
#[tokio::test]
async fn a_group_with_more_offsets_than_are_kept_is_told_and_the_others_go_on() {
    let scene = Scene::new(&[]).await;
    let source = Source::answering(|broker, request| match (broker, &request) {
        (0, RequestKind::ListGroups(_)) => listed(["huge", "small"]),
        (_, RequestKind::ListGroups(_)) => listed([]),
        _ => {
            let topic = |count: i32| {
                let partition = |index| {
                    OffsetFetchResponsePartitions::default()
                        .with_partition_index(index)
                        .with_committed_offset(60)
                };
                OffsetFetchResponseTopics::default()
                    .with_name(StrBytes::from_static_str("orders").into())
                    .with_partitions((0..count).map(partition).collect())
            };
            let group = |name, count| told(name, &[]).with_topics(vec![topic(count)]);
            let huge = i32::try_from(GROUP_OFFSETS_MAX).unwrap() + 1;
            offsets(vec![group("huge", huge), group("small", 2)])
        }
    });
    let outcome = scene.round(&source).await.unwrap();
    assert_eq!(scene.committed("small").await.len(), 2);
    assert_eq!(scene.committed("huge").await, []);
    assert_eq!((outcome.in_step, outcome.skipped.count), (1, 0), "{outcome:?}");
    assert_eq!(outcome.failed.first, ["group huge: 200001 offsets, at most 200000 are kept"]);
}

pub(in crate::source_sync) const CLUSTER: &str = "abc";
const ORDERS: [u8; 16] = [7; 16];
const HELD: [u8; 16] = [8; 16];
const NEW: Served =
    &[(ApiKey::ListGroups, 5), (ApiKey::OffsetFetch, 9), (ApiKey::FindCoordinator, 4)];
const OLD: Served =
    &[(ApiKey::ListGroups, 2), (ApiKey::OffsetFetch, 5), (ApiKey::FindCoordinator, 2)];
