use std::collections::BTreeMap;

use kafka_wire::partition::TopicId;
use mirror_coordinator::acl::acl_table::AclOrigin;
use mirror_coordinator::acl::{AclOperation, AclPermission, WILDCARD};
use mirror_coordinator::cluster_metadata::{BoundTopic, ClusterMetadata, Mirror};

use super::*;
use crate::directory::DataDirectory;
use crate::directory_state::LocalTopic;
use crate::test_directory::TestDirectory;

/// A directory whose mirror `dc` mirrors `orders`, or did, and whose topic `held` is stopped.
struct Scene {
    directory: Arc<SharedDirectory>,
    _root: TestDirectory,
}

impl Scene {
    fn new(orders: DesiredState) -> Self {
        let root = TestDirectory::new();
        let mut directory = DataDirectory::open_or_create(&root.0).unwrap();
        let bound = |id, desired| BoundTopic {
            topic_id: TopicId::from_wire([id; 16]).unwrap(),
            mirror: mirror(),
            desired,
            changed_at: 0,
        };
        let topics =
            [(topic("orders"), bound(7, orders)), (topic("held"), bound(8, DesiredState::Stopped))];
        let mirrors = BTreeMap::from([(
            mirror(),
            Mirror { configs: BTreeMap::new(), source_cluster_id: None },
        )]);
        directory.state.cluster_mirrors =
            ClusterMetadata::restored(1, mirrors, topics.into(), Default::default()).unwrap();
        Self { directory: SharedDirectory::new(directory).unwrap(), _root: root }
    }

    fn round(&self, names: &[&str]) -> SyncOutcome {
        let mut outcome = SyncOutcome::default();
        let include = IncludeRules::parse(&["TOPIC"]).unwrap();
        carry(&self.directory, &mirror(), (&include, &source(names)), &mut outcome).unwrap();
        outcome
    }

    fn names(&self) -> Vec<String> {
        let current = self.directory.acls().current();
        current.table.acls().map(|acl| acl.name.clone()).collect()
    }
}

fn mirror() -> MirrorName {
    MirrorName::parse("dc").unwrap()
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn acl(name: &str) -> AclBinding {
    AclBinding {
        resource: AclResource::Topic,
        name: name.to_owned(),
        pattern: AclPattern::Literal,
        principal: "User:ada".to_owned(),
        host: WILDCARD.to_owned(),
        operation: AclOperation::Read,
        permission: AclPermission::Allow,
    }
}

fn source(names: &[&str]) -> BTreeSet<AclBinding> {
    names.iter().map(|name| acl(name)).collect()
}

#[test]
fn rules_are_kept_in_step_and_changes_are_told() {
    let scene = Scene::new(DesiredState::Mirroring);
    let first = scene.round(&["orders", "other"]);
    assert_eq!((first.in_step, first.written), (2, 2));
    assert_eq!(first.changed.first[0], "added: ALLOW User:ada READ on TOPIC orders");
    let second = scene.round(&["orders"]);
    assert_eq!((second.in_step, second.written), (1, 1));
    assert_eq!(second.changed.first, ["removed: ALLOW User:ada READ on TOPIC other"]);
    let third = scene.round(&["orders"]);
    assert_eq!((third.in_step, third.written, third.changed.count), (1, 0, 0));
}

#[test]
fn rules_of_a_topic_that_was_stopped_are_left_as_they_are() {
    let scene = Scene::new(DesiredState::Mirroring);
    assert_eq!(scene.round(&["orders", "held"]).in_step, 1);
    assert_eq!(scene.names(), ["orders"]);
    let brought = AclOrigin::Mirrors(BTreeSet::from([mirror()]));
    let store = scene.directory.acls();
    store.change(|table| table.restore(acl("held"), brought)).unwrap().unwrap();
    scene.round(&["orders"]);
    assert_eq!(scene.names(), ["held", "orders"]);
}

/// Found by a reviewer: another mirror of the source took rights of a topic that was failed over.
#[test]
fn rules_of_what_another_mirror_stopped_and_of_what_was_made_here_are_left_as_they_are() {
    let scene = Scene::new(DesiredState::Mirroring);
    let own = LocalTopic {
        topic_id: TopicId::from_wire([9; 16]).unwrap(),
        partition_count: 1,
        configs: BTreeMap::new(),
        leader_epochs: Vec::new(),
    };
    scene.directory.lock().state.local_topics.insert(topic("own"), own);
    let other = MirrorName::parse("other").unwrap();
    let round = |names: &[&str]| {
        let mut outcome = SyncOutcome::default();
        let include = IncludeRules::parse(&["TOPIC"]).unwrap();
        let at_source = source(names);
        carry(&scene.directory, &mirror(), (&include, &at_source), &mut outcome).unwrap();
        outcome
    };
    assert_eq!(round(&["held", "own", "nowhere"]).written, 1);
    assert_eq!(scene.names(), ["nowhere"]);
    let brought = AclOrigin::Mirrors(BTreeSet::from([mirror()]));
    let both = AclOrigin::Mirrors(BTreeSet::from([mirror(), other]));
    let store = scene.directory.acls();
    for name in ["held", "own"] {
        store.change(|table| table.restore(acl(name), brought.clone())).unwrap().unwrap();
    }
    store.change(|table| table.restore(acl("shared"), both)).unwrap().unwrap();
    let told = round(&[]).changed.first;
    assert_eq!(scene.names(), ["held", "own", "shared"]);
    assert_eq!(told[0], "removed: ALLOW User:ada READ on TOPIC nowhere");
    assert_eq!(told[1], "left to another mirror: ALLOW User:ada READ on TOPIC shared");
}

#[test]
fn nothing_is_changed_while_nothing_is_mirrored() {
    for at_rest in [DesiredState::Paused, DesiredState::Stopped] {
        let scene = Scene::new(at_rest);
        let outcome = scene.round(&["other"]);
        assert_eq!(outcome.written, 0);
        let told = &outcome.skipped.first[0];
        assert!(told.ends_with("added: ALLOW User:ada READ on TOPIC other"), "{told}");
        assert!(scene.names().is_empty());
    }
}

#[test]
fn a_plan_tells_what_a_start_would_change_and_changes_nothing() {
    let scene = Scene::new(DesiredState::Stopped);
    let told = SourceAcls::Rules { acls: source(&["orders", "held"]), unknown: Vec::new() };
    let started = BTreeSet::from([topic("orders")]);
    let planned = planned_acls(&scene.directory, &mirror(), &started, &told);
    assert_eq!(planned, ["added: ALLOW User:ada READ on TOPIC orders"]);
    assert!(scene.names().is_empty());
    let planned = planned_acls(&scene.directory, &mirror(), &started, &SourceAcls::NoAuthorizer);
    assert!(planned[0].contains("SECURITY_DISABLED"), "{planned:?}");
}
