use super::*;

#[test]
fn connections_take_no_more_than_half_of_the_files() {
    let limits = ServerLimits { connections_max: 10_000, ..ServerLimits::default() };
    let connections = |files| connections_with(&limits, files);
    assert_eq!(connections(None), 10_000, "no limit");
    assert_eq!(connections(Some(1 << 20)), 10_000);
    assert_eq!(connections(Some(1024)), 512);
    assert_eq!(connections(Some(0)), 1);
}

#[test]
fn answers_take_no_more_than_an_eighth_of_the_files() {
    let limits = ServerLimits { sent_files_max: 8192, ..ServerLimits::default() };
    let lent = |files| reading_with(&limits, files).lent_max;
    assert_eq!((lent(None), lent(Some(1 << 20)), lent(Some(1024))), (8192, 8192, 128));
}
