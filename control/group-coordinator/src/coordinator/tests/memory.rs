//! What all groups may take together.

use super::consumer_groups::{heartbeat_of, join_of};
use super::{Scene, partition, protocol};
use crate::answer::Answer;
use crate::coordinator::GroupSettings;
use crate::group_id::GroupId;
use crate::refusal::Refusal;
use crate::request::{ConsumerGroupHeartbeat, OffsetCommit, Request};

/// Bytes that the groups of these tests may take.
const BYTES_MAX: usize = 64 << 10;
/// Longer than what is left when a text of as much was refused.
const LONG: usize = 4_000;

fn small_scene() -> Scene {
    let default = GroupSettings::default();
    Scene::new(GroupSettings { initial_rebalance_delay_ms: 0, bytes_max: BYTES_MAX, ..default })
}

fn long_commit(member_id: &str, generation: i32, index: i32) -> OffsetCommit {
    let mut commit = Scene::commit_of(member_id, generation, 1);
    commit.offsets[0].partition = partition(index);
    commit.offsets[0].metadata = "m".repeat(LONG);
    commit
}

/// Asks for one thing after the other until something is refused; how many were not, and why.
fn count_taken(
    scene: &mut Scene,
    mut nth: impl FnMut(&mut Scene, usize) -> Result<(), Refusal>,
) -> (usize, Refusal) {
    for taken in 0..BYTES_MAX {
        if let Err(refusal) = nth(scene, taken) {
            return (taken, refusal);
        }
    }
    panic!("there is a limit");
}

fn commit(scene: &mut Scene, commit: OffsetCommit) -> Result<(), Refusal> {
    let request = scene.ask(Request::OffsetCommit(commit));
    match scene.answers.get(&request) {
        Some(Answer::OffsetCommit(outcome)) => outcome.clone().map(|_| ()),
        Some(other) => panic!("not a commit: {other:?}"),
        None => Ok(()),
    }
}

fn heartbeat(scene: &mut Scene, heartbeat: ConsumerGroupHeartbeat) -> Result<(), Refusal> {
    let request = scene.ask(Request::ConsumerGroupHeartbeat(Box::new(heartbeat)));
    match &scene.answers[&request] {
        Answer::ConsumerGroupHeartbeat(answer) => answer.clone().map(|_| ()),
        other => panic!("not a heartbeat of a consumer group: {other:?}"),
    }
}

#[test]
fn members_of_a_full_coordinator_go_on_and_add_nothing() {
    let mut scene = small_scene();
    let (leader, follower) = scene.two_members();
    scene.commit(&leader, 2, 1).unwrap();
    let (taken, refusal) = count_taken(&mut scene, |scene, taken| {
        let index = i32::try_from(taken + 1).unwrap();
        commit(scene, long_commit(&leader, 2, index))
    });
    assert_eq!(refusal, Refusal::InvalidCommitOffsetSize);
    assert!((1..=BYTES_MAX / LONG).contains(&taken), "{taken} offsets");

    assert!(commit(&mut scene, long_commit(&leader, 2, 1)).is_ok(), "as long as before");
    let longer = commit(&mut scene, long_commit(&leader, 2, 0));
    assert_eq!(longer, Err(Refusal::InvalidCommitOffsetSize), "longer than before");
    let mut join = scene.join_of("", "");
    join.protocols = vec![protocol("range", &"m".repeat(LONG))];
    let request = scene.ask(Request::Join(Box::new(join)));
    assert_eq!(scene.joined(request).refusal, Some(Refusal::GroupMaxSizeReached));
    let request = scene.join(&follower, &"m".repeat(LONG));
    assert_eq!(scene.joined(request).refusal, Some(Refusal::GroupMaxSizeReached));
    let waiting = scene.join(&leader, "a");
    scene.join(&follower, "b");
    assert_eq!(scene.joined(waiting).generation, 3, "saying what they said before");
    let long = "m".repeat(LONG);
    let synced = scene.sync(&leader, 3, &[(&leader, &long)]);
    assert_eq!(scene.synced(synced), Err(Refusal::CoordinatorNotAvailable));
}

#[test]
fn commits_count_while_they_are_on_their_way() {
    let mut scene = small_scene();
    scene.holds_writes = true;
    let (taken, refusal) = count_taken(&mut scene, |scene, taken| {
        commit(scene, long_commit("", -1, i32::try_from(taken).unwrap()))
    });
    assert_eq!(refusal, Refusal::InvalidCommitOffsetSize);
    assert!(taken <= BYTES_MAX / LONG, "{taken} offsets");
}

#[test]
fn ids_and_names_count() {
    let mut scene = small_scene();
    let (taken, refusal) = count_taken(&mut scene, |scene, _| {
        let mut join = scene.join_of("", "");
        join.client_id = "c".repeat(LONG);
        let request = scene.ask(Request::Join(Box::new(join)));
        match scene.joined(request).refusal {
            Some(Refusal::MemberIdRequired) => Ok(()),
            other => Err(other.unwrap()),
        }
    });
    assert_eq!(refusal, Refusal::GroupMaxSizeReached);
    assert!(taken <= BYTES_MAX / LONG, "{taken} expected members");

    let mut scene = small_scene();
    let (taken, refusal) = count_taken(&mut scene, |scene, taken| {
        let mut commit_of_group = Scene::commit_of("", -1, 1);
        let name = format!("{taken}-{}", "g".repeat(LONG));
        commit_of_group.member.group_id = GroupId::parse(&name).unwrap();
        commit(scene, commit_of_group)
    });
    assert_eq!(refusal, Refusal::PolicyViolation);
    assert!(taken <= BYTES_MAX / LONG, "{taken} groups");
}

#[test]
fn what_members_of_consumer_groups_say_counts() {
    let mut scene = small_scene();
    let long = "t".repeat(LONG);
    heartbeat(&mut scene, join_of("first", &["orders"])).unwrap();
    let (taken, refusal) = count_taken(&mut scene, |scene, taken| {
        heartbeat(scene, join_of(&taken.to_string(), &[&long]))
    });
    assert_eq!(refusal, Refusal::GroupMaxSizeReached);
    assert!(taken <= BYTES_MAX / LONG, "{taken} members");

    assert_eq!(heartbeat(&mut scene, heartbeat_of("first", 1)), Ok(()));
    let described = scene.coordinator.describe_consumer(&super::group()).unwrap();
    assert_eq!(described.members.len(), taken + 1);
    let epoch = described.epoch;
    let says_more = ConsumerGroupHeartbeat {
        topic_names: Some(vec![long.repeat(2)]),
        ..heartbeat_of("first", epoch)
    };
    assert_eq!(heartbeat(&mut scene, says_more), Err(Refusal::GroupMaxSizeReached));
}
