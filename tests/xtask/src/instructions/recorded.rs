//! `benches/instructions.toml`: what was counted when it was last meant to change.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use serde::Deserialize;

/// How far from what is recorded a count may be, with the compiler it was recorded with: what
/// moves when code elsewhere is inlined differently.
const TOLERANCE: f64 = 0.03;
/// With another compiler.
const TOLERANCE_OF_OTHERS: f64 = 0.25;

/// Counts, and the compiler that they are of.
#[derive(Debug, Deserialize)]
pub(super) struct Recorded {
    pub(super) rustc: String,
    /// Instructions for each unit, by workload.
    pub(super) per_unit: BTreeMap<String, f64>,
}

/// What a count is beside the one recorded.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing is recorded.
    New,
    Within {
        known: f64,
        change: f64,
    },
    /// Worse than it was, or better: then that is to be recorded, or the next step back would not
    /// be seen.
    Beyond {
        known: f64,
        change: f64,
    },
}

impl Recorded {
    pub(super) fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "# Instructions for each unit of a workload, written by\n\
             # `cargo xtask instructions --record`.\nrustc = \"{}\"\n\n[per_unit]\n",
            self.rustc
        );
        for (name, count) in &self.per_unit {
            writeln!(text, "\"{name}\" = {count:.1}").expect("a string takes all text");
        }
        text
    }

    pub(super) fn tolerance(&self, rustc: &str) -> f64 {
        if self.rustc == rustc { TOLERANCE } else { TOLERANCE_OF_OTHERS }
    }

    pub(super) fn verdict(&self, name: &str, count: f64, tolerance: f64) -> Verdict {
        let Some(&known) = self.per_unit.get(name) else { return Verdict::New };
        let change = (count - known) / known;
        if change.abs() <= tolerance {
            Verdict::Within { known, change }
        } else {
            Verdict::Beyond { known, change }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> Recorded {
        let per_unit = [("a/b".to_owned(), 200.0)].into();
        Recorded { rustc: "rustc 1.0".to_owned(), per_unit }
    }

    #[test]
    fn what_is_written_is_read() {
        let read = Recorded::parse(&recorded().text()).unwrap();
        assert_eq!((read.rustc.as_str(), &read.per_unit), ("rustc 1.0", &recorded().per_unit));
    }

    #[test]
    fn more_and_less_than_the_tolerance_are_both_beyond() {
        let verdict = |count| recorded().verdict("a/b", count, 0.03);
        assert_eq!(verdict(205.0), Verdict::Within { known: 200.0, change: 0.025 });
        assert_eq!(verdict(210.0), Verdict::Beyond { known: 200.0, change: 0.05 });
        assert_eq!(verdict(190.0), Verdict::Beyond { known: 200.0, change: -0.05 });
        assert_eq!(recorded().verdict("b/c", 1.0, 0.03), Verdict::New);
    }

    #[test]
    fn another_compiler_has_more_room() {
        assert!(recorded().tolerance("rustc 1.1") > recorded().tolerance("rustc 1.0"));
    }
}
