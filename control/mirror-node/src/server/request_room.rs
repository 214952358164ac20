//! Room for the requests of all connections.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::limits::ServerLimits;

/// Memory that all connections share, taken step by step, and enough for one request beside it:
/// when many have taken a part of what they need and nothing is left, one of them takes the rest
/// from there, is answered, and leaves room for the others.
#[derive(Debug)]
pub(super) struct RequestRoom {
    steps: Arc<Semaphore>,
    beside: Arc<Semaphore>,
}

/// What one request has taken; it is free again when this is dropped.
#[derive(Debug, Default)]
pub(super) struct HeldRoom {
    bytes: usize,
    steps: Option<OwnedSemaphorePermit>,
    beside: Option<OwnedSemaphorePermit>,
}

impl RequestRoom {
    pub(super) fn new(limits: &ServerLimits) -> Self {
        let request_bytes_max = usize::try_from(limits.request_bytes_max).unwrap_or(usize::MAX);
        let shared = limits.requests_bytes_max.saturating_sub(request_bytes_max);
        let steps = Arc::new(Semaphore::new(shared / STEP_BYTES));
        Self { steps, beside: Arc::new(Semaphore::new(1)) }
    }

    /// Waits for room for one more step of the request that holds `held`.
    pub(super) async fn take(&self, held: &mut HeldRoom) {
        if held.beside.is_none() {
            tokio::select! {
                biased;
                step = Arc::clone(&self.steps).acquire_owned() => {
                    let step = step.expect("the room is never closed");
                    match &mut held.steps {
                        Some(steps) => steps.merge(step),
                        None => held.steps = Some(step),
                    }
                }
                beside = Arc::clone(&self.beside).acquire_owned() => {
                    held.beside = Some(beside.expect("the room is never closed"));
                }
            }
        }
        held.bytes += STEP_BYTES;
    }
}

impl HeldRoom {
    /// How much may be received.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A large request is received in steps of so many bytes.
const STEP_BYTES: usize = 64 << 10;
