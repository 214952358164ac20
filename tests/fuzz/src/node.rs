//! A whole node over a directory of its own, for every input a new one.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use group_coordinator::coordinator::GroupSettings;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::{BrokerId, TopicId, TopicName};
use mirror_node::catalog::{Binding, Catalog, Partition, TopicSpec};
use mirror_node::directory::DataDirectory;
use mirror_node::groups::{Groups, OffsetsTopic};
use mirror_node::local_topics::LocalTopics;
use mirror_node::log_view::LogView;
use mirror_node::mirror_orders::MirrorOrders;
use mirror_node::node::{Node, NodeIdentity};
use mirror_node::server::limits::ServerLimits;
use mirror_node::shared_directory::SharedDirectory;
use mirror_node::writable_log::{LogSettings, LogSpec, WritableLog};

use crate::batches;

/// A node with the mirrored topic `orders`, the local topic `notes`, and groups.
#[derive(Debug)]
pub struct FuzzedNode {
    /// The node.
    pub node: Arc<Node>,
    root: PathBuf,
    logs: Vec<WritableLog>,
}

impl FuzzedNode {
    /// Makes the node, its directory and its records.
    ///
    /// # Panics
    /// When the directory for temporary files cannot be written to.
    #[must_use]
    pub fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringmirror-fuzz-{}-{count}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let directory = DataDirectory::open_or_create(&root).expect("an empty directory is taken");
        let directory = SharedDirectory::new(directory).expect("there are no checkpoints yet");
        let catalog = Arc::new(Catalog::new(root.clone()));
        let local = Arc::new(LocalTopics::new(directory, Arc::clone(&catalog)));
        let orders = TopicSpec {
            id: TopicId::from_wire([7; 16]).expect("not the id that means none"),
            binding: Binding::Bound,
            configs: BTreeMap::new(),
            partition_count: 2,
        };
        let orders = catalog.put(&topic("orders"), orders);
        let logs = orders.partitions[..1].iter().map(|one| filled(one)).collect();
        local.create(&topic("notes"), 1, BTreeMap::new()).expect("the disk takes a topic");
        let identity = NodeIdentity {
            cluster_id: "a-cluster".to_owned(),
            node_id: BrokerId::from_wire(7).expect("7 is not negative"),
            host: "localhost".to_owned(),
            port: 9092,
        };
        let node = Node::new(identity, catalog, ServerLimits::default()).with_writes(local);
        let settings = GroupSettings { initial_rebalance_delay_ms: 0, ..GroupSettings::default() };
        let groups = Groups::start(Box::new(Offsets(root.join("groups"))), settings);
        node.groups.set(Arc::new(groups.expect("the system gives threads"))).expect("a new node");
        // Nobody takes them: every order comes to nothing at once.
        let (orders, _) = MirrorOrders::new();
        node.mirror_orders.set(orders).expect("a new node");
        Self { node: Arc::new(node), root, logs }
    }
}

impl Drop for FuzzedNode {
    fn drop(&mut self) {
        if let Some(groups) = self.node.groups.get() {
            groups.stop();
        }
        self.logs.clear();
        // What is left is in a directory for temporary files.
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// The log of a mirrored partition, as far as its readers can tell.
fn filled(partition: &Partition) -> WritableLog {
    let log = open(Arc::clone(&partition.view));
    for first in [0, 3, 6] {
        let batch = batches::data(first, 0, 3, None);
        log.append_produced(&batch, NOW_MS).expect("batches are valid");
    }
    log
}

fn open(view: Arc<LogView>) -> WritableLog {
    let spec = LogSpec {
        view,
        topic_id: TopicId::from_wire([7; 16]).expect("not the id that means none"),
        settings: LogSettings::default(),
        recovery_point: None,
        log_start: None,
        clean: false,
        leader_epoch: LeaderEpoch::from_wire(3).expect("3 is not negative"),
        cut_count: 0,
    };
    WritableLog::open(spec).expect("an empty log opens").0
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("a legal name")
}

/// Where groups are kept: made when the first one is.
#[derive(Debug)]
struct Offsets(PathBuf);

impl OffsetsTopic for Offsets {
    fn open(&self) -> Result<Option<Vec<Arc<WritableLog>>>, String> {
        Ok(None)
    }

    fn make(&self, _: u16) -> Result<Vec<Arc<WritableLog>>, String> {
        let view = LogView::new(self.0.join("__consumer_offsets-0"));
        Ok(vec![Arc::new(open(Arc::new(view)))])
    }
}

/// When the records of [`batches`] are from.
const NOW_MS: i64 = 1_700_000_000_000;
