//! Groups that go on with another topic of the same name.

use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;

use super::*;
use crate::directory_state::MirrorTopic;

#[tokio::test]
async fn offsets_of_a_topic_that_was_made_anew_are_not_committed_for_the_old_one() {
    let scene = Scene::new(&[]).await;
    let remembered = MirrorTopic {
        topic_id: TopicId::from_wire(ORDERS).unwrap(),
        source_has_topic_ids: true,
        partition_count: 2,
        configs: BTreeMap::new(),
        leader_epochs: Vec::new(),
    };
    scene.mirrored.directory.lock().state.topics.insert(topic("orders"), remembered);
    let committed = [("a", vec![(0, 60, 4)])];
    let source = |id: [u8; 16]| {
        let Source { answers, .. } = Source::of(committed.clone().into());
        Source::answering(move |broker, request| match request {
            RequestKind::Metadata(asked) => {
                let names = asked.topics.unwrap_or_default().into_iter();
                let topics = names.map(|one| {
                    MetadataResponseTopic::default()
                        .with_name(one.name)
                        .with_topic_id(uuid::Uuid::from_bytes(id))
                });
                Reply::with(MetadataResponse::default().with_topics(topics.collect()))
            }
            other => answers(broker, other),
        })
    };
    let outcome = scene.round(&source([9; 16])).await.unwrap();
    assert_eq!(scene.committed("a").await, []);
    assert_eq!((outcome.written, outcome.skipped.count), (0, 1), "{outcome:?}");
    let skipped = format!("{:?}", outcome.skipped);
    assert!(skipped.contains("group a, orders") && skipped.contains("recreated"), "{skipped}");

    scene.round(&source(ORDERS)).await.unwrap();
    assert_eq!(scene.committed("a").await, [(0, 60, 4)]);
}
