//! A node over a directory of its own, for tests of requests: no sockets.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::RequestKind;
use kafka_protocol::protocol;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::message::{SIZE_BYTES, decode_response, encode_response_kind};
use kafka_wire::mirror_api::{MirrorRequest, MirrorResponse};
use kafka_wire::partition::{BrokerId, TopicId, TopicName};
use mirror_coordinator::acl::AclBinding;
use mirror_coordinator::acl::authorizer::Authorizer;
use tokio::runtime::Runtime;

use crate::catalog::{Binding, Catalog, Partition, Topic, TopicSpec};
use crate::directory::DataDirectory;
use crate::directory_state::MirrorTopic;
use crate::local_topics::LocalTopics;
use crate::mirror_orders::{MirrorOrder, MirrorOrders};
use crate::node::{Authorization, Node, NodeIdentity};
use crate::random_id::random_id;
use crate::server::answer::Answer;
use crate::server::api::find;
use crate::server::dispatch::{Client, answer};
use crate::server::exchange::exchange;
use crate::server::limits::ServerLimits;
use crate::server::request::{Request, RequestHead};
use crate::shared_directory::SharedDirectory;

/// A node whose directory goes with it.
pub(super) struct TestNode {
    pub(super) node: Arc<Node>,
    root: PathBuf,
}

impl TestNode {
    /// Node 7 of a cluster, without topics.
    pub(super) fn new() -> Self {
        let id = random_id().expect("the system has random bytes");
        let root = std::env::temp_dir().join(format!("ringmirror-server-{id}"));
        fs::create_dir_all(&root).expect("the directory for temporary files can be written to");
        let catalog = Arc::new(Catalog::new(root.clone()));
        let identity = NodeIdentity {
            cluster_id: "5L6g3nShT-eMCtK--X86sw".to_owned(),
            node_id: BrokerId::from_wire(7).expect("7 is not negative"),
            host: "127.0.0.1".to_owned(),
            port: 9092,
        };
        let node = Arc::new(Node::new(identity, catalog, ServerLimits::default()));
        Self { node, root }
    }

    /// Node 7, that clients may write to.
    pub(super) fn writable() -> Self {
        let bare = Self::new();
        let (node, root) = (&bare.node, bare.root.with_extension("data"));
        let directory = DataDirectory::open_or_create(&root).expect("an empty directory is taken");
        let directory = SharedDirectory::new(directory).expect("there are no checkpoints yet");
        let catalog = Arc::new(Catalog::new(root.clone()));
        let topics = Arc::new(LocalTopics::new(directory, Arc::clone(&catalog)));
        let node = Node::new(node.identity.clone(), catalog, node.limits).with_writes(topics);
        Self { node: Arc::new(node), root }
    }

    /// Node 7, that clients may write to as far as rules allow it.
    pub(super) fn guarded(authorizer: Authorizer, acls: &[AclBinding]) -> Self {
        let mut made = Self::writable();
        let node = Arc::get_mut(&mut made.node).expect("nobody else has the node yet");
        let writes = node.writes.as_ref().expect("the node can be written to");
        let directory = Arc::clone(writes.topics.directory());
        let added = directory
            .acls()
            .change(|table| acls.iter().cloned().try_for_each(|acl| table.create(acl).map(|_| ())));
        added.expect("the disk takes rules").expect("tests have few rules");
        node.authorization = Some(Authorization { authorizer: Arc::new(authorizer), directory });
        made
    }

    /// Makes a local topic.
    pub(super) fn local(&self, name: &str, configs: &[(&str, &str)]) -> Arc<Topic> {
        let name = TopicName::parse(name).expect("tests use legal names");
        let topics = &self.node.writes.as_ref().expect("the node can be written to").topics;
        topics.create(&name, 2, owned(configs)).expect("the disk takes a topic")
    }

    /// Gives the node a topic that the engine writes.
    pub(super) fn mirrored(&self, name: &str, configs: &[(&str, &str)]) -> Arc<Topic> {
        let mut id = [0; 16];
        id[15] = u8::try_from(self.node.catalog.topics().len() + 1).expect("tests have few topics");
        let spec = TopicSpec {
            id: TopicId::from_wire(id).expect("the last byte is not zero"),
            binding: Binding::Bound,
            configs: owned(configs),
            partition_count: 2,
        };
        let name = TopicName::parse(name).expect("tests use legal names");
        if let Some(writes) = &self.node.writes {
            let topic = MirrorTopic {
                topic_id: spec.id,
                source_has_topic_ids: true,
                partition_count: spec.partition_count,
                configs: spec.configs.clone(),
                leader_epochs: Vec::new(),
            };
            writes.topics.directory().lock().state.topics.insert(name.clone(), topic);
        }
        self.node.catalog.put(&name, spec)
    }

