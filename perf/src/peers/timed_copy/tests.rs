use std::net::SocketAddr;
use std::process;

use super::*;

fn plan_of(bytes: u64) -> CopyPlan<'static> {
    CopyPlan {
        source: SocketAddr::from(([127, 0, 0, 1], 1)),
        topic: "t",
        partitions: 1,
        records: 1,
        end_offsets: &[1],
        bytes,
        response_bytes_max: None,
        directory: Path::new("copy"),
        spent: Path::new("spent"),
        needed: &[],
        compare_with: None,
    }
}

/// What is measured when the looks find so many bytes, one after the other and the last for ever.
fn watched(time: Duration, all: u64, looks: &[u64]) -> Result<Sample> {
    let mut looks = looks.iter().copied();
    let mut last = 0;
    watch(process::id(), time, &plan_of(all), || {
        last = looks.next().unwrap_or(last);
        Ok(last)
    })
}

#[test]
fn what_was_there_at_first_sight_does_not_count() -> Result<()> {
    let sample = watched(Duration::from_secs(60), 100, &[0, 0, 30, 60, 100])?;
    assert_eq!(sample.bytes, 70);
    assert!((LOOK_PAUSE..Duration::from_secs(60)).contains(&sample.elapsed), "{sample:?}");
    Ok(())
}

#[test]
fn a_copying_that_is_too_slow_ends_with_its_time() -> Result<()> {
    let time = 4 * LOOK_PAUSE;
    let steps: Vec<u64> = (10..1_000_000).collect();
    let sample = watched(time, u64::MAX, &steps)?;
    assert!(sample.elapsed >= time && (1..1_000).contains(&sample.bytes), "{sample:?}");
    Ok(())
}

#[test]
fn a_response_that_is_on_its_way_when_the_time_is_over_counts() -> Result<()> {
    let (time, begun) = (2 * LOOK_PAUSE, Instant::now());
    let sample = watch(process::id(), time, &plan_of(100), || {
        Ok(if begun.elapsed() < 10 * LOOK_PAUSE { 10 } else { 50 })
    })?;
    assert_eq!(sample.bytes, 40);
    assert!(sample.elapsed > 2 * time, "{sample:?}");
    Ok(())
}
