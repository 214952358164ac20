//! One filled request and response of every API.

use crate::mirror_api::bump_leader_epochs::*;
use crate::mirror_api::create_cluster_mirror::*;
use crate::mirror_api::delete_cluster_mirror::*;
use crate::mirror_api::describe_cluster_mirrors::*;
use crate::mirror_api::list_cluster_mirrors::*;
use crate::mirror_api::mirror_topic::*;
use crate::mirror_api::pause_mirror_topics::*;
use crate::mirror_api::read_mirror_offsets::*;
use crate::mirror_api::read_mirror_states::*;
use crate::mirror_api::recover_mirror_topics::*;
use crate::mirror_api::resume_mirror_topics::*;
use crate::mirror_api::start_mirror_topics::*;
use crate::mirror_api::stop_mirror_topics::*;
use crate::mirror_api::write_mirror_states::*;
use crate::mirror_api::{MirrorRequest, MirrorResponse};

pub(super) fn requests() -> Vec<MirrorRequest> {
    let mirror_name = text("dc1");
    vec![
        create().into(),
        start().into(),
        StopMirrorTopicsRequest {
            mirror_name: mirror_name.clone(),
            topics: topics(),
            state_offset: 77,
            patterns: vec![text("orders-.*"), text("")],
        }
        .into(),
        ListClusterMirrorsRequest {
            mirror_name: Some(mirror_name.clone()),
            source_cluster_id: None,
            desired_states: vec![3, 5, -1],
        }
        .into(),
        describe().into(),
        ReadMirrorStatesRequest {
            mirror_name: mirror_name.clone(),
            topics: vec![StateTopic {
                topic_name: text("orders"),
                partitions: [0, 7].map(|partition_index| StatePartition { partition_index }).into(),
            }],
        }
        .into(),
        write().into(),
        PauseMirrorTopicsRequest {
            mirror_name: mirror_name.clone(),
            topics: topics(),
            state_offset: -1,
        }
        .into(),
        ResumeMirrorTopicsRequest {
            mirror_name: mirror_name.clone(),
            topics: topics(),
            state_offset: i64::MAX,
        }
        .into(),
        DeleteClusterMirrorRequest { mirror_name: mirror_name.clone(), state_offset: 5 }.into(),
        BumpLeaderEpochsRequest {
            topics: vec![BumpedTopic {
                topic_name: text("orders"),
                partitions: vec![BumpedPartition { partition_index: 1, min_leader_epoch: 14 }],
            }],
        }
        .into(),
        ReadMirrorOffsetsRequest { mirror_name: mirror_name.clone(), topics: partitions() }.into(),
        RecoverMirrorTopicsRequest { mirror_name, topics: topics() }.into(),
    ]
}

pub(super) fn responses() -> Vec<MirrorResponse> {
    macro_rules! of_topics {
        ($($name:ident)*) => {
            vec![$($name {
                throttle_time_ms: 3,
                error_code: 145,
                error_message: Some(text("wrong state")),
                topics: outcomes(),
            }.into()),*]
        };
    }
    let mut responses: Vec<MirrorResponse> = of_topics![
        StopMirrorTopicsResponse PauseMirrorTopicsResponse ResumeMirrorTopicsResponse
        RecoverMirrorTopicsResponse
    ];
    responses.push(planned().into());
    let (throttle_time_ms, error_code, error_message) = (0, 0, None);
    let refused = Some(text("it exists"));
    responses.extend::<[MirrorResponse; 8]>([
        CreateClusterMirrorResponse { throttle_time_ms, error_code: 136, error_message: refused }
            .into(),
        DeleteClusterMirrorResponse { throttle_time_ms, error_code, error_message: None }.into(),
        listed().into(),
        carrying().into(),
        states().into(),
        WriteMirrorStatesResponse {
            throttle_time_ms,
            error_code,
            error_message: error_message.clone(),
            topics: vec![WrittenTopicOutcome {
                topic_name: text("orders"),
                partitions: vec![WrittenPartitionOutcome {
                    partition_index: 1,
                    state_epoch: -1,
                    error_code: 124,
                    error_message: Some(text("state epoch 3, expected 4")),
                }],
            }],
        }
        .into(),
        BumpLeaderEpochsResponse {
            throttle_time_ms,
            error_code,
            error_message: error_message.clone(),
            topics: vec![BumpedTopicOutcome {
                topic_name: text("orders"),
                partitions: vec![BumpedPartitionOutcome {
                    partition_index: 1,
                    error_code: 3,
                    error_message: None,
                }],
            }],
        }
        .into(),
        ReadMirrorOffsetsResponse {
            throttle_time_ms,
            error_code,
            error_message,
            topics: vec![MirroredTopic {
                topic_name: text("orders"),
                partitions: vec![MirroredPartition {
                    partition_index: 1,
                    source_offset: 1 << 40,
                    destination_offset: -1,
                }],
            }],
        }
        .into(),
    ]);
    responses
}

