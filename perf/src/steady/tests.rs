use super::*;

/// What is found when rates up to `highest` are sustained.
fn found(highest: u32) -> Result<u32> {
    highest_sustained(|rate| Ok(rate <= highest))
}

#[test]
fn the_search_ends_an_eighth_of_an_octave_below_what_is_sustained() -> Result<()> {
    for highest in [4_000, 4_001, 9_100, 100_000, 500_000] {
        let rate = found(highest)?;
        assert!(rate <= highest && f64::from(highest) <= f64::from(rate) * 1.13, "{rate}");
    }
    assert!(found(3_999).is_err());
    Ok(())
}

#[test]
fn the_search_ends_where_nothing_is_too_fast() -> Result<()> {
    assert!(found(u32::MAX)? < RATE_MAX);
    Ok(())
}
