use kafka_protocol::records::Compression;
use kafka_wire::record_batch::{BatchHeader, HEADER_BYTES};

use super::{TopicContent, build_cycle};

fn content(codec: Compression) -> TopicContent {
    TopicContent { partitions: 8, value_bytes: 1019, batch_records: 300, codec }
}

/// Bytes of values over bytes of batches.
fn ratio(codec: Compression) -> f64 {
    let content = content(codec);
    let cycle = build_cycle(&content).unwrap();
    let batches: usize = cycle.iter().map(|batch| batch.bytes.len()).sum();
    let values = cycle.len() * content.batch_records * content.value_bytes;
    f64::from(u32::try_from(values).unwrap()) / f64::from(u32::try_from(batches).unwrap())
}

#[test]
fn orders_compress_and_letters_do_not() {
    let near = |codec, wanted: f64| {
        let ratio = ratio(codec);
        assert!((ratio / wanted - 1.0).abs() < 0.1, "{codec:?}: {ratio:.2}, not {wanted}");
    };
    near(Compression::None, 1.0);
    near(Compression::Lz4, 1.7);
    near(Compression::Zstd, 2.6);
}

#[test]
fn a_batch_has_its_records_and_nothing_behind_them() {
    for codec in [Compression::None, Compression::Lz4, Compression::Zstd] {
        for batch in build_cycle(&content(codec)).unwrap() {
            let header: &[u8; HEADER_BYTES] = batch.bytes[..HEADER_BYTES].try_into().unwrap();
            let header = BatchHeader::parse(header, u32::MAX).unwrap();
            assert_eq!(usize::try_from(header.batch_bytes).unwrap(), batch.bytes.len());
            assert_eq!((header.base_offset.get(), header.next_offset().get()), (0, 300));
        }
    }
}
