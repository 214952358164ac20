//! Everything around records: versions, sessions, leaders, epochs, faults.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    DescribeClusterRequest, DescribeConfigsRequest, ListOffsetsRequest, MetadataRequest,
    OffsetForLeaderEpochRequest,
};

use super::*;

#[test]
fn announced_versions_end_at_the_cap() {
    let spec = SyntheticSpec {
        topics: vec![topic(1)],
        version_max: vec![(ApiKey::Fetch, 11)],
        ..SyntheticSpec::default()
    };
    let source = SyntheticSource::start(&spec).unwrap();
    let mut client = Client::connect(&source);
    for version in 0..=4 {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("test"))
            .with_client_software_version(StrBytes::from_static_str("1"));
        let request = if version >= 3 { request } else { ApiVersionsRequest::default() };
        let answer = client.call(&request, version);
        let fetch = answer.api_keys.iter().find(|each| each.api_key == 1).unwrap();
        assert_eq!((fetch.min_version, fetch.max_version), (4, 11));
    }
    client.send(&request(&source, &[0], Ask { version: 12, ..Ask::default() }), 12);
    assert!(client.frame().is_err(), "version 12 must close the connection");
}

#[test]
fn metadata_names_brokers_leaders_epochs_and_ids_in_every_version() {
    let source = start_with_brokers(rich_topic(), 2);
    for version in 0..=13 {
        let mut client = Client::connect(&source);
        let request = MetadataRequest::default().with_topics((version > 0).then(|| {
            vec![MetadataRequestTopic::default().with_name(Some(WireTopic("orders".into())))]
        }));
        let request = if version == 0 { request.with_topics(Some(Vec::new())) } else { request };
        let answer = client.call(&request, version);
        assert_eq!(answer.brokers.len(), 2);
        let topic = &answer.topics[0];
        assert_eq!((topic.error_code, topic.partitions.len()), (0, 1));
        assert_eq!(topic.partitions[0].leader_id.0, 1);
        if version >= 2 {
            assert_eq!(answer.cluster_id.unwrap().as_str(), source.cluster_id());
        }
        if version >= 7 {
            assert_eq!(topic.partitions[0].leader_epoch, 9);
        }
        if version >= 10 {
            assert_eq!(topic.topic_id.as_bytes(), &source.topic_id(&name()).unwrap().bytes());
        }
    }
}

#[test]
fn metadata_refuses_unknown_names_and_ids() {
    let source = start(topic(1));
    let mut client = Client::connect(&source);
    let by_name = MetadataRequestTopic::default().with_name(Some(WireTopic("absent".into())));
    let by_id = MetadataRequestTopic::default().with_name(None).with_topic_id(Uuid::from_u128(7));
    let request = MetadataRequest::default().with_topics(Some(vec![by_name, by_id]));
    let answer = client.call(&request, 12);
    let errors: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(errors, [3, 100]);
}

#[test]
fn a_session_tells_only_news_and_checks_its_epoch() {
    let source = start(topic(2));
    let mut client = Client::connect(&source);
    let end = source.log(&partition(0)).unwrap().end();
    let at_end = Ask { offset: end, session: (0, 0), ..Ask::default() };
    let full = client.call(&request(&source, &[0], at_end), 17);
    assert_eq!((full.error_code, full.responses.len()), (0, 1));
    let id = full.session_id;
    assert_ne!(id, 0);

    let quiet = client.call(&request(&source, &[], Ask { session: (id, 1), ..at_end }), 17);
    assert_eq!((quiet.session_id, quiet.responses.len()), (id, 0));

    source.append(&partition(0), 2).unwrap();
    let news = client.call(&request(&source, &[], Ask { session: (id, 2), ..at_end }), 17);
    let news = only_partition(news);
    assert!(news.high_watermark > end && !news.records.unwrap().is_empty());

    let stale = client.call(&request(&source, &[], Ask { session: (id, 2), ..at_end }), 17);
    assert_eq!((stale.error_code, stale.responses.len()), (71, 0));
    let absent = client.call(&request(&source, &[], Ask { session: (id + 9, 1), ..at_end }), 17);
    assert_eq!(absent.error_code, 70);
}

