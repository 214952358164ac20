use std::time::Duration;

use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn bodies_of_administration_hold_no_room_of_others() {
    let limits = ServerLimits { decoding_bytes_max: 64 << 10, ..ServerLimits::default() };
    let room = DecodingRoom::new(&limits);
    let large = vec![0; 40 << 10];
    let take = |key| timeout(Duration::ZERO, room.take(Some(AskedApi::Kafka(key)), &large));
    let _held = take(ApiKey::CreateTopics).await.unwrap().unwrap();
    assert!(take(ApiKey::CreateTopics).await.is_err());
    let common = take(ApiKey::Metadata).await.unwrap().unwrap();
    assert!(take(ApiKey::Fetch).await.is_err());
    assert!(take(ApiKey::Produce).await.unwrap().is_none());
    drop(common);
    assert!(take(ApiKey::Fetch).await.unwrap().is_some());
}
