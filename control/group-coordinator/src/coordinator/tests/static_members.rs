use super::{Scene, bytes_of, group, member_of};
use crate::coordinator::WriteFailure;
use crate::refusal::Refusal;
use crate::request::{LeaveGroup, LeavingMember, MemberOfGeneration, Request, RequestId};
use crate::{answer::Answer, request::Heartbeat};

fn join_static(scene: &mut Scene, instance: &str, metadata: &str, may_skip: bool) -> RequestId {
    let mut join = scene.join_of("", metadata);
    join.group_instance_id = Some(instance.to_owned());
    join.may_skip_assignment = may_skip;
    scene.ask(Request::Join(Box::new(join)))
}

/// A stable group of the static member `one`, in generation 1.
fn one_static_member(scene: &mut Scene) -> String {
    let request = join_static(scene, "one", "a", true);
    let member_id = scene.joined(request).member_id;
    assert!(member_id.starts_with("one-"), "{member_id}");
    scene.sync(&member_id, 1, &[(&member_id, "all")]);
    member_id
}

fn heartbeat_as(scene: &mut Scene, member_id: &str, instance: &str) -> Answer {
    let member = MemberOfGeneration {
        group_instance_id: Some(instance.to_owned()),
        ..member_of(member_id, 1)
    };
    let request = scene.ask(Request::Heartbeat(Heartbeat { member }));
    scene.answers[&request].clone()
}

#[test]
fn a_static_member_that_restarts_takes_its_place_back_without_a_rebalance() {
    let mut scene = Scene::without_delay();
    let former = one_static_member(&mut scene);
    let request = join_static(&mut scene, "one", "a", true);
    let answer = scene.joined(request);
    assert_eq!(answer.refusal, None);
    assert_eq!(answer.generation, 1, "no rebalance");
    assert_ne!(answer.member_id, former);
    assert_eq!(answer.leader, answer.member_id);
    assert!(answer.skip_assignment, "the leader keeps the assignment as it is");
    let sync = scene.sync(&answer.member_id, 1, &[]);
    assert_eq!(scene.synced(sync).unwrap().assignment, bytes_of("all"));
    let fenced = heartbeat_as(&mut scene, &former, "one");
    assert_eq!(fenced, Answer::Heartbeat(Err(Refusal::FencedInstanceId)));
}

#[test]
fn an_old_client_that_takes_its_place_back_is_not_told_that_it_leads() {
    let mut scene = Scene::without_delay();
    let former = one_static_member(&mut scene);
    let request = join_static(&mut scene, "one", "a", false);
    let answer = scene.joined(request);
    assert_eq!(answer.leader, former);
    assert!(!answer.skip_assignment);
    assert!(answer.members.is_empty());
}

#[test]
fn a_static_member_with_another_subscription_causes_a_rebalance_only_for_another_protocol() {
    let mut scene = Scene::without_delay();
    one_static_member(&mut scene);
    let request = join_static(&mut scene, "one", "changed", true);
    let answer = scene.joined(request);
    assert_eq!(answer.generation, 1);
    assert_eq!(answer.members[0].metadata, bytes_of("changed"), "the leader sees what changed");
}

#[test]
fn the_place_is_taken_over_only_once_that_is_kept() {
    let mut scene = Scene::without_delay();
    one_static_member(&mut scene);
    scene.holds_writes = true;
    let request = join_static(&mut scene, "one", "a", true);
    assert!(scene.is_waiting(request));
    scene.release(Err(WriteFailure::Unavailable));
    assert_eq!(scene.joined(request).refusal, Some(Refusal::CoordinatorNotAvailable));
    let request = join_static(&mut scene, "one", "a", true);
    scene.release(Ok(()));
    assert_eq!(scene.joined(request).refusal, None);
    scene.holds_writes = false;
    scene.restart();
    let member_id = scene.joined(request).member_id;
    assert_eq!(heartbeat_as(&mut scene, &member_id, "one"), Answer::Heartbeat(Ok(())));
}

#[test]
fn a_request_that_waits_is_refused_when_its_static_name_is_taken_over() {
    let mut scene = Scene::without_delay();
    let (leader, _) = scene.enter("a");
    scene.sync(&leader, 1, &[(&leader, "all")]);
    let joining = join_static(&mut scene, "one", "b", true);
    scene.join(&leader, "a");
    let former = scene.joined(joining).member_id;
    let waiting = scene.sync(&former, 2, &[]);
    assert!(scene.is_waiting(waiting), "the leader has not assigned yet");
    let again = join_static(&mut scene, "one", "b", true);
    assert_eq!(scene.synced(waiting), Err(Refusal::FencedInstanceId));
    assert!(scene.is_waiting(again), "for the generation that the leader is asked to join");
    scene.join(&leader, "a");
    assert_eq!(scene.joined(again).generation, 3);
}

#[test]
fn a_static_member_leaves_by_its_name() {
    let mut scene = Scene::without_delay();
    one_static_member(&mut scene);
    let by_name = |name: &str| LeavingMember {
        member_id: String::new(),
        group_instance_id: Some(name.to_owned()),
    };
    let members = vec![by_name("one"), by_name("nobody")];
    let request = scene.ask(Request::Leave(LeaveGroup { group_id: group(), members }));
    let Answer::Leave(Ok(left)) = &scene.answers[&request] else { panic!("not a leave") };
    let outcomes: Vec<_> = left.iter().map(|member| member.outcome).collect();
    assert_eq!(outcomes, [Ok(()), Err(Refusal::UnknownMemberId)]);
    assert_eq!(scene.state(), "Empty");
}
