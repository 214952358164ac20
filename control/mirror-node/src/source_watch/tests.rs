use super::*;

#[test]
fn a_source_that_takes_long_to_read_is_looked_at_less_often() {
    let ms = Duration::from_millis;
    assert_eq!(pause_after(ms(2_000), ms(3)), ms(2_000));
    assert_eq!(pause_after(ms(2_000), ms(100)), ms(4_000));
    assert_eq!(pause_after(ms(2_000), ms(60_000)), LOOK_PAUSE_MAX);
    assert_eq!(pause_after(ms(30_000), ms(60_000)), ms(30_000), "as it is set");
}
