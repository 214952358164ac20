use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kafka_wire::partition::{TopicId, TopicName};

use super::LocalOffsetsTopic;
use crate::catalog::{Binding, Catalog, TopicSpec};
use crate::directory::DataDirectory;
use crate::groups::{OFFSETS_TOPIC, OffsetsTopic as _};
use crate::local_topics::LocalTopics;
use crate::shared_directory::SharedDirectory;
use crate::test_directory::TestDirectory;

fn topic(at: &TestDirectory) -> (LocalOffsetsTopic, Arc<Catalog>) {
    let directory = DataDirectory::open_or_create(&at.0).unwrap();
    let directory = SharedDirectory::new(directory).unwrap();
    let catalog = Arc::new(Catalog::new(at.0.clone()));
    let topics = Arc::new(LocalTopics::new(directory, Arc::clone(&catalog)));
    let _news = topics.open_all(&AtomicBool::new(false));
    (LocalOffsetsTopic::new(Arc::clone(&catalog), topics), catalog)
}

#[test]
fn the_topic_of_groups_is_made_once_and_found_again() {
    let at = TestDirectory::new();
    let (topic, catalog) = topic(&at);
    assert!(topic.open().unwrap().is_none());
    assert_eq!(topic.make(3).unwrap().len(), 3);
    assert_eq!(topic.open().unwrap().unwrap().len(), 3);
    assert!(topic.make(3).unwrap_err().contains(OFFSETS_TOPIC));
    let shown = catalog.topic_named(OFFSETS_TOPIC).unwrap();
    assert_eq!(shown.configs["cleanup.policy"], "compact");

    drop(topic);
    drop(catalog);
    let (topic, _catalog) = self::topic(&at);
    assert_eq!(topic.open().unwrap().unwrap().len(), 3);
}

#[test]
fn the_sources_groups_are_not_written_to() {
    let at = TestDirectory::new();
    let (topic, catalog) = topic(&at);
    let spec = TopicSpec {
        id: TopicId::from_wire([1; 16]).unwrap(),
        binding: Binding::Bound,
        configs: BTreeMap::new(),
        partition_count: 1,
    };
    catalog.put(&TopicName::parse(OFFSETS_TOPIC).unwrap(), spec);
    assert!(topic.open().unwrap_err().contains("mirrored"));
}
