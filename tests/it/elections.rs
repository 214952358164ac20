//! Leaders that change while a mirror runs: by election, by death, and uncleanly.

use std::path::Path;

use anyhow::Result;
use harness::driver::{CreateTopic, Isolation, Produce};
use harness::{ClusterOptions, KafkaCluster, KafkaRelease, Ringmirror, Running, TempDir};

use crate::mirrored::{SOON, catch_up, expect_same_bytes, expect_verified};

#[test]
fn leaders_change_under_a_running_mirror() -> Result<()> {
    let Some(kafka) = harness::kafka_or_skip("leaders_change_under_a_running_mirror") else {
        return Ok(());
    };
    let options = ClusterOptions::brokers(2).with_separate_controller();
    let mut source = kafka.start(KafkaRelease::V4, options)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    source.driver().create_topic(&CreateTopic::new("led", 1).assigned(&[&[1, 2]]))?;
    source.driver().create_topic(&CreateTopic::new("single", 1).assigned(&[&[2]]))?;
    produce(&source, "led", 0)?;
    let bootstrap = source.bootstrap_servers();
    let mut running = Ringmirror::mirror(&bootstrap, "led|single", &mirror).spawn()?;
    await_offsets(&mut running, 100)?;

    // An election without a loss.
    source.driver().reassign("led", 0, &[2, 1])?;
    source.driver().elect_preferred_leader("led", 0)?;
    produce(&source, "led", 1)?;
    await_offsets(&mut running, 200)?;

    // The leader dies; the other broker goes on; the dead one comes back and leads again.
    source.kill_node(2)?;
    source.wait_ready()?;
    produce(&source, "led", 2)?;
    await_offsets(&mut running, 300)?;
    source.start_node(2)?;
    source.wait_ready()?;
    produce(&source, "single", 3)?;
    await_offsets(&mut running, 400)?;
    let ended = running.terminate()?.expect_code(0)?;
    assert!(ended.events_named("truncated")?.is_empty(), "{ended}");
    assert!(ended.events_named("gap")?.is_empty(), "{ended}");
    assert!(!ended.events_named("broker_unreachable")?.is_empty(), "{ended}");

    let leader = source.driver().describe_topic("led")?.partitions[0].leader;
    expect_same_bytes(&source.log_dir(leader)?, &mirror, "led-0")?;
    expect_same_bytes(&source.log_dir(2)?, &mirror, "single-0")?;
    expect_verified(&source, &mirror, 2)
}

#[test]
fn an_unclean_election_is_followed_or_refused_as_asked() -> Result<()> {
    let name = "an_unclean_election_is_followed_or_refused_as_asked";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let options = ClusterOptions::brokers(2).with_separate_controller();
    let mut source = kafka.start(KafkaRelease::V4, options)?;
    let directory = TempDir::new("mirror")?;
    let (cut, kept) = (directory.join("cut"), directory.join("kept"));
    let topic = CreateTopic::new("lossy", 1).assigned(&[&[1, 2]]);
    source.driver().create_topic(&topic)?;
    produce(&source, "lossy", 0)?;
    source.kill_node(2)?;
    source.wait_ready()?;
    produce(&source, "lossy", 1)?;
    for mirror in [&cut, &kept] {
        catch_up(&source, "lossy", mirror)?;
    }

    // Broker 2 has the first hundred only, and writes a history of its own behind them.
    source.kill_node(1)?;
    source.start_node(2)?;
    source.wait_ready()?;
    source.driver().elect_unclean_leader("lossy", 0)?;
    produce(&source, "lossy", 7)?;
    is_cut(&source, &cut)?;
    is_kept(&source, &kept)
}

fn is_cut(source: &KafkaCluster, mirror: &Path) -> Result<()> {
    let ended = catch_up(source, "lossy", mirror)?;
    let cuts = ended.events_named("truncated")?;
    assert_eq!(cuts.len(), 1, "{ended}");
    assert_eq!((&cuts[0]["from"], &cuts[0]["to"]), (&200.into(), &100.into()), "{ended}");
    expect_same_bytes(&source.log_dir(2)?, mirror, "lossy-0")?;
    expect_verified(source, mirror, 1)
}

fn is_kept(source: &KafkaCluster, mirror: &Path) -> Result<()> {
    let before = crate::mirrored::segment_bytes(&mirror.join("lossy-0"))?;
    let ended = Ringmirror::mirror(&source.bootstrap_servers(), "lossy", mirror)
        .option("--on-unclean-election", "fail")
        .until_caught_up()
        .run()?
        .expect_code(1)?;
    let last = ended.events_named("ended")?;
    let failed = &last[0]["outcome"]["failed"][0];
    assert_eq!(failed["name"], "lossy-0", "{ended}");
    assert!(failed["reason"].as_str().is_some_and(|reason| reason.contains("100")), "{ended}");
    let after = crate::mirrored::segment_bytes(&mirror.join("lossy-0"))?;
    assert!(before == after, "the log that was to be kept changed");

    // And verify names the first offset where the histories part.
    let report = Ringmirror::verify(&source.bootstrap_servers(), mirror).run()?.expect_code(1)?;
    let difference = &report.document()?["partitions"][0]["difference"];
    assert_eq!(difference["offset"], 100, "{report}");
    Ok(())
}

fn produce(source: &KafkaCluster, topic: &str, round: u64) -> Result<()> {
    let records = Produce::new(topic, 0, 100).first(round * 100).records_per_batch(20);
    source.driver().produce(&records)?;
    source.driver().digest(topic, 0, Isolation::ReadUncommitted)?;
    Ok(())
}

fn await_offsets(running: &mut Running, count: u64) -> Result<()> {
    running.wait_for(SOON, |event| {
        event["event"] == "progress" && event["offsets_done"].as_u64() >= Some(count)
    })?;
    Ok(())
}
