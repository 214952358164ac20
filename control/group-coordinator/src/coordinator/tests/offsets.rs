use super::{Scene, bytes_of, group, partition, protocol, topic};
use crate::answer::Answer;
use crate::coordinator::WriteFailure;
use crate::limits::OFFSET_METADATA_UNITS_MAX;
use crate::refusal::Refusal;
use crate::request::{OffsetDelete, Request};
use kafka_wire::group_record::GroupRecord;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[test]
fn an_offset_counts_once_it_is_kept_and_survives_a_restart() {
    let mut scene = Scene::without_delay();
    scene.holds_writes = true;
    let request = scene.ask(Request::OffsetCommit(Scene::commit_of("", -1, 42)));
    assert!(scene.is_waiting(request));
    assert_eq!(scene.committed(), None, "not kept, not shown");
    scene.release(Ok(()));
    assert!(matches!(&scene.answers[&request], Answer::OffsetCommit(Ok(_))));
    assert_eq!(scene.committed(), Some(42));
    scene.restart();
    assert_eq!(scene.committed(), Some(42));
}

#[test]
fn a_commit_that_cannot_be_kept_changes_nothing() {
    let mut scene = Scene::without_delay();
    scene.commit("", -1, 42).unwrap();
    scene.holds_writes = true;
    for (failure, refusal) in [
        (WriteFailure::Unavailable, Refusal::CoordinatorNotAvailable),
        (WriteFailure::TooLarge, Refusal::InvalidCommitOffsetSize),
    ] {
        let request = scene.ask(Request::OffsetCommit(Scene::commit_of("", -1, 43)));
        scene.release(Err(failure));
        assert_eq!(scene.answers[&request], Answer::OffsetCommit(Err(refusal)));
    }
    assert_eq!(scene.committed(), Some(42));
}

#[test]
fn only_members_commit_while_there_are_members() {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    assert_eq!(scene.commit("", -1, 1), Err(Refusal::UnknownMemberId));
    assert_eq!(scene.commit("stranger", 2, 1), Err(Refusal::UnknownMemberId));
    assert_eq!(scene.commit(&leader, 1, 1), Err(Refusal::IllegalGeneration));
    assert!(scene.commit(&leader, 2, 1).is_ok());
    let waiting = scene.join(&follower, "changed");
    assert!(scene.commit(&leader, 2, 2).is_ok(), "last words of the generation that ends");
    let leader_join = scene.join(&leader, "a");
    assert_eq!(scene.joined(waiting).generation, 3);
    assert_eq!(scene.joined(leader_join).generation, 3);
    assert_eq!(scene.commit(&leader, 3, 3), Err(Refusal::RebalanceInProgress));
    scene.leave(&[&leader, &follower]);
    assert_eq!(scene.state(), "Empty");
    assert!(scene.commit("", -1, 4).is_ok());
    assert_eq!(scene.commit(&leader, 4, 5), Err(Refusal::UnknownMemberId));
}

#[test]
fn a_member_of_a_group_nobody_knows_is_told_so_in_the_words_of_its_version() {
    let mut scene = Scene::without_delay();
    assert_eq!(scene.commit("member", 7, 1), Err(Refusal::GroupIdNotFound));
    let mut commit = Scene::commit_of("member", 7, 1);
    commit.knows_consumer_groups = false;
    let request = scene.ask(Request::OffsetCommit(commit));
    assert_eq!(scene.answers[&request], Answer::OffsetCommit(Err(Refusal::IllegalGeneration)));
    assert_eq!(scene.coordinator.group_ids().count(), 0);
}

#[test]
fn metadata_over_the_limit_is_refused_for_its_partition_alone() {
    let mut scene = Scene::without_delay();
    let mut commit = Scene::commit_of("", -1, 1);
    let mut other = commit.offsets[0].clone();
    other.topic = topic("payments");
    other.metadata = "ü".repeat(OFFSET_METADATA_UNITS_MAX);
    commit.offsets[0].metadata = "ü".repeat(OFFSET_METADATA_UNITS_MAX + 1);
    commit.offsets.push(other);
    let request = scene.ask(Request::OffsetCommit(commit));
    let Answer::OffsetCommit(Ok(answers)) = &scene.answers[&request] else { panic!("refused") };
    let outcomes: Vec<_> = answers.iter().map(|answer| answer.outcome).collect();
    assert_eq!(outcomes, [Err(Refusal::OffsetMetadataTooLarge), Ok(())]);
    assert_eq!(scene.committed(), None);
    assert_eq!(scene.coordinator.offsets(&group()).count(), 1);
}

#[test]
fn a_commit_keeps_a_session_alive() {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    for offset in 0..4 {
        scene.pass(6_000);
        scene.commit(&leader, 2, offset).unwrap();
        scene.heartbeat(&follower, 2).unwrap();
    }
    assert_eq!(scene.state(), "Stable");
}

