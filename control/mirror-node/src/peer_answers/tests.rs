use std::sync::Arc;

use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{MetadataResponse, RequestKind};
use kafka_wire::partition::PartitionIndex;
use mirror_coordinator::mirror_position::MirrorPosition;

use super::*;
use crate::source_sync::fake_source::{Reply, serve};

const OURS: [u8; 16] = [7; 16];

/// What a source without mirrors, which has `orders` under this id or says this error, leaves to be
/// known of ours.
async fn position(id: [u8; 16], error_code: i16) -> Result<MirrorPosition, String> {
    let answers = move |_, request| match request {
        RequestKind::Metadata(asked) => {
            let topic = |one: kafka_protocol::messages::metadata_request::MetadataRequestTopic| {
                MetadataResponseTopic::default()
                    .with_name(one.name)
                    .with_error_code(error_code)
                    .with_topic_id(uuid::Uuid::from_bytes(id))
            };
            let topics = asked.topics.unwrap_or_default().into_iter().map(topic);
            Reply::with(MetadataResponse::default().with_topics(topics.collect()))
        }
        _ => Reply::Closes,
    };
    let mut client = SourceClient::new(serve("there", 1, &[], Arc::new(answers)).await);
    let orders = TopicName::parse("orders").unwrap();
    let at = TopicPartition { topic: orders.clone(), partition: PartitionIndex::default() };
    let ids = BTreeMap::from([(orders.clone(), TopicId::from_wire(OURS).unwrap())]);
    let peer = ask_peer(&mut client, "here", &BTreeSet::from([at]), &ids).await.unwrap();
    peer.position_of(&orders, PartitionIndex::default()).map_err(|failure| failure.reason)
}

#[tokio::test]
async fn nothing_is_cut_off_a_topic_whose_name_is_anothers_at_the_source_by_now() {
    assert_eq!(position(OURS, 0).await, Ok(MirrorPosition::EMPTY));
    let reason = position([9; 16], 0).await.unwrap_err();
    assert!(reason.contains("orders") && reason.contains("deleted and recreated"), "{reason}");
    let reason = position([0; 16], 3).await.unwrap_err();
    assert!(reason.contains("UNKNOWN_TOPIC_OR_PARTITION"), "{reason}");
}