#[test]
fn a_session_takes_up_and_forgets_partitions() {
    let source = start(topic(2));
    let mut client = Client::connect(&source);
    let ask = Ask { session: (0, 0), partition_bytes: 2000, ..Ask::default() };
    let id = client.call(&request(&source, &[0], ask), 17).session_id;
    let both = client.call(&request(&source, &[1], Ask { session: (id, 1), ..ask }), 17);
    assert_eq!(both.responses[0].partitions.len(), 2);
    let topic_id = Uuid::from_bytes(source.topic_id(&name()).unwrap().bytes());
    let forget =
        request(&source, &[], Ask { session: (id, 2), ..ask }).with_forgotten_topics_data(vec![
            ForgottenTopic::default().with_topic_id(topic_id).with_partitions(vec![0]),
        ]);
    let rest = client.call(&forget, 17);
    assert_eq!(only_partition(rest).partition_index, 1);
    source.restart_broker(source.leader(&partition(0)).unwrap());
    let mut client = Client::connect(&source);
    let lost = client.call(&request(&source, &[], Ask { session: (id, 3), ..ask }), 17);
    assert_eq!(lost.error_code, 70);
}

#[test]
fn a_waiting_fetch_ends_when_records_arrive() {
    let source = start(topic(1));
    let mut client = Client::connect(&source);
    let end = source.log(&partition(0)).unwrap().end();
    let ask = Ask { offset: end, wait_ms: 60_000, ..Ask::default() };
    let begun = Instant::now();
    client.send(&request(&source, &[0], ask), 17);
    source.append(&partition(0), 1).unwrap();
    let mut body = client.frame().unwrap();
    ResponseHeader::decode(&mut body, 1).unwrap();
    let answer = only_partition(FetchResponse::decode(&mut body, 17).unwrap());
    assert_eq!(i64_at(&answer.records.unwrap(), 0), end);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_moved_leader_is_hinted_from_version_16_on() {
    let source = start_with_brokers(topic(1), 2);
    let mut client = Client::connect(&source);
    let second = source.brokers()[1];
    let raised = source.move_leader(&partition(0), second.0).unwrap();
    for version in [11, 12, 15, 16, 17] {
        let ask = Ask { version, ..Ask::default() };
        let response = client.call(&request(&source, &[0], ask), version);
        let hints = response.node_endpoints.clone();
        let answer = only_partition(response);
        assert_eq!(answer.error_code, 6);
        let hinted = (answer.current_leader.leader_id.0, answer.current_leader.leader_epoch);
        if version < 16 {
            assert_eq!((hinted, hints.len()), ((-1, -1), 0));
        } else {
            assert_eq!(hinted, (2, raised.get()));
            assert_eq!(hints[0].port, i32::from(second.1.port()));
            assert_eq!((hints[0].node_id.0, hints[0].host.as_str()), (2, "127.0.0.1"));
        }
    }
    let mut client = Client::to(&source, 1);
    let answer = fetch(&source, &mut client, Ask { leader_epoch: 1, ..Ask::default() });
    assert_eq!((answer.error_code, raised), (0, epoch(1)));
}

#[test]
fn leader_epochs_of_the_client_are_compared() {
    let source = start(rich_topic());
    let mut client = Client::connect(&source);
    let mut error = |leader_epoch| {
        let ask = Ask { offset: 1000, leader_epoch, ..Ask::default() };
        fetch(&source, &mut client, ask).error_code
    };
    assert_eq!([error(8), error(9), error(10), error(-1)], [74, 0, 75, 0]);
}

#[test]
fn a_diverging_epoch_is_told_from_version_12_on() {
    let source = start(rich_topic());
    let mut client = Client::connect(&source);
    let log = source.log(&partition(0)).unwrap();
    let (_, end_of_two) = log.epoch_end(2);
    // The client believes it holds records of epoch 3, which never was.
    let ask = Ask { offset: end_of_two + 3, fetched_epoch: 3, ..Ask::default() };
    let answer = fetch(&source, &mut client, ask);
    let diverging = (answer.diverging_epoch.epoch, answer.diverging_epoch.end_offset);
    assert_eq!((answer.error_code, diverging), (0, (2, end_of_two)));
    assert!(answer.records.unwrap().is_empty());
    let agreed = fetch(&source, &mut client, Ask { offset: 1000, fetched_epoch: 2, ..ask });
    assert_eq!(agreed.diverging_epoch.epoch, -1);
    assert!(!agreed.records.unwrap().is_empty());
}

#[test]
fn epoch_ends_follow_kafkas_rule() {
    let source = start(rich_topic());
    let log = source.log(&partition(0)).unwrap();
    let starts: Vec<i64> = [5, 9]
        .map(|epoch| {
            log.batches(offset(0), offset(i64::MAX))
                .find(|batch| i32_at(&batch.head, 12) == epoch)
                .map_or(-1, |batch| batch.base_offset.get())
        })
        .into();
    let mut client = Client::connect(&source);
    for version in 2..=4 {
        let mut end = |leader_epoch| {
            let asked = OffsetForLeaderPartition::default().with_leader_epoch(leader_epoch);
            let topic = OffsetForLeaderTopic::default()
                .with_topic(WireTopic("orders".into()))
                .with_partitions(vec![asked]);
            let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
            let answer = client.call(&request, version).topics.remove(0).partitions.remove(0);
            assert_eq!(answer.error_code, 0);
            (answer.leader_epoch, answer.end_offset)
        };
        assert_eq!(end(1), (1, 1000));
        assert_eq!(end(2), (2, starts[0]));
        assert_eq!(end(4), (2, starts[0]));
        assert_eq!(end(5), (5, starts[1]));
        assert_eq!(end(9), (9, log.end()));
        assert_eq!(end(10), (-1, -1));
    }
}

#[test]
fn list_offsets_tells_both_ends_in_every_version() {
    let source = start(rich_topic());
    source.set_log_start(&partition(0), offset(1015)).unwrap();
    let mut client = Client::connect(&source);
    for version in 1..=9 {
        let mut at = |timestamp| {
            let asked = ListOffsetsPartition::default().with_timestamp(timestamp);
            let topic = ListOffsetsTopic::default()
                .with_name(WireTopic("orders".into()))
                .with_partitions(vec![asked]);
            let request = ListOffsetsRequest::default().with_topics(vec![topic]);
            client.call(&request, version).topics.remove(0).partitions.remove(0).offset
        };
        assert_eq!(at(-2), 1015);
        assert_eq!(at(-1), source.log(&partition(0)).unwrap().end());
    }
}

#[test]
fn configs_show_overrides_over_defaults() {
    let mut spec = topic(1);
    spec.configs = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
    let source = start(spec);
    let mut client = Client::connect(&source);
    let asked = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(StrBytes::from_static_str("orders"))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![asked]);
    let answer = client.call(&request, 4).results.remove(0);
    let value = |name: &str| {
        let found = answer.configs.iter().find(|each| &*each.name == name).unwrap();
        found.value.clone().unwrap()
    };
    assert_eq!(value("cleanup.policy").as_str(), "compact");
    assert_eq!(value("segment.bytes").as_str(), "1073741824");
    let cluster = client.call(&DescribeClusterRequest::default(), 0);
    assert_eq!(cluster.cluster_id.as_str(), source.cluster_id());
}

