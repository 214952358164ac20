use super::{Scene, bytes_of, protocol};
use crate::coordinator::{GroupSettings, WriteFailure};
use crate::limits::GROUP_METADATA_BYTES_MAX;
use crate::refusal::Refusal;
use crate::request::Request;

#[test]
fn the_first_rebalance_waits_for_more_members() {
    let mut scene = Scene::new(GroupSettings::default());
    let (first, first_join) = scene.enter("a");
    scene.pass(2_900);
    assert!(scene.is_waiting(first_join));
    let (second, second_join) = scene.enter("b");
    scene.pass(2_900);
    assert!(scene.is_waiting(first_join), "the second member began another delay");
    scene.pass(200);
    assert_eq!(scene.joined(first_join).generation, 1);
    assert_eq!(scene.joined(second_join).generation, 1);
    let leader = scene.joined(first_join);
    assert_eq!(leader.leader, first);
    let told: Vec<&str> = leader.members.iter().map(|member| member.member_id.as_str()).collect();
    assert_eq!(told, [first.as_str(), second.as_str()]);
    assert!(scene.joined(second_join).members.is_empty(), "only the leader sees everybody");
}

#[test]
fn the_first_rebalance_is_extended_no_longer_than_its_timeout() {
    let mut scene = Scene::new(GroupSettings::default());
    let mut first = scene.join_of("", "a");
    first.rebalance_timeout_ms = 6_000;
    first.must_know_member_id = false;
    let request = scene.ask(Request::Join(Box::new(first)));
    for _ in 0..5 {
        scene.pass(1_000);
        let mut join = scene.join_of("", "b");
        join.rebalance_timeout_ms = 6_000;
        join.must_know_member_id = false;
        scene.ask(Request::Join(Box::new(join)));
    }
    assert!(scene.is_waiting(request));
    scene.pass(1_000);
    assert_eq!(scene.joined(request).members.len(), 6);
}

#[test]
fn the_leader_dies_and_the_others_go_on_without_it() {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    for _ in 0..3 {
        scene.pass(3_000);
        assert_eq!(scene.heartbeat(&follower, 2), Ok(()));
    }
    scene.pass(1_000);
    assert_eq!(scene.heartbeat(&follower, 2), Err(Refusal::RebalanceInProgress));
    let again = scene.join(&follower, "b");
    let joined = scene.joined(again);
    assert_eq!((joined.generation, joined.leader), (3, follower.clone()));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(scene.heartbeat(&leader, 2), Err(Refusal::UnknownMemberId));
}

#[test]
fn a_member_that_joins_too_late_is_left_behind() {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    let (third, third_join) = scene.enter("c");
    let leader_join = scene.join(&leader, "a");
    for _ in 0..12 {
        // Alive, and told to join, but it does not.
        assert_eq!(scene.heartbeat(&follower, 2), Err(Refusal::RebalanceInProgress));
        assert!(scene.is_waiting(leader_join));
        scene.pass(5_000);
    }
    assert_eq!(scene.joined(leader_join).generation, 3);
    assert_eq!(scene.joined(third_join).leader, leader);
    assert_eq!(scene.heartbeat(&follower, 2), Err(Refusal::UnknownMemberId));
    assert_eq!(scene.heartbeat(&third, 3), Ok(()));
}

#[test]
fn a_member_that_never_syncs_is_taken_out_after_the_rebalance_timeout() {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    let follower_join = scene.join(&follower, "changed");
    scene.join(&leader, "a");
    assert_eq!(scene.joined(follower_join).generation, 3);
    scene.sync(&leader, 3, &[(&leader, "left"), (&follower, "right")]);
    assert_eq!(scene.state(), "Stable");
    for _ in 0..12 {
        scene.pass(5_000);
        scene.heartbeat(&leader, 3).ok();
        scene.heartbeat(&follower, 3).ok();
    }
    assert_eq!(scene.heartbeat(&follower, 3), Err(Refusal::UnknownMemberId));
    assert_eq!(scene.heartbeat(&leader, 3), Err(Refusal::RebalanceInProgress));
}

