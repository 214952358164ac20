use super::Contender::{Follower, Librdkafka, LibrdkafkaCrc, MirrorMaker, MirrorMakerTuned};
use crate::peers::scenario::SCENARIOS;

#[test]
fn slow_contenders_take_part_where_they_say_something() {
    let of = |contender: super::Contender| {
        let names = SCENARIOS.map(|scenario| scenario.name);
        names.into_iter().filter(|name| contender.is_usual_in(name)).collect::<Vec<_>>()
    };
    for mirror_maker in [MirrorMaker, MirrorMakerTuned] {
        assert_eq!(of(mirror_maker), ["8-partitions", "8-partitions-zstd"]);
    }
    let bulk = ["8-partitions", "1-partition", "8-partitions-lz4", "8-partitions-zstd"];
    assert_eq!(of(Librdkafka), bulk);
    assert!(of(LibrdkafkaCrc).is_empty());
    assert_eq!(of(Follower).len(), SCENARIOS.len());
}
