//! Bytes written by hand from the schemas of KIP-1279, field by field.

use super::samples::{described, planned, start, states, write};
use super::*;
use crate::mirror_api::describe_cluster_mirrors::LastMirrorEpochLookup;
use crate::test_hex::hex;

/// A request frame of `key` from the client "t", correlation id 77.
fn request_frame(key: &str, body: &str) -> Vec<u8> {
    framed(&format!("{key} 0000 0000004d 0001 74 00 {body}"))
}

fn response_frame(body: &str) -> Vec<u8> {
    framed(&format!("0000004d 00 {body}"))
}

fn framed(digits: &str) -> Vec<u8> {
    let bytes = hex(digits);
    let size = u32::try_from(bytes.len()).unwrap();
    [&size.to_be_bytes(), &bytes[..]].concat()
}

fn check_request(request: impl Into<MirrorRequest>, key: &str, body: &str) {
    let (request, golden) = (request.into(), request_frame(key, body));
    assert_eq!(request.encode_frame(77, "t").unwrap(), golden, "{request:?}");
    assert_eq!(received(&golden).unwrap().decode_mirror(), Ok(request));
}

fn check_response(response: impl Into<MirrorResponse>, body: &str) {
    let (response, golden) = (response.into(), response_frame(body));
    assert_eq!(response.encode_frame(77).unwrap(), golden, "{response:?}");
    assert_eq!(answered(response.key(), &golden), Ok(response));
}

#[test]
fn start_mirror_topics_has_the_fields_of_both_shapes() {
    let name = "04 646331";
    let patterns = "02 04 6f2e2a";
    let topics = "02 09090909090909090909090909090909 07 6f7264657273 00000003 00";
    let body = format!("{name} {patterns} 00007530 {topics} 000000000000004d");
    let tags = "03 00 05 03 02 78 02 79 01 01 01 02 01 01";
    check_request(start(), "005f", &format!("{body} {tags}"));
    let unconfirmed = StartMirrorTopicsRequest { confirm: false, plan_only: false, ..start() };
    check_request(unconfirmed.clone(), "005f", &format!("{body} 01 00 05 03 02 78 02 79"));
    let plain = StartMirrorTopicsRequest { exclude_patterns: vec![], ..unconfirmed };
    check_request(plain.clone(), "005f", &format!("{body} 00"));
    // As a client sends it: patterns only.
    let patterns_only = StartMirrorTopicsRequest { topics: vec![], state_offset: -1, ..plain };
    let body = format!("{name} {patterns} 00007530 01 ffffffffffffffff 00");
    check_request(patterns_only, "005f", &body);
}

#[test]
fn write_mirror_states_is_as_the_schema_says() {
    let failed = "00000001 08 0000000e 00000007 ffffffff ffffffffffffffff \
        04 626164 00000002 01 00";
    let position = "00000002 ff ffffffff ffffffff 00000005 0000000000010203 00 ffffffff 00 00";
    let topic = format!("07 6f7264657273 03 {failed} {position} 00");
    check_request(write(), "0065", &format!("04 646331 02 {topic} 00"));
}

#[test]
fn read_mirror_states_is_answered_as_the_schema_says() {
    let partition = "00000001 08 0000000e 00000007 00000005 0000000000010203 \
        0000 04 626164 0002 10 00";
    let topic = format!("07 6f7264657273 02 {partition} 00");
    check_response(states(), &format!("00000000 0010 00 02 {topic} 00"));
}

#[test]
fn a_response_without_fields_of_its_own_is_what_all_start_with() {
    let response = CreateClusterMirrorResponse {
        throttle_time_ms: 9,
        error_code: 136,
        error_message: Some("no".to_owned()),
    };
    check_response(response, "00000009 0088 03 6e6f 00");
}

#[test]
fn describe_cluster_mirrors_leaves_out_what_is_not_asked() {
    let request = DescribeClusterMirrorsRequest::everything();
    check_request(request.clone(), "0063", "00 00 00 01 01 00");
    let asks = DescribeClusterMirrorsRequest { cluster_id: Some("us".to_owned()), ..request };
    check_request(asks, "0063", "00 00 00 01 01 01 00 03 03 7573");
}