#[test]
fn a_member_that_waits_for_the_others_is_not_lost_for_being_silent() {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    let waiting = scene.join(&leader, "a");
    for _ in 0..8 {
        scene.pass(5_000);
        scene.heartbeat(&follower, 2).ok();
    }
    assert!(scene.is_waiting(waiting));
    scene.join(&follower, "b");
    assert_eq!(scene.joined(waiting).members.len(), 2);
}

#[test]
fn an_id_nobody_comes_back_with_is_void_after_a_session() {
    let mut scene = Scene::without_delay();
    let asked = scene.join("", "a");
    let given = scene.joined(asked).member_id;
    scene.pass(10_000);
    let late = scene.join(&given, "a");
    assert_eq!(scene.joined(late).refusal, Some(Refusal::UnknownMemberId));
    assert_eq!(scene.state(), "Dead", "nothing is remembered of the group");
}

#[test]
fn a_rebalance_waits_for_the_owner_of_an_id_given_out() {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    let asked = scene.join("", "c");
    let first = scene.join(&leader, "a");
    let second = scene.join(&follower, "b");
    assert!(scene.is_waiting(first));
    let given = scene.joined(asked).member_id;
    let third = scene.join(&given, "c");
    for request in [first, second, third] {
        assert_eq!(scene.joined(request).generation, 3);
    }
}

#[test]
fn the_protocol_most_members_like_best_is_chosen_among_the_common_ones() {
    let mut scene = Scene::without_delay();
    let (leader, first) = scene.enter("x");
    assert_eq!(scene.joined(first).protocol_name.as_deref(), Some("range"));
    let mut likes = Vec::new();
    for names in [["sticky", "range"], ["sticky", "range"], ["range", "sticky"]] {
        let mut join = scene.join_of("", "");
        join.must_know_member_id = false;
        join.protocols = names.iter().map(|name| protocol(name, name)).collect();
        likes.push(scene.ask(Request::Join(Box::new(join))));
    }
    let mut again = scene.join_of(&leader, "");
    again.protocols = ["roundrobin", "range", "sticky"].map(|name| protocol(name, name)).to_vec();
    scene.ask(Request::Join(Box::new(again)));
    // Sticky has two votes of four: the leader likes roundrobin, which nobody else offers.
    let answer = scene.joined(likes[0]);
    assert_eq!(answer.protocol_name.as_deref(), Some("range"), "two each: the first by name");
    let mut other = scene.join_of("", "");
    other.protocols = vec![protocol("unheard-of", "")];
    let refused = scene.ask(Request::Join(Box::new(other)));
    assert_eq!(scene.joined(refused).refusal, Some(Refusal::InconsistentGroupProtocol));
}

#[test]
fn a_full_group_takes_nobody() {
    let mut scene = Scene::new(GroupSettings {
        initial_rebalance_delay_ms: 0,
        group_members_max: 2,
        ..GroupSettings::default()
    });
    scene.two_members();
    let third = scene.join("", "c");
    assert_eq!(scene.joined(third).refusal, Some(Refusal::GroupMaxSizeReached));
}

#[test]
fn session_timeouts_out_of_bounds_are_refused() {
    let mut scene = Scene::without_delay();
    for (session_timeout_ms, refusal) in [
        (5_999, Some(Refusal::InvalidSessionTimeout)),
        (6_000, Some(Refusal::MemberIdRequired)),
        (1_800_000, Some(Refusal::MemberIdRequired)),
        (1_800_001, Some(Refusal::InvalidSessionTimeout)),
    ] {
        let mut join = scene.join_of("", "a");
        join.session_timeout_ms = session_timeout_ms;
        let request = scene.ask(Request::Join(Box::new(join)));
        assert_eq!(scene.joined(request).refusal, refusal, "{session_timeout_ms}");
    }
}

