//! A node with a few mirrors, for the tests of every command.

use std::collections::BTreeMap;

use kafka_wire::partition::{PartitionIndex, TopicId, TopicName};

use super::command_error::CommandError;
use super::hold::{Recovery, TopicsRequest};
use super::start::{NodeView, SourceTopic, StartRequest};
use super::{ClusterMetadata, Planned, StopRequest};
use crate::desired_state::DesiredState;
use crate::mirror_name::MirrorName;
use crate::partition_state::MirrorPartitionState;

mod commands;
mod filters;
mod properties;
mod restoring;
mod validation_rows;

/// Metadata with what surrounds them: topics that are here, states of partitions.
#[derive(Default)]
struct Node {
    metadata: ClusterMetadata,
    here: BTreeMap<TopicName, TopicId>,
    states: BTreeMap<(MirrorName, TopicId), Vec<MirrorPartitionState>>,
    fresh_ids: u8,
}

impl Node {
    /// With the mirrors `m` and `other`, which include and exclude nothing yet.
    fn with_mirrors() -> Self {
        let mut node = Self::default();
        node.create("m");
        node.create("other");
        node
    }

    fn create(&mut self, name: &str) {
        let configs = [
            ("bootstrap.servers".to_owned(), Some("source:9092".to_owned())),
            ("topics.exclude".to_owned(), Some(String::new())),
        ];
        let change = self.metadata.plan_create(name, &configs).unwrap();
        self.metadata.apply(&change).unwrap();
    }

    /// Runs `look` with a view of what surrounds the metadata.
    fn viewed<R>(&self, look: impl FnOnce(&ClusterMetadata, &NodeView<'_>) -> R) -> R {
        let topic_id = |name: &TopicName| self.here.get(name).copied();
        let topic_of = |id: TopicId| {
            let of_id = self.here.iter().find(|(_, known)| **known == id);
            of_id.map(|(name, _)| name.clone())
        };
        let states = |mirror: &MirrorName, id: TopicId| {
            let states = self.states.get(&(mirror.clone(), id)).map(Vec::as_slice);
            let numbered = states.unwrap_or_default().iter().zip(0..);
            let partition = |index| PartitionIndex::from_wire(index).unwrap();
            numbered.map(|(state, index)| (partition(index), *state)).collect()
        };
        let view = NodeView { topic_id: &topic_id, topic_of: &topic_of, states: &states };
        look(&self.metadata, &view)
    }

    fn plan_start(&mut self, request: &StartRequest) -> Result<Planned, CommandError> {
        let mut fresh = self.fresh_ids;
        let planned = self.viewed(|metadata, here| {
            metadata.plan_start(request, here, &mut || {
                fresh += 1;
                id(100 + fresh)
            })
        });
        self.fresh_ids = fresh;
        planned
    }

    fn plan_stop(&self, request: &StopRequest) -> Result<Planned, CommandError> {
        self.viewed(|metadata, here| metadata.plan_stop(request, here))
    }

    fn plan_pause(&self, request: &TopicsRequest) -> Result<Planned, CommandError> {
        self.viewed(|metadata, here| metadata.plan_pause(request, here))
    }

    fn plan_resume(&self, request: &TopicsRequest) -> Result<Planned, CommandError> {
        self.viewed(|metadata, here| metadata.plan_resume(request, here))
    }

    fn plan_recover(&self, request: &TopicsRequest) -> Result<Recovery, CommandError> {
        self.viewed(|metadata, here| metadata.plan_recover(request, here))
    }

    fn plan_delete(&self, mirror: &str, offset: Option<i64>) -> Result<Planned, CommandError> {
        let change = self.viewed(|metadata, here| metadata.plan_delete(mirror, offset, here))?;
        Ok(Planned { change, outcomes: Vec::new(), also_stopped: Vec::new() })
    }

    /// Carries a plan out: its topics are here then.
    fn done(&mut self, planned: &Planned) {
        self.metadata.apply(&planned.change).unwrap();
        for (topic, bound) in self.metadata.topics() {
            self.here.insert(topic.clone(), bound.topic_id);
        }
    }

    /// A topic of `mirror`, with the id `number`, in this state throughout.
    fn bind(&mut self, mirror: &str, topic: &str, number: u8, desired: DesiredState) {
        let include = vec![topic.to_owned()];
        let found = vec![source(topic, number)];
        let request =
            StartRequest { mirror: mirror.to_owned(), include, found, ..StartRequest::default() };
        let planned = self.plan_start(&request).unwrap();
        assert_eq!(planned.first_error(), None);
        self.done(&planned);
        let state = match desired {
            DesiredState::Mirroring => MirrorPartitionState::Mirroring,
            DesiredState::Paused => MirrorPartitionState::Paused,
            DesiredState::Stopped => MirrorPartitionState::Stopped,
        };
        self.set_states(mirror, number, &[MirrorPartitionState::Mirroring; 2]);
        let planned = match desired {
            DesiredState::Mirroring => return,
            DesiredState::Paused => self.plan_pause(&topics(mirror, &[topic])),
            DesiredState::Stopped => self.plan_stop(&stop_topics(mirror, &[topic])),
        };
        self.done(&planned.unwrap());
        self.set_states(mirror, number, &[state; 2]);
    }

    fn set_states(&mut self, mirror: &str, number: u8, states: &[MirrorPartitionState]) {
        self.states.insert((mirror_name(mirror), id(number)), states.to_vec());
    }

    fn desired(&self, topic: &str) -> Option<(&str, DesiredState)> {
        let bound = self.metadata.topics().get(&name(topic))?;
        Some((bound.mirror.as_str(), bound.desired))
    }

    fn config(&self, mirror: &str, key: &str) -> &str {
        let mirror = self.metadata.mirror_named(mirror).unwrap().1;
        mirror.configs.get(key).map_or("(default)", String::as_str)
    }
}

fn id(number: u8) -> TopicId {
    TopicId::from_wire([number; 16]).unwrap()
}

fn name(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

fn mirror_name(text: &str) -> MirrorName {
    MirrorName::parse(text).unwrap()
}

/// A topic of the source; number 0 is that of a source without ids.
fn source(topic: &str, number: u8) -> SourceTopic {
    SourceTopic { name: name(topic), topic_id: (number > 0).then(|| id(number)) }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn topics(mirror: &str, names: &[&str]) -> TopicsRequest {
    TopicsRequest { mirror: mirror.to_owned(), topics: texts(names), state_offset: None }
}

fn stop_topics(mirror: &str, names: &[&str]) -> StopRequest {
    StopRequest { mirror: mirror.to_owned(), topics: texts(names), ..StopRequest::default() }
}

fn stop_patterns(mirror: &str, patterns: &[&str]) -> StopRequest {
    StopRequest { mirror: mirror.to_owned(), patterns: texts(patterns), ..StopRequest::default() }
}

fn start(mirror: &str, include: &[&str], found: &[(&str, u8)]) -> StartRequest {
    let found = found.iter().map(|(topic, number)| source(topic, *number)).collect();
    let (mirror, include) = (mirror.to_owned(), texts(include));
    StartRequest { mirror, include, found, ..StartRequest::default() }
}
