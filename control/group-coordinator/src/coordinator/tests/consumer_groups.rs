//! Groups whose members the coordinator assigns to, with a virtual clock.

use kafka_wire::group_record::GroupRecord;
use kafka_wire::partition::TopicId;

use super::{Scene, group, partition, topic};
use crate::answer::{Answer, ConsumerGroupHeartbeatAnswer};
use crate::assignment::Assignment;
use crate::coordinator::{Input, WriteFailure};
use crate::refusal::Refusal;
use crate::request::{ConsumerGroupHeartbeat, Request, RequestId};
use crate::topics::{TopicShape, TopicTable};

pub(super) fn topic_id(byte: u8) -> TopicId {
    TopicId::from_wire([byte; 16]).unwrap()
}

/// Topics by name, with the byte of their ids and their sizes.
pub(super) fn set_topics(scene: &mut Scene, topics: &[(&str, u8, u32)]) {
    let mut table = TopicTable::default();
    for (name, byte, partition_count) in topics {
        let shape = TopicShape { topic_id: topic_id(*byte), partition_count: *partition_count };
        table.insert(topic(name), shape);
    }
    scene.step(Input::Topics(table));
}

pub(super) fn heartbeat_of(member_id: &str, epoch: i32) -> ConsumerGroupHeartbeat {
    ConsumerGroupHeartbeat {
        group_id: group(),
        member_id: member_id.to_owned(),
        member_epoch: epoch,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: -1,
        topic_names: None,
        topic_regex: None,
        server_assignor: None,
        owned: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        must_name_member: true,
        unique_id: "unique".to_owned(),
    }
}

pub(super) fn join_of(member_id: &str, topics: &[&str]) -> ConsumerGroupHeartbeat {
    ConsumerGroupHeartbeat {
        rebalance_timeout_ms: 60_000,
        topic_names: Some(topics.iter().map(|name| (*name).to_owned()).collect()),
        owned: Some(Assignment::new()),
        ..heartbeat_of(member_id, 0)
    }
}

fn owning(member_id: &str, epoch: i32, owned: &[(u8, i32)]) -> ConsumerGroupHeartbeat {
    ConsumerGroupHeartbeat { owned: Some(partitions(owned)), ..heartbeat_of(member_id, epoch) }
}

fn partitions(of: &[(u8, i32)]) -> Assignment {
    of.iter().map(|(byte, index)| (topic_id(*byte), partition(*index))).collect()
}

fn send(scene: &mut Scene, heartbeat: ConsumerGroupHeartbeat) -> RequestId {
    scene.ask(Request::ConsumerGroupHeartbeat(Box::new(heartbeat)))
}

fn answer(
    scene: &mut Scene,
    heartbeat: ConsumerGroupHeartbeat,
) -> Result<ConsumerGroupHeartbeatAnswer, Refusal> {
    let request = send(scene, heartbeat);
    match &scene.answers[&request] {
        Answer::ConsumerGroupHeartbeat(answer) => answer.clone(),
        other => panic!("not a heartbeat of a consumer group: {other:?}"),
    }
}

/// Epoch and partitions told, `-` when none were.
fn told(scene: &mut Scene, heartbeat: ConsumerGroupHeartbeat) -> String {
    match answer(scene, heartbeat) {
        Err(refusal) => format!("{refusal:?}"),
        Ok(answer) => {
            let mut text = answer.member_epoch.to_string();
            match answer.assignment {
                None => text.push_str(" -"),
                Some(assignment) => {
                    for (topic, partition) in assignment.iter() {
                        text.push_str(&format!(" {}.{partition}", topic.bytes()[0]));
                    }
                }
            }
            text
        }
    }
}

fn scene_of_orders() -> Scene {
    let mut scene = Scene::without_delay();
    set_topics(&mut scene, &[("orders", 1, 4), ("payments", 2, 2)]);
    scene
}

#[test]
fn a_new_member_gets_partitions_only_after_the_other_gave_them_up() {
    let mut scene = scene_of_orders();
    assert_eq!(told(&mut scene, join_of("a", &["orders"])), "1 1.0 1.1 1.2 1.3");
    assert_eq!(told(&mut scene, join_of("b", &["orders"])), "2", "nothing is free yet");
    let all = [(1, 0), (1, 1), (1, 2), (1, 3)];
    assert_eq!(told(&mut scene, owning("a", 1, &all)), "1 1.0 1.1", "two are to be given up");
    assert_eq!(told(&mut scene, heartbeat_of("a", 1)), "1 -", "still giving up");
    assert_eq!(told(&mut scene, heartbeat_of("b", 2)), "2 -", "still waiting");
    assert_eq!(told(&mut scene, owning("a", 1, &all[..2])), "2 -", "given up");
    assert_eq!(told(&mut scene, heartbeat_of("b", 2)), "2 1.2 1.3");
    let described = scene.coordinator.describe_consumer(&group()).unwrap();
    assert_eq!((described.state, described.epoch, described.assignor), ("Stable", 2, "uniform"));
}

