//! Records: every version, bounds, batches, cuts.

use super::*;

/// Fetches partition 0 to its end and returns every byte; cut batches are fetched again.
fn drain(source: &SyntheticSource, client: &mut Client, ask: Ask) -> Vec<u8> {
    let end = source.log(&partition(0)).unwrap().end_offset().offset().get();
    let mut ask = Ask { offset: source.log(&partition(0)).unwrap().start(), ..ask };
    let mut all = Vec::new();
    while ask.offset < end {
        let answer = fetch(source, client, ask);
        assert_eq!((answer.error_code, answer.high_watermark), (0, end));
        let records = answer.records.unwrap();
        let mut at = 0;
        while records.len() >= at + 12 {
            let bytes = usize::try_from(i32_at(&records, at + 8)).unwrap() + 12;
            if at + bytes > records.len() {
                break;
            }
            ask.offset = i64_at(&records, at) + i64::from(i32_at(&records, at + 23)) + 1;
            at += bytes;
        }
        assert!(at > 0, "no whole batch at {}", ask.offset);
        all.extend_from_slice(&records[..at]);
    }
    all
}

#[test]
fn every_fetch_version_serves_the_expected_bytes() {
    let source = start(rich_topic());
    let expected = whole(&source.log(&partition(0)).unwrap());
    assert!(expected.len() >= 64 * 1024);
    for version in 4..=17 {
        let mut client = Client::connect(&source);
        let ask = Ask { version, partition_bytes: 10_000, ..Ask::default() };
        assert!(drain(&source, &mut client, ask) == expected, "version {version} differs");
    }
}

#[test]
fn every_batch_decodes_with_a_right_crc_and_rising_offsets() {
    let source = start(rich_topic());
    let log = source.log(&partition(0)).unwrap();
    let bytes = whole(&log);
    let sets = RecordBatchDecoder::decode_all(&mut Bytes::from(bytes)).unwrap();
    let (mut next, mut missing, mut epochs) = (1000, 0, Vec::new());
    let mut codecs = Vec::new();
    let (mut markers, mut transactional) = (0, 0);
    for set in &sets {
        codecs.push(set.compression);
        let first = &set.records[0];
        missing += first.offset - next;
        next = set.records.last().unwrap().offset + 1;
        markers += usize::from(first.control);
        transactional += usize::from(first.transactional && !first.control);
        epochs.push(first.partition_leader_epoch);
    }
    assert_eq!((next, missing), (log.end_offset().offset().get(), 77));
    epochs.dedup();
    assert_eq!(epochs, [2, 5, 9]);
    assert!(markers > 1 && transactional >= 3 * (markers - 1), "{markers} of {transactional}");
    for codec in [Compression::None, Compression::Lz4, Compression::Zstd] {
        assert!(codecs.contains(&codec), "{codec:?} is missing");
    }
}

#[test]
fn two_sources_of_one_seed_agree_and_partitions_differ() {
    let mut spec = topic(2);
    spec.content.transactions_permille = 200;
    let (one, two) = (start(spec.clone()), start(spec));
    let digest = |source: &SyntheticSource, index| {
        let log = source.log(&partition(index)).unwrap();
        log.digest(log.start_offset().offset(), log.end_offset().offset())
    };
    assert_eq!(one.topic_id(&name()), two.topic_id(&name()));
    assert_eq!(digest(&one, 0), digest(&two, 0));
    assert_eq!(digest(&one, 1), digest(&two, 1));
    assert_ne!(digest(&one, 0).crc, digest(&one, 1).crc);
}

#[test]
fn a_digest_covers_the_bytes_of_the_reader() {
    let source = start(rich_topic());
    let log = source.log(&partition(0)).unwrap();
    let (from, to) = (offset(1010), offset(1200));
    let mut bytes = Vec::new();
    log.reader(from, to).read_to_end(&mut bytes).unwrap();
    let digest = log.digest(from, to);
    assert_eq!(digest.bytes, u64::try_from(bytes.len()).unwrap());
    assert_eq!(digest.crc, crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes));
    assert_eq!(digest.batches, u64::try_from(log.batches(from, to).count()).unwrap());
    assert!(i64_at(&bytes, 0) <= 1010 && digest.batches > 1);
}

