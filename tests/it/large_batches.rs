//! Batches larger than a buffer, than a response should be, than what is taken at all.

use anyhow::Result;
use harness::TempDir;
use synthetic_source::SyntheticSource;

use crate::mirrored::expect_verified_at;
use crate::synthetic;

#[test]
fn batches_larger_than_buffers_and_responses_are_mirrored() -> Result<()> {
    for batch_bytes in [3 << 20, 12 << 20] {
        let source = source_of_batches(batch_bytes)?;
        let directory = TempDir::new("mirror")?;
        synthetic::catch_up(&source, &directory.join("mirror"))?;
    }
    Ok(())
}

#[test]
fn a_batch_above_the_usual_limit_is_mirrored_when_the_limit_is_raised() -> Result<()> {
    let source = source_of_batches(20 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    let raised =
        || synthetic::mirror(&source, &mirror).until_caught_up().option(BATCH_BYTES_MAX, "21MiB");
    let refused = raised().option("--slab-bytes", "80MiB").run()?;
    let words = ["slab of 80 buffers is too small", "22020096 bytes need 87", "--slab-bytes"];
    refused.expect_refusal(USAGE, &words)?.expect_refusal(USAGE, &[BATCH_BYTES_MAX])?;

    raised().run()?.expect_code(0)?;
    synthetic::expect_equal(&source, &mirror)?;
    expect_verified_at(&source.bootstrap(), &mirror, 1)?;

    // What is on disk is read back whatever the limit of today is.
    for file in [".kafka_cleanshutdown", "recovery-point-offset-checkpoint"] {
        std::fs::remove_file(mirror.join(file))?;
    }
    let ended = synthetic::catch_up(&source, &mirror)?;
    assert!(ended.events_named("repaired")?.is_empty(), "{ended}");
    Ok(())
}

/// What the option takes can be verified too.
#[test]
fn the_largest_batch_the_option_takes_is_mirrored_and_verified() -> Result<()> {
    let source = source_of_batches(127 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    let run = |limit: &str| {
        let cores = synthetic::mirror(&source, &mirror).option("--cores", "0");
        cores.until_caught_up().option(BATCH_BYTES_MAX, limit).run()
    };
    run("129MiB")?.expect_refusal(USAGE, &["129MiB", "above 128.00 MiB"])?;
    run("128MiB")?.expect_code(0)?;
    expect_verified_at(&source.bootstrap(), &mirror, 1)
}

#[test]
fn a_batch_larger_than_the_limit_stops_its_partition_with_the_reason() -> Result<()> {
    let source = source_of_batches(20 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    let ended = synthetic::mirror(&source, &mirror).until_caught_up().run()?.expect_code(1)?;
    let failed = &ended.events_named("ended")?[0]["outcome"]["failed"][0];
    assert_eq!(failed["name"], "orders-0", "{ended}");
    let reason = failed["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("16777216") && reason.contains("batch_bytes_max"), "{ended}");
    Ok(())
}

const BATCH_BYTES_MAX: &str = "--batch-bytes-max";
const USAGE: i32 = 2;

fn source_of_batches(batch_bytes: usize) -> Result<SyntheticSource> {
    synthetic::source_with(1, 40 << 20, |spec| {
        let content = &mut spec.topics[0].content;
        content.batch_bytes = batch_bytes;
        content.cycle_bytes = 2 * batch_bytes;
        spec.topics[0].configs.clear();
    })
}
