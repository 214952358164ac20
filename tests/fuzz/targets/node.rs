//! Requests of any bytes to a whole node, one after the other: whatever is answered can be read in
//! the version that was asked in.

#![no_main]

use std::time::Duration;

use bytes::Bytes;
use fuzz::input::Input;
use fuzz::node::FuzzedNode;
use fuzz::seeds;
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseHeader, ResponseKind};
use kafka_protocol::protocol::Decodable as _;
use kafka_wire::mirror_api::{MirrorApiKey, MirrorResponse};
use kafka_wire::request::RequestFrame;
use libfuzzer_sys::fuzz_target;
use mirror_node::server::exchange::{Unanswered, exchange};
use tokio::runtime::Builder;

fuzz_target!(init: seeds::write(seeds::node()), |data: &[u8]| {
    let node = FuzzedNode::start();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut input = Input::new(data);
    while !input.is_empty() {
        let length = usize::from(input.u16());
        let frame = Bytes::copy_from_slice(input.take(length));
        if makes_many_files(&frame) {
            continue;
        }
        runtime.block_on(ask(&node, frame));
    }
});

async fn ask(node: &FuzzedNode, bytes: Bytes) {
    let asked = RequestFrame::parse(bytes.clone()).ok();
    let api = asked.as_ref().and_then(|frame| ApiKey::try_from(frame.api_key).ok());
    let may_wait = api.is_some_and(|api| WAITING.contains(&api));
    let patience = Duration::from_millis(if may_wait { 2 } else { 9_000 });
    let answer = exchange(&node.node, ([127, 0, 0, 1], 1).into(), bytes);
    let Ok(answer) = tokio::time::timeout(patience, answer).await else {
        assert!(may_wait, "no answer to {api:?}");
        return;
    };
    let answer = match answer {
        Ok(answer) => Bytes::from(answer),
        Err(Unanswered::Closed(_)) => return,
        Err(error) => panic!("{api:?}: {error:?}"),
    };
    if let Some(asked) = &asked
        && let Some(key) = MirrorApiKey::from_wire(asked.api_key)
    {
        let told = MirrorResponse::decode_frame(key, asked.correlation_id, answer.slice(4..));
        assert!(told.is_ok(), "{key}: {told:?}");
        return;
    }
    let (Some(asked), Some(api)) = (asked, api) else { panic!("{answer:?} to no request") };
    if answer.is_empty() {
        assert_eq!(api, ApiKey::Produce, "only producers want no answer");
        return;
    }
    let size = i32::from_be_bytes(answer[..4].try_into().expect("four bytes"));
    let mut frame = answer.slice(4..);
    assert_eq!(usize::try_from(size), Ok(frame.len()), "size of the answer to {api:?}");
    // An unknown version of ApiVersions is answered in version 0.
    let version = asked.api_version;
    let is_known = api != ApiKey::ApiVersions || (0..=4).contains(&version);
    let version = if is_known { version } else { 0 };
    let header = ResponseHeader::decode(&mut frame, api.response_header_version(version));
    assert_eq!(header.expect("a header").correlation_id, asked.correlation_id);
    let response = ResponseKind::decode(api, &mut frame, version);
    assert!(response.is_ok() && frame.is_empty(), "{api:?} version {version}: {response:?}");
}

/// Thousands of partitions take longer to make than an input may take.
fn makes_many_files(frame: &Bytes) -> bool {
    let request = RequestFrame::parse(frame.clone());
    match request.and_then(|frame| frame.decode(|api| Some(api.valid_versions()))) {
        Ok(RequestKind::CreateTopics(asked)) => {
            asked.topics.iter().any(|topic| topic.num_partitions > PARTITIONS_MAX)
        }
        Ok(RequestKind::CreatePartitions(asked)) => {
            asked.topics.iter().any(|topic| topic.count > PARTITIONS_MAX)
        }
        _ => false,
    }
}

const WAITING: [ApiKey; 3] = [ApiKey::Fetch, ApiKey::JoinGroup, ApiKey::SyncGroup];
const PARTITIONS_MAX: i32 = 8;
