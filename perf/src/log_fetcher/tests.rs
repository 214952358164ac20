use super::*;
use crate::synthetic_source::SyntheticSource;
use crate::synthetic_source::spec::{BatchContent, LogSize, SyntheticSpec, TopicSpec};
use kafka_wire::partition::TopicName;

fn source() -> Result<SyntheticSource> {
    let name = TopicName::parse("followed").context("a legal name")?;
    let content = BatchContent { batch_bytes: 16 << 10, ..BatchContent::default() };
    let topic = TopicSpec { content, ..TopicSpec::new(name, 1, LogSize::Bytes(3 << 20)) };
    SyntheticSource::start(&SyntheticSpec { topics: vec![topic], ..SyntheticSpec::default() })
}

#[test]
fn a_log_is_followed_to_its_end_by_whole_batches() -> Result<()> {
    for discard in [Discard::Received, Discard::InKernel] {
        let source = source()?;
        let log = source.log(source.partitions().first().context("a partition")?)?;
        let end = log.end_offset().offset().get();
        // A limit that no batch ends at, so that responses end in the middle of one.
        let settings =
            FetchSettings { partition_bytes_max: 100_001, discard, ..FetchSettings::JAVA };
        let (_, address) = *source.brokers().first().context("a broker")?;
        let mut fetcher = LogFetcher::connect(address, settings)?;
        assert_eq!(fetcher.follow("followed", 0, 0, end)?, log.byte_count(), "{discard:?}");
    }
    Ok(())
}

#[test]
fn every_offset_is_told_once() -> Result<()> {
    let source = source()?;
    let log = source.log(source.partitions().first().context("a partition")?)?;
    let end = log.end_offset().offset().get();
    let (_, address) = *source.brokers().first().context("a broker")?;
    let mut fetcher = LogFetcher::connect(address, FetchSettings::JAVA)?;
    let mut next = 0;
    while next < end {
        let asked = next;
        let fetched = fetcher.fetch("followed", 0, asked, |header| {
            assert_eq!(header.base_offset.get(), next);
            next = header.next_offset().get();
        })?;
        assert_eq!(fetched.next_offset, next);
    }
    assert_eq!(next, end);
    Ok(())
}

#[test]
fn an_unknown_partition_is_told_as_its_error() -> Result<()> {
    let source = source()?;
    let (_, address) = *source.brokers().first().context("a broker")?;
    let mut fetcher = LogFetcher::connect(address, FetchSettings::JAVA)?;
    let fetched = fetcher.fetch("elsewhere", 0, 0, |_| {})?;
    assert_eq!(fetched, Fetched { error_code: 3, batch_bytes: 0, next_offset: 0 });
    Ok(())
}
