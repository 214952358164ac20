//! What the operator orders, as the node's commands do it: planned, put on disk, told.

use kafka_wire::partition::{TopicId, TopicIdPartition, TopicName};
use mirror_coordinator::cluster_metadata::hold::TopicsRequest;
use mirror_coordinator::cluster_metadata::start::{NodeView, SourceTopic, StartRequest};
use mirror_coordinator::cluster_metadata::{MetadataChange, MetadataRecord, StopRequest};
use mirror_coordinator::lifecycle::Input;
use mirror_coordinator::mirror_name::MirrorName;

use super::cluster::{Cluster, NAMES, TOPICS, mirror_from, partitions_of, topic_id, topic_name};
use super::world::{LINKS, World};

impl Cluster {
    fn with_view<T>(&self, plan: impl FnOnce(&NodeView<'_>) -> T) -> T {
        let has = |id: TopicId| self.replicas.keys().any(|one| one.topic_id == id);
        let here = |id: &TopicId| has(*id);
        let of_name = |name: &TopicName| Some(topic_id(name.as_str())).filter(here);
        let of_id = |id: TopicId| {
            let found = TOPICS.iter().find(|(name, _)| topic_id(name) == id && has(id))?;
            Some(topic_name(found.0))
        };
        let states = |mirror: &MirrorName, id: TopicId| {
            let partitions = self.replicas.keys().filter(|one| one.topic_id == id);
            partitions.map(|one| (one.partition, self.stored(mirror, *one).0.state)).collect()
        };
        plan(&NodeView { topic_id: &of_name, topic_of: &of_id, states: &states })
    }

    /// Puts a change on disk and does what follows.
    pub(crate) fn commit(&mut self, change: &MetadataChange) {
        let before = self.metadata.clone();
        self.metadata.apply(change).expect("planned just now");
        for record in change.records() {
            match record {
                MetadataRecord::TopicBound { topic, .. } => {
                    for id in partitions_of(topic.as_str()) {
                        self.replicas.entry(id).or_default();
                    }
                    self.tell_desired(topic);
                }
                MetadataRecord::MirrorDeleted(name) => {
                    let bound = before.topics().iter().filter(|(_, one)| one.mirror == *name);
                    for id in bound.flat_map(|(topic, _)| partitions_of(topic.as_str())) {
                        self.memory.inputs.push_back(Input::Unbound(id));
                    }
                    self.memory.deleted.insert(name.clone());
                }
                _ => {}
            }
        }
    }
}

impl World {
    pub(crate) fn order_something(&mut self) {
        let (at, source) = self.chance.pick(&LINKS);
        let (topic, _) = self.chance.pick(&TOPICS);
        // A node does what follows from one thing before it takes the next.
        self.hear_all(at);
        let confirm = self.chance.percent(70);
        let done = match self.chance.below(20) {
            0..10 => self.start(at, source, topic, confirm),
            10..13 => self.stop(at, source, topic),
            13..16 => self.hold(at, source, topic, true),
            16..19 => self.hold(at, source, topic, false),
            _ => self.delete(at, source),
        };
        if done {
            self.count("order");
        }
    }

    pub(crate) fn ensure_mirror(&mut self, at: usize, source: usize) {
        let name = mirror_from(source);
        if !self.clusters[at].metadata.mirrors().contains_key(&name)
            && !self.clusters[at].memory.deleted.contains(&name)
        {
            let configs = [("bootstrap.servers".to_owned(), Some("source:9092".to_owned()))];
            let plan = self.clusters[at].metadata.plan_create(name.as_str(), &configs);
            self.clusters[at].commit(&plan.expect("a mirror can be made"));
            self.look_at_sources(at);
        }
    }

    /// Starts a topic; true when it was not refused.
    pub(crate) fn start(&mut self, at: usize, source: usize, topic: &str, confirm: bool) -> bool {
        if !self.reaches(at, source) {
            return false;
        }
        self.ensure_mirror(at, source);
        let name = topic_name(topic);
        let peer = self.clusters[source].tells_of_mirrors(at);
        let cluster = &self.clusters[at];
        let has = self.clusters[source].replicas.keys().any(|id| id.topic_id == topic_id(topic));
        let found = SourceTopic { name: name.clone(), topic_id: Some(topic_id(topic)) };
        let request = StartRequest {
            mirror: mirror_from(source).to_string(),
            include: vec![topic.to_owned()],
            found: has.then_some(found).into_iter().collect(),
            ..StartRequest::default()
        };
        let mut fresh = || topic_id(topic);
        let plan =
            cluster.with_view(|view| cluster.metadata.plan_start(&request, view, &mut fresh));
        let Ok(plan) = plan else { return false };
        if plan.first_error().is_some() || plan.changed().next().is_none() {
            return false;
        }
        let overwrites = cluster.is_overwritten(&name, &peer);
        if overwrites && !confirm {
            self.count("start refused");
            return false;
        }
        self.note(|| format!("{} starts {topic} from {}", NAMES[at], NAMES[source]));
        self.clusters[at].commit(&plan.change);
        if overwrites {
            self.clusters[at].memory.confirmed.insert(name);
        }
        self.count("start");
        true
    }

    pub(crate) fn stop(&mut self, at: usize, source: usize, topic: &str) -> bool {
        let request = StopRequest {
            mirror: mirror_from(source).to_string(),
            topics: vec![topic.to_owned()],
            ..StopRequest::default()
        };
        let cluster = &self.clusters[at];
        let plan = cluster.with_view(|view| cluster.metadata.plan_stop(&request, view));
        let Ok(plan) = plan else { return false };
        if plan.changed().next().is_none() {
            return false;
        }
        self.note(|| format!("{} stops {topic} from {}", NAMES[at], NAMES[source]));
        self.clusters[at].commit(&plan.change);
        true
    }

    fn hold(&mut self, at: usize, source: usize, topic: &str, pause: bool) -> bool {
        let request = TopicsRequest {
            mirror: mirror_from(source).to_string(),
            topics: vec![topic.to_owned()],
            state_offset: None,
        };
        let cluster = &self.clusters[at];
        let plan = cluster.with_view(|view| match pause {
            true => cluster.metadata.plan_pause(&request, view),
            false => cluster.metadata.plan_resume(&request, view),
        });
        let Ok(plan) = plan else { return false };
        self.note(|| format!("{} holds {topic}: {pause}", NAMES[at]));
        self.clusters[at].commit(&plan.change);
        plan.changed().next().is_some()
    }

    pub(crate) fn delete(&mut self, at: usize, source: usize) -> bool {
        let name = mirror_from(source);
        let cluster = &self.clusters[at];
        let plan =
            cluster.with_view(|view| cluster.metadata.plan_delete(name.as_str(), None, view));
        let Ok(change) = plan else { return false };
        self.note(|| format!("{} deletes {name}", NAMES[at]));
        self.count("delete");
        self.clusters[at].commit(&change);
        true
    }

    /// Tries all that failed again.
    pub(crate) fn recover_all(&mut self) {
        for at in 0..self.clusters.len() {
            let ids: Vec<TopicIdPartition> = self.clusters[at].replicas.keys().copied().collect();
            for id in ids {
                self.tell(at, Input::Recover(id));
            }
        }
    }
}
