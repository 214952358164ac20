use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// The place of a request, when there is one at once.
async fn place(slots: &WorkSlots, key: ApiKey) -> Result<Option<OwnedSemaphorePermit>, ()> {
    timeout(Duration::ZERO, slots.take(Some(key))).await.map_err(|_| ())
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
