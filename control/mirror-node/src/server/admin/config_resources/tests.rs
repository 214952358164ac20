use kafka_protocol::messages::{
    ListConfigResourcesRequest, ListConfigResourcesResponse, ResponseKind,
};

use crate::server::answer::Answer;
use crate::server::test_node::TestNode;

fn listed(node: &TestNode, kinds: &[i8]) -> Vec<(i8, String)> {
    let asked = ListConfigResourcesRequest::default().with_resource_types(kinds.to_vec());
    let answer = node.ask_newest(asked);
    assert_eq!(answer.error_code, 0);
    of(answer)
}

fn of(answer: ListConfigResourcesResponse) -> Vec<(i8, String)> {
    let resources = answer.config_resources.into_iter();
    resources.map(|one| (one.resource_type, one.resource_name.to_string())).collect()
}

fn expected(resources: &[(i8, &str)]) -> Vec<(i8, String)> {
    resources.iter().map(|(kind, name)| (*kind, (*name).to_owned())).collect()
}

#[test]
fn what_has_settings_is_listed_by_kind_and_all_of_it_when_no_kind_is_named() {
    let node = TestNode::new();
    node.mirrored("orders", &[]);
    node.mirrored("payments", &[]);
    let topics = expected(&[(2, "orders"), (2, "payments")]);
    assert_eq!(listed(&node, &[2]), topics);
    assert_eq!(listed(&node, &[4]), expected(&[(4, "7")]));
    assert_eq!(listed(&node, &[16, 32]), []);
    assert_eq!(listed(&node, &[2, 2, 2]), topics, "however often it is named");
    let all = expected(&[(8, "7"), (4, "7"), (2, "orders"), (2, "payments")]);
    assert_eq!(listed(&node, &[]), all);
}

#[test]
fn a_kind_that_is_unknown_or_younger_than_the_version_is_refused() {
    let node = TestNode::new();
    node.mirrored("orders", &[]);
    let asked =
        |kinds: &[i8]| ListConfigResourcesRequest::default().with_resource_types(kinds.to_vec());
    let unknown = node.ask_newest(asked(&[2, 3]));
    assert_eq!((unknown.error_code, unknown.config_resources.len()), (35, 0));
    // Version 0 is the list of subscriptions to client metrics, and has no kinds.
    let Answer::Message(answer) = node.answer(asked(&[]), 0) else { panic!("no message") };
    let ResponseKind::ListConfigResources(answer) = *answer else { panic!("{answer:?}") };
    assert_eq!((answer.error_code, of(answer)), (0, Vec::new()));
}
