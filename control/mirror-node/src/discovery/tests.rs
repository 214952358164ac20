use std::collections::BTreeMap;

use kafka_wire::partition::{TopicId, TopicName};

use super::{Discovery, Standing, TopicFinding};
use crate::directory_state::{DirectoryState, MirrorTopic};
use crate::source_client::rights::NamedTopic;
use crate::source_client::{SourceMetadata, SourceTopic};
use crate::topic_filter::TopicFilter;
use crate::topic_selection::TopicSelection;

fn name(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

fn source(topics: &[(&str, u8)]) -> SourceMetadata {
    let topic = |(text, id): &(&str, u8)| {
        let topic_id = TopicId::from_wire([*id; 16]);
        let topic = SourceTopic { topic_id, is_internal: false, partitions: BTreeMap::new() };
        (name(text), topic)
    };
    SourceMetadata { topics: topics.iter().map(topic).collect(), ..SourceMetadata::default() }
}

fn ours(text: &str, id: u8, source_has_topic_ids: bool) -> DirectoryState {
    let topic = MirrorTopic {
        topic_id: TopicId::from_wire([id; 16]).unwrap(),
        source_has_topic_ids,
        partition_count: 1,
        configs: BTreeMap::new(),
        leader_epochs: Vec::new(),
    };
    DirectoryState { topics: BTreeMap::from([(name(text), topic)]), ..DirectoryState::default() }
}

/// A mirror that looks for topics; those of `ours` are its own.
struct Looking {
    discovery: Discovery,
    selection: TopicSelection,
    standing: Standing,
    /// What the source says of topics that it is asked for by name.
    says: NamedTopic,
}

impl Looking {
    fn look<'a>(
        &mut self,
        ours: &DirectoryState,
        source: &'a SourceMetadata,
    ) -> Vec<TopicFinding<'a>> {
        let known = self.standing;
        let standing =
            |name: &TopicName| if ours.topics.contains_key(name) { known } else { Standing::Free };
        let missing = self.discovery.missing().into_iter();
        let named = missing.map(|name| (name, self.says)).collect();
        self.discovery.look(&self.selection, ours, standing, (source, &named))
    }
}

fn discovery(include: &str) -> Looking {
    let filter = Some(TopicFilter::new(include, None).unwrap());
    let selection = TopicSelection { patterns: None, filter };
    let says = NamedTopic { error_code: 3, operations: None };
    Looking { discovery: Discovery::default(), selection, standing: Standing::Active, says }
}

#[test]
fn selected_topics_are_new_or_known() {
    let (state, metadata) = (ours("a", 1, true), source(&[("a", 1), ("b", 2), ("x", 3)]));
    let findings = discovery("a|b").look(&state, &metadata).len();
    assert_eq!(findings, 2);
    let mut looking = discovery("a|b");
    let findings = looking.look(&state, &metadata);
    assert!(matches!(&findings[0], TopicFinding::Known { name: at, .. } if *at == name("a")));
    assert!(matches!(&findings[1], TopicFinding::New { name: at, .. } if *at == name("b")));
}

#[test]
fn a_topic_under_another_id_is_never_taken_for_ours() {
    let state = ours("a", 1, true);
    let metadata = source(&[("a", 2)]);
    let findings = discovery(".*").look(&state, &metadata).remove(0);
    let theirs = TopicId::from_wire([2; 16]);
    assert!(matches!(findings, TopicFinding::Recreated { theirs: id, .. } if id == theirs));
    let metadata = source(&[("a", 0)]);
    let findings = discovery(".*").look(&state, &metadata).remove(0);
    assert!(matches!(findings, TopicFinding::Recreated { theirs: None, .. }));
}

#[test]
fn a_topic_of_a_source_without_ids_is_followed_by_name() {
    let state = ours("a", 1, false);
    let metadata = source(&[("a", 0)]);
    assert!(matches!(discovery(".*").look(&state, &metadata)[0], TopicFinding::Known { .. }));
    let upgraded = source(&[("a", 7)]);
    assert!(matches!(discovery(".*").look(&state, &upgraded)[0], TopicFinding::Known { .. }));
}

#[test]
fn a_topic_missing_once_is_nothing_and_twice_is_deleted() {
    let state = ours("a", 1, true);
    let mut looking = discovery(".*");
    let (without, with) = (source(&[]), source(&[("a", 1)]));
    assert!(looking.look(&state, &without).is_empty());
    assert_eq!(looking.look(&state, &with).len(), 1);
    assert!(looking.look(&state, &without).is_empty());
    assert!(matches!(looking.look(&state, &without)[0], TopicFinding::Deleted { .. }));
}

#[test]
fn a_topic_that_was_stopped_or_belongs_to_another_mirror_is_left_alone() {
    let state = ours("a", 1, true);
    let mut looking = Looking { standing: Standing::Elsewhere, ..discovery(".*") };
    for metadata in [source(&[]), source(&[]), source(&[("a", 1)]), source(&[("a", 2)])] {
        assert!(looking.look(&state, &metadata).is_empty());
    }
}

#[test]
fn a_topic_is_followed_until_it_is_stopped_even_when_it_is_no_longer_selected() {
    let (state, metadata) = (ours("a", 1, true), source(&[("a", 1), ("c", 3)]));
    let mut looking = discovery("b");
    let findings = looking.look(&state, &metadata);
    assert!(matches!(&findings[..], [TopicFinding::Known { .. }]));
}

#[test]
fn a_topic_that_is_here_under_another_name_is_not_new() {
    let (state, metadata) = (ours("a.x", 1, true), source(&[("b.x", 1), ("b.y", 2)]));
    let mut looking = Looking { standing: Standing::Elsewhere, ..discovery(r"b\..*") };
    let findings = looking.look(&state, &metadata);
    let [TopicFinding::IdTaken { name: at, owner, .. }, TopicFinding::New { name: new, .. }] =
        &findings[..]
    else {
        panic!("{findings:?}")
    };
    assert_eq!((at, owner, new), (&name("b.x"), &name("a.x"), &name("b.y")));
}

#[test]
fn a_topic_that_the_source_hides_is_not_deleted() {
    let state = ours("a", 1, true);
    let mut looking = discovery(".*");
    let (without, with) = (source(&[]), source(&[("a", 1)]));
    looking.says.error_code = 29;
    assert!(looking.look(&state, &without).is_empty(), "it is asked for by name first");
    for _ in 0..3 {
        let findings = looking.look(&state, &without);
        assert!(matches!(&findings[..], [TopicFinding::Denied { name: at }] if *at == name("a")));
    }
    assert!(matches!(looking.look(&state, &with)[..], [TopicFinding::Known { .. }]));
    // One that is there all the same, and one that nobody could be asked about, are neither.
    for error_code in [0, 5] {
        looking.says.error_code = error_code;
        assert!((0..3).all(|_| looking.look(&state, &without).is_empty()));
    }
}