#[test]
fn oversized_metadata_and_assignments_are_refused() {
    let mut scene = Scene::without_delay();
    let (leader, _) = scene.two_members();
    let large = "x".repeat(GROUP_METADATA_BYTES_MAX);
    let join = scene.join("", &large);
    assert_eq!(scene.joined(join).refusal, Some(Refusal::GroupMaxSizeReached));
    let sync = scene.sync(&leader, 2, &[(&leader, &large)]);
    assert_eq!(scene.synced(sync), Err(Refusal::MessageTooLarge));
}

#[test]
fn an_assignment_that_cannot_be_kept_makes_everybody_join_again() {
    let mut scene = Scene::without_delay();
    let (leader, joining) = scene.enter("a");
    assert_eq!(scene.joined(joining).generation, 1);
    scene.holds_writes = true;
    let waiting = scene.sync(&leader, 1, &[(&leader, "all")]);
    assert!(scene.is_waiting(waiting), "nothing is promised before it is kept");
    scene.release(Err(WriteFailure::Unavailable));
    assert_eq!(scene.synced(waiting), Err(Refusal::CoordinatorNotAvailable));
    let again = scene.join(&leader, "a");
    assert_eq!(scene.joined(again).generation, 2);
    let waiting = scene.sync(&leader, 2, &[(&leader, "all")]);
    scene.release(Ok(()));
    assert_eq!(scene.synced(waiting).unwrap().assignment, bytes_of("all"));
}

#[test]
fn an_assignment_that_a_rebalance_overtook_is_not_handed_out() {
    let mut scene = Scene::without_delay();
    let (leader, _) = scene.enter("a");
    scene.holds_writes = true;
    let waiting = scene.sync(&leader, 1, &[(&leader, "all")]);
    let (_, joining) = scene.enter("b");
    assert_eq!(scene.synced(waiting), Err(Refusal::RebalanceInProgress));
    scene.release(Ok(()));
    assert_eq!(scene.state(), "PreparingRebalance");
    assert!(scene.is_waiting(joining));
}

#[test]
fn a_second_join_of_a_waiting_member_ends_the_first_one() {
    let mut scene = Scene::without_delay();
    let (leader, _) = scene.two_members();
    let first = scene.join(&leader, "a");
    let second = scene.join(&leader, "a");
    assert_eq!(scene.joined(first).refusal, Some(Refusal::RebalanceInProgress));
    assert!(scene.is_waiting(second));
}

#[test]
fn members_go_on_after_a_restart() {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    scene.restart();
    assert_eq!(scene.state(), "Stable");
    assert_eq!(scene.heartbeat(&leader, 2), Ok(()));
    assert_eq!(scene.heartbeat(&follower, 2), Ok(()));
    let sync = scene.sync(&follower, 2, &[]);
    assert_eq!(scene.synced(sync).unwrap().assignment, bytes_of("right"));
    scene.pass(10_000);
    assert_eq!(scene.state(), "Empty", "nobody was heard of again");
    assert_eq!(scene.heartbeat(&leader, 2), Err(Refusal::UnknownMemberId));
}

#[test]
fn a_snapshot_taken_within_a_rebalance_makes_members_join_again() {
    let mut scene = Scene::without_delay();
    let (leader, _) = scene.two_members();
    scene.join(&leader, "changed");
    assert_eq!(scene.state(), "PreparingRebalance");
    scene.log = scene.coordinator.snapshot(scene.now, &super::group());
    scene.restart();
    assert_eq!(scene.state(), "Empty");
    assert_eq!(scene.heartbeat(&leader, 2), Err(Refusal::UnknownMemberId));
    let (_, joining) = scene.enter("a");
    assert_eq!(scene.joined(joining).generation, 3, "generations go on from where they were");
}
