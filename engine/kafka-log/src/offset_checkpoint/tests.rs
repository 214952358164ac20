use super::*;

fn checkpoint(entries: &[(&str, i64)]) -> OffsetCheckpoint {
    let entry = |(name, raw): &(&str, i64)| {
        (TopicPartition::parse_directory(name).unwrap(), Offset::from_wire(*raw).unwrap())
    };
    OffsetCheckpoint { offsets: entries.iter().map(entry).collect() }
}

#[test]
fn a_checkpoint_is_version_count_and_one_line_per_partition() {
    let two = checkpoint(&[("orders-0", 1234), ("a.b_c-d-12", 0)]);
    let text = b"0\n2\na.b_c-d 12 0\norders 0 1234\n";
    assert_eq!(two.encode(), text);
    assert_eq!(OffsetCheckpoint::parse(text), Ok(two));
    assert_eq!(checkpoint(&[]).encode(), b"0\n0\n");
}

#[test]
fn an_empty_file_holds_no_entries() {
    assert_eq!(OffsetCheckpoint::parse(b""), Ok(OffsetCheckpoint::default()));
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    use CheckpointError as Error;
    let check = |text: &[u8], error| assert_eq!(OffsetCheckpoint::parse(text), Err(error));
    check(b"2\n0\n", Error::Version { found: "2".to_owned() });
    check(b"0\n-1\n", Error::Count { found: "-1".to_owned(), max: CHECKPOINT_ENTRIES_MAX });
    check(b"0\n1\n", Error::CountMismatch { counted: 1, found: 0 });
    check(b"0\n0\norders 0 1\n", Error::CountMismatch { counted: 0, found: 1 });
    for line in ["orders 0", "orders 0 -1", "orders -1 0", "or/ders 0 0", "orders 0 0 0", ""] {
        check(format!("0\n1\n{line}\n").as_bytes(), Error::Entry { line: 3 });
    }
    let partition = TopicPartition::parse_directory("orders-0").unwrap();
    check(b"0\n2\norders 0 1\norders 0 2\n", Error::Repeated { line: 4, partition });
}
