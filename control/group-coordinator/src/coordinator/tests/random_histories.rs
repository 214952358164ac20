//! Random members doing random things in random order: what must hold holds after every step.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Scene, bytes_of, group, member_of};
use crate::answer::Answer;
use crate::coordinator::{GroupSettings, WriteFailure};
use crate::refusal::Refusal;
use crate::request::{Heartbeat, LeaveGroup, LeavingMember, Request, RequestId, SyncGroup};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    Join {
        client: usize,
        metadata: u8,
    },
    Sync {
        client: usize,
    },
    Heartbeat {
        client: usize,
    },
    Commit {
        client: usize,
    },
    Leave {
        client: usize,
    },
    /// The client starts anew, without its id.
    Restart {
        client: usize,
    },
    Pass {
        milliseconds: u64,
    },
    HoldWrites,
    ReleaseWrites {
        fail: bool,
    },
    DeleteGroup,
}

/// A client as it sees itself; odd ones are static members.
#[derive(Clone, Debug, Default)]
struct Client {
    member_id: String,
    generation: i32,
    is_leader: bool,
    members: Vec<String>,
    /// How often it was restarted: answers to its former lives do not reach it.
    life: u32,
}

const CLIENTS: usize = 5;

fn event() -> impl Strategy<Value = Event> {
    let client = 0..CLIENTS;
    prop_oneof![
        6 => (client.clone(), 0_u8..3)
            .prop_map(|(client, metadata)| Event::Join { client, metadata }),
        5 => client.clone().prop_map(|client| Event::Sync { client }),
        3 => client.clone().prop_map(|client| Event::Heartbeat { client }),
        2 => client.clone().prop_map(|client| Event::Commit { client }),
        1 => client.clone().prop_map(|client| Event::Leave { client }),
        1 => client.prop_map(|client| Event::Restart { client }),
        3 => (1_u64..20_000).prop_map(|milliseconds| Event::Pass { milliseconds }),
        1 => Just(Event::HoldWrites),
        2 => prop::bool::weighted(0.2).prop_map(|fail| Event::ReleaseWrites { fail }),
        1 => Just(Event::DeleteGroup),
    ]
}

struct History {
    scene: Scene,
    clients: Vec<Client>,
    /// What was asked, by whom, and as which member.
    asked: BTreeMap<RequestId, (usize, Client)>,
}

impl History {
    fn new(initial_rebalance_delay_ms: u64) -> Self {
        let settings = GroupSettings { initial_rebalance_delay_ms, ..GroupSettings::default() };
        Self {
            scene: Scene::new(settings),
            clients: vec![Client::default(); CLIENTS],
            asked: BTreeMap::new(),
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Join { client, metadata } => self.join(client, metadata),
            Event::Sync { client } => self.sync(client),
            Event::Heartbeat { client } => {
                let member = self.member(client);
                self.scene.ask(Request::Heartbeat(Heartbeat { member }));
            }
            Event::Commit { client } => {
                let mut commit = Scene::commit_of("", 0, 1);
                commit.member = self.member(client);
                let request = self.scene.ask(Request::OffsetCommit(commit));
                self.asked.insert(request, (client, self.clients[client].clone()));
            }
            Event::Leave { client } => {
                let member_id = self.clients[client].member_id.clone();
                let member = LeavingMember { member_id, group_instance_id: instance(client) };
                let leave = LeaveGroup { group_id: group(), members: vec![member] };
                self.scene.ask(Request::Leave(leave));
            }
            Event::Restart { client } => {
                let life = self.clients[client].life + 1;
                self.clients[client] = Client { life, ..Client::default() };
            }
            Event::Pass { milliseconds } => self.scene.pass(milliseconds),
            Event::HoldWrites => self.scene.holds_writes = true,
            Event::ReleaseWrites { fail } => {
                self.scene.holds_writes = false;
                let outcome = if fail { Err(WriteFailure::Unavailable) } else { Ok(()) };
                self.scene.release(outcome);
            }
            Event::DeleteGroup => {
                let request = self.scene.ask(Request::DeleteGroup(group()));
                self.asked.insert(request, (0, Client::default()));
            }
        }
        self.hear();
    }

