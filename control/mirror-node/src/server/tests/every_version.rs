//! Every API in every version, asked with whatever its decoder takes: the answer is one that the
//! version can say.

use group_coordinator::coordinator::GroupSettings;
use kafka_log::partition_log::LogPlace;
use kafka_protocol::messages::{ResponseHeader, ResponseKind};
use kafka_protocol::protocol::Decodable as _;
use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{HighWatermark, LastStableOffset, LogEndOffset, LogStartOffset, Offset};

use super::generated::{Dice, request};
use crate::groups::Groups;
use crate::groups::test_topic::TestTopic;
use crate::local_topics::keeper::now_ms;
use crate::log_view::LogState;
use crate::server::api::{APIS, AskedApi};
use crate::server::exchange::{Unanswered, exchange};
use crate::server::request::asked_api;
use crate::server::test_node::TestNode;

use super::*;

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

/// A mirrored topic `orders` whose files are gone, a local topic `notes` with records, and groups.
pub(super) fn node() -> TestNode {
    let node = TestNode::writable();
    let mut epochs = kafka_log::leader_epoch_checkpoint::EpochHistory::default();
    epochs.assign(SourceLeaderEpoch::from_wire(2).unwrap(), offset(10));
    node.mirrored("orders", &[]).partitions[0].view.publish(LogState {
        log_start: LogStartOffset::new(offset(10)),
        log_end: LogEndOffset::new(offset(50)),
        high_watermark: HighWatermark::new(offset(50)),
        last_stable_offset: LastStableOffset::new(offset(40)),
        end_place: LogPlace { segment: offset(10), position: 4000 },
        epochs: Arc::new(epochs),
        leader_epoch: LeaderEpoch::from_wire(6).unwrap(),
        cut_count: 0,
    });
    let notes = node.local("notes", &[]);
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    batch.push(&NewRecord { timestamp_ms: now_ms(), key: None, value: Some(b"value") });
    let log = notes.partitions[0].log().unwrap();
    log.append_produced(&batch.finish(), now_ms()).unwrap();
    let topic = TestTopic::in_directory(node.node.catalog.root().join("groups"));
    let settings = GroupSettings { initial_rebalance_delay_ms: 0, ..GroupSettings::default() };
    let groups = Groups::start(Box::new(topic), settings).unwrap();
    node.node.groups.set(Arc::new(groups)).unwrap();
    node
}

/// Why an answer cannot be right; nothing when it can.
fn fault(api: ApiKey, version: i16, answer: &[u8]) -> Option<String> {
    if answer.is_empty() {
        return (api != ApiKey::Produce).then(|| "no answer".to_owned());
    }
    let (size, frame) = answer.split_at(4);
    let size = i32::from_be_bytes(size.try_into().unwrap());
    if usize::try_from(size) != Ok(frame.len()) {
        return Some(format!("{} bytes announced as {size}", frame.len()));
    }
    let mut frame = Bytes::copy_from_slice(frame);
    let header = ResponseHeader::decode(&mut frame, api.response_header_version(version));
    match header.and_then(|_| ResponseKind::decode(api, &mut frame, version)) {
        Err(error) => Some(format!("cannot be decoded: {error:#}")),
        Ok(_) if !frame.is_empty() => Some(format!("{} bytes follow it", frame.len())),
        Ok(_) => None,
    }
}

/// Some answers wait for other clients, or for records: that is no fault.
async fn asked(node: &TestNode, api: ApiKey, version: i16, frame: &Bytes) -> Option<String> {
    let may_wait = [ApiKey::Fetch, ApiKey::JoinGroup, ApiKey::SyncGroup].contains(&api);
    let patience = Duration::from_millis(if may_wait { 50 } else { 20_000 });
    let peer = ([127, 0, 0, 1], 1).into();
    let answer = exchange(&node.node, peer, frame.clone());
    match tokio::time::timeout(patience, answer).await {
        Err(_) => (!may_wait).then(|| "no answer in time".to_owned()),
        Ok(Ok(answer)) => fault(api, version, &answer),
        // Only a producer that wants no answer is told so.
        Ok(Err(Unanswered::Closed(_))) if api == ApiKey::Produce => None,
        Ok(Err(error)) => Some(format!("{error:?}")),
    }
}

#[test]
fn whatever_is_asked_the_answer_fits_the_version() {
    let node = node();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut dice = Dice::new(1);
    let mut faults = Vec::new();
    for api in APIS {
        for version in api.versions.clone() {
            let found = (0..REQUESTS_PER_VERSION).find_map(|_| {
                let frame = request(api.key, version, &mut dice);
                assert_eq!(asked_api(&frame), Some(AskedApi::Kafka(api.key)));
                let fault = runtime.block_on(asked(&node, api.key, version, &frame))?;
                Some(format!("{:?} version {version}: {fault}: {frame:02x?}", api.key))
            });
            faults.extend(found);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

const REQUESTS_PER_VERSION: usize = 40;
