//! Files that are not as they should be.

use super::*;

/// Finds every offset from 0 to 199 of a log of 100 batches.
fn check_all(reader: &LogReader, log: &WritableLog) {
    for raw in 0..200 {
        let located = locate(reader, log, raw);
        assert_eq!(located.base_offset.get(), raw - raw % 2, "offset {raw}");
        assert_eq!(bases(&located)[0], raw - raw % 2, "offset {raw}");
    }
}

fn append_to(scratch: &Scratch, name: &str, bytes: &[u8]) {
    let mut contents = fs::read(scratch.path(name)).unwrap();
    contents.extend_from_slice(bytes);
    fs::write(scratch.path(name), contents).unwrap();
}

#[test]
fn a_missing_index_costs_time_only() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(batch_bytes() * 40), 100);
    for base in [0, 80, 160] {
        let _ = fs::remove_file(scratch.path(&format!("{base:020}.index")));
        let _ = fs::remove_file(scratch.path(&format!("{base:020}.timeindex")));
    }
    check_all(&reader(), &log);
}

#[test]
fn an_index_of_another_life_is_not_believed() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(batch_bytes() * 40), 100);
    // Positions inside batches, and positions of batches that end at other offsets.
    for (offset_step, position_step) in [(3, 100), (1, batch_bytes()), (2, batch_bytes() * 3)] {
        let mut stale = Vec::new();
        for raw in 1..13_u32 {
            stale.extend((raw * offset_step + 1).to_be_bytes());
            stale.extend((raw * position_step).to_be_bytes());
        }
        for base in [0, 80, 160] {
            fs::write(scratch.path(&format!("{base:020}.index")), &stale).unwrap();
        }
        check_all(&reader(), &log);
    }
}

#[test]
fn an_index_with_a_torn_or_senseless_entry_is_used_as_far_as_it_goes() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(1 << 20), 100);
    log.flush().unwrap();
    append_to(&scratch, "00000000000000000000.index", &[0xff; 11]);
    check_all(&reader(), &log);
}

#[test]
fn space_reserved_behind_the_last_batch_is_never_read() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(1 << 20), 10);
    append_to(&scratch, "00000000000000000000.log", &[0; 4096]);
    let located = locate(&reader(), &log, 4);
    assert_eq!(located.range.bytes, batch_bytes() * 8);
}

#[test]
fn what_follows_the_batches_of_an_unfinished_segment_is_never_read() {
    let older: Vec<u8> = plain(&[b"an older life"]);
    for behind in [vec![0; 4096], older, vec![0xff; 70], vec![1]] {
        let scratch = Scratch::new();
        let log = filled(&scratch, small_segments(batch_bytes() * 40), 50);
        append_to(&scratch, "00000000000000000000.log", &behind);
        let located = locate(&reader(), &log, 4);
        assert_eq!(located.range.bytes, batch_bytes() * 38);
        assert_eq!(located.end_offset, offset(80));
    }
}

#[test]
fn bytes_behind_a_finished_segment_are_damage_unless_they_were_reserved() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(batch_bytes() * 40), 50);
    log.flush().unwrap();
    append_to(&scratch, "00000000000000000000.log", &[0; 4096]);
    assert_eq!(locate(&reader(), &log, 4).range.bytes, batch_bytes() * 38);
    let path = scratch.path("00000000000000000000.log");
    let mut contents = fs::read(&path).unwrap();
    contents.truncate(batch_bytes() as usize * 40);
    // The last batch is none any more.
    contents[batch_bytes() as usize * 39 + 16] = 9;
    fs::write(&path, contents).unwrap();
    let refused = locate_in(&reader(), log.view(), (78, 100), ALL).unwrap_err();
    assert!(matches!(refused, ReadError::Damaged { .. }), "{refused}");
}

