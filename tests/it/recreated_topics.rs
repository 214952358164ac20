//! A topic that was deleted and made again under its name is another topic.

use anyhow::Result;
use harness::driver::{CreateTopic, Produce};
use harness::{ClusterOptions, KafkaRelease, Ringmirror, TempDir};

use crate::mirrored::{SOON, catch_up, segment_bytes};

#[test]
fn a_recreated_topic_is_never_merged_with_the_old_one() -> Result<()> {
    let name = "a_recreated_topic_is_never_merged_with_the_old_one";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let source = kafka.start(KafkaRelease::V3_9, ClusterOptions::default())?;
    let driver = source.driver();
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    driver.create_topic(&CreateTopic::new("again", 1))?;
    driver.create_topic(&CreateTopic::new("steady", 1))?;
    driver.produce(&Produce::new("again", 0, 50))?;
    catch_up(&source, "again|steady", &mirror)?;
    let before = segment_bytes(&mirror.join("again-0"))?;

    // While running; the other topic goes on.
    let bootstrap = source.bootstrap_servers();
    let mut running = Ringmirror::mirror(&bootstrap, "again|steady", &mirror).spawn()?;
    running.wait_for_event("started", SOON)?;
    driver.delete_topic("again")?;
    driver.create_topic(&CreateTopic::new("again", 1))?;
    driver.produce(&Produce::new("again", 0, 80).first(500))?;
    let lost = running.wait_for(SOON, |event| {
        event["event"] == "topic_lost"
            && event["reason"].as_str().is_some_and(|text| text.contains("recreated"))
    })?;
    assert_eq!(lost["topic"], "again");
    driver.produce(&Produce::new("steady", 0, 30))?;
    running.wait_for(SOON, |event| {
        event["event"] == "progress" && event["offsets_done"].as_u64() >= Some(30)
    })?;
    running.terminate()?.expect_code(1)?;
    assert!(before == segment_bytes(&mirror.join("again-0"))?, "the old topic changed");

    // And on the next start.
    let ended = Ringmirror::mirror(&bootstrap, "again|steady", &mirror)
        .until_caught_up()
        .run()?
        .expect_code(1)?;
    let failed = &ended.events_named("ended")?[0]["outcome"]["failed"][0];
    assert_eq!(failed["name"], "again", "{ended}");
    assert!(failed["reason"].as_str().is_some_and(|text| text.contains("recreated")), "{ended}");
    assert!(before == segment_bytes(&mirror.join("again-0"))?, "the old topic changed");
    let report = Ringmirror::verify(&bootstrap, &mirror).run()?.expect_code(1)?;
    assert!(report.stdout.contains("again"), "{report}");
    Ok(())
}