    fn member(&self, client: usize) -> crate::request::MemberOfGeneration {
        let Client { member_id, generation, .. } = &self.clients[client];
        let mut member = member_of(member_id, *generation);
        member.group_instance_id = instance(client);
        member
    }

    fn join(&mut self, client: usize, metadata: u8) {
        let member_id = self.clients[client].member_id.clone();
        let mut join = self.scene.join_of(&member_id, &metadata.to_string());
        join.group_instance_id = instance(client);
        let request = self.scene.ask(Request::Join(Box::new(join)));
        self.asked.insert(request, (client, self.clients[client].clone()));
    }

    fn sync(&mut self, client: usize) {
        let state = self.clients[client].clone();
        let assigned = if state.is_leader { state.members } else { Vec::new() };
        let assignments = assigned.into_iter().map(|id| (id.clone(), bytes_of(&id))).collect();
        let member = self.member(client);
        let sync = SyncGroup { member, protocol_type: None, protocol_name: None, assignments };
        let request = self.scene.ask(Request::Sync(sync));
        self.asked.insert(request, (client, self.clients[client].clone()));
    }

    /// Clients learn what was answered.
    fn hear(&mut self) {
        let answered: Vec<RequestId> =
            self.asked.keys().copied().filter(|id| !self.scene.is_waiting(*id)).collect();
        for request in answered {
            let (client, asker) = self.asked.remove(&request).unwrap();
            let life = asker.life;
            if self.clients[client].life != life {
                continue;
            }
            match &self.scene.answers[&request] {
                Answer::Join(answer) => match answer.refusal {
                    None => {
                        let members = answer.members.iter();
                        self.clients[client] = Client {
                            member_id: answer.member_id.clone(),
                            generation: answer.generation,
                            is_leader: answer.leader == answer.member_id,
                            members: members.map(|member| member.member_id.clone()).collect(),
                            life,
                        };
                    }
                    Some(Refusal::MemberIdRequired) => {
                        self.clients[client].member_id.clone_from(&answer.member_id);
                    }
                    Some(Refusal::UnknownMemberId | Refusal::FencedInstanceId) => {
                        self.clients[client] = Client { life, ..Client::default() };
                    }
                    Some(_) => {}
                },
                Answer::Sync(Ok(answer)) if !answer.assignment.is_empty() => {
                    // A static member may get what its former self was given.
                    let is_own = answer.assignment == bytes_of(&asker.member_id);
                    let is_static = instance(client).is_some();
                    assert!(is_static || is_own, "a member gets its own assignment");
                }
                _ => {}
            }
        }
    }
}

fn instance(client: usize) -> Option<String> {
    (client % 2 == 1).then(|| format!("static-{client}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_join_and_sync_is_answered_once_and_generations_only_rise(
        delay in prop_oneof![Just(0_u64), Just(3_000_u64)],
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut history = History::new(delay);
        for event in events {
            history.apply(event);
        }
        history.apply(Event::ReleaseWrites { fail: false });
        // Everything ends with the last session: nothing is left waiting, answered twice or
        // remembered. That an answer comes only once is checked where answers are taken in.
        history.scene.pass(2_000_000);
        history.hear();
        prop_assert!(history.asked.is_empty());
        prop_assert!(matches!(history.scene.state(), "Empty" | "Dead"));
    }

    #[test]
    fn the_same_history_twice_leads_to_the_same_answers(
        events in prop::collection::vec(event(), 1..80),
    ) {
        let run = || {
            let mut history = History::new(3_000);
            events.iter().cloned().for_each(|event| history.apply(event));
            history.scene.answers
        };
        prop_assert_eq!(run(), run());
    }
}