#[test]
fn a_member_that_does_not_give_up_in_time_is_lost() {
    let mut scene = scene_of_orders();
    told(&mut scene, join_of("a", &["orders"]));
    told(&mut scene, join_of("b", &["orders"]));
    let all = [(1, 0), (1, 1), (1, 2), (1, 3)];
    told(&mut scene, owning("a", 1, &all));
    for _ in 0..12 {
        scene.pass(5_000);
        answer(&mut scene, heartbeat_of("a", 1)).ok();
        answer(&mut scene, heartbeat_of("b", 2)).ok();
    }
    assert_eq!(told(&mut scene, heartbeat_of("a", 1)), "UnknownMemberId");
    let described = scene.coordinator.describe_consumer(&group()).unwrap();
    assert_eq!(described.members[0].assignment.count(), 4, "the other has it all");
}

#[test]
fn a_member_that_is_not_heard_of_is_lost_after_its_session() {
    let mut scene = scene_of_orders();
    told(&mut scene, join_of("a", &["orders"]));
    scene.pass(44_999);
    assert_eq!(told(&mut scene, heartbeat_of("a", 1)), "1 -");
    scene.pass(45_000);
    assert_eq!(told(&mut scene, heartbeat_of("a", 1)), "UnknownMemberId");
    assert_eq!(scene.coordinator.describe_consumer(&group()).unwrap().state, "Empty");
}

#[test]
fn an_epoch_that_is_not_the_members_is_fenced_unless_an_answer_was_lost() {
    let mut scene = scene_of_orders();
    told(&mut scene, join_of("a", &["orders"]));
    let all = [(1, 0), (1, 1), (1, 2), (1, 3)];
    let other = ConsumerGroupHeartbeat {
        topic_names: Some(vec!["orders".to_owned(), "payments".to_owned()]),
        ..owning("a", 1, &all)
    };
    assert_eq!(told(&mut scene, other), "2 1.0 1.1 1.2 1.3 2.0 2.1");
    assert_eq!(told(&mut scene, heartbeat_of("a", 1)), "FencedMemberEpoch", "says not what it has");
    assert_eq!(told(&mut scene, owning("a", 1, &all)), "2 -", "the answer was lost");
    assert_eq!(told(&mut scene, owning("a", 1, &[(9, 0)])), "FencedMemberEpoch");
    assert_eq!(told(&mut scene, heartbeat_of("a", 3)), "FencedMemberEpoch");
    assert_eq!(told(&mut scene, heartbeat_of("b", 1)), "UnknownMemberId");
    assert_eq!(
        told(&mut scene, join_of("a", &["orders", "payments"])),
        "2 1.0 1.1 1.2 1.3 2.0 2.1"
    );
}

#[test]
fn requests_that_contradict_themselves_are_refused() {
    let mut scene = scene_of_orders();
    let join = join_of("a", &["orders"]);
    let with_assignor = |name: &str| ConsumerGroupHeartbeat {
        server_assignor: Some(name.to_owned()),
        ..join.clone()
    };
    let with_regex =
        |text: &str| ConsumerGroupHeartbeat { topic_regex: Some(text.to_owned()), ..join.clone() };
    for (heartbeat, refusal) in [
        (ConsumerGroupHeartbeat { owned: None, ..join.clone() }, "InvalidRequest"),
        (ConsumerGroupHeartbeat { topic_names: None, ..join.clone() }, "InvalidRequest"),
        (ConsumerGroupHeartbeat { rebalance_timeout_ms: -1, ..join.clone() }, "InvalidRequest"),
        (ConsumerGroupHeartbeat { member_id: String::new(), ..join.clone() }, "InvalidRequest"),
        (
            ConsumerGroupHeartbeat { instance_id: Some(String::new()), ..join.clone() },
            "InvalidRequest",
        ),
        (heartbeat_of("a", -2), "InvalidRequest"),
        (heartbeat_of("a", -3), "InvalidRequest"),
        (heartbeat_of("a", 1), "GroupIdNotFound"),
        (with_assignor("sticky"), "UnsupportedAssignor"),
        (with_regex("("), "InvalidRegularExpression"),
    ] {
        assert_eq!(told(&mut scene, heartbeat.clone()), refusal, "{heartbeat:?}");
    }
    assert_eq!(scene.coordinator.group_ids().count(), 0);
    let old = ConsumerGroupHeartbeat { member_id: String::new(), must_name_member: false, ..join };
    assert_eq!(answer(&mut scene, old).unwrap().member_id, "unique");
}

