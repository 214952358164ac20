//! What all connections of a node share.

use std::sync::{Arc, Mutex, OnceLock};

use kafka_wire::partition::BrokerId;
use mirror_coordinator::acl::authorizer::Authorizer;
use tokio::sync::Semaphore;

use crate::catalog::Catalog;
use crate::groups::Groups;
use crate::local_topics::LocalTopics;
use crate::log_reader::LogReader;
use crate::mirror_orders::MirrorOrders;
use crate::producer_ids::ProducerIds;
use crate::server::fetch_session::FetchSessions;
use crate::server::limits::ServerLimits;
use crate::server::open_files_limit;
use crate::server::sending::{ColdReads, RecordSource};
use crate::share_groups::ShareGroups;
use crate::shared_directory::SharedDirectory;

/// A node that answers the Kafka protocol over its own data directory.
#[derive(Debug)]
pub struct Node {
    /// Who it says it is.
    pub identity: NodeIdentity,
    /// What it has.
    pub catalog: Arc<Catalog>,
    /// How big anything may get.
    pub limits: ServerLimits,
    /// Its consumer groups; while there are none, the coordinator is said not to be available.
    pub groups: OnceLock<Arc<Groups>>,
    /// Its share groups; while there are none, the same is said.
    pub share_groups: OnceLock<Arc<ShareGroups>>,
    /// The way to the control loop for requests about mirrors; while it is not there, they are
    /// neither advertised nor answered with anything but a refusal.
    pub mirror_orders: OnceLock<MirrorOrders>,
    /// What clients write to; `None` when nobody may write to anything.
    pub writes: Option<Writes>,
    /// Who may do what; `None` where everybody may do everything.
    pub authorization: Option<Authorization>,
    /// Code for a client that writes to a mirrored topic.
    pub mirrored_write_error: i16,
    /// What clients fetch again and again.
    pub(crate) fetch_sessions: Mutex<FetchSessions>,
    /// Room for partitions of large fetches.
    pub(crate) fetch_room: Semaphore,
    /// Finds records in segment files.
    pub(crate) log_reader: LogReader,
    /// Records that are not in the page cache.
    pub(crate) cold_reads: ColdReads,
}

/// What a node needs to be written to.
#[derive(Debug)]
pub struct Writes {
    /// Topics made here.
    pub topics: Arc<LocalTopics>,
    /// Ids for those who write to them.
    pub producer_ids: ProducerIds,
}

/// Who may do what.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// What holds beside the rules.
    pub authorizer: Arc<Authorizer>,
    /// Where the rules are.
    pub directory: Arc<SharedDirectory>,
}

/// What clients are told about the node: it is the only broker and the controller of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// Id of the cluster, from `meta.properties`.
    pub cluster_id: String,
    /// Id of the node.
    pub node_id: BrokerId,
    /// Host that clients reach it by.
    pub host: String,
    /// Port that clients reach it by.
    pub port: u16,
}

impl Node {
    /// A node without clients yet, that nobody may write to.
    #[must_use]
    pub fn new(identity: NodeIdentity, catalog: Arc<Catalog>, limits: ServerLimits) -> Self {
        let fetch_sessions = Mutex::new(FetchSessions::new(&limits));
        let fetch_room = Semaphore::new(limits.fetch_partitions_max);
        let log_reader = LogReader::new(open_files_limit::reading(&limits))
            .with_recent(Arc::clone(catalog.recent_records()));
        let cold_reads = ColdReads::default();
        let groups = OnceLock::new();
        Self {
            identity,
            catalog,
            limits,
            writes: None,
            authorization: None,
            mirrored_write_error: READ_ONLY_TOPIC,
            groups,
            share_groups: OnceLock::new(),
            mirror_orders: OnceLock::new(),
            fetch_sessions,
            fetch_room,
            log_reader,
            cold_reads,
        }
    }

    /// Where answers take records from.
    pub(crate) fn record_source(&self) -> RecordSource<'_> {
        RecordSource { cold: &self.cold_reads, recent: self.catalog.recent_records().get() }
    }

    /// Lets clients make such topics, and write to them.
    #[must_use]
    pub fn with_writes(mut self, topics: Arc<LocalTopics>) -> Self {
        let directory = Arc::clone(topics.directory());
        let producer_ids = ProducerIds::new(directory, Arc::clone(&self.catalog));
        self.writes = Some(Writes { topics, producer_ids });
        self
    }
}

/// READ_ONLY_TOPIC of KIP-1279, which today's clients do not know by name.
pub const READ_ONLY_TOPIC: i16 = 134;
