use super::*;

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn aborted(first: i64, last: i64) -> AbortedTransaction {
    AbortedTransaction {
        producer_id: ProducerId::from_wire(258).unwrap(),
        first_offset: offset(first),
        last_offset: offset(last),
        last_stable_offset: LastStableOffset::new(offset(last + 1)),
    }
}

#[test]
fn an_entry_is_a_version_and_four_long_integers() {
    let bytes = encode(&aborted(3, 5));
    let mut expected = [0; 34];
    expected[8..10].copy_from_slice(&[1, 2]);
    expected[17] = 3;
    expected[25] = 5;
    expected[33] = 6;
    assert_eq!(bytes, expected);
    assert_eq!(parse(offset(5), &bytes), Ok(vec![aborted(3, 5)]));
}

#[test]
fn what_is_no_index_is_refused() {
    use TransactionIndexError as Error;
    let check = |base, bytes: &[u8], error| assert_eq!(parse(offset(base), bytes), Err(error));
    let entry = encode(&aborted(3, 5));
    check(0, &entry[1..], Error::PartialEntry { bytes: 33 });
    check(6, &entry, Error::Invalid { index: 0 });
    check(0, &[entry, entry].concat(), Error::Invalid { index: 1 });
    check(0, &encode(&aborted(7, 5)), Error::Invalid { index: 0 });
    let mut newer = entry;
    newer[1] = 1;
    check(0, &newer, Error::Version { index: 0, version: 1 });
    let mut negative = entry;
    negative[2] = 0x80;
    check(0, &negative, Error::Invalid { index: 0 });
}
