use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn no_more_threads_are_inside_than_there_are_places_and_all_get_theirs() {
    let slots = Slots::new(2);
    let (inside, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let _slot = slots.take();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 800);
    assert!((1..=2).contains(&most.into_inner()));
}