#[test]
fn tagged_fields_of_newer_nodes_are_skipped_in_every_struct() {
    let partition = "00000001 ff ffffffff ffffffff 00000005 0000000000010203 00 ffffffff 00";
    let tags = "02 00 01 ff 8001 00";
    let topic = format!("07 6f7264657273 02 {partition} {tags} {tags}");
    let golden = request_frame("0065", &format!("04 646331 02 {topic} {tags}"));
    let MirrorRequest::WriteMirrorStates(read) =
        received(&golden).unwrap().decode_mirror().unwrap()
    else {
        panic!("another request");
    };
    assert_eq!(read.topics[0].partitions[0].last_mirror_offset, 0x1_0203);
    // Behind one that is known.
    let body = "04 646331 01 0000000000000001 02 00 03 02 02 61 09 01 ff";
    let stop = StopMirrorTopicsRequest {
        mirror_name: "dc1".to_owned(),
        topics: vec![],
        state_offset: 1,
        patterns: vec!["a".to_owned()],
    };
    assert_eq!(received(&request_frame("0060", body)).unwrap().decode_mirror(), Ok(stop.into()));
}

#[test]
fn a_plan_is_a_tagged_field_of_its_own() {
    let outcomes = "03 07 6f7264657273 008b 03 6e6f 00 09 7061796d656e7473 0000 00 00";
    let none = "ffffffffffffffff";
    let new = format!(
        "07 6f7264657273 00000001 01 {none} {none} {none} 0000010000000000 ffffffff {none} 00 \
         0000 00 00"
    );
    let cut = "07 6f7264657273 00000002 00 0000000000000003 0000000000000009 0000000000000006 \
        0000010000000000 00000005 0000000000000006 01 0091 0c 6973206d6972726f726564 \
        01 00 08 000000000000004d";
    // 1 byte of a count, 61 and 82 bytes of partitions.
    let plan = format!("01 00 9001 03 {new} {cut}");
    check_response(planned(), &format!("00000003 0000 00 {outcomes} {plan}"));
    let changed_configs = vec!["x".to_owned()];
    let with_configs = StartMirrorTopicsResponse { changed_configs, ..planned() };
    let plan = format!("02 00 9001 03 {new} {cut} 01 03 02 02 78");
    check_response(with_configs, &format!("00000003 0000 00 {outcomes} {plan}"));
    let without = StartMirrorTopicsResponse { plan: vec![], ..planned() };
    check_response(without, &format!("00000003 0000 00 {outcomes} 00"));
}

#[test]
fn lag_in_time_is_left_out_while_it_is_unknown() {
    let fields = "00000001 07 4641494c4544 05 676f6e65 ffff 0000010000000000 000000000000000c \
        00000005 0000000000000006";
    let known = "02 00 08 0000000000000fa0 01 08 0000000000000000";
    let topic = format!("07 6f7264657273 03 {fields} {known} {fields} 00 00");
    let mirror = format!("0000 00 04 646331 09 6f6e653a39303932 00 80000000 02 {topic} 00");
    check_response(described(), &format!("00000001 0000 00 02 {mirror} 00"));
}

#[test]
fn a_message_of_more_elements_than_are_read_is_not_written() {
    let topic = MirrorTopic { topic_name: String::new() };
    let paused = |count| {
        MirrorRequest::from(PauseMirrorTopicsRequest {
            mirror_name: String::new(),
            topics: vec![topic.clone(); count],
            state_offset: -1,
        })
    };
    assert!(paused(ELEMENTS_MAX as usize).encode_frame(77, "t").is_ok());
    let cause = FieldError::TooManyElements { elements_max: ELEMENTS_MAX };
    let refused = MessageError::Fields { message: "PauseMirrorTopicsRequest", cause };
    assert_eq!(paused(ELEMENTS_MAX as usize + 1).encode_frame(77, "t"), Err(refused));
    let lookup = LastMirrorEpochLookup { topic_id: [0; 16], partitions: vec![0; 1 << 20] };
    let tagged = MirrorRequest::from(DescribeClusterMirrorsRequest {
        include_mirror_state: false,
        include_mirror_offset: false,
        last_mirror_epoch_lookups: vec![lookup],
        ..DescribeClusterMirrorsRequest::everything()
    });
    let cause = FieldError::TooManyElements { elements_max: ELEMENTS_MAX };
    let refused = MessageError::Fields { message: "DescribeClusterMirrorsRequest", cause };
    assert_eq!(tagged.encode_frame(77, "t"), Err(refused));
}
