use kafka_wire::partition::{TopicId, TopicName};

use super::TopicExpression;
use crate::limits::EXPRESSION_BYTES_MAX;
use crate::refusal::Refusal;
use crate::topics::{TopicShape, TopicTable};

fn topics(names: &[&str]) -> TopicTable {
    let mut table = TopicTable::default();
    for (index, name) in names.iter().enumerate() {
        let topic_id = TopicId::from_wire([u8::try_from(index + 1).unwrap(); 16]).unwrap();
        table.insert(TopicName::parse(name).unwrap(), TopicShape { topic_id, partition_count: 1 });
    }
    table
}

fn meant(expression: &str, names: &[&str]) -> Vec<String> {
    TopicExpression::parse(expression).unwrap().names(&topics(names)).into_iter().collect()
}

#[test]
fn the_whole_name_must_match() {
    let names = ["orders", "orders-eu", "old-orders", "__consumer_offsets"];
    assert_eq!(meant("orders", &names), ["orders"]);
    assert_eq!(meant("orders|old.*", &names), ["old-orders", "orders"]);
    assert_eq!(meant("^orders.*$", &names), ["orders", "orders-eu"]);
    assert_eq!(meant(".*", &names), ["old-orders", "orders", "orders-eu"], "not Kafka's own");
}

#[test]
fn expressions_that_are_wrong_long_or_dear_are_refused() {
    let long = "x".repeat(EXPRESSION_BYTES_MAX + 1);
    for text in ["(", "a)|(b", "[a", "x{100000}{100000}", long.as_str()] {
        let refused = TopicExpression::parse(text).err();
        assert_eq!(refused, Some(Refusal::InvalidRegularExpression), "{text:.20}");
    }
}
