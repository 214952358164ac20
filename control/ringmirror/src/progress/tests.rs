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
    let text = news_text(&news(Some(1_500)), false).unwrap();
    assert_eq!(text, "a-0: FAILED: disk (trying again in 1.5 s)");
    assert_eq!(news_text(&news(None), false).unwrap(), "a-0: FAILED: disk (not tried again)");
}

#[test]
fn only_a_run_that_goes_on_waits_for_a_topic() {
    let news = MirrorNews::NothingSelected { topics_at_source: 3 };
    let text = |until_caught_up| news_text(&news, until_caught_up).unwrap();
    assert_eq!(text(false), "no topic is selected (the source shows 3); waiting for one");
    assert_eq!(text(true), "no topic is selected (the source shows 3); ending");
}
