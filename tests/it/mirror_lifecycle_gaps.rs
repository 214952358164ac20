//! Logs with gaps and with a beginning that is gone, through a failover and back.

use anyhow::{Result, ensure};
use harness::MirrorNode;
use harness::driver::{CreateTopic, Isolation, Produce};

use crate::mirror_lifecycle::{
    end, expect_equal_files, expect_same_records, expect_writable, mirror, mirror_stock,
    shared_source,
};

/// X6, and RS15's case: what compaction and retention took at the source is missing here, too.
#[test]
fn gaps_and_lost_beginnings_come_through_a_failover_and_back() -> Result<()> {
    let name = "gaps_and_lost_beginnings_come_through_a_failover_and_back";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let at_source = source.driver();
    let (mut a, mut b) = (MirrorNode::start(at_source)?, MirrorNode::start(at_source)?);
    let start = 1_700_000_000_000;
    let compacted = CreateTopic::new(COMPACTED, 1)
        .config("cleanup.policy", "compact")
        .config("segment.ms", "60000")
        .config("min.cleanable.dirty.ratio", "0.01");
    at_source.create_topic(&compacted)?;
    let keyed = Produce::new(COMPACTED, 0, 10).keys(5).records_per_batch(4).timestamp(start);
    at_source.produce(&keyed)?;
    at_source.produce(&Produce::new(COMPACTED, 0, 5).first(100).timestamp(start))?;
    at_source.produce(&keyed)?;
    at_source.produce(&Produce::new(COMPACTED, 0, 1).first(200).timestamp(start + 120_000))?;
    let gaps = at_source.await_compaction(COMPACTED, 0)?;

    // The first batch that is left begins before the log does.
    at_source.create_topic(&CreateTopic::new(TRIMMED, 1))?;
    at_source.produce(&Produce::new(TRIMMED, 0, 10).records_per_batch(4))?;
    at_source.delete_records(TRIMMED, 0, 6)?;

    mirror_stock(&source, &a, "from-stock", &[COMPACTED, TRIMMED])?;
    mirror(&a, &b, "from-a", &[COMPACTED, TRIMMED])?;
    // The beginning moves on while the mirror runs.
    at_source.produce(&Produce::new(TRIMMED, 0, 8).first(10).records_per_batch(4))?;
    at_source.delete_records(TRIMMED, 0, 11)?;
    a.await_all_of(at_source, TRIMMED)?;
    b.await_all_of(at_source, TRIMMED)?;
    for node in [&a, &b] {
        node.driver().await_log_start(TRIMMED, 0, 11)?;
    }
    let found = b.driver().digest(COMPACTED, 0, Isolation::ReadUncommitted)?;
    ensure!(found.offsets == gaps.offsets, "{:?} became {:?}", gaps.offsets, found.offsets);

    b.stop_topics("from-a", &[COMPACTED, TRIMMED])?;
    a.stop_topics("from-stock", &[COMPACTED, TRIMMED])?;
    for topic in [COMPACTED, TRIMMED] {
        ensure!(end(b.driver(), topic)? == end(at_source, topic)? + 1);
        expect_writable(b.driver(), topic, 3)?;
    }
    mirror(&b, &a, "from-b", &[COMPACTED, TRIMMED])?;
    for topic in [COMPACTED, TRIMMED] {
        expect_same_records(a.driver(), b.driver(), topic)?;
    }
    expect_equal_files(&mut a, &mut b, &[(COMPACTED, 1), (TRIMMED, 1)])
}

const COMPACTED: &str = "compacted-source";
const TRIMMED: &str = "trimmed-source";
