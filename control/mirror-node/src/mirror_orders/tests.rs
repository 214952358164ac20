use kafka_wire::mirror_api::delete_cluster_mirror::DeleteClusterMirrorRequest;
use kafka_wire::mirror_api::start_mirror_topics::StartMirrorTopicsRequest;

use super::*;

fn delete() -> MirrorRequest {
    DeleteClusterMirrorRequest { mirror_name: "dc1".to_owned(), state_offset: -1 }.into()
}

fn start(timeout_ms: i32) -> MirrorRequest {
    StartMirrorTopicsRequest {
        mirror_name: "dc1".to_owned(),
        include_patterns: vec!["orders".to_owned()],
        timeout_ms,
        topics: vec![],
        state_offset: -1,
        exclude_patterns: vec![],
        confirm: false,
        plan_only: false,
    }
    .into()
}

#[tokio::test]
async fn an_order_is_answered_by_whoever_takes_it() {
    let (orders, mut taken) = MirrorOrders::new();
    let taker = async {
        let Some(MirrorOrder::Api { request, reply }) = taken.recv().await else {
            panic!("another order");
        };
        assert_eq!(request, delete());
        reply.send(MirrorResponse::refusal(request.key(), 137, "no dc1")).unwrap();
        let Some(MirrorOrder::ListMirrors { reply }) = taken.recv().await else {
            panic!("another order");
        };
        reply.send(vec!["dc1".to_owned()]).unwrap();
    };
    let asker = async {
        assert_eq!(orders.ask(delete()).await.outcome(), (137, Some("no dc1")));
        assert_eq!(orders.list_mirrors().await, Ok(vec!["dc1".to_owned()]));
    };
    tokio::join!(taker, asker);
}

#[tokio::test]
async fn an_order_nobody_answers_ends_at_its_deadline_and_is_abandoned() {
    let (orders, mut taken) = MirrorOrders::new();
    let late = orders.give(Duration::ZERO, |reply| MirrorOrder::ListMirrors { reply }).await;
    let refusal = late.unwrap_err();
    assert_eq!(refusal.code, 7);
    assert!(refusal.message.contains("within 0 ms"), "{refusal:?}");
    assert!(taken.recv().await.unwrap().is_abandoned());
}

#[test]
fn a_start_has_the_time_it_asks_for_within_a_limit() {
    for (timeout_ms, seconds) in [(5_000, 35), (0, 60), (-1, 60), (i32::MAX, 330)] {
        assert_eq!(deadline(&start(timeout_ms)).as_secs(), seconds, "timeoutMs {timeout_ms}");
    }
    assert_eq!(deadline(&delete()), ORDER_DEADLINE);
}

#[tokio::test]
async fn a_full_queue_is_told_at_once() {
    let (orders, mut taken) = MirrorOrders::new();
    let mut waiting = tokio::task::JoinSet::new();
    for _order in 0..ORDERS_MAX {
        let orders = orders.clone();
        waiting.spawn(async move { orders.ask(delete()).await.outcome().0 });
    }
    while taken.len() < ORDERS_MAX {
        tokio::task::yield_now().await;
    }
    assert_eq!(orders.list_mirrors().await.unwrap_err().code, 14);
    assert_eq!(orders.ask(delete()).await.outcome().0, 14);
    // Once one is taken there is room again.
    assert!(!taken.recv().await.unwrap().is_abandoned());
    let next = orders.give(Duration::ZERO, |reply| MirrorOrder::ListMirrors { reply });
    assert_eq!(next.await.unwrap_err().code, 7);
}

#[tokio::test]
async fn a_loop_that_ended_is_told_at_once() {
    let (orders, taken) = MirrorOrders::new();
    let leaving = async {
        tokio::task::yield_now().await;
        drop(taken);
    };
    // Given before the end, and after it.
    let (answer, ()) = tokio::join!(orders.ask(delete()), leaving);
    assert_eq!(answer.outcome().0, 15);
    assert_eq!(orders.describe_configs("dc1".to_owned()).await.unwrap_err().code, 15);
    assert_eq!(orders.alter_configs("dc1".to_owned(), vec![], false).await.unwrap_err().code, 15);
}

#[test]
fn values_of_settings_are_not_printed() {
    for operation in [
        SettingOperation::Set("secret".to_owned()),
        SettingOperation::Append("secret".to_owned()),
        SettingOperation::Subtract("secret".to_owned()),
    ] {
        let change = MirrorSettingChange { name: "sasl.jaas.config".to_owned(), operation };
        let printed = format!("{change:?}");
        assert!(printed.contains("jaas") && !printed.contains("secret"), "{printed}");
    }
}