#[test]
fn a_regular_expression_follows_the_topics_there_are() {
    let mut scene = scene_of_orders();
    let join = ConsumerGroupHeartbeat {
        topic_names: None,
        topic_regex: Some("ord.*".to_owned()),
        ..join_of("a", &[])
    };
    assert_eq!(told(&mut scene, join), "1 1.0 1.1 1.2 1.3");
    set_topics(&mut scene, &[("orders", 1, 5), ("order-notes", 3, 1), ("payments", 2, 2)]);
    assert_eq!(told(&mut scene, heartbeat_of("a", 1)), "2 1.0 1.1 1.2 1.3 1.4 3.0");
    set_topics(&mut scene, &[("orders", 1, 5), ("order-notes", 3, 1), ("payments", 2, 4)]);
    assert_eq!(told(&mut scene, heartbeat_of("a", 2)), "2 -", "nobody reads what grew");
    set_topics(&mut scene, &[("order-notes", 3, 1), ("payments", 2, 4)]);
    let all = [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (3, 0)];
    assert_eq!(told(&mut scene, owning("a", 2, &all)), "2 3.0");
    assert_eq!(told(&mut scene, owning("a", 2, &[(3, 0)])), "3 -");
}

#[test]
fn the_assignor_most_members_ask_for_is_taken() {
    let mut scene = scene_of_orders();
    for name in ["a", "b"] {
        let join = ConsumerGroupHeartbeat {
            server_assignor: Some("range".to_owned()),
            ..join_of(name, &["orders"])
        };
        answer(&mut scene, join).unwrap();
    }
    let described = scene.coordinator.describe_consumer(&group()).unwrap();
    assert_eq!(described.assignor, "range");
    let targets: Vec<_> =
        described.members.iter().map(|member| &member.target_assignment).collect();
    assert_eq!(targets, [&partitions(&[(1, 0), (1, 1)]), &partitions(&[(1, 2), (1, 3)])]);
}

#[test]
fn a_static_member_finds_its_partitions_again_under_another_id() {
    let mut scene = scene_of_orders();
    let as_one = |heartbeat: ConsumerGroupHeartbeat| ConsumerGroupHeartbeat {
        instance_id: Some("one".to_owned()),
        ..heartbeat
    };
    assert_eq!(told(&mut scene, as_one(join_of("a", &["orders"]))), "1 1.0 1.1 1.2 1.3");
    let taken = told(&mut scene, as_one(join_of("b", &["orders"])));
    assert_eq!(taken, "UnreleasedInstanceId");
    assert_eq!(told(&mut scene, as_one(heartbeat_of("a", -2))), "-2 -");
    assert_eq!(told(&mut scene, as_one(join_of("b", &["orders"]))), "1 1.0 1.1 1.2 1.3");
    assert_eq!(told(&mut scene, as_one(heartbeat_of("a", 1))), "FencedInstanceId");
    scene.restart();
    set_topics(&mut scene, &[("orders", 1, 4)]);
    assert_eq!(told(&mut scene, as_one(heartbeat_of("b", -2))), "-2 -");
    scene.pass(45_000);
    assert_eq!(told(&mut scene, as_one(heartbeat_of("b", 1))), "UnknownMemberId");
}

#[test]
fn members_commit_and_fetch_in_their_epoch() {
    let mut scene = scene_of_orders();
    assert!(scene.commit("", -1, 3).is_ok(), "a tool, before anybody joins");
    told(&mut scene, join_of("a", &["orders"]));
    assert_eq!(scene.committed(), Some(3), "offsets stay when a group becomes one of consumers");
    assert!(scene.commit("a", 1, 4).is_ok());
    assert_eq!(scene.commit("a", 0, 5), Err(Refusal::StaleMemberEpoch));
    assert_eq!(scene.commit("b", 1, 5), Err(Refusal::UnknownMemberId));
    assert_eq!(scene.commit("", -1, 5), Err(Refusal::UnknownMemberId));
    let mut old = Scene::commit_of("a", 1, 5);
    old.knows_consumer_groups = false;
    let request = scene.ask(Request::OffsetCommit(old));
    assert_eq!(scene.answers[&request], Answer::OffsetCommit(Err(Refusal::UnsupportedVersion)));
    let check = |id, epoch| scene.coordinator.check_offset_fetch(&group(), id, epoch);
    assert_eq!(check(None, -1), Ok(()));
    assert_eq!(check(Some("a"), 1), Ok(()));
    assert_eq!(check(Some("a"), 2), Err(Refusal::StaleMemberEpoch));
    assert_eq!(check(Some("b"), 1), Err(Refusal::UnknownMemberId));
    let refused = scene.delete_offsets("orders").unwrap();
    assert_eq!(refused[0].outcome, Err(Refusal::GroupSubscribedToTopic));
    assert_eq!(scene.delete_group(), Err(Refusal::NonEmptyGroup));
    assert_eq!(told(&mut scene, heartbeat_of("a", -1)), "-1 -");
    assert_eq!(scene.delete_group(), Ok(()));
    scene.restart();
    assert_eq!(scene.coordinator.group_ids().count(), 0);
}