#[test]
fn an_unclean_election_shortens_the_log_under_a_new_epoch() {
    let source = start(rich_topic());
    let before = source.log(&partition(0)).unwrap();
    let cut = before.epoch_end(5).1;
    let raised = source.unclean_election(&partition(0), offset(cut + 1)).unwrap();
    source.append(&partition(0), 40).unwrap();
    let after = source.log(&partition(0)).unwrap();
    assert_eq!(raised, epoch(10));
    assert_eq!(after.epoch_end(9), (5, after.epoch_end(5).1));
    assert!(whole(&after) != whole(&before));
    let mut client = Client::connect(&source);
    let ask = Ask { offset: before.end() - 1, fetched_epoch: 9, ..Ask::default() };
    assert_eq!(fetch(&source, &mut client, ask).diverging_epoch.epoch, 5);
}

#[test]
fn a_recreated_topic_has_another_id_and_the_old_one_is_unknown() {
    let source = start(topic(1));
    let mut client = Client::connect(&source);
    let old = request(&source, &[0], Ask::default());
    let before = source.topic_id(&name()).unwrap();
    assert_ne!(source.recreate_topic(&name()).unwrap(), before);
    assert_eq!(only_partition(client.call(&old, 17)).error_code, 100);
    assert_eq!(fetch(&source, &mut client, Ask::default()).error_code, 0);
    source.delete_topic(&name());
    let named = FetchTopic::default()
        .with_topic(WireTopic("orders".into()))
        .with_partitions(vec![FetchPartition::default()]);
    let by_name = FetchRequest::default().with_topics(vec![named]);
    assert_eq!(only_partition(client.call(&by_name, 12)).error_code, 3);
}

