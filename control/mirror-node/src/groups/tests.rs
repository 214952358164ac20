use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

use group_coordinator::answer::Answer;
use group_coordinator::coordinator::GroupSettings;
use group_coordinator::group_id::GroupId;
use group_coordinator::refusal::Refusal;
use group_coordinator::request::{MemberOfGeneration, Now, OffsetCommit, OffsetToCommit, Request};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicName};

use super::Groups;
use super::loading::load_groups;
use super::offsets_journal::{GROWTH_BYTES_MAX, OffsetsJournal};
use super::test_topic::TestTopic;

/// Groups over a directory of their own.
struct Scene {
    topic: TestTopic,
    groups: Groups,
}

impl Scene {
    fn new(topic: TestTopic) -> Self {
        let settings = GroupSettings::default();
        assert!(topic.is_own());
        let groups = Groups::start(Box::new(topic.clone()), settings).unwrap();
        let scene = Self { topic, groups };
        let deadline = Instant::now() + Duration::from_secs(20);
        while scene.block_on(scene.groups.look(|_| ())) == Err(Refusal::CoordinatorLoadInProgress) {
            assert!(Instant::now() < deadline, "groups are read in time");
            std::thread::yield_now();
        }
        scene
    }

    /// Ends and begins again over the same directory.
    fn restart(self) -> Self {
        self.groups.stop();
        self.topic.close();
        Self::new(self.topic)
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn commit(&self, group: &str, offset: i64, metadata: &str, count: i32) -> Result<(), Refusal> {
        let offsets = (0..count).map(|index| OffsetToCommit {
            topic: TopicName::parse("orders").unwrap(),
            topic_id: None,
            partition: PartitionIndex::from_wire(index).unwrap(),
            offset: Offset::from_wire(offset).unwrap(),
            leader_epoch: None,
            metadata: metadata.to_owned(),
        });
        let commit = OffsetCommit {
            member: MemberOfGeneration {
                group_id: GroupId::parse(group).unwrap(),
                member_id: String::new(),
                group_instance_id: None,
                generation: -1,
            },
            knows_consumer_groups: true,
            retention_ms: None,
            offsets: offsets.collect(),
        };
        match self.block_on(self.groups.ask(Request::OffsetCommit(commit)))? {
            Answer::OffsetCommit(outcome) => outcome.map(|_| ()),
            other => panic!("not a commit: {other:?}"),
        }
    }

    fn committed(&self, group: &str) -> Vec<i64> {
        let group = GroupId::parse(group).unwrap();
        let look = self.groups.look(move |groups| {
            groups.offsets(&group).map(|(_, _, offset)| offset.offset.get()).collect()
        });
        self.block_on(look).unwrap()
    }

    /// Where the logs start, and how many bytes their directories hold.
    fn log_starts(&self) -> Vec<i64> {
        let logs = self.topic.logs.lock().unwrap();
        let start = |log: &std::sync::Arc<crate::writable_log::WritableLog>| {
            log.view().state().unwrap().log_start.offset().get()
        };
        logs.iter().map(start).collect()
    }
}

#[test]
fn offsets_are_there_again_after_a_restart() {
    let scene = Scene::new(TestTopic::new());
    assert!(!scene.topic.root.join("__consumer_offsets-0").exists(), "made when it is needed");
    for (group, offset) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
        scene.commit(group, offset, "", 1).unwrap();
    }
    let topic = scene.topic.clone();
    scene.groups.stop();
    topic.close();
    let again = Scene::new(topic);
    assert_eq!(again.committed("a"), [4]);
    assert_eq!(again.committed("b"), [2]);
    assert_eq!(again.committed("c"), [3]);
}

#[test]
fn a_log_that_has_grown_is_written_anew_and_starts_there() {
    let scene = Scene::new(TestTopic::new());
    let metadata = "m".repeat(4_000);
    let batch_bytes = 100 * 4_000;
    let rounds = i64::try_from(GROWTH_BYTES_MAX).unwrap() / batch_bytes + 2;
    for round in 0..rounds {
        scene.commit("a", round, &metadata, 100).unwrap();
        scene.commit("quiet", 7, "", 1).unwrap();
    }
    assert!(scene.log_starts().iter().any(|start| *start > 0), "{:?}", scene.log_starts());
    let scene = scene.restart();
    assert_eq!(scene.committed("a"), vec![rounds - 1; 100]);
    assert_eq!(scene.committed("quiet"), [7]);
}

#[test]
fn a_commit_larger_than_a_batch_is_refused() {
    let scene = Scene::new(TestTopic::new());
    let metadata = "m".repeat(4_096);
    let refused = scene.commit("a", 1, &metadata, 300);
    assert_eq!(refused, Err(Refusal::InvalidCommitOffsetSize));
    assert!(scene.committed("a").is_empty());
}

#[test]
fn a_topic_that_cannot_be_made_refuses_commits_and_nothing_else() {
    let mut topic = TestTopic::new();
    topic.refuses = Some("disk full");
    let scene = Scene::new(topic);
    assert_eq!(scene.commit("a", 1, "", 1), Err(Refusal::CoordinatorNotAvailable));
    assert!(scene.committed("a").is_empty());
}

#[test]
fn a_log_that_ends_in_the_middle_of_a_batch_loses_only_that() {
    let scene = Scene::new(TestTopic::new());
    for offset in 1..=3 {
        scene.commit("a", offset, "", 1).unwrap();
    }
    scene.groups.stop();
    let topic = scene.topic.clone();
    topic.logs.lock().unwrap().clear();
    for index in 0..3 {
        let segment =
            topic.root.join(format!("__consumer_offsets-{index}")).join("00000000000000000000.log");
        let bytes = fs::read(&segment).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last);
        fs::write(&segment, &bytes[..end]).unwrap();
    }
    let again = Scene::new(topic);
    assert_eq!(again.committed("a"), [2]);
}

#[test]
fn reading_groups_ends_at_the_next_batch_when_the_node_does() {
    let scene = Scene::new(TestTopic::new());
    for offset in 1..=5 {
        scene.commit("a", offset, "", 1).unwrap();
    }
    let topic = scene.topic.clone();
    scene.groups.stop();
    topic.close();
    let batches_read = |wanted: usize| {
        let asked = Cell::new(0);
        let is_ending = || asked.replace(asked.get() + 1) >= wanted;
        let mut journal = OffsetsJournal::new(Box::new(topic.clone()));
        let settings = GroupSettings::default();
        let groups = load_groups(&mut journal, settings, Now::default(), &is_ending).unwrap();
        let bytes = journal.open().unwrap().iter().map(|log| log.grown_bytes).sum::<u64>();
        topic.close();
        (groups.is_some(), bytes)
    };
    let (is_whole, all_bytes) = batches_read(usize::MAX);
    assert!(is_whole && all_bytes > 0);
    assert_eq!(batches_read(0), (false, 0));
    let (is_whole, bytes) = batches_read(2);
    assert!(!is_whole && bytes > 0 && bytes < all_bytes, "{bytes} of {all_bytes} bytes");
}
