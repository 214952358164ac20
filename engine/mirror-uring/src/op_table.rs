//! Hot path: no allocation, no clock, no log line, no syscall; one lock that nobody contends.
//!
//! The operations in flight of one shard, polled by one task, each only when it is done.
//!
//! A task per operation would allocate once per operation. Here every place has a waker made at
//! start; waking sets one bit, and the driver polls the places whose bits are set.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::ring::{Done, InFlight};

/// Operations the kernel may have of one shard; more wait in the driver.
///
/// Each has one completion entry at most, so the completion queue cannot overflow.
pub(crate) const OPS_IN_FLIGHT_MAX: usize = 1024;

/// A fixed number of places for operations; `P` says what each is for.
pub(crate) struct OpTable<P> {
    places: Vec<Place<P>>,
    free: Vec<usize>,
    ready: Arc<ReadySet>,
}

struct Place<P> {
    waker: Waker,
    held: Option<(P, InFlight)>,
}

impl<P> OpTable<P> {
    /// Makes all places.
    pub(crate) fn new() -> Self {
        let ready = Arc::new(ReadySet::new());
        let place = |index| {
            let waker = Waker::from(Arc::new(PlaceWaker { ready: Arc::clone(&ready), index }));
            Place { waker, held: None }
        };
        let places = (0..OPS_IN_FLIGHT_MAX).map(place).collect();
        Self { places, free: (0..OPS_IN_FLIGHT_MAX).rev().collect(), ready }
    }

    /// True when no more operations can be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Operations in flight.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Takes an operation in; it is polled the next time around.
    pub(crate) fn insert(&mut self, purpose: P, op: InFlight) {
        let index = self.free.pop().expect("the caller checked that the table is not full");
        assert!(self.places[index].held.is_none(), "place {index} is free and used");
        self.places[index].held = Some((purpose, op));
        self.ready.set(index);
    }

    /// Makes `context` the one to wake when an operation is done.
    pub(crate) fn register(&self, context: &Context<'_>) {
        self.ready.register(context.waker());
    }

    /// Polls what is ready and hands every finished operation to `finish`.
    ///
    /// Returns how many finished.
    pub(crate) fn poll_ready(&mut self, mut finish: impl FnMut(P, Done)) -> usize {
        self.ready.is_announced.store(false, Ordering::Release);
        let mut count = 0;
        for word in 0..WORDS {
            let mut bits = self.ready.bits[word].swap(0, Ordering::AcqRel);
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                let index = word * WORD_BITS + usize::try_from(bit).expect("below 64");
                if let Some((purpose, done)) = self.poll_place(index) {
                    count += 1;
                    finish(purpose, done);
                }
            }
        }
        count
    }

    fn poll_place(&mut self, index: usize) -> Option<(P, Done)> {
        let place = &mut self.places[index];
        // A bit may be left from an operation that finished meanwhile.
        let (_, op) = place.held.as_mut()?;
        let Poll::Ready(done) = op.poll(&mut Context::from_waker(&place.waker)) else {
            return None;
        };
        let (purpose, _) = place.held.take()?;
        self.free.push(index);
        Some((purpose, done))
    }
}

/// Which places want to be polled, and whom to wake for it.
struct ReadySet {
    bits: [AtomicU64; WORDS],
    /// True from the first bit set until the next poll: the task is woken once, not per bit.
    is_announced: AtomicBool,
    /// Uncontended: the kernel's answers are dispatched on the thread of the task itself.
    task: Mutex<Option<Waker>>,
}

impl ReadySet {
    fn new() -> Self {
        Self {
            bits: [const { AtomicU64::new(0) }; WORDS],
            is_announced: AtomicBool::new(false),
            task: Mutex::new(None),
        }
    }

    fn set(&self, index: usize) {
        self.bits[index / WORD_BITS].fetch_or(1 << (index % WORD_BITS), Ordering::AcqRel);
    }

    fn register(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }

    fn announce(&self) {
        if self.is_announced.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.wake_by_ref();
        }
    }
}

struct PlaceWaker {
    ready: Arc<ReadySet>,
    index: usize,
}

impl Wake for PlaceWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.set(self.index);
        self.ready.announce();
    }
}

const WORD_BITS: usize = 64;
const WORDS: usize = OPS_IN_FLIGHT_MAX / WORD_BITS;
const _: () = assert!(OPS_IN_FLIGHT_MAX.is_multiple_of(WORD_BITS));