#[test]
fn refusals_are_spent_one_by_one() {
    let source = start(topic(1));
    source.refuse(&partition(0), 103, 2).unwrap();
    let mut client = Client::connect(&source);
    let mut error = || fetch(&source, &mut client, Ask::default()).error_code;
    assert_eq!([error(), error(), error()], [103, 103, 0]);
    assert!(source.refuse(&partition(9), 103, 1).is_err());
}

#[test]
fn a_flipped_bit_spoils_one_response() {
    let source = start(topic(1));
    source.inject(Fault::FlipBit, 1);
    let mut client = Client::connect(&source);
    let ask = Ask { partition_bytes: 1 << 20, ..Ask::default() };
    let mut decode = || {
        let mut records = fetch(&source, &mut client, ask).records.unwrap();
        RecordBatchDecoder::decode_all(&mut records).map(|sets| sets.len())
    };
    assert!(decode().unwrap_err().to_string().contains("Cyclic redundancy check failed"));
    assert!(decode().unwrap() > 10);
}

#[test]
fn a_cut_response_ends_early_and_a_wrong_correlation_shows() {
    let source = start(topic(1));
    source.inject(Fault::WrongCorrelation, 1);
    source.inject(Fault::CutHalf, 1);
    let mut client = Client::connect(&source);
    client.send(&request(&source, &[0], Ask::default()), 17);
    let body = client.frame().unwrap();
    assert_eq!(i32_at(&body, 0), 2);
    client.send(&request(&source, &[0], Ask::default()), 17);
    assert_eq!(client.frame().unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_stalled_source_answers_after_it_resumes() {
    let source = start(topic(1));
    let mut client = Client::connect(&source);
    source.stall();
    client.send(&request(&source, &[0], Ask::default()), 17);
    client.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(client.frame().is_err(), "a stalled source must stay silent");
    client.stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    source.resume();
    assert!(client.frame().unwrap().len() > 60_000);
}

#[test]
fn dropped_connections_end_and_stop_joins_every_thread() {
    let source = start(topic(1));
    let mut client = Client::connect(&source);
    fetch(&source, &mut client, Ask::default());
    source.drop_connections();
    assert!(client.frame().is_err());
    let mut client = Client::connect(&source);
    fetch(&source, &mut client, Ask::default());
    let address = source.brokers()[0].1;
    source.stop();
    assert!(client.frame().is_err());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn connections_above_the_limit_are_closed() {
    let spec =
        SyntheticSpec { topics: vec![topic(1)], connections_max: 1, ..SyntheticSpec::default() };
    let source = SyntheticSource::start(&spec).unwrap();
    let mut first = Client::connect(&source);
    fetch(&source, &mut first, Ask::default());
    let mut second = Client::connect(&source);
    assert!(second.frame().is_err());
    fetch(&source, &mut first, Ask::default());
}
