//! Which stage limits a sink: one rule, on shares of what each stage can do.

use serde::Serialize;

/// A stage that every byte passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// Direct writes to the disk.
    Disk,
    /// Appends to files that are memory.
    Memory,
    /// The core that receives, checks and writes.
    EngineCpu,
    /// The core that generates and sends.
    Source,
    /// The one core there is, which does both.
    CpuSharedWithTheSource,
    /// The connections between source and engine.
    Receive,
}

impl Stage {
    /// In words.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Disk => "the disk",
            Self::Memory => "memory",
            Self::EngineCpu => "the engine's core",
            Self::Source => "the source's core",
            Self::CpuSharedWithTheSource => "the only core",
            Self::Receive => "receiving",
        }
    }

    /// What to try when it limits.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Disk => "try another disk with --data-dir: cores and network have room left",
            Self::Memory => "one core appends no faster: this is what memory gives",
            Self::EngineCpu => {
                "one shard gets no more from this core: mirror and node run one on every core, \
                 --cores says on which"
            }
            Self::Source => {
                "the generated source gives no more, the engine could take more: mirror from \
                 several brokers"
            }
            Self::CpuSharedWithTheSource => {
                "source and engine share it: on a machine with two cores each has its own"
            }
            Self::Receive => {
                "these connections bring no more: try more of them with --connections, or larger \
                 responses with --response-bytes"
            }
        }
    }
}

/// How much of what a stage can do was used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct StageShare {
    /// Which.
    pub(super) stage: Stage,
    /// 1 is all of it: a rate over the rate that the stage alone reached, or busy over all time.
    pub(super) share: f64,
}

/// The stage that limits, if one does.
///
/// Of all but receiving, the one used most, if that is at least [`FULL_SHARE`]; then receiving, if
/// its rate is. Receiving takes the engine's core and the source's, so a core that is full says
/// more than the rate does. When all have room, what is written to limits, if responses waited for
/// buffers that it had not taken yet: `waiting_share` of them, at least [`WAITING_SHARE`]. A disk
/// that must also sync takes less than it does alone.
pub(super) fn limiting(shares: &[StageShare], waiting_share: f64) -> Option<StageShare> {
    let (receive, others): (Vec<StageShare>, Vec<StageShare>) =
        shares.iter().partition(|each| each.stage == Stage::Receive);
    let is_full = |each: &StageShare| each.share >= FULL_SHARE;
    let written =
        shares.iter().find(|each| matches!(each.stage, Stage::Disk | Stage::Memory)).copied();
    most_used(&others)
        .filter(is_full)
        .or_else(|| most_used(&receive).filter(is_full))
        .or_else(|| written.filter(|_| waiting_share >= WAITING_SHARE))
}

/// The stage with the largest share; the first of equal ones.
pub(super) fn most_used(shares: &[StageShare]) -> Option<StageShare> {
    let larger = |best: StageShare, next: &StageShare| {
        if next.share > best.share { *next } else { best }
    };
    let (first, rest) = shares.split_first()?;
    Some(rest.iter().fold(*first, larger))
}

/// From this share on a stage is full.
pub(super) const FULL_SHARE: f64 = 0.9;
/// When so many responses wait for a buffer, writing is slower than receiving.
pub(super) const WAITING_SHARE: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shares: &[(Stage, f64)], expected: Option<Stage>) {
        check_waiting(shares, 0.0, expected);
    }

    #[track_caller]
    fn check_waiting(shares: &[(Stage, f64)], waiting_share: f64, expected: Option<Stage>) {
        let shares: Vec<StageShare> =
            shares.iter().map(|&(stage, share)| StageShare { stage, share }).collect();
        let limit = limiting(&shares, waiting_share);
        assert_eq!(limit.map(|each| each.stage), expected, "{shares:?}");
    }

    #[test]
    fn what_responses_wait_for_limits_when_all_have_room() {
        use Stage::{Disk, EngineCpu, Memory, Receive, Source};
        check_waiting(&[(Disk, 0.74), (EngineCpu, 0.31), (Receive, 0.3)], 0.1, Some(Disk));
        check_waiting(&[(Disk, 0.74), (EngineCpu, 0.31), (Receive, 0.3)], 0.09, None);
        check_waiting(&[(Memory, 0.5), (EngineCpu, 0.95)], 0.9, Some(EngineCpu));
        check_waiting(&[(EngineCpu, 0.5), (Source, 0.6)], 0.9, None);
    }

    #[test]
    fn the_stage_used_most_limits() {
        use Stage::{Disk, EngineCpu, Receive, Source};
        check(&[(Disk, 0.94), (EngineCpu, 0.7), (Source, 0.5), (Receive, 0.6)], Some(Disk));
        check(&[(Disk, 0.91), (EngineCpu, 0.98), (Source, 0.5), (Receive, 0.6)], Some(EngineCpu));
        check(&[(Disk, 0.5), (EngineCpu, 0.7), (Source, 0.99), (Receive, 0.9)], Some(Source));
    }

    #[test]
    fn a_probe_that_was_slower_than_the_engine_is_full() {
        check(&[(Stage::Disk, 1.07), (Stage::EngineCpu, 0.99)], Some(Stage::Disk));
    }

    #[test]
    fn receiving_limits_only_when_no_core_does() {
        use Stage::{EngineCpu, Receive, Source};
        check(&[(EngineCpu, 0.91), (Source, 0.6), (Receive, 0.99)], Some(EngineCpu));
        check(&[(EngineCpu, 0.89), (Source, 0.6), (Receive, 0.92)], Some(Receive));
    }

    #[test]
    fn nothing_limits_when_every_stage_has_room() {
        check(&[(Stage::Disk, 0.89), (Stage::EngineCpu, 0.6), (Stage::Receive, 0.7)], None);
        check(&[], None);
        let shares = [(Stage::Disk, 0.4), (Stage::EngineCpu, 0.6)];
        let shares = shares.map(|(stage, share)| StageShare { stage, share });
        assert_eq!(most_used(&shares).map(|each| each.stage), Some(Stage::EngineCpu));
    }
}