    /// Gives the node a topic that a mirror was stopped for, so that clients write to it.
    pub(super) fn stopped(&self, name: &str, configs: &[(&str, &str)]) -> Arc<Topic> {
        let topic = self.mirrored(name, configs);
        for partition in &topic.partitions {
            self.stop(partition);
        }
        topic
    }

    /// Ends the mirroring of a partition.
    pub(super) fn stop(&self, partition: &Arc<Partition>) {
        let topics = &self.node.writes.as_ref().expect("the node can be written to").topics;
        topics.seal(partition, LeaderEpoch::ZERO, 0).expect("the disk takes a log");
        topics.open_for_writing(partition, LeaderEpoch::ZERO).expect("the log is open");
    }

    /// Has somebody carry out what is asked of mirrors, for as long as the node is there.
    pub(super) fn taking_orders(&self, mut take: impl FnMut(MirrorOrder) + Send + 'static) {
        let (orders, mut taken) = MirrorOrders::new();
        self.node.mirror_orders.set(orders).expect("a test has one who takes orders");
        std::thread::spawn(move || {
            while let Some(order) = taken.blocking_recv() {
                take(order);
            }
        });
    }

    /// What the node answers to a request about mirrors, as over a connection.
    pub(super) fn ask_mirrors(&self, request: impl Into<MirrorRequest>) -> MirrorResponse {
        let request = request.into();
        let frame = request.encode_frame(77, "t").expect("requests of tests are short");
        let peer = ([127, 0, 0, 1], 1).into();
        let runtime = current_thread();
        let answer = runtime.block_on(exchange(&self.node, peer, frame.slice(SIZE_BYTES..)));
        let answer = Bytes::from(answer.expect("requests about mirrors are answered"));
        let answer = MirrorResponse::decode_frame(request.key(), 77, answer.slice(SIZE_BYTES..));
        answer.expect("we read what we write")
    }

    /// What the node answers in the newest version it serves; every version can carry it.
    pub(super) fn ask<R: Asked>(&self, body: R) -> R::Response {
        let api = find(R::KEY).expect("the request is served");
        self.ask_in(body, api.versions.clone())
    }

    /// What the node answers in the newest version it serves, when older ones cannot carry it.
    pub(super) fn ask_newest<R: Asked>(&self, body: R) -> R::Response {
        let newest = *find(R::KEY).expect("the request is served").versions.end();
        self.ask_in(body, newest..=newest)
    }

    fn ask_in<R: Asked>(&self, body: R, versions: RangeInclusive<i16>) -> R::Response {
        let newest = *versions.end();
        let Answer::Message(response) = self.answer(body, newest) else {
            panic!("api key {} is not answered by a message", R::KEY);
        };
        for version in versions {
            let encoded = encode_response_kind(version, 1, &response);
            assert!(encoded.is_ok(), "version {version}: {encoded:?}");
        }
        let frame = encode_response_kind(newest, 1, &response).expect("it was encoded before");
        decode_response(newest, 1, frame.slice(SIZE_BYTES..)).expect("we read what we write")
    }

    /// What the node answers to a request of that version.
    pub(super) fn answer<R: Asked>(&self, body: R, version: i16) -> Answer {
        let head = RequestHead {
            api_key: R::KEY,
            api_version: version,
            correlation_id: 1,
            client_id: None,
        };
        let client = Client::new(([127, 0, 0, 1], 1).into());
        current_thread().block_on(answer(&self.node, &client, Request { head, body: body.into() }))
    }
}

fn current_thread() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime on this thread needs nothing")
}

fn owned(configs: &[(&str, &str)]) -> BTreeMap<String, String> {
    configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A request, as a type and as one of all.
pub(super) trait Asked: protocol::Request + Into<RequestKind> {}

impl<R: protocol::Request + Into<RequestKind>> Asked for R {}

impl Drop for TestNode {
    fn drop(&mut self) {
        // What is left is in a directory for temporary files.
        let _ = fs::remove_dir_all(&self.root);
    }
}
