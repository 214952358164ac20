use super::*;

/// Two cores: 2 x (96 MiB + 8.5 MiB) and 32 MiB of the reader.
const BUFFER_BYTES: u64 = 241 << 20;
const MIB: u64 = 1 << 20;

fn engine() -> EngineSettings {
    EngineSettings { cores: vec![0, 1], ..EngineSettings::default() }
}

fn shared(bytes_max: u64) -> (u64, usize) {
    let cap = MemoryCap::share_out(bytes_max, &engine(), 0).unwrap();
    let partitions = u64::try_from(cap.partition_count_max).unwrap() * PARTITION_BYTES;
    let all = PROGRAM_BYTES + BUFFER_BYTES + cap.recent_bytes + partitions;
    assert!(all <= bytes_max && all + PARTITION_BYTES > bytes_max, "{all} of {bytes_max}");
    (cap.recent_bytes / MIB, cap.partition_count_max)
}

#[test]
fn the_default_keeps_the_buffers_and_has_room_for_a_hundred_thousand_partitions() {
    let bytes = MemoryCap::default_bytes(&engine());
    assert_eq!(bytes, 1536 * MIB);
    assert_eq!(shared(bytes), (256, 120_704));
    let sixteen = EngineSettings { cores: (0..16).collect(), ..EngineSettings::default() };
    let bytes = MemoryCap::default_bytes(&sixteen);
    let cap = MemoryCap::share_out(bytes, &sixteen, 0).unwrap();
    assert_eq!(cap.recent_bytes, sixteen.recent_bytes);
    assert!(cap.partition_count_max >= PARTITIONS_USUAL, "{cap:?}");
}

#[test]
fn a_lower_cap_takes_first_from_what_was_written_last_and_then_from_partitions() {
    let fixed = (PROGRAM_BYTES + BUFFER_BYTES) / MIB;
    assert_eq!(shared((fixed + 782 + 256) * MIB), (256, 100_096));
    assert_eq!(shared((fixed + 782 + 100) * MIB).1, 100_000);
    assert_eq!(shared((fixed + 782 + 100) * MIB).0, 100);
    assert_eq!(shared((fixed + 781) * MIB), (0, 99_968));
    assert_eq!(shared((fixed + 8) * MIB), (0, 1_024));
}

#[test]
fn buffers_that_were_asked_for_stay_and_partitions_give_way() {
    let asked = EngineSettings { recent_bytes: 64 * MIB, ..engine() };
    let cap = MemoryCap::share_out(512 * MIB, &asked, 64 * MIB).unwrap();
    assert_eq!((cap.recent_bytes, cap.partition_count_max), (64 * MIB, 111 * 128));
}

#[test]
fn a_cap_that_does_not_hold_the_buffers_is_refused_with_the_least_that_works() {
    let refused = MemoryCap::share_out(300 * MIB, &engine(), 0).unwrap_err();
    assert_eq!(refused.bytes_needed(), 345 * MIB);
    let text = refused.to_string();
    let begin = "memory_bytes_max is 300MiB, the least that works here is 345MiB: 96MiB for the \
                 program, 241MiB for the buffers of 2 shards";
    assert!(text.starts_with(begin), "{text}");
    assert!(MemoryCap::share_out(345 * MIB - 1, &engine(), 0).is_err());
    assert!(MemoryCap::share_out(345 * MIB, &engine(), 0).is_ok());
    let asked = MemoryCap::share_out(345 * MIB, &engine(), 64 * MIB).unwrap_err();
    assert_eq!(asked.bytes_needed(), 409 * MIB);
}

#[test]
fn a_directory_with_more_partitions_is_refused_with_the_cap_that_holds_them() {
    let engine = engine();
    let share_out = |bytes_max| MemoryCap::share_out(bytes_max, &engine, 0).unwrap();
    assert_eq!(share_out(345 * MIB).check_held(1_024, &engine), Ok(()));
    for (mib, held) in [(345, 5_000), (345, 100_000), (1_200, 105_000), (1_536, 200_000)] {
        let refused = share_out(mib * MIB).check_held(held, &engine).unwrap_err();
        assert!(refused.to_string().contains(&format!("for {held} partitions")), "{refused}");
        let needed = refused.bytes_needed();
        assert_eq!(share_out(needed).check_held(held, &engine), Ok(()), "{needed}");
        assert!(share_out(needed - MIB).check_held(held, &engine).is_err(), "{needed}");
    }
}

#[test]
fn a_refusal_of_partitions_says_how_much_more_memory_they_take() {
    let text = NoMemory { asked: 300, held: 1_000, max: 1_024 }.to_string();
    assert!(text.contains("300 more partitions, 1000 are here"), "{text}");
    // 276 of them at 8 KiB.
    assert!(
        text.contains("memory_bytes_max has room for 1024: raise it by at least 3MiB"),
        "{text}"
    );
}

#[test]
fn room_is_taken_until_none_is_left_but_not_by_topics_of_the_node_itself() {
    let name = |text| TopicName::parse(text).unwrap();
    let mut room = PartitionRoom::new(5);
    room.hold(&name("orders"), Binding::Bound, 2);
    room.take(&name("notes"), Binding::Unbound, 2).unwrap();
    let refused = room.take(&name("more"), Binding::Bound, 2);
    assert_eq!(refused, Err(NoMemory { asked: 2, held: 4, max: 5 }));
    assert_eq!(room.held(), 4, "nothing is taken by halves");
    room.take(&name("more"), Binding::Bound, 1).unwrap();
    room.take(&name("__consumer_offsets"), Binding::Unbound, 50).unwrap();
    assert!(room.take(&name("__consumer_offsets"), Binding::Bound, 1).is_err(), "of a source");
    // What is there is counted, too much or not; who wants nothing more needs no room.
    room.hold(&name("older"), Binding::Unbound, 9);
    assert_eq!(room.held(), 14);
    room.take(&name("older"), Binding::Unbound, 0).unwrap();
    room.take(&name("older"), Binding::Unbound, -1).unwrap();
}
