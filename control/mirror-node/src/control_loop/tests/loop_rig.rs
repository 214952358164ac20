//! A control loop over a directory with a topic whose mirroring was stopped: no source, no sockets.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_wire::mirror_api::MirrorRequest;
use kafka_wire::mirror_api::create_cluster_mirror::{
    ConfigValue, CreateClusterMirrorRequest, MirrorConfig,
};
use kafka_wire::mirror_state_record::{MirrorPartitionKey, MirrorStateRecord};
use kafka_wire::partition::{BrokerId, TopicId, TopicName};
use mirror_coordinator::cluster_metadata::{BoundTopic, ClusterMetadata, Mirror};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_states::MirrorStates;
use mirror_coordinator::partition_state::MirrorPartitionState;
use mirror_coordinator::retry::RetryPolicy;
use mirror_coordinator::stored_state::StoredState;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

use crate::catalog::Topic;
use crate::control_loop::{EngineSettings, LoopConfig, MirrorLoop, NodeSide};
use crate::destination::Destination;
use crate::directory::DataDirectory;
use crate::directory_state::MirrorTopic;
use crate::local_topics::LocalTopics;
use crate::mirror_news::MirrorNews;
use crate::mirror_orders::{MirrorOrder, MirrorOrders};
use crate::mirror_state_journal::MirrorStateJournal;
use crate::shared_directory::SharedDirectory;
use crate::test_directory::TestDirectory;

/// A directory with `orders`, of one partition, whose mirroring by `dr` was stopped.
pub(super) struct Stopped {
    pub(super) destination: Destination,
    pub(super) topics: Arc<LocalTopics>,
    pub(super) topic: Arc<Topic>,
    /// Hears from a loop that ends.
    released: Cell<Option<oneshot::Receiver<()>>>,
    _root: TestDirectory,
}

pub(super) fn orders() -> TopicName {
    TopicName::parse("orders").unwrap()
}

pub(super) fn dr() -> MirrorName {
    MirrorName::parse("dr").unwrap()
}

impl Stopped {
    pub(super) fn new() -> Self {
        Self::with_room(usize::MAX)
    }

    /// The same on a node with memory for so many partitions.
    pub(super) fn with_room(partition_count_max: usize) -> Self {
        let root = TestDirectory::new();
        let mut directory = DataDirectory::open_or_create(&root.0).unwrap();
        let topic_id = TopicId::from_wire([7; 16]).unwrap();
        let topic = MirrorTopic {
            topic_id,
            source_has_topic_ids: true,
            partition_count: 1,
            configs: BTreeMap::new(),
            leader_epochs: Vec::new(),
        };
        let desired = DesiredState::Stopped;
        let bound = BoundTopic { topic_id, mirror: dr(), desired, changed_at: 0 };
        let mirrors = BTreeMap::from([(dr(), Mirror::default())]);
        let bound = BTreeMap::from([(orders(), bound)]);
        directory.state.topics.insert(orders(), topic.clone());
        directory.state.cluster_mirrors =
            ClusterMetadata::restored(1, mirrors, bound, Default::default()).unwrap();
        directory.write_state().unwrap();
        let directory = SharedDirectory::with_room(directory, partition_count_max).unwrap();
        let mut destination = Destination::unserved(directory);
        destination.is_served = true;
        destination.close_limit = Duration::from_secs(5);
        destination.directory.take_clean_marker().unwrap();
        let catalog = Arc::clone(&destination.catalog);
        let topics = Arc::new(LocalTopics::new(Arc::clone(&destination.directory), catalog));
        let topic = destination.show(&orders(), &topic);
        Self { destination, topics, topic, released: Cell::default(), _root: root }
    }

    /// Waits for the word of the loop that it works on no log any more.
    pub(super) async fn released(&self) -> Result<(), RecvError> {
        self.released.take().expect("a loop has begun").await
    }

    /// The loop of a node that begins there.
    pub(super) async fn begun<'a>(
        &'a self,
        observe: &'a mut dyn FnMut(MirrorNews),
    ) -> MirrorLoop<'a> {
        self.begun_with(&[], observe).await
    }

    /// The same; these records are in the store of states, too.
    pub(super) async fn begun_with<'a>(
        &'a self,
        stored_too: &[MirrorStateRecord],
        observe: &'a mut dyn FnMut(MirrorNews),
    ) -> MirrorLoop<'a> {
        let catalog = Arc::clone(&self.destination.catalog);
        let journal = MirrorStateJournal::new(catalog, Arc::clone(&self.topics));
        let mut states = MirrorStates::default();
        let key = MirrorPartitionKey {
            mirror_name: dr().to_string(),
            topic_id: self.topic.id,
            partition: self.topic.partitions[0].id.partition,
        };
        let state = MirrorPartitionState::Stopped;
        let stored = StoredState { state, ..StoredState::UNKNOWN };
        states.apply(&MirrorStateRecord::PartitionState(key, Some(stored.to_record())));
        for record in stored_too {
            states.apply(record);
        }
        let (_, orders) = MirrorOrders::new();
        let topics = Arc::clone(&self.topics);
        let us = ("here".to_owned(), BrokerId::from_wire(7).unwrap());
        let (release, released) = oneshot::channel();
        self.released.set(Some(released));
        let side = NodeSide::new(topics, (journal, states), orders, us, release);
        let mut begun = MirrorLoop::new(&self.destination, config(), Some(side), observe);
        begun.begin().await.unwrap();
        begun
    }
}

pub(super) fn config() -> LoopConfig {
    LoopConfig {
        mirror: None,
        broker_settings: BTreeMap::new(),
        engine: EngineSettings::default(),
        retry: RetryPolicy::default(),
        until_caught_up: false,
        seed: 1,
    }
}

impl MirrorLoop<'_> {
    /// Takes what others did for the loop until `is_enough`.
    pub(super) async fn until(&mut self, is_enough: impl Fn(&Self) -> bool) {
        while !is_enough(self) {
            let event = self.events.recv().await.unwrap();
            self.on_event(event).await.unwrap();
            self.after_input().await.unwrap();
        }
    }

    /// Has a mirror made; returns the error code.
    pub(super) async fn create(&mut self, name: &str) -> i16 {
        let config = MirrorConfig {
            name: "bootstrap.servers".to_owned(),
            value: ConfigValue(Some("127.0.0.1:1".to_owned())),
        };
        let request = MirrorRequest::CreateClusterMirror(CreateClusterMirrorRequest {
            mirror_name: name.to_owned(),
            configs: vec![config],
        });
        let (reply, mut replied) = oneshot::channel();
        self.on_order(MirrorOrder::Api { request, reply });
        loop {
            // Nobody answers at that address, which keeps no mirror from being made.
            let event = self.events.recv().await.unwrap();
            self.on_event(event).await.unwrap();
            if let Ok(response) = replied.try_recv() {
                return response.outcome().0;
            }
        }
    }
}
