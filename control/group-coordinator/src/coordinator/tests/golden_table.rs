//! What every request of a classic group leads to in every state.

use super::{Scene, bytes_of, group, member_of, partition, topic};
use crate::answer::Answer;
use crate::request::{
    Heartbeat, LeaveGroup, LeavingMember, OffsetDelete, Request, RequestId, SyncGroup,
};

/// Answer and state afterwards; a waiting request is not answered yet.
const TABLE: &str = "\
Empty               | join of a stranger    | generation 4           -> CompletingRebalance
Empty               | join for an id        | MemberIdRequired       -> Empty
Empty               | join of the leader    | UnknownMemberId        -> Empty
Empty               | join of the follower  | UnknownMemberId        -> Empty
Empty               | join with news        | UnknownMemberId        -> Empty
Empty               | sync of the leader    | UnknownMemberId        -> Empty
Empty               | sync of the follower  | UnknownMemberId        -> Empty
Empty               | sync too old          | UnknownMemberId        -> Empty
Empty               | heartbeat             | UnknownMemberId        -> Empty
Empty               | heartbeat too old     | UnknownMemberId        -> Empty
Empty               | leave of the follower | UnknownMemberId        -> Empty
Empty               | leave of a stranger   | UnknownMemberId        -> Empty
Empty               | commit of a member    | UnknownMemberId        -> Empty
Empty               | commit of a tool      | ok                     -> Empty
Empty               | delete offsets        | ok                     -> Empty
Empty               | delete group          | ok                     -> Dead
PreparingRebalance  | join of a stranger    | waits                  -> PreparingRebalance
PreparingRebalance  | join for an id        | MemberIdRequired       -> PreparingRebalance
PreparingRebalance  | join of the leader    | generation 3           -> CompletingRebalance
PreparingRebalance  | join of the follower  | waits                  -> PreparingRebalance
PreparingRebalance  | join with news        | waits                  -> PreparingRebalance
PreparingRebalance  | sync of the leader    | RebalanceInProgress    -> PreparingRebalance
PreparingRebalance  | sync of the follower  | RebalanceInProgress    -> PreparingRebalance
PreparingRebalance  | sync too old          | IllegalGeneration      -> PreparingRebalance
PreparingRebalance  | heartbeat             | RebalanceInProgress    -> PreparingRebalance
PreparingRebalance  | heartbeat too old     | IllegalGeneration      -> PreparingRebalance
PreparingRebalance  | leave of the follower | ok                     -> PreparingRebalance
PreparingRebalance  | leave of a stranger   | UnknownMemberId        -> PreparingRebalance
PreparingRebalance  | commit of a member    | ok                     -> PreparingRebalance
PreparingRebalance  | commit of a tool      | UnknownMemberId        -> PreparingRebalance
PreparingRebalance  | delete offsets        | GroupSubscribedToTopic -> PreparingRebalance
PreparingRebalance  | delete group          | NonEmptyGroup          -> PreparingRebalance
CompletingRebalance | join of a stranger    | waits                  -> PreparingRebalance
CompletingRebalance | join for an id        | MemberIdRequired       -> CompletingRebalance
CompletingRebalance | join of the leader    | generation 3           -> CompletingRebalance
CompletingRebalance | join of the follower  | generation 3           -> CompletingRebalance
CompletingRebalance | join with news        | waits                  -> PreparingRebalance
CompletingRebalance | sync of the leader    | all                    -> Stable
CompletingRebalance | sync of the follower  | waits                  -> CompletingRebalance
CompletingRebalance | sync too old          | IllegalGeneration      -> CompletingRebalance
CompletingRebalance | heartbeat             | ok                     -> CompletingRebalance
CompletingRebalance | heartbeat too old     | IllegalGeneration      -> CompletingRebalance
CompletingRebalance | leave of the follower | ok                     -> PreparingRebalance
CompletingRebalance | leave of a stranger   | UnknownMemberId        -> CompletingRebalance
CompletingRebalance | commit of a member    | RebalanceInProgress    -> CompletingRebalance
CompletingRebalance | commit of a tool      | UnknownMemberId        -> CompletingRebalance
CompletingRebalance | delete offsets        | GroupSubscribedToTopic -> CompletingRebalance
CompletingRebalance | delete group          | NonEmptyGroup          -> CompletingRebalance
Stable              | join of a stranger    | waits                  -> PreparingRebalance
Stable              | join for an id        | MemberIdRequired       -> Stable
Stable              | join of the leader    | waits                  -> PreparingRebalance
Stable              | join of the follower  | generation 2           -> Stable
Stable              | join with news        | waits                  -> PreparingRebalance
Stable              | sync of the leader    | left                   -> Stable
Stable              | sync of the follower  | right                  -> Stable
Stable              | sync too old          | IllegalGeneration      -> Stable
Stable              | heartbeat             | ok                     -> Stable
Stable              | heartbeat too old     | IllegalGeneration      -> Stable
Stable              | leave of the follower | ok                     -> PreparingRebalance
Stable              | leave of a stranger   | UnknownMemberId        -> Stable
Stable              | commit of a member    | ok                     -> Stable
Stable              | commit of a tool      | UnknownMemberId        -> Stable
Stable              | delete offsets        | GroupSubscribedToTopic -> Stable
Stable              | delete group          | NonEmptyGroup          -> Stable
";

