//! Random members of a consumer group doing random things: no partition is read by two of them.

use std::collections::BTreeMap;

use kafka_wire::partition::{PartitionIndex, TopicId};
use proptest::prelude::*;

use super::Scene;
use super::consumer_groups::{heartbeat_of, join_of, set_topics};
use crate::answer::Answer;
use crate::assignment::Assignment;
use crate::coordinator::WriteFailure;
use crate::refusal::Refusal;
use crate::request::{ConsumerGroupHeartbeat, Request, RequestId};

#[derive(Clone, Debug)]
enum Event {
    Join {
        client: usize,
        topics: usize,
    },
    Heartbeat {
        client: usize,
        says_all: bool,
    },
    /// Gives up what it was told to.
    GiveUp {
        client: usize,
    },
    /// The answer to the next heartbeat is lost.
    LoseAnswer {
        client: usize,
    },
    Leave {
        client: usize,
    },
    Pass {
        milliseconds: u64,
    },
    Topics {
        orders: u32,
        payments: u32,
    },
    Restart,
    HoldWrites,
    ReleaseWrites {
        fail: bool,
    },
}

/// A client: what it was told to have, and what it reads.
#[derive(Clone, Debug, Default)]
struct Client {
    epoch: i32,
    told: Assignment,
    reads: Assignment,
    loses_answer: bool,
    /// Nothing it said before may count: it says everything next time.
    says_all_next: bool,
    topics: Vec<String>,
    /// It asked, and was not answered yet.
    asked: Option<RequestId>,
    /// When it asked what it was answered last: it stops reading when that is a session ago.
    heard_of_ms: u64,
    asked_ms: u64,
}

const CLIENTS: usize = 4;
const SESSION_MS: u64 = 45_000;

fn event() -> impl Strategy<Value = Event> {
    let client = 0..CLIENTS;
    prop_oneof![
        3 => (client.clone(), 0_usize..3)
            .prop_map(|(client, topics)| Event::Join { client, topics }),
        8 => (client.clone(), any::<bool>())
            .prop_map(|(client, says_all)| Event::Heartbeat { client, says_all }),
        6 => client.clone().prop_map(|client| Event::GiveUp { client }),
        1 => client.clone().prop_map(|client| Event::LoseAnswer { client }),
        1 => client.prop_map(|client| Event::Leave { client }),
        2 => (1_u64..30_000).prop_map(|milliseconds| Event::Pass { milliseconds }),
        1 => (0_u32..6, 0_u32..4)
            .prop_map(|(orders, payments)| Event::Topics { orders, payments }),
        1 => Just(Event::Restart),
        1 => Just(Event::HoldWrites),
        2 => prop::bool::weighted(0.2).prop_map(|fail| Event::ReleaseWrites { fail }),
    ]
}

struct History {
    scene: Scene,
    clients: Vec<Client>,
    topics: Vec<(&'static str, u8, u32)>,
}

impl History {
    fn new() -> Self {
        let mut history = Self {
            scene: Scene::without_delay(),
            clients: vec![Client::default(); CLIENTS],
            topics: vec![("orders", 1, 5), ("payments", 2, 3)],
        };
        set_topics(&mut history.scene, &history.topics);
        history
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Join { client, topics } => {
                let names = [&["orders"][..], &["payments"], &["orders", "payments"]][topics];
                // Who joins has stopped reading.
                self.clients[client].reads = Assignment::new();
                self.clients[client].told = Assignment::new();
                self.clients[client].topics = names.iter().map(|name| (*name).to_owned()).collect();
                self.send(client, join_of(&name(client), names));
            }
            Event::Heartbeat { client, says_all } => {
                let state = &self.clients[client];
                if state.epoch > 0 {
                    let owned = says_all.then(|| state.reads.clone());
                    let heartbeat = heartbeat_of(&name(client), state.epoch);
                    self.send(client, ConsumerGroupHeartbeat { owned, ..heartbeat });
                }
            }
            Event::GiveUp { client } => {
                let state = &mut self.clients[client];
                if state.epoch > 0 {
                    state.reads = state.told.clone();
                    let owned = Some(state.reads.clone());
                    let heartbeat = heartbeat_of(&name(client), state.epoch);
                    self.send(client, ConsumerGroupHeartbeat { owned, ..heartbeat });
                }
            }
            Event::LoseAnswer { client } => self.clients[client].loses_answer = true,
            Event::Leave { client } => {
                self.clients[client] = Client::default();
                let heartbeat = heartbeat_of(&name(client), -1);
                self.scene.ask(Request::ConsumerGroupHeartbeat(Box::new(heartbeat)));
            }
            Event::Pass { milliseconds } => self.pass(milliseconds),
            Event::Topics { orders, payments } => {
                self.topics = vec![("orders", 1, orders), ("payments", 2, payments)];
                set_topics(&mut self.scene, &self.topics);
            }
            Event::Restart => {
                if self.scene.held.is_empty() {
                    self.scene.restart();
                    set_topics(&mut self.scene, &self.topics);
                }
            }
            Event::HoldWrites => self.scene.holds_writes = true,
            Event::ReleaseWrites { fail } => {
                self.scene.holds_writes = false;
                let outcome = if fail { Err(WriteFailure::Unavailable) } else { Ok(()) };
                self.scene.release(outcome);
            }
        }
        self.hear();
        self.check();
    }

