use mirror_node::mirror_news::{MirrorNews, MirrorProgress};

use super::{news_text, time_left};

#[test]
fn the_time_left_follows_from_the_offsets_so_far() {
    let progress = |offsets_done, offsets_total| MirrorProgress {
        elapsed_ms: 10_000,
        offsets_done,
        offsets_total,
        ..MirrorProgress::default()
    };
    assert_eq!(time_left(&progress(100, 100)), "caught up");
    assert_eq!(time_left(&progress(0, 100)), "waiting for the source");
    assert_eq!(time_left(&progress(100, 400)), "30 seconds left");
}

#[test]
fn a_failure_says_when_it_is_tried_again() {
    let news = |retry_in_ms| MirrorNews::StateChanged {
        partition: "a-0".to_owned(),
        from: "MIRRORING",
        to: "FAILED",
        reason: Some("disk".to_owned()),
        retry_in_ms,
    };
    let text = news_text(&news(Some(1_500))).unwrap();
    assert_eq!(text, "a-0: FAILED: disk (trying again in 1.5 s)");
    assert_eq!(news_text(&news(None)).unwrap(), "a-0: FAILED: disk (not tried again)");
}
