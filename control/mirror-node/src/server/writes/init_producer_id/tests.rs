use kafka_protocol::messages::TransactionalId;
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::server::test_node::TestNode;

fn asked(transactional_id: Option<&'static str>) -> InitProducerIdRequest {
    let id = transactional_id.map(|id| TransactionalId(StrBytes::from_static_str(id)));
    InitProducerIdRequest::default().with_transactional_id(id)
}

#[test]
fn every_producer_gets_an_id_of_its_own() {
    let node = TestNode::writable();
    for expected in [0, 1, 2] {
        let response = node.ask(asked(None));
        let answered = (response.error_code, response.producer_id.0, response.producer_epoch);
        assert_eq!(answered, (0, expected, 0));
    }
}

#[test]
fn a_transactional_producer_is_refused_for_good() {
    let node = TestNode::writable();
    let response = node.ask(asked(Some("payments")));
    assert_eq!((response.error_code, response.producer_id.0), (53, -1));
    assert_eq!(node.ask(asked(Some(""))).error_code, 42);
}

#[test]
fn a_node_that_nobody_may_write_to_gives_no_ids() {
    assert_eq!(TestNode::new().ask(asked(None)).error_code, 44);
}
