use std::collections::BTreeMap;

use kafka_wire::partition::TopicId;
use proptest::prelude::*;

use super::{Assignor, Subscriber};
use crate::assignment::Assignment;

fn topic(byte: u8) -> TopicId {
    TopicId::from_wire([byte; 16]).unwrap()
}

/// Members by name: the topics each reads, with their sizes.
type Members = BTreeMap<String, BTreeMap<TopicId, u32>>;

fn members(reading: &[(&str, &[(u8, u32)])]) -> Members {
    fn topics(topics: &[(u8, u32)]) -> BTreeMap<TopicId, u32> {
        topics.iter().map(|(id, count)| (topic(*id), *count)).collect()
    }
    reading.iter().map(|(name, read)| ((*name).to_owned(), topics(read))).collect()
}

fn assign(
    assignor: Assignor,
    members: &Members,
    previous: &BTreeMap<String, Assignment>,
) -> BTreeMap<String, Assignment> {
    let empty = Assignment::new();
    let subscribers: Vec<Subscriber<'_>> = members
        .iter()
        .map(|(name, topics)| Subscriber {
            member_id: name,
            instance_id: None,
            topics: topics.clone(),
            previous: previous.get(name).unwrap_or(&empty),
        })
        .collect();
    assignor.assign(&subscribers)
}

fn show(assigned: &BTreeMap<String, Assignment>) -> String {
    let mut text = String::new();
    for (name, assignment) in assigned {
        text.push_str(name);
        for (topic, partition) in assignment.iter() {
            text.push_str(&format!(" {}.{partition}", topic.bytes()[0]));
        }
        text.push('\n');
    }
    text
}

#[test]
fn range_gives_the_same_range_of_every_topic() {
    let both: &[(u8, u32)] = &[(1, 5), (2, 5)];
    let assigned = assign(Assignor::Range, &members(&[("a", both), ("b", both)]), &BTreeMap::new());
    assert_eq!(show(&assigned), "a 1.0 1.1 1.2 2.0 2.1 2.2\nb 1.3 1.4 2.3 2.4\n");
}

#[test]
fn range_leaves_members_without_partitions_when_there_are_too_few() {
    let one: &[(u8, u32)] = &[(1, 1)];
    let assigned =
        assign(Assignor::Range, &members(&[("a", one), ("b", one), ("c", &[])]), &BTreeMap::new());
    assert_eq!(show(&assigned), "a 1.0\nb\nc\n");
}

#[test]
fn uniform_moves_no_more_than_a_new_member_needs() {
    let all: &[(u8, u32)] = &[(1, 6)];
    let two = assign(Assignor::Uniform, &members(&[("a", all), ("b", all)]), &BTreeMap::new());
    assert_eq!(show(&two), "a 1.0 1.2 1.4\nb 1.1 1.3 1.5\n");
    let three = assign(Assignor::Uniform, &members(&[("a", all), ("b", all), ("c", all)]), &two);
    assert_eq!(show(&three), "a 1.0 1.2\nb 1.1 1.3\nc 1.4 1.5\n");
    let back = assign(Assignor::Uniform, &members(&[("a", all), ("c", all)]), &three);
    assert_eq!(show(&back), "a 1.0 1.1 1.2\nc 1.3 1.4 1.5\n");
}

#[test]
fn uniform_levels_members_that_read_different_topics() {
    let reading = members(&[("a", &[(1, 4), (2, 2)]), ("b", &[(1, 4)])]);
    let mut previous = BTreeMap::new();
    let everything = (0..4).map(|index| (1, index)).chain([(2, 0), (2, 1)]);
    let everything = everything.map(|(id, index)| {
        (topic(id), kafka_wire::partition::PartitionIndex::from_wire(index).unwrap())
    });
    previous.insert("a".to_owned(), everything.collect());
    let assigned = assign(Assignor::Uniform, &reading, &previous);
    assert_eq!(show(&assigned), "a 1.3 2.0 2.1\nb 1.0 1.1 1.2\n");
}

proptest! {
    #[test]
    fn every_partition_goes_to_exactly_one_of_its_readers_and_evenly(
        reading in prop::collection::vec(prop::collection::btree_set(1_u8..5, 0..4), 1..7),
        before in prop::collection::vec(prop::collection::btree_set(1_u8..5, 0..4), 1..7),
        sizes in prop::collection::vec(0_u32..9, 5),
        is_range in any::<bool>(),
    ) {
        let assignor = if is_range { Assignor::Range } else { Assignor::Uniform };
        let named = |reading: &[std::collections::BTreeSet<u8>]| -> Members {
            reading.iter().enumerate().map(|(index, read)| {
                let topics = read.iter().map(|id| (topic(*id), sizes[usize::from(*id)]));
                (format!("member-{index}"), topics.collect())
            }).collect()
        };
        let previous = assign(assignor, &named(&before), &BTreeMap::new());
        let members = named(&reading);
        let assigned = assign(assignor, &members, &previous);
        let mut owners: BTreeMap<_, &str> = BTreeMap::new();
        for (name, assignment) in &assigned {
            for partition in assignment.iter() {
                prop_assert!(members[name].contains_key(&partition.0), "{} reads it", name);
                prop_assert!(owners.insert(partition, name).is_none(), "one owner");
            }
        }
        let read: BTreeMap<TopicId, u32> =
            members.values().flatten().map(|(id, count)| (*id, *count)).collect();
        let all = read.values().map(|count| usize::try_from(*count).unwrap()).sum::<usize>();
        prop_assert_eq!(owners.len(), all);
        let reads_the_same = reading.windows(2).all(|pair| pair[0] == pair[1]);
        if !is_range && reads_the_same {
            let counts: Vec<usize> = assigned.values().map(Assignment::count).collect();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{:?}", counts);
        }
    }
}
