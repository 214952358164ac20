//! Descriptions of mirrors for tests, and a node that tells them.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_wire::mirror_api::create_cluster_mirror::CreateClusterMirrorResponse;
use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribeClusterMirrorsRequest, DescribeClusterMirrorsResponse, DescribedMirror,
    DescribedPartition, DescribedTopic,
};
use kafka_wire::mirror_api::list_cluster_mirrors::{
    ListClusterMirrorsRequest, ListClusterMirrorsResponse, ListedMirror,
};
use kafka_wire::mirror_api::mirror_topic::TopicOutcome;
use kafka_wire::mirror_api::start_mirror_topics::{
    PlannedPartition, StartMirrorTopicsRequest, StartMirrorTopicsResponse,
};
use kafka_wire::mirror_api::stop_mirror_topics::StopMirrorTopicsResponse;
use kafka_wire::mirror_api::{MirrorRequest, MirrorResponse};
use kafka_wire::partition::BrokerId;
use mirror_coordinator::mirror_node_config::NodeConfigs;
use mirror_node::catalog::Catalog;
use mirror_node::mirror_orders::{MirrorOrder, MirrorOrders};
use mirror_node::node::{Node, NodeIdentity};
use mirror_node::server::Server;
use mirror_node::server::limits::ServerLimits;

/// A partition that nothing more is known of.
pub(crate) fn partition(index: i32, state: &str, source: i64, here: i64) -> DescribedPartition {
    DescribedPartition {
        partition_index: index,
        state_value: state.to_owned(),
        error_message: None,
        retry_attempt: 0,
        source_offset: source,
        destination_offset: here,
        last_mirror_epoch: -1,
        last_mirror_offset: -1,
        lag_ms: -1,
        measured_age_ms: -1,
    }
}

/// A partition whose lag was measured.
pub(crate) fn measured(
    partition: DescribedPartition,
    lag_ms: i64,
    measured_age_ms: i64,
) -> DescribedPartition {
    DescribedPartition { lag_ms, measured_age_ms, ..partition }
}

pub(crate) fn mirror(name: &str, topics: &[(&str, Vec<DescribedPartition>)]) -> DescribedMirror {
    let topics = topics.iter().map(|(topic, partitions)| DescribedTopic {
        topic_name: (*topic).to_owned(),
        partitions: partitions.clone(),
    });
    DescribedMirror {
        error_code: 0,
        error_message: None,
        mirror_name: name.to_owned(),
        source_bootstrap: Some("one:9092".to_owned()),
        source_cluster_id: Some("abc".to_owned()),
        authorized_operations: i32::MIN,
        topics: topics.collect(),
        syncs: Vec::new(),
    }
}

/// A node over sockets whose mirror `dc1` has topics that become what is asked of them at once.
pub(crate) struct TestCluster {
    server: Option<Server>,
    pub(crate) address: String,
    /// What was asked, in order, without looks.
    pub(crate) asked: Arc<Mutex<Vec<MirrorRequest>>>,
}

impl TestCluster {
    /// A node of that cluster with these topics, by the number of what is wanted of them.
    pub(crate) fn start(cluster_id: &str, topics: &[(&str, i8)]) -> Self {
        let catalog = Arc::new(Catalog::new("/nowhere".into()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let identity = NodeIdentity {
            cluster_id: cluster_id.to_owned(),
            node_id: BrokerId::from_wire(1).unwrap(),
            host: "127.0.0.1".to_owned(),
            port: address.port(),
        };
        let node = Node::new(identity, catalog, ServerLimits::default());
        let (orders, mut taken) = MirrorOrders::new();
        node.mirror_orders.set(orders).unwrap();
        let server = Server::start(Arc::new(node), listener, 1).unwrap();
        let asked: Arc<Mutex<Vec<MirrorRequest>>> = Arc::default();
        let noted = Arc::clone(&asked);
        let topics = topics.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect();
        let mut holder = Holder { topics, has_mirror: true };
        std::thread::spawn(move || {
            while let Some(order) = taken.blocking_recv() {
                let (request, reply) = match order {
                    MirrorOrder::Api { request, reply } => (request, reply),
                    MirrorOrder::DescribeNodeConfigs { reply } => {
                        reply.send(NodeConfigs::default()).unwrap();
                        continue;
                    }
                    other => panic!("{other:?}"),
                };
                if !matches!(
                    request,
                    MirrorRequest::ListClusterMirrors(_) | MirrorRequest::DescribeClusterMirrors(_)
                ) {
                    noted.lock().unwrap().push(request.clone());
                }
                // Whoever asked may have left.
                let _ = reply.send(holder.answer(&request));
            }
        });
        Self { server: Some(server), address: address.to_string(), asked }
    }

    pub(crate) fn asked(&self) -> Vec<MirrorRequest> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(Duration::from_secs(5));
        }
    }
}