#[test]
fn the_last_batch_is_cut_at_the_partition_limit() {
    let source = start(topic(1));
    let mut client = Client::connect(&source);
    let answer = fetch(&source, &mut client, Ask { partition_bytes: 1501, ..Ask::default() });
    assert_eq!(answer.records.unwrap().len(), 1501);
}

#[test]
fn a_first_batch_above_the_limits_comes_whole_and_alone() {
    let source = start(topic(2));
    let mut client = Client::connect(&source);
    let first = source.log(&partition(0)).unwrap().batch(0).bytes();
    let ask = Ask { partition_bytes: 10, bytes: 10, ..Ask::default() };
    let response = client.call(&request(&source, &[0, 1], ask), 17);
    let sizes: Vec<usize> = response.responses[0]
        .partitions
        .iter()
        .map(|each| each.records.as_ref().map_or(0, Bytes::len))
        .collect();
    assert_eq!(sizes, [first, 0]);
}

#[test]
fn the_response_limit_is_shared_by_the_partitions() {
    let source = start(topic(3));
    let mut client = Client::connect(&source);
    let ask = Ask { version: 12, partition_bytes: 4000, bytes: 6000, ..Ask::default() };
    let response = client.call(&request(&source, &[0, 1, 2], ask), 12);
    let sizes: Vec<usize> = response.responses[0]
        .partitions
        .iter()
        .map(|each| each.records.as_ref().map_or(0, Bytes::len))
        .collect();
    assert_eq!(sizes, [4000, 2000, 0]);
}

#[test]
fn a_fetch_inside_a_batch_or_a_gap_gets_the_batch_that_holds_or_follows_it() {
    let source = start(rich_topic());
    let log = source.log(&partition(0)).unwrap();
    let batches: Vec<_> = log.batches(offset(0), offset(i64::MAX)).collect();
    let gap = batches
        .windows(2)
        .find(|pair| pair[1].base_offset.get() > pair[0].last_offset.get() + 1)
        .unwrap();
    let mut client = Client::connect(&source);
    let mut base = |offset| {
        let answer = fetch(&source, &mut client, Ask { offset, ..Ask::default() });
        i64_at(&answer.records.unwrap(), 0)
    };
    assert_eq!(base(gap[0].last_offset.get()), gap[0].base_offset.get());
    assert_eq!(base(gap[0].last_offset.get() + 5), gap[1].base_offset.get());
}

#[test]
fn offsets_outside_the_log_are_refused() {
    let source = start(rich_topic());
    let end = source.log(&partition(0)).unwrap().end_offset().offset().get();
    let mut client = Client::connect(&source);
    let mut error =
        |offset| fetch(&source, &mut client, Ask { offset, ..Ask::default() }).error_code;
    assert_eq!(error(999), 1);
    assert_eq!(error(1000), 0);
    assert_eq!(error(end), 0);
    assert_eq!(error(end + 1), 1);
}

#[test]
fn a_log_start_that_follows_trails_the_reader() {
    let mut spec = topic(1);
    spec.log_start_follows = Some(8 * 1024);
    let source = start(spec);
    let mut client = Client::connect(&source);
    fetch(&source, &mut client, Ask { offset: 300, ..Ask::default() });
    let log = source.log(&partition(0)).unwrap();
    let kept = log.digest(log.start_offset().offset(), offset(300)).bytes;
    assert!(log.start() > 0 && log.start() < 300, "starts at {}", log.start());
    assert!((6 * 1024..=10 * 1024).contains(&kept), "{kept} bytes kept");
}

#[test]
fn an_open_transaction_holds_the_last_stable_offset() {
    let mut spec = topic(1);
    spec.content.transactions_permille = 1000;
    spec.size = LogSize::Batches(6);
    let source = start(spec);
    let log = source.log(&partition(0)).unwrap();
    let mut client = Client::connect(&source);
    let answer = fetch(&source, &mut client, Ask::default());
    // Four batches are a transaction with its marker; the fifth opens the next one.
    assert_eq!(answer.last_stable_offset, log.batch(4).base_offset.get());
    assert_eq!(answer.high_watermark, log.end());
}
