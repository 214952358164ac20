//! A generated source, for tests that need a misbehaving one or none of Kafka's weight.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use harness::{Ended, Ringmirror};
use kafka_wire::partition::{TopicName, TopicPartition};
use synthetic_source::SyntheticSource;
use synthetic_source::spec::{LogSize, SyntheticSpec, TopicSpec};

use crate::mirrored::{batches, segment_bytes, segments};

/// The topic of [`source`].
pub(crate) const TOPIC: &str = "orders";

/// A source with one topic of so many partitions of so many bytes, in two codecs and with
/// transactions.
pub(crate) fn source(partitions: i32, bytes: u64) -> Result<SyntheticSource> {
    source_with(partitions, bytes, |_| {})
}

/// As [`source`], with changes.
pub(crate) fn source_with(
    partitions: i32,
    bytes: u64,
    change: impl FnOnce(&mut SyntheticSpec),
) -> Result<SyntheticSource> {
    let name = TopicName::parse(TOPIC).context("a legal name")?;
    let mut topic = TopicSpec::new(name, partitions, LogSize::Bytes(bytes));
    topic.content.transactions_permille = 100;
    topic.configs.push(("segment.bytes".to_owned(), "4194304".to_owned()));
    let mut spec = SyntheticSpec { topics: vec![topic], ..SyntheticSpec::default() };
    change(&mut spec);
    SyntheticSource::start(&spec)
}

/// A mirror of everything `source` has.
pub(crate) fn mirror(source: &SyntheticSource, data_dir: &Path) -> Ringmirror {
    Ringmirror::mirror(&source.bootstrap(), TOPIC, data_dir)
}

/// Mirrors to the end and compares.
pub(crate) fn catch_up(source: &SyntheticSource, data_dir: &Path) -> Result<Ended> {
    let ended = mirror(source, data_dir).until_caught_up().run()?.expect_code(0)?;
    expect_equal(source, data_dir)?;
    Ok(ended)
}

/// Compares every partition byte for byte.
pub(crate) fn expect_equal(source: &SyntheticSource, data_dir: &Path) -> Result<()> {
    for partition in source.partitions() {
        let theirs = source_bytes(source, &partition)?;
        let ours = segment_bytes(&data_dir.join(partition.to_string()))?;
        let first = theirs.iter().zip(&ours).position(|(theirs, ours)| theirs != ours);
        let lengths = (theirs.len(), ours.len());
        let same = first.is_none() && lengths.0 == lengths.1;
        ensure!(same, "{partition} differs at {first:?}; source and mirror hold {lengths:?} bytes");
    }
    Ok(())
}

/// Compares every partition of a mirror that is still running: reserved space may follow the bytes.
pub(crate) fn expect_held(source: &SyntheticSource, data_dir: &Path) -> Result<()> {
    for partition in source.partitions() {
        let theirs = source_bytes(source, &partition)?;
        let ours = running_bytes(&data_dir.join(partition.to_string()))?;
        ensure!(ours == theirs, "{partition} differs while the mirror runs");
    }
    Ok(())
}

/// The segments' batches, without what is reserved behind them.
fn running_bytes(partition: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for contents in segments(partition)? {
        bytes.extend(batches(&contents)?.concat());
    }
    Ok(bytes)
}

/// All bytes the source holds of a partition.
pub(crate) fn source_bytes(
    source: &SyntheticSource,
    partition: &TopicPartition,
) -> Result<Vec<u8>> {
    let log = source.log(partition)?;
    let mut bytes = Vec::new();
    log.reader(log.start_offset().offset(), log.end_offset().offset()).read_to_end(&mut bytes)?;
    Ok(bytes)
}