    fn pass(&mut self, milliseconds: u64) {
        // A client that is not answered for a session knows that it is lost before anybody else.
        let then_ms = self.scene.now.elapsed_ms + milliseconds;
        for client in &mut self.clients {
            if then_ms - client.heard_of_ms >= SESSION_MS {
                let Client { asked, asked_ms, .. } = *client;
                *client = Client { asked, asked_ms, ..Client::default() };
                client.loses_answer = client.asked.is_some();
            }
        }
        self.scene.pass(milliseconds);
    }

    fn send(&mut self, client: usize, mut heartbeat: ConsumerGroupHeartbeat) {
        let state = &mut self.clients[client];
        if state.asked.is_none() {
            if std::mem::take(&mut state.says_all_next) && heartbeat.member_epoch > 0 {
                heartbeat.rebalance_timeout_ms = 60_000;
                heartbeat.topic_names = Some(state.topics.clone());
                heartbeat.owned = Some(state.reads.clone());
            }
            if heartbeat.rebalance_timeout_ms >= 0 {
                // Who is lost for not giving up in time may read on for a while, with Kafka, too.
                heartbeat.rebalance_timeout_ms = i32::MAX;
            }
            let body = Request::ConsumerGroupHeartbeat(Box::new(heartbeat));
            let request = self.scene.ask(body);
            self.clients[client].asked = Some(request);
            self.clients[client].asked_ms = self.scene.now.elapsed_ms;
        }
    }

    fn hear(&mut self) {
        for client in &mut self.clients {
            let Some(request) = client.asked.filter(|asked| !self.scene.is_waiting(*asked)) else {
                continue;
            };
            client.asked = None;
            if std::mem::take(&mut client.loses_answer) {
                client.says_all_next = true;
                continue;
            }
            let Answer::ConsumerGroupHeartbeat(answer) = &self.scene.answers[&request] else {
                panic!("only heartbeats are sent");
            };
            match answer {
                Ok(answer) => {
                    assert!(answer.member_epoch >= client.epoch, "member epochs only rise");
                    client.epoch = answer.member_epoch;
                    client.heard_of_ms = client.asked_ms;
                    if let Some(assignment) = &answer.assignment {
                        client.told = assignment.clone();
                        // New partitions are read at once, others given up in its own time.
                        for (topic, partition) in assignment.iter() {
                            client.reads.insert(topic, partition);
                        }
                    }
                }
                Err(Refusal::CoordinatorNotAvailable) => client.says_all_next = true,
                Err(_) => *client = Client::default(),
            }
        }
    }

    /// No partition is read by two clients, nor held by two members.
    fn check(&self) {
        let mut readers: BTreeMap<(TopicId, PartitionIndex), usize> = BTreeMap::new();
        for (index, client) in self.clients.iter().enumerate() {
            for partition in client.reads.iter() {
                let other = readers.insert(partition, index);
                assert_eq!(other, None, "{partition:?} is read by {index}, too");
            }
        }
        let described = self.scene.coordinator.describe_consumer(&super::group());
        let mut holders: BTreeMap<(TopicId, PartitionIndex), String> = BTreeMap::new();
        for member in described.into_iter().flat_map(|group| group.members) {
            for partition in member.assignment.iter() {
                let other = holders.insert(partition, member.member_id.clone());
                assert_eq!(other, None, "{partition:?} is given to {}, too", member.member_id);
            }
        }
    }
}

fn name(client: usize) -> String {
    format!("member-{client}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_partition_is_ever_read_by_two_members_and_epochs_only_rise(
        events in prop::collection::vec(event(), 1..150),
    ) {
        let mut history = History::new();
        for event in events {
            history.apply(event);
        }
        // Left alone, everybody who is in the group gets what is to be had.
        history.apply(Event::ReleaseWrites { fail: false });
        for _ in 0..8 {
            for client in 0..CLIENTS {
                history.apply(Event::GiveUp { client });
            }
        }
        let described = history.scene.coordinator.describe_consumer(&super::group());
        for member in described.into_iter().flat_map(|group| group.members) {
            let is_heard_of = history.clients.iter().enumerate().any(|(client, state)| {
                name(client) == member.member_id && state.epoch > 0
            });
            if is_heard_of {
                prop_assert!(member.assignment.is_within(&member.target_assignment));
            }
        }
    }
}
