use super::*;

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

#[test]
fn a_missing_right_is_told_with_the_command_that_gives_it() {
    let prefix = TopicPrefix::parse("a.").unwrap();
    let missing = [
        MissingRight::to_read(&topic("a.orders"), &prefix),
        MissingRight {
            operation: AclOperation::Describe,
            resource: Resource::Group("*".to_owned()),
        },
        MissingRight { operation: AclOperation::Describe, resource: Resource::Cluster },
    ];
    let text = told(&missing, "kafka-1:9092");
    for part in [
        "READ on topic orders, DESCRIBE on all groups",
        "kafka-acls.sh --bootstrap-server kafka-1:9092 --add --allow-principal User:ANONYMOUS \
         --operation Read --topic 'orders'",
        "--operation Describe --group '*'",
        "--operation Describe --cluster",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let configs = MissingRight::on_topic(AclOperation::DescribeConfigs, &topic("t"), &prefix);
    assert!(configs.command("h:1").contains("--operation DescribeConfigs --topic 't'"));
    let many: Vec<_> = (0..9)
        .map(|number| MissingRight::to_read(&topic(&format!("t{number}")), &Default::default()))
        .collect();
    let text = told(&many, "h:1");
    assert!(text.contains("t4 and 4 more") && !text.contains("t5"), "{text}");
}

#[test]
fn only_what_a_source_says_is_missing() {
    let prefix = TopicPrefix::default();
    let told = |error_code, operations| {
        missing_on(&topic("t"), NamedTopic { error_code, operations }, &prefix)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    // READ is 3 and DESCRIBE_CONFIGS 10 in Apache Kafka.
    assert_eq!(told(0, Some(1 << 3 | 1 << 10)), Vec::<String>::new());
    assert_eq!(told(0, Some(1 << 3)), ["DESCRIBE_CONFIGS on topic t"]);
    assert_eq!(told(0, Some(1 << 10)), ["READ on topic t"]);
    assert_eq!(told(29, Some(0)), ["READ on topic t"]);
    assert_eq!(told(0, None), Vec::<String>::new(), "an old source tells no operations");
    assert_eq!(told(3, Some(0)), Vec::<String>::new(), "it is not there");
}

#[test]
fn groups_are_asked_about_by_name_or_for_all() {
    assert_eq!(group_to_ask(".*"), Some(PROBE));
    assert_eq!(group_to_ask("app-1"), Some("app-1"));
    assert_eq!(group_to_ask("app-.*"), None);
}
