//! How much may be decoded at one time: a request takes many times its size when it is decoded.

use std::sync::Arc;

use kafka_protocol::messages::ApiKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::limits::{SMALL_BODY_BYTES, ServerLimits};
use crate::server::request::api_key;

/// Room for what all connections decode.
#[derive(Clone, Debug)]
pub(super) struct DecodingRoom {
    units: Arc<Semaphore>,
    units_max: usize,
}

impl DecodingRoom {
    pub(super) fn new(limits: &ServerLimits) -> Self {
        let units_max = (limits.decoding_bytes_max / UNIT_BYTES).max(1);
        Self { units: Arc::new(Semaphore::new(units_max)), units_max }
    }

    /// Takes the room for a frame, in the order of those who ask; nothing for small ones and for
    /// records, which are not decoded. A frame larger than all the room takes all of it.
    pub(super) async fn take(&self, frame: &[u8]) -> Option<OwnedSemaphorePermit> {
        let is_produce = api_key(frame) == Some(ApiKey::Produce as i16);
        if is_produce || frame.len() <= SMALL_BODY_BYTES {
            return None;
        }
        let units = frame.len().div_ceil(UNIT_BYTES).min(self.units_max);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.units).acquire_many_owned(units).await;
        Some(taken.expect("the room is never closed"))
    }
}

const UNIT_BYTES: usize = 1 << 10;
