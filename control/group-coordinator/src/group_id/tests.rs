use super::GroupId;
use crate::limits::GROUP_ID_BYTES_MAX;

#[test]
fn a_name_that_no_record_can_hold_is_refused() {
    assert!(GroupId::parse(&"g".repeat(GROUP_ID_BYTES_MAX)).is_some());
    assert!(GroupId::parse(&"g".repeat(GROUP_ID_BYTES_MAX + 1)).is_none());
}