const STATES: [&str; 4] = ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"];

const REQUESTS: [&str; 16] = [
    "join of a stranger",
    "join for an id",
    "join of the leader",
    "join of the follower",
    "join with news",
    "sync of the leader",
    "sync of the follower",
    "sync too old",
    "heartbeat",
    "heartbeat too old",
    "leave of the follower",
    "leave of a stranger",
    "commit of a member",
    "commit of a tool",
    "delete offsets",
    "delete group",
];

#[test]
fn every_request_in_every_state_leads_where_the_golden_table_says() {
    let mut table = String::new();
    for state in STATES {
        for request in REQUESTS {
            let (mut scene, leader, follower) = scene_in(state);
            assert_eq!(scene.state(), state);
            let generation = if matches!(state, "Stable" | "PreparingRebalance") { 2 } else { 3 };
            let body = body_of(&mut scene, request, (&leader, &follower), generation);
            let id = scene.ask(body);
            let line = format!("{state:<19} | {request:<21} | {}", answer_of(&scene, id));
            table.push_str(&format!("{line:<68} -> {}\n", scene.state()));
        }
    }
    assert_eq!(table, TABLE, "\n{table}");
}

/// A group of a leader and a follower, brought into `state`.
fn scene_in(state: &str) -> (Scene, String, String) {
    let mut scene = Scene::without_delay();
    let (leader, follower) = scene.two_members();
    match state {
        "Empty" => {
            scene.leave(&[&leader, &follower]);
        }
        "PreparingRebalance" => {
            scene.join(&follower, "changed");
        }
        "CompletingRebalance" => {
            scene.join(&follower, "changed");
            scene.join(&leader, "a");
        }
        _ => {}
    }
    (scene, leader, follower)
}

fn body_of(
    scene: &mut Scene,
    request: &str,
    (leader, follower): (&str, &str),
    generation: i32,
) -> Request {
    let known = if scene.state() == "Stable" { "b" } else { "changed" };
    let mut join = |member_id: &str, metadata: &str| {
        let mut join = scene.join_of(member_id, metadata);
        join.must_know_member_id = request == "join for an id";
        Request::Join(Box::new(join))
    };
    let sync = |member_id: &str, generation: i32| {
        Request::Sync(SyncGroup {
            member: member_of(member_id, generation),
            protocol_type: None,
            protocol_name: None,
            assignments: vec![(leader.to_owned(), bytes_of("all"))],
        })
    };
    let heartbeat =
        |generation| Request::Heartbeat(Heartbeat { member: member_of(leader, generation) });
    let leave = |member_id: &str| {
        let member = LeavingMember { member_id: member_id.to_owned(), group_instance_id: None };
        Request::Leave(LeaveGroup { group_id: group(), members: vec![member] })
    };
    match request {
        "join of a stranger" | "join for an id" => join("", "c"),
        "join of the leader" => join(leader, "a"),
        "join of the follower" => join(follower, known),
        "join with news" => join(follower, "news"),
        "sync of the leader" => sync(leader, generation),
        "sync of the follower" => sync(follower, generation),
        "sync too old" => sync(leader, generation - 1),
        "heartbeat" => heartbeat(generation),
        "heartbeat too old" => heartbeat(generation - 1),
        "leave of the follower" => leave(follower),
        "leave of a stranger" => leave("stranger"),
        "commit of a member" => Request::OffsetCommit(Scene::commit_of(leader, generation, 1)),
        "commit of a tool" => Request::OffsetCommit(Scene::commit_of("", -1, 1)),
        "delete offsets" => Request::OffsetDelete(OffsetDelete {
            group_id: group(),
            partitions: vec![(topic("orders"), partition(0))],
        }),
        _ => Request::DeleteGroup(group()),
    }
}

fn answer_of(scene: &Scene, request: RequestId) -> String {
    let outcome = |outcome: Result<(), crate::refusal::Refusal>| {
        outcome.map_or_else(|refusal| format!("{refusal:?}"), |()| "ok".to_owned())
    };
    match scene.answers.get(&request) {
        None => "waits".to_owned(),
        Some(Answer::Join(answer)) => match answer.refusal {
            None => format!("generation {}", answer.generation),
            Some(refusal) => format!("{refusal:?}"),
        },
        Some(Answer::Sync(answer)) => match answer {
            Ok(answer) => String::from_utf8_lossy(&answer.assignment).into_owned(),
            Err(refusal) => format!("{refusal:?}"),
        },
        Some(Answer::Heartbeat(answer) | Answer::DeleteGroup(answer)) => outcome(*answer),
        Some(Answer::Leave(answer)) => match answer {
            Ok(left) => outcome(left[0].outcome),
            Err(refusal) => format!("{refusal:?}"),
        },
        Some(Answer::ConsumerGroupHeartbeat(_)) => "of the other kind".to_owned(),
        Some(Answer::OffsetCommit(answer) | Answer::OffsetDelete(answer)) => match answer {
            Ok(partitions) => outcome(partitions[0].outcome),
            Err(refusal) => format!("{refusal:?}"),
        },
    }
}
