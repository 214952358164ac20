//! First inputs of every target, written by code where libFuzzer looks for them.

use std::path::PathBuf;
use std::{env, fs};

use kafka_log::closing::{close_log, close_segment};
use kafka_log::log_config::LogConfig;
use kafka_log::memory_files::MemoryFiles;
use kafka_log::partition_files::{FileKind, FileName, PartitionFiles as _};
use kafka_log::recovery::{LoadRequest, LogCut, load};
use kafka_log::{clean_shutdown, partition_metadata};
use kafka_protocol::messages::{ApiKey, FetchResponse};
use kafka_protocol::protocol::VersionRange;
use kafka_wire::batch_stream::ValidatedBatch;
use kafka_wire::message::encode_response;
use kafka_wire::metadata_record::MetadataRecord;
use kafka_wire::mirror_api::MirrorApiKey;
use kafka_wire::partition::TopicId;
use kafka_wire::record_batch::RecordBatchView;

use crate::batches;
use crate::fake_source::{self, Source};
use crate::input::Input;

/// Names the directory that takes the seeds; `cargo xtask fuzz` sets it.
pub const DIRECTORY: &str = "RINGMIRROR_FUZZ_SEEDS";
/// Correlation id of every response that is fed to a decoder.
pub const CORRELATION: i32 = 7;
const NO_TEXT: [u8; 2] = [0xff; 2];

/// Writes the seeds where [`DIRECTORY`] says; without it a target starts from nothing.
///
/// # Panics
/// When the directory cannot be written to.
pub fn write(seeds: Vec<Vec<u8>>) {
    let Some(directory) = env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    for (index, seed) in seeds.iter().enumerate() {
        fs::write(directory.join(format!("seed-{index}")), seed).expect("seeds can be written");
    }
}

/// Batches whole and in pieces.
#[must_use]
pub fn batch_stream() -> Vec<Vec<u8>> {
    let stream = batches::history(0).concat();
    [&[1, 0][..], &[0, 1, 30], &[1, 3, 0, 60, 128], &[3, 2, 10, 11]]
        .map(|head| [head, &stream].concat())
        .to_vec()
}

/// One response of each version.
#[must_use]
pub fn fetch_reader() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for index in 0..14u8 {
        let version = i16::from(index) + 4;
        // Choices that bring records, an error, an epoch that diverges and a new leader.
        let mut choices = Input::new(&[1, 2, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 3, 2, 1, 2]);
        let response = Source::default().fetch_response(version, &mut choices);
        let frame = encode_response(version, CORRELATION, &response).unwrap_or_default();
        seeds.push([&[1, index, 2, 20, 3], &frame[..]].concat());
        let empty = encode_response(version, CORRELATION, &FetchResponse::default());
        seeds.push([&[0, index, 0], &empty.unwrap_or_default()[..]].concat());
    }
    seeds
}

/// Answers to what we ask, and metadata records.
#[must_use]
pub fn message() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (kind, key) in [
        (0, fake_source::API_VERSIONS),
        (1, fake_source::LIST_OFFSETS),
        (2, fake_source::EPOCHS),
        (5, fake_source::FETCH),
    ] {
        for version in 0..18u8 {
            let frame = Source::default().answer_to(
                key,
                i16::from(version),
                CORRELATION,
                &mut Input::new(&[1, 1, 1, 1, 1, 1]),
            );
            if let Some(body) = frame.get(8..) {
                seeds.push([&[kind, version + 2], body].concat());
            }
        }
    }
    let topic = MetadataRecord::FeatureLevel { name: "metadata.version".to_owned(), level: 25 };
    seeds.push([&[6, 0], &topic.encode()[..]].concat());
    for kind in [0, 1, 2, 3, 4, 5, 6, 7, 8, 16] {
        for version in 0..5 {
            // Key and value of one-letter texts, small numbers and arrays of one.
            let key = [0, kind, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 2];
            let value = [&[0, version][..], &[0, 1, b'a', 0, 0, 0, 1].repeat(9)].concat();
            let key = &key[..if kind < 2 { 12 } else { 8 }];
            let key = if [2, 3, 4, 6].contains(&kind) { &key[..5] } else { key };
            let key_bytes = u8::try_from(key.len()).expect("a short key");
            seeds.push([&[7, 0, key_bytes], key, &value].concat());
        }
    }
    seeds
}

