use super::*;

fn stopped(shard: u32) -> EngineReport {
    EngineReport::Stopped { shard, clean: true }
}

#[test]
fn reports_that_find_no_room_stay_with_the_shard_until_some_are_taken() {
    let (sender, mut reports) = channel(Routes::new(1));
    let mut mine: Vec<EngineReport> = (0..).take(REPORTS_WAITING_MAX + 3).map(stopped).collect();
    sender.deliver(&mut mine);
    assert_eq!(mine.len(), 3);
    assert!(matches!(reports.try_recv(), Some(EngineReport::Stopped { shard: 0, .. })));
    assert!(matches!(reports.try_recv(), Some(EngineReport::Stopped { shard: 1, .. })));
    assert!(matches!(reports.try_recv(), Some(EngineReport::Stopped { shard: 2, .. })));
    sender.deliver(&mut mine);
    assert_eq!(mine.len(), 0);
}

#[test]
fn reports_that_are_left_over_are_sent_many_at_a_time() {
    let (sender, mut reports) = channel(Routes::new(1));
    let mut mine: Vec<EngineReport> = (0..).take(2 * REPORTS_WAITING_MAX).map(stopped).collect();
    sender.deliver(&mut mine);
    for _ in 1..REPORTS_AT_ONCE_MIN {
        assert!(reports.try_recv().is_some());
        sender.deliver(&mut mine);
        assert_eq!(mine.len(), REPORTS_WAITING_MAX, "to move so many for so few is dear");
    }
    assert!(reports.try_recv().is_some());
    sender.deliver(&mut mine);
    assert_eq!(mine.len(), REPORTS_WAITING_MAX - REPORTS_AT_ONCE_MIN);
    let mut expected = u32::try_from(REPORTS_AT_ONCE_MIN).unwrap();
    while let Some(report) = reports.try_recv() {
        let EngineReport::Stopped { shard, .. } = report else { panic!("{report:?}") };
        assert_eq!(shard, expected, "in order");
        expected += 1;
        sender.deliver(&mut mine);
    }
    assert!(mine.is_empty());
}

#[test]
fn waiting_for_a_report_ends_with_the_time_the_report_or_the_last_shard() {
    let (sender, mut reports) = channel(Routes::new(1));
    assert!(reports.recv_timeout(Duration::from_millis(1)).is_none());
    let helper = thread::spawn(move || sender.send(stopped(4)));
    let report = reports.recv_timeout(Duration::from_secs(60));
    assert!(matches!(report, Some(EngineReport::Stopped { shard: 4, .. })));
    helper.join().unwrap();
    assert!(reports.recv_timeout(Duration::from_secs(60)).is_none());
}

#[test]
fn a_host_that_does_not_listen_stops_nobody() {
    let (sender, reports) = channel(Routes::new(1));
    drop(reports);
    let mut mine: Vec<EngineReport> = (0..).take(2 * REPORTS_WAITING_MAX).map(stopped).collect();
    sender.deliver(&mut mine);
    sender.deliver(&mut mine);
    assert!(mine.is_empty());
}
