use clap::{CommandFactory as _, Parser as _};

use super::{Cli, Cores, parse_bytes, parse_cores};

mod against_a_node;
mod mirrors;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_examples_parses() {
    for line in [
        "ringmirror demo --bytes 8GiB --partitions 32 --record-bytes 100B --json",
        "ringmirror mirror --bootstrap-server a:1,b:2 --topics x --exclude y --data-dir d \
         --cores 0,2-3 --until-caught-up --command-config c",
        "ringmirror mirror --topics x --data-dir d --batch-bytes-max 128MiB",
        "ringmirror verify --bootstrap-server a:1 --data-dir d --topics x --json",
        "ringmirror inspect --entries a b",
        "ringmirror handover --data-dir d --node-id 1 --kafka-version 3.9",
        "ringmirror --json doctor --data-dir d",
        "ringmirror bench --sink disk,memory --partitions 1 --connections 1 --seconds 0.5 --json",
        "ringmirror bench --compression zstd --record-bytes 100B --response-bytes 64KiB",
    ] {
        Cli::try_parse_from(line.split_whitespace()).unwrap();
    }
}

#[test]
fn wrong_command_lines_are_refused() {
    for line in [
        "ringmirror",
        "ringmirror inspect",
        "ringmirror mirror --topics x",
        "ringmirror demo --partitions 0",
        "ringmirror handover --data-dir d --node-id -1",
        "ringmirror mirror --topics x --data-dir d --cores 3-1",
        "ringmirror mirror --topics x --data-dir d --batch-bytes-max 134217729",
        "ringmirror bench --sink floppy",
        "ringmirror bench --seconds 0",
        "ringmirror bench --response-bytes 1KiB",
        "ringmirror bench --bytes 1MiB",
    ] {
        assert!(Cli::try_parse_from(line.split_whitespace()).is_err(), "{line}");
    }
}

#[test]
fn sizes_are_read_with_their_units() {
    assert_eq!(parse_bytes("2GiB"), Ok(2 << 30));
    assert_eq!(parse_bytes("64 kib"), Ok(64 << 10));
    assert_eq!(parse_bytes("1MB"), Ok(1_000_000));
    assert_eq!(parse_bytes("7"), Ok(7));
    for text in ["", "0", "GiB", "1.5GiB", "-1", "3 parsecs", "99999999999TiB"] {
        assert!(parse_bytes(text).is_err(), "{text:?}");
    }
}

#[test]
fn cores_are_lists_and_ranges() {
    assert_eq!(parse_cores("0,2-3"), Ok(Cores(vec![0, 2, 3])));
    for text in ["", "a", "3-1", "1,1", "0-2,2", "9999999"] {
        assert!(parse_cores(text).is_err(), "{text:?}");
    }
}