#[test]
fn damage_inside_the_log_is_told_with_its_place() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(1 << 20), 10);
    let path = scratch.path("00000000000000000000.log");
    let mut contents = fs::read(&path).unwrap();
    let position = batch_bytes() as usize * 3;
    contents[position..position + HEADER_BYTES].fill(0);
    fs::write(&path, contents).unwrap();
    let refused = locate_in(&reader(), log.view(), (8, 20), ALL).unwrap_err().to_string();
    let expected = format!(
        "00000000000000000000.log at {position}: \
         expected a batch that begins at offset 6 or above"
    );
    assert_eq!(refused, expected);
}

#[test]
fn batches_out_of_order_are_damage() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(1 << 20), 60);
    let path = scratch.path("00000000000000000000.log");
    let mut contents = fs::read(&path).unwrap();
    // The batch at offset 0 says that it begins at 100; the index leads past it, except for 10.
    contents[..8].copy_from_slice(&100_i64.to_be_bytes());
    fs::write(&path, contents).unwrap();
    let entries = [(3, batch_bytes()), (10, batch_bytes() + 1)];
    let index: Vec<u8> = entries
        .iter()
        .flat_map(|(offset, position): &(u32, u32)| [offset.to_be_bytes(), position.to_be_bytes()])
        .flatten()
        .collect();
    fs::write(scratch.path("00000000000000000000.index"), index).unwrap();
    assert_eq!(bases(&locate_in(&reader(), log.view(), (3, 5), ALL).unwrap().unwrap()), [2]);
    let refused = locate_in(&reader(), log.view(), (3, 60), ALL).unwrap_err();
    assert!(matches!(refused, ReadError::Damaged { position: 0, .. }), "{refused}");
}

#[test]
fn a_segment_deleted_meanwhile_is_out_of_range() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(batch_bytes() * 3), 10);
    let old = log.view().state().unwrap();
    let reader = LogReader::new(FileLimits { open_max: 1, lent_max: 1 });
    bases(&locate(&reader, &log, 0));
    bases(&locate(&reader, &log, 19));
    log.delete_records(8).unwrap();
    let refused = reader.locate(log.view(), &old, offset(1), offset(20), ALL).unwrap_err();
    assert!(matches!(refused, ReadError::OutOfRange { .. }), "{refused}");
    assert_eq!(bases(&locate(&reader, &log, 8)), [8, 10]);
}

#[test]
fn a_log_whose_directory_went_away_says_so() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(1 << 20), 3);
    let (view, state) = (Arc::clone(log.view()), log.view().state().unwrap());
    log.delete().unwrap();
    let refused = reader().locate(&view, &state, offset(0), offset(6), ALL).unwrap_err();
    assert!(matches!(refused, ReadError::Gone { .. }), "{refused}");
}

#[test]
fn what_was_learnt_before_a_cut_is_forgotten() {
    let scratch = Scratch::new();
    let one = |base, value: &[u8]| {
        let mut batch = batch_at(NOW_MS, &[value]);
        batch.base_offset = offset(base);
        batch
    };
    let (view, _) = mirrored(&scratch, &[(0, &[one(0, b"a"), one(1, b"b")])]);
    let reader = reader();
    let first = locate_in(&reader, &view, (0, 2), ALL).unwrap().unwrap();
    assert_eq!(bases(&first), [0, 1]);
    // The source's other history has a longer first batch; the file is another one.
    fs::remove_file(scratch.path("00000000000000000000.log")).unwrap();
    let batches = [one(0, &[7; 100]), one(1, b"b"), one(2, b"c")];
    let (_, state) = mirrored(&scratch, &[(0, &batches)]);
    view.publish(LogState { cut_count: 1, ..state });
    let second = locate_in(&reader, &view, (2, 3), ALL).unwrap().unwrap();
    assert_eq!(bases(&second), [2]);
    assert_eq!(bases(&locate_in(&reader, &view, (0, 3), ALL).unwrap().unwrap()), [0, 1, 2]);
}