pub(super) fn text(text: &str) -> String {
    text.to_owned()
}

fn topics() -> Vec<MirrorTopic> {
    ["orders", "pay.ments"].map(|name| MirrorTopic { topic_name: text(name) }).into()
}

fn outcomes() -> Vec<TopicOutcome> {
    let failed =
        TopicOutcome { name: text("orders"), error_code: 139, error_message: Some(text("no")) };
    vec![failed, TopicOutcome { name: text("payments"), error_code: 0, error_message: None }]
}

fn partitions() -> Vec<TopicPartitions> {
    let named = TopicPartitions { topic_name: text("orders"), partitions: vec![0, -1, 70_000] };
    vec![named, TopicPartitions { topic_name: text("all"), partitions: vec![] }]
}

fn create() -> CreateClusterMirrorRequest {
    let config = |name, value: Option<&str>| MirrorConfig {
        name: text(name),
        value: ConfigValue(value.map(text)),
    };
    let servers = config("bootstrap.servers", Some("one:9092,two:9092"));
    let configs = vec![servers, config("topics.include", None)];
    CreateClusterMirrorRequest { mirror_name: text("dc1"), configs }
}

pub(super) fn start() -> StartMirrorTopicsRequest {
    let topic = StartedTopic { topic_id: [9; 16], topic_name: text("orders"), num_partitions: 3 };
    StartMirrorTopicsRequest {
        mirror_name: text("dc1"),
        include_patterns: vec![text("o.*")],
        timeout_ms: 30_000,
        topics: vec![topic],
        state_offset: 77,
        exclude_patterns: vec![text("x"), text("y")],
        confirm: true,
        plan_only: true,
    }
}

pub(super) fn planned() -> StartMirrorTopicsResponse {
    let grown = PlannedPartition {
        topic_name: text("orders"),
        partition_index: 1,
        is_new: true,
        local_start: -1,
        local_end: -1,
        truncate_to: -1,
        source_end: 1 << 40,
        last_mirror_epoch: -1,
        last_mirror_offset: -1,
        needs_confirmation: false,
        error_code: 0,
        error_message: None,
        copied_bytes: -1,
    };
    let diverged = PlannedPartition {
        partition_index: 2,
        is_new: false,
        local_start: 3,
        local_end: 9,
        truncate_to: 6,
        last_mirror_epoch: 5,
        last_mirror_offset: 6,
        needs_confirmation: true,
        error_code: 145,
        error_message: Some(text("is mirrored")),
        copied_bytes: 77,
        ..grown.clone()
    };
    StartMirrorTopicsResponse {
        throttle_time_ms: 3,
        error_code: 0,
        error_message: None,
        topics: outcomes(),
        plan: vec![grown, diverged],
        changed_configs: vec![],
        ineffective_configs: vec![],
        changed_acls: vec![],
    }
}

fn describe() -> DescribeClusterMirrorsRequest {
    let lookup = LastMirrorEpochLookup { topic_id: [8; 16], partitions: vec![2, 4] };
    DescribeClusterMirrorsRequest {
        mirror_names: Some(vec![text("dc1"), text("dc2")]),
        include_authorized_operations: true,
        topics: Some(partitions()),
        include_mirror_state: true,
        include_mirror_offset: false,
        cluster_id: Some(text("Some-Cluster")),
        last_mirror_epoch_lookups: vec![lookup],
    }
}

