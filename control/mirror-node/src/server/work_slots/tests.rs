use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// The place of a request, when there is one at once.
async fn place(slots: &WorkSlots, key: ApiKey) -> Result<Option<OwnedSemaphorePermit>, ()> {
    place_of(slots, AskedApi::Kafka(key)).await
}

async fn place_of(slots: &WorkSlots, asked: AskedApi) -> Result<Option<OwnedSemaphorePermit>, ()> {
    timeout(Duration::ZERO, slots.take(Some(asked))).await.map_err(|_| ())
}

#[tokio::test]
async fn administration_waits_for_administration_and_holds_back_nobody_else() {
    let slots = WorkSlots::new();
    let mut held = Vec::new();
    for _ in 0..ADMINISTRATION_AT_ONCE {
        held.push(place(&slots, ApiKey::CreateTopics).await.unwrap().unwrap());
    }
    assert!(place(&slots, ApiKey::DeleteTopics).await.is_err());
    assert!(place(&slots, ApiKey::Produce).await.unwrap().is_some());
    assert!(place(&slots, ApiKey::OffsetFetch).await.unwrap().is_some());
    assert!(place(&slots, ApiKey::Fetch).await.unwrap().is_none());
    held.pop();
    assert!(place(&slots, ApiKey::DeleteTopics).await.unwrap().is_some());
}

#[tokio::test]
async fn starts_of_mirrors_hold_back_no_stop() {
    let slots = WorkSlots::new();
    let mut held = Vec::new();
    for _ in 0..MIRROR_STARTS_AT_ONCE {
        let start = AskedApi::Mirror(MirrorApiKey::StartMirrorTopics);
        held.push(place_of(&slots, start).await.unwrap().unwrap());
    }
    let start = AskedApi::Mirror(MirrorApiKey::StartMirrorTopics);
    assert!(place_of(&slots, start).await.is_err());
    for _ in 0..MIRROR_REQUESTS_AT_ONCE {
        let stop = AskedApi::Mirror(MirrorApiKey::StopMirrorTopics);
        held.push(place_of(&slots, stop).await.unwrap().unwrap());
    }
    let list = AskedApi::Mirror(MirrorApiKey::ListClusterMirrors);
    assert!(place_of(&slots, list).await.is_err());
    assert!(place(&slots, ApiKey::CreateTopics).await.unwrap().is_some());
}
