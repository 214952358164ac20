use super::*;

#[test]
fn names_carry_the_offset_in_twenty_digits() {
    let base = Offset::from_wire(1234).unwrap();
    let names = [
        (FileName::log(base), "00000000000000001234.log"),
        (FileName::offset_index(base), "00000000000000001234.index"),
        (FileName::time_index(base), "00000000000000001234.timeindex"),
        (FileName::transaction_index(base), "00000000000000001234.txnindex"),
        (FileName::snapshot(base), "00000000000000001234.snapshot"),
        (FileName::LEADER_EPOCH_CHECKPOINT, "leader-epoch-checkpoint"),
        (FileName::PARTITION_METADATA, "partition.metadata"),
    ];
    for (name, text) in names {
        assert_eq!(name.text(), text);
        assert_eq!(FileName::parse(text), Some(name));
    }
}

#[test]
fn other_names_are_not_ours() {
    for text in [
        "",
        "1234.log",
        "000000000000000001234.log",
        "00000000000000001234",
        "00000000000000001234.log.deleted",
        "00000000000000001234.swap",
        "+0000000000000001234.log",
        "99999999999999999999.log",
        "leader-epoch-checkpoint.tmp",
    ] {
        assert_eq!(FileName::parse(text), None, "{text}");
    }
}