#[test]
fn an_empty_group_changes_its_kind_and_one_with_members_does_not() {
    let mut scene = scene_of_orders();
    let (leader, _) = scene.enter("a");
    scene.sync(&leader, 1, &[(&leader, "all")]);
    assert_eq!(told(&mut scene, join_of("b", &["orders"])), "GroupIdNotFound");
    scene.leave(&[&leader]);
    assert_eq!(told(&mut scene, join_of("b", &["orders"])), "1 1.0 1.1 1.2 1.3");
    let refused = scene.join("", "c");
    assert_eq!(scene.joined(refused).refusal, Some(Refusal::InconsistentGroupProtocol));
    scene.restart();
    set_topics(&mut scene, &[("orders", 1, 4)]);
    assert_eq!(scene.coordinator.describe_consumer(&group()).unwrap().members.len(), 1);
    assert_eq!(told(&mut scene, heartbeat_of("b", -1)), "-1 -");
    let (_, joining) = scene.enter("c");
    assert_eq!(scene.joined(joining).generation, 1);
    scene.restart();
    assert!(scene.coordinator.describe_consumer(&group()).is_err(), "the log knows the last kind");
}

#[test]
fn a_change_that_could_not_be_kept_is_kept_with_the_next_one() {
    let mut scene = scene_of_orders();
    scene.holds_writes = true;
    let joining = send(&mut scene, join_of("a", &["orders"]));
    assert!(scene.is_waiting(joining), "nothing is promised before it is kept");
    scene.release(Err(WriteFailure::Unavailable));
    let refused = Answer::ConsumerGroupHeartbeat(Err(Refusal::CoordinatorNotAvailable));
    assert_eq!(scene.answers[&joining], refused);
    scene.holds_writes = false;
    assert_eq!(told(&mut scene, join_of("a", &["orders"])), "1 1.0 1.1 1.2 1.3");
    scene.restart();
    let described = scene.coordinator.describe_consumer(&group()).unwrap();
    assert_eq!((described.epoch, described.members[0].assignment.count()), (1, 4));
}

#[test]
fn a_restart_in_the_middle_of_a_change_goes_on_with_it() {
    let mut scene = scene_of_orders();
    told(&mut scene, join_of("a", &["orders"]));
    told(&mut scene, join_of("b", &["orders"]));
    let all = [(1, 0), (1, 1), (1, 2), (1, 3)];
    told(&mut scene, owning("a", 1, &all));
    for log in [scene.log.clone(), scene.coordinator.snapshot(scene.now, &group())] {
        scene.log = log;
        scene.restart();
        set_topics(&mut scene, &[("orders", 1, 4)]);
        let waits = told(&mut scene, heartbeat_of("b", 2));
        assert!(waits.ends_with(" -"), "what the other has not given up is not given: {waits}");
        scene.log.truncate(usize::MAX);
    }
    told(&mut scene, owning("a", 1, &all[..2]));
    let epoch = scene.coordinator.describe_consumer(&group()).unwrap().members[1].member_epoch;
    assert!(told(&mut scene, heartbeat_of("b", epoch)).ends_with(" 1.2 1.3"));
}

#[test]
fn every_partition_of_a_member_is_kept_with_its_epoch() {
    let mut scene = scene_of_orders();
    told(&mut scene, join_of("a", &["orders"]));
    told(&mut scene, join_of("b", &["orders"]));
    told(&mut scene, owning("a", 1, &[(1, 0), (1, 1), (1, 2), (1, 3)]));
    let kept = scene.log.iter().rev().find_map(|record| match record {
        GroupRecord::CurrentAssignment(key, Some(value)) if key.member_id == "a" => Some(value),
        _ => None,
    });
    let kept = kept.unwrap();
    assert_eq!(kept.assigned[0].assignment_epochs, Some(vec![1, 1]));
    assert_eq!(kept.pending_revocation[0].assignment_epochs, Some(vec![1, 1]));
}