#[test]
fn offsets_of_topics_that_are_read_cannot_be_deleted() {
    let mut scene = Scene::without_delay();
    let mut join = scene.join_of("", "");
    join.must_know_member_id = false;
    // Version 0, one topic: orders.
    let metadata = "\0\0\0\0\0\u{1}\0\u{6}orders";
    join.protocols = vec![protocol("range", metadata)];
    let request = scene.ask(Request::Join(Box::new(join)));
    let member = scene.joined(request).member_id;
    scene.sync(&member, 1, &[(&member, "all")]);
    scene.commit(&member, 1, 9).unwrap();
    let refused = scene.delete_offsets("orders").unwrap();
    assert_eq!(refused[0].outcome, Err(Refusal::GroupSubscribedToTopic));
    let other = scene.delete_offsets("payments").unwrap();
    assert_eq!(other[0].outcome, Ok(()), "not read, not committed: nothing to do");
    scene.leave(&[&member]);
    assert_eq!(scene.delete_offsets("orders").unwrap()[0].outcome, Ok(()));
    assert_eq!(scene.committed(), None);
    let last = scene.log.last().unwrap();
    assert!(matches!(last, GroupRecord::CommittedOffset(_, None)), "{last:?}");
}

#[test]
fn groups_with_members_and_unknown_ones_cannot_be_deleted() {
    let mut scene = Scene::without_delay();
    assert_eq!(scene.delete_group(), Err(Refusal::GroupIdNotFound));
    let (leader, follower) = scene.two_members();
    scene.commit(&leader, 2, 5).unwrap();
    assert_eq!(scene.delete_group(), Err(Refusal::NonEmptyGroup));
    scene.leave(&[&leader, &follower]);
    assert_eq!(scene.delete_group(), Ok(()));
    assert_eq!(scene.committed(), None);
    scene.restart();
    assert_eq!(scene.coordinator.group_ids().count(), 0, "the log knows nothing either");
}

#[test]
fn offsets_expire_a_week_after_the_last_member_left() {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    scene.commit(&leader, 2, 5).unwrap();
    scene.leave(&[&leader]);
    scene.pass(DAY_MS / 2);
    assert_eq!(scene.heartbeat(&follower, 2), Err(Refusal::UnknownMemberId));
    assert_eq!(scene.state(), "Empty");
    scene.pass(6 * DAY_MS);
    assert_eq!(scene.committed(), Some(5));
    scene.pass(DAY_MS);
    assert_eq!(scene.committed(), None);
    assert_eq!(scene.state(), "Dead");
    scene.restart();
    assert_eq!(scene.coordinator.group_ids().count(), 0);
}

#[test]
fn an_old_client_may_say_how_long_to_keep_its_offsets() {
    let mut scene = Scene::without_delay();
    let mut commit = Scene::commit_of("", -1, 5);
    commit.retention_ms = Some(i64::try_from(DAY_MS).unwrap());
    scene.ask(Request::OffsetCommit(commit));
    scene.pass(DAY_MS - 1_000_000);
    assert_eq!(scene.committed(), Some(5));
    scene.pass(2_000_000);
    assert_eq!(scene.committed(), None);
}

#[test]
fn a_snapshot_holds_all_that_a_restart_needs() {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    scene.commit(&leader, 2, 77).unwrap();
    scene.log = scene.coordinator.snapshot(scene.now, &group());
    assert_eq!(scene.log.len(), 2);
    scene.restart();
    assert_eq!(scene.committed(), Some(77));
    let sync = scene.sync(&follower, 2, &[]);
    assert_eq!(scene.synced(sync).unwrap().assignment, bytes_of("right"));
}

#[test]
fn a_commit_on_its_way_outlives_the_expiry_of_the_offset_before() {
    let mut scene = Scene::without_delay();
    scene.commit("", -1, 5).unwrap();
    scene.pass(6 * DAY_MS);
    scene.now.elapsed_ms += 2 * DAY_MS;
    scene.now.unix_ms += i64::try_from(2 * DAY_MS).unwrap();
    assert!(scene.coordinator.next_deadline_ms() < scene.now.elapsed_ms, "expiry is due");
    scene.commit("", -1, 6).unwrap();
    assert_eq!(scene.committed(), Some(6));
    scene.restart();
    assert_eq!(scene.committed(), Some(6));
}

#[test]
fn what_is_deleted_while_a_commit_is_on_its_way_is_gone_after_a_restart_too() {
    for deletes_group in [true, false] {
        let mut scene = Scene::without_delay();
        let mut other = Scene::commit_of("", -1, 1);
        other.offsets[0].topic = topic("payments");
        scene.ask(Request::OffsetCommit(other));
        scene.holds_writes = true;
        let commit = scene.ask(Request::OffsetCommit(Scene::commit_of("", -1, 5)));
        let delete = if deletes_group {
            scene.ask(Request::DeleteGroup(group()))
        } else {
            let partitions = vec![(topic("orders"), partition(0))];
            scene.ask(Request::OffsetDelete(OffsetDelete { group_id: group(), partitions }))
        };
        scene.release(Ok(()));
        assert!(matches!(&scene.answers[&commit], Answer::OffsetCommit(Ok(_))));
        match &scene.answers[&delete] {
            Answer::DeleteGroup(outcome) => assert_eq!(*outcome, Ok(())),
            Answer::OffsetDelete(answers) => {
                assert_eq!(answers.as_ref().unwrap()[0].outcome, Ok(()))
            }
            other => panic!("not a deletion: {other:?}"),
        }
        assert_eq!(scene.committed(), None);
        scene.restart();
        assert_eq!(scene.committed(), None, "{deletes_group}");
    }
}