/// Requests without topics, and bytes to put some in, of every API and version.
#[must_use]
pub fn request() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for api in ApiKey::iter() {
        let VersionRange { min, max } = api.valid_versions();
        for version in min..=max {
            let head = request_head(api as i16, version);
            seeds.push([&head[..], &[0; 24]].concat());
            seeds.push([&head[..], &[2, 3, b'a', b'b', 0, 1, 2, 2, 2, 0, 0, 0]].concat());
        }
    }
    seeds.extend(about_mirrors());
    seeds
}

/// Conversations of a few requests of every API in its first and last version, and a question
/// about a topic that is there.
#[must_use]
pub fn node() -> Vec<Vec<u8>> {
    let framed = |frame: Vec<u8>| {
        let length = u16::try_from(frame.len()).expect("short requests");
        [&length.to_be_bytes()[..], &frame].concat()
    };
    let mut seeds = Vec::new();
    for api in ApiKey::iter() {
        let VersionRange { min, max } = api.valid_versions();
        for version in [min, max] {
            let head = request_head(api as i16, version);
            let empty = framed([&head[..], &[0; 24]].concat());
            let other = framed([&head[..], &[2, 7], b"orders", &[1, 2, 0, 0, 0, 0, 0]].concat());
            seeds.push([&empty[..], &other, &empty].concat());
        }
    }
    seeds.extend(about_mirrors().map(framed));
    for version in 0..=10 {
        let topics = [&[0, 0, 0, 1, 0, 6][..], b"orders", &[0, 0, 0, 1, 0, 0, 0, 0]].concat();
        let asked = [&request_head(2, version)[..], &[0xff; 4], &topics, &[0xff; 8]].concat();
        seeds.push(framed(asked));
    }
    seeds
}

/// Requests about mirrors: empty ones, and such as name a mirror and a topic.
fn about_mirrors() -> impl Iterator<Item = Vec<u8>> {
    MirrorApiKey::ALL.into_iter().flat_map(|key| {
        let head = [&request_head(key.get(), 0)[..], &[0]].concat();
        let named = [&[2, b'm', 2, 7][..], b"orders", &[2, 0, 0, 0, 1, 0, 0]].concat();
        [[&head[..], &[0; 24]].concat(), [&head[..], &named, &[0xff; 8], &[0]].concat()]
    })
}

/// Head of a request with neither client id nor tags.
#[must_use]
pub fn request_head(api_key: i16, version: i16) -> Vec<u8> {
    let mut head = [api_key.to_be_bytes(), version.to_be_bytes()].concat();
    head.extend(CORRELATION.to_be_bytes());
    head.extend(NO_TEXT);
    let flexible =
        ApiKey::try_from(api_key).is_ok_and(|api| api.request_header_version(version) == 2);
    head.resize(head.len() + usize::from(flexible), 0);
    head
}

/// Files of a real log, and those of a log directory.
#[must_use]
pub fn log_files() -> Vec<Vec<u8>> {
    let base = [0; 8];
    let mut seeds = Vec::new();
    let mut files = history_files();
    for (name, _) in files.list().expect("memory never fails") {
        let contents = files.contents(name).expect("the name was just listed");
        match name.kind {
            FileKind::OffsetIndex => seeds.push([&[0], &base[..], contents].concat()),
            FileKind::TimeIndex => seeds.push([&[1], &base[..], contents].concat()),
            FileKind::TransactionIndex => seeds.push([&[2], &base[..], contents].concat()),
            FileKind::ProducerSnapshot => {
                seeds.push([&[3], contents].concat());
                // 0x81 = 3 modulo 9 with the top bit: the checksum is made right.
                seeds.push([&[SEALED_SNAPSHOT], contents].concat());
            }
            FileKind::LeaderEpochCheckpoint => seeds.push([&[4], contents].concat()),
            FileKind::PartitionMetadata => seeds.push([&[6], contents].concat()),
            FileKind::Log => {}
        }
    }
    seeds.push([&[5][..], b"0\n2\na 0 17\nb.c-d 12 0\n"].concat());
    let properties =
        b"version=1\ncluster.id=abc\\=\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAgQ\n";
    seeds.push([&[7][..], properties].concat());
    seeds.push([&[8][..], b"00000000000000000017.log"].concat());
    seeds.push([&[8][..], b"some.topic-3"].concat());
    seeds.push([&[8], &clean_shutdown::encode(3)[..]].concat());
    seeds
}

