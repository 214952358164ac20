use std::hint::black_box;
use std::process;
use std::time::Duration;

use super::ProcessWatch;
use crate::machine::resident_bytes;

#[test]
fn what_was_before_the_watch_does_not_count() {
    const BYTES: u64 = 256 << 20;
    let before = resident_bytes().unwrap();
    let watch = ProcessWatch::begin(process::id()).unwrap();
    drop(black_box(vec![1_u8; usize::try_from(BYTES).unwrap()]));
    assert!(watch.resident_bytes_max().unwrap() >= before + BYTES / 2);
    // Touching so much memory takes more than a tick of the clock.
    assert!(watch.cpu().unwrap() > Duration::ZERO);
    let later = ProcessWatch::begin(process::id()).unwrap();
    assert!(later.cpu().unwrap() < watch.cpu().unwrap());
    assert!(later.resident_bytes_max().unwrap() < before + BYTES / 2);
}
