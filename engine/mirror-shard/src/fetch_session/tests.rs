use crate::connection::Connection;
use crate::fetch_session::{Lane, QUIET_LANE_PAUSE_MS};
use crate::limits::ShardLimits;
use crate::op::Tick;

const LIMITS: ShardLimits =
    ShardLimits { fetches_per_connection: 2, fetch_wait_ms: 500, ..ShardLimits::STANDARD };

fn connection(flowing: [bool; 2]) -> Connection {
    let mut connection = Connection::vacant(0, &LIMITS);
    connection.lanes =
        flowing.map(|is_flowing| Lane { is_flowing, ..Lane::default() }).into_iter().collect();
    connection
}

#[test]
fn a_quiet_lane_does_not_wait_at_the_broker_while_another_brings_records() {
    assert_eq!(connection([true, false]).fetch_wait_ms(1, &LIMITS), 0);
}

#[test]
fn lanes_share_the_wait_when_none_brings_records() {
    assert_eq!(connection([false, false]).fetch_wait_ms(1, &LIMITS), 250);
}

#[test]
fn the_only_lane_with_records_may_wait_for_more() {
    assert_eq!(connection([true, false]).fetch_wait_ms(0, &LIMITS), 250);
}

#[test]
fn a_quiet_lane_pauses_only_while_another_brings_records() {
    let now = Tick(7_000_000);
    let mut busy = connection([true, true]);
    busy.note_flow(1, false, now);
    assert_eq!(busy.lanes[1].not_before, now.after_ms(QUIET_LANE_PAUSE_MS));
    let mut idle = connection([false, true]);
    idle.note_flow(1, false, now);
    assert_eq!(idle.lanes[1].not_before, Tick::default());
}

mod many;

const CLIENT_ID_BYTES: usize = crate::fetch_session::CLIENT_ID.len();
