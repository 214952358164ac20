//! How much may be decoded at one time: a request takes many times its size when it is decoded.

use std::sync::Arc;

use kafka_protocol::messages::ApiKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::api::AskedApi;
use crate::server::limits::{ADMINISTRATION_SHARE, SMALL_BODY_BYTES, ServerLimits};
use crate::server::work_slots::administers;

/// Room for what all connections decode. Administration has a part of its own: it waits for the
/// disk with its requests decoded, and nobody else is to wait for that.
#[derive(Clone, Debug)]
pub(super) struct DecodingRoom {
    common: Units,
    administration: Units,
}

#[derive(Clone, Debug)]
struct Units {
    free: Arc<Semaphore>,
    max: usize,
}

impl DecodingRoom {
    pub(super) fn new(limits: &ServerLimits) -> Self {
        let administration = limits.decoding_bytes_max / ADMINISTRATION_SHARE;
        Self {
            common: Units::new(limits.decoding_bytes_max - administration),
            administration: Units::new(administration),
        }
    }

    /// Takes the room for a frame, in the order of those who ask; nothing for small ones and for
    /// records, which are not decoded. A frame larger than all the room takes all of it.
    pub(super) async fn take(
        &self,
        asked: Option<AskedApi>,
        frame: &[u8],
    ) -> Option<OwnedSemaphorePermit> {
        if asked == Some(AskedApi::Kafka(ApiKey::Produce)) || frame.len() <= SMALL_BODY_BYTES {
            return None;
        }
        let is_administration = match asked {
            Some(AskedApi::Kafka(key)) => administers(key),
            Some(AskedApi::Mirror(_)) => true,
            None => false,
        };
        let units = if is_administration { &self.administration } else { &self.common };
        Some(units.take(frame.len()).await)
    }
}

impl Units {
    fn new(bytes: usize) -> Self {
        let max = (bytes / UNIT_BYTES).max(1);
        Self { free: Arc::new(Semaphore::new(max)), max }
    }

    async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let units = bytes.div_ceil(UNIT_BYTES).min(self.max);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.free).acquire_many_owned(units).await;
        taken.expect("the room is never closed")
    }
}

const UNIT_BYTES: usize = 1 << 10;

#[cfg(test)]
mod tests;