/// A whole directory: trusted, read, cut.
#[must_use]
pub fn recovery() -> Vec<Vec<u8>> {
    let mut files = history_files();
    let mut directory = Vec::new();
    for (name, _) in files.list().expect("memory never fails") {
        let contents = files.contents(name).expect("the name was just listed");
        directory.push(name.kind as u8);
        directory.extend(u16::try_from(name.offset.get()).unwrap_or(0).to_be_bytes());
        directory.push(u8::from(name.kind == FileKind::Log));
        directory.extend(u16::try_from(contents.len()).unwrap_or(0).to_be_bytes());
        directory.extend(contents);
    }
    [[0, 0, 0], [1, 0, 0], [2, 0, 12], [0x10, 0, 9], [0x18, 0, 40], [0x11, 0, 9], [4, 0, 5]]
        .map(|[flags, high, low]| [&[flags, high, low], &directory[..]].concat())
        .to_vec()
}

/// Conversations that begin well.
#[must_use]
pub fn shard() -> Vec<Vec<u8>> {
    let well: Vec<u8> = [0, 0, 0, 1].repeat(60);
    let large: Vec<u8> = [0, 1, 2, 1, 4, 0, 3].repeat(60);
    let broken: Vec<u8> = [0, 0, 1, 2, 0, 9, 3, 5].repeat(40);
    vec![well, large, broken, (0..=255).collect(), (0..=255).rev().collect()]
}

/// Writes the right checksum into a producer snapshot.
pub fn seal_snapshot(bytes: &mut [u8]) {
    let Some((head, entries)) = bytes.split_at_mut_checked(6) else { return };
    head[2..].copy_from_slice(&crc_fast::crc32_iscsi(entries).to_be_bytes());
}

/// The topic that every log of the targets belongs to.
///
/// # Panics
/// Never: the id is a legal one.
#[must_use]
pub fn topic_id() -> TopicId {
    TopicId::from_wire([7; 16]).expect("not the id that means none")
}

/// Segments so small that a few batches fill several.
pub const SMALL: LogConfig = LogConfig {
    segment_bytes: 500,
    segment_ms: 3 * 24 * 3600 * 1000,
    index_interval_bytes: 100,
    segment_index_bytes: 10 << 20,
};

/// A closed log over a few segments.
fn history_files() -> MemoryFiles {
    let mut files = MemoryFiles::default();
    let metadata = partition_metadata::encode(topic_id());
    files.replace(FileName::PARTITION_METADATA, &metadata).expect("memory never fails");
    let request = LoadRequest {
        topic_id: topic_id(),
        config: SMALL,
        recovery_point: None,
        log_start: None,
        clean: false,
        cut: LogCut::Keep,
    };
    let mut log = load(&mut files, &request).expect("an empty directory loads").log;
    for bytes in [batches::history(0), batches::history(12)].concat() {
        let view = RecordBatchView::parse(&bytes, u32::MAX).expect("batches are valid");
        let batch = ValidatedBatch { header: *view.header(), control: view.control() };
        // Epochs of the second history begin lower: what does not fit is left out.
        let Ok(plan) = log.plan_append(&batch.header) else { continue };
        if let Some(rolled) = log.append(plan, &batch).rolled {
            close_segment(&mut files, &rolled).expect("memory never fails");
        }
        let name = FileName::log(plan.segment);
        files.write_at(name, u64::from(plan.position), &bytes).expect("memory never fails");
    }
    close_log(&mut files, &log.close()).expect("memory never fails");
    files
}

const SEALED_SNAPSHOT: u8 = 0x81;
const _: () = assert!(SEALED_SNAPSHOT % 9 == 3);