pub(super) fn write() -> WriteMirrorStatesRequest {
    let failed = WrittenPartition {
        partition_index: 1,
        state: 8,
        leader_epoch: 14,
        state_epoch: 7,
        last_mirror_epoch: -1,
        last_mirror_offset: -1,
        error_message: Some(text("bad")),
        retry_attempt: 2,
        non_retryable: true,
    };
    let position = WrittenPartition {
        partition_index: 2,
        state: -1,
        leader_epoch: -1,
        state_epoch: -1,
        last_mirror_epoch: 5,
        last_mirror_offset: 0x1_0203,
        error_message: None,
        retry_attempt: -1,
        non_retryable: false,
    };
    let topic = WrittenTopic { topic_name: text("orders"), partitions: vec![failed, position] };
    WriteMirrorStatesRequest { mirror_name: text("dc1"), topics: vec![topic] }
}

fn listed() -> ListClusterMirrorsResponse {
    let mirror = |names: Option<Vec<String>>| ListedMirror {
        mirror_name: text("dc1"),
        source_bootstrap: text("one:9092"),
        source_cluster_id: text(""),
        topic_count: 2,
        topic_names: names,
    };
    ListClusterMirrorsResponse {
        throttle_time_ms: 0,
        error_code: 0,
        error_message: None,
        mirrors: vec![mirror(Some(vec![text("orders"), text("payments")])), mirror(None)],
    }
}

pub(super) fn described() -> DescribeClusterMirrorsResponse {
    let partition = DescribedPartition {
        partition_index: 1,
        state_value: text("FAILED"),
        error_message: Some(text("gone")),
        retry_attempt: -1,
        source_offset: 1 << 40,
        destination_offset: 12,
        last_mirror_epoch: 5,
        last_mirror_offset: 6,
        lag_ms: 4_000,
        measured_age_ms: 0,
    };
    let unknown = DescribedPartition { lag_ms: -1, measured_age_ms: -1, ..partition.clone() };
    let partitions = vec![partition, unknown];
    let topic = DescribedTopic { topic_name: text("orders"), partitions };
    let mirror = DescribedMirror {
        error_code: 0,
        error_message: None,
        mirror_name: text("dc1"),
        source_bootstrap: Some(text("one:9092")),
        source_cluster_id: None,
        authorized_operations: i32::MIN,
        topics: vec![topic],
        syncs: Vec::new(),
    };
    DescribeClusterMirrorsResponse {
        throttle_time_ms: 1,
        error_code: 0,
        error_message: None,
        mirrors: vec![mirror],
    }
}

/// As [`described`], of a mirror that carries more than records.
fn carrying() -> DescribeClusterMirrorsResponse {
    let sync = DescribedSync {
        task: text("consumer-groups"),
        success_age_ms: 5_000,
        took_ms: 12,
        in_step: 3,
        written: 1 << 33,
        error_count: 2,
        last_error: Some(text("no coordinator")),
        last_error_age_ms: 9_000,
        skipped_count: 30,
        skipped: vec![text("group a: it has members here")],
        changed: vec![text("topic orders: retention.ms=5, was not set")],
    };
    let mut response = described();
    response.mirrors[0].syncs = vec![sync];
    response
}

pub(super) fn states() -> ReadMirrorStatesResponse {
    let partition = ReadPartition {
        partition_index: 1,
        state: 8,
        leader_epoch: 14,
        state_epoch: 7,
        last_mirror_epoch: 5,
        last_mirror_offset: 0x1_0203,
        error_code: 0,
        error_message: Some(text("bad")),
        retry_attempt: 2,
        previous_state: 16,
    };
    let topic = ReadTopic { topic_name: text("orders"), partitions: vec![partition] };
    ReadMirrorStatesResponse {
        throttle_time_ms: 0,
        error_code: 16,
        error_message: None,
        topics: vec![topic],
    }
}
