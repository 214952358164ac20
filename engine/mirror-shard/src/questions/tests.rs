use super::*;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::partition::PartitionIndex;

/// As many questions as have room, about partitions of topics with names of this length.
fn questions(name_bytes: usize) -> Vec<EpochQuestion> {
    let mut room = QuestionRoom::default();
    let mut questions = Vec::new();
    while room.is_left() {
        let number = questions.len();
        let topic = TopicName::parse(&format!("{number:a>name_bytes$}")).unwrap();
        let partition = PartitionIndex::from_wire(i32::MAX).unwrap();
        let partition = TopicPartition { topic, partition };
        room.take(&partition);
        let epoch = SourceLeaderEpoch::from_wire(7).unwrap();
        questions.push(EpochQuestion { partition, current_epoch: Some(epoch), epoch });
    }
    questions
}

#[test]
fn questions_fit_their_buffer_whatever_the_topics_are_called() {
    let (oldest, newest) = OFFSET_FOR_LEADER_EPOCH_VERSIONS;
    for (name_bytes, expected) in [(3, 500), (20, 500), (TopicName::BYTES_MAX, 208)] {
        let questions = questions(name_bytes);
        assert_eq!(questions.len(), expected, "names of {name_bytes} bytes");
        for version in oldest..=newest {
            let head = RequestHead { version, correlation_id: 1, client_id: CLIENT_ID };
            let request = encode_offset_for_leader_epoch(&head, &questions).unwrap();
            assert!(request.len() <= FRAME_BUFFER_BYTES as usize, "{} bytes", request.len());
        }
        let (oldest, newest) = LIST_OFFSETS_VERSIONS;
        let ends: Vec<LogEndQuestion> = questions
            .into_iter()
            .map(|question| LogEndQuestion {
                partition: question.partition,
                current_epoch: question.current_epoch,
                end: LogEnd::Latest,
            })
            .collect();
        for version in oldest..=newest {
            let head = RequestHead { version, correlation_id: 1, client_id: CLIENT_ID };
            let request = encode_list_offsets(&head, &ends).unwrap();
            assert!(request.len() <= FRAME_BUFFER_BYTES as usize, "{} bytes", request.len());
        }
    }
}

#[test]
fn an_answer_takes_no_more_than_is_counted_for_it() {
    // ListOffsets version 10, the longer of the two: name and its length, count and tags of the
    // topic; index, error, timestamp, offset, epoch and tags of the partition.
    let topic = 2 + 1 + 1;
    let partition = 4 + 2 + 8 + 8 + 4 + 1;
    assert!(topic + partition <= EPOCH_QUESTION_BYTES);
}