/// Who knows the mirror: topics and the number of what is wanted of each.
struct Holder {
    topics: BTreeMap<String, i8>,
    has_mirror: bool,
}

impl Holder {
    fn answer(&mut self, request: &MirrorRequest) -> MirrorResponse {
        match request {
            MirrorRequest::ListClusterMirrors(asked) => self.listed(asked),
            MirrorRequest::DescribeClusterMirrors(asked) => self.described(asked),
            MirrorRequest::CreateClusterMirror(_) => {
                self.has_mirror = true;
                CreateClusterMirrorResponse::outcome(0, None).into()
            }
            MirrorRequest::StartMirrorTopics(asked) => self.started(asked),
            MirrorRequest::StopMirrorTopics(asked) => {
                let topics = asked.topics.iter().map(|topic| self.set(&topic.topic_name, 7));
                let topics = topics.collect();
                StopMirrorTopicsResponse { topics, ..StopMirrorTopicsResponse::outcome(0, None) }
                    .into()
            }
            other => MirrorResponse::refusal(other.key(), 143, "its topics are not stopped"),
        }
    }

    fn set(&mut self, name: &str, state: i8) -> TopicOutcome {
        let known = self.topics.get_mut(name).map(|held| *held = state);
        let error_code = if known.is_some() { 0 } else { 3 };
        TopicOutcome { name: name.to_owned(), error_code, error_message: None }
    }

    fn listed(&self, asked: &ListClusterMirrorsRequest) -> MirrorResponse {
        let named = asked.mirror_name.as_deref().is_none_or(|name| name == "dc1");
        let wanted = self.topics.iter().filter(|(_, state)| asked.desired_states.contains(state));
        let names: Vec<String> = wanted.map(|(name, _)| name.clone()).collect();
        let mirror = ListedMirror {
            mirror_name: "dc1".to_owned(),
            source_bootstrap: "one:9092".to_owned(),
            source_cluster_id: "A".to_owned(),
            topic_count: i32::try_from(names.len()).unwrap(),
            topic_names: Some(names),
        };
        let mirrors = if named && self.has_mirror { vec![mirror] } else { Vec::new() };
        ListClusterMirrorsResponse { mirrors, ..ListClusterMirrorsResponse::outcome(0, None) }
            .into()
    }

    fn described(&self, asked: &DescribeClusterMirrorsRequest) -> MirrorResponse {
        let topics: Vec<(&str, Vec<DescribedPartition>)> = self
            .topics
            .iter()
            .map(|(name, state)| {
                let state = match state {
                    3 => "MIRRORING",
                    5 => "PAUSED",
                    _ => "STOPPED",
                };
                let mut told = measured(partition(0, state, 10, 10), 0, 5);
                if asked.cluster_id.as_deref() == Some("A") {
                    (told.last_mirror_epoch, told.last_mirror_offset) = (4, 10);
                }
                (name.as_str(), vec![told])
            })
            .collect();
        let mut told = mirror("dc1", &topics);
        told.source_cluster_id = Some("A".to_owned());
        let mirrors = vec![told];
        DescribeClusterMirrorsResponse {
            mirrors,
            ..DescribeClusterMirrorsResponse::outcome(0, None)
        }
        .into()
    }

    /// Every topic that is named, each with a partition that has ten records of its own.
    fn started(&mut self, asked: &StartMirrorTopicsRequest) -> MirrorResponse {
        let none = StartMirrorTopicsResponse::outcome(0, None);
        if asked.plan_only {
            let plan = asked.include_patterns.iter().map(|name| PlannedPartition {
                topic_name: name.clone(),
                partition_index: 0,
                is_new: false,
                local_start: 0,
                local_end: 10,
                truncate_to: 0,
                source_end: 5,
                last_mirror_epoch: -1,
                last_mirror_offset: -1,
                needs_confirmation: true,
                error_code: 0,
                error_message: None,
                copied_bytes: -1,
            });
            return StartMirrorTopicsResponse { plan: plan.collect(), ..none }.into();
        }
        let topics = asked.include_patterns.iter().map(|name| {
            self.topics.insert(name.clone(), 3);
            TopicOutcome { name: name.clone(), error_code: 0, error_message: None }
        });
        StartMirrorTopicsResponse { topics: topics.collect(), ..none }.into()
    }
}
