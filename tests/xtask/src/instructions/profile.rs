//! Reads what callgrind writes, without compression of names and positions:
//!
//! ```text
//! ob=<file>        code is of this object from here on
//! fn=<name>        and of this function
//! <line> <count>   so many instructions of it
//! calls=..         the line behind is those of a function called, which has its own
//! ```
//! Source: "Callgrind Format Specification" in valgrind's manual.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

/// Instructions executed.
#[derive(Debug, Default)]
pub(super) struct Profile {
    /// By object and function, without those of functions called.
    pub(super) by_function: BTreeMap<(String, String), u64>,
}

impl Profile {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut profile = Self::default();
        let (mut object, mut function) = ("", "");
        let mut is_call = false;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("ob=") {
                object = name;
            } else if let Some(name) = line.strip_prefix("fn=") {
                function = name;
            } else if line.starts_with("calls=") {
                is_call = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit())
                && !std::mem::take(&mut is_call)
                && let Some(count) = line.split(' ').nth(1)
            {
                let key = (object.to_owned(), function.to_owned());
                let count: u64 = count
                    .parse()
                    .with_context(|| format!("callgrind wrote {line:?}, expected two numbers"))?;
                *profile.by_function.entry(key).or_default() += count;
            }
        }
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_where_they_lead_and_nowhere_else() {
        let profile = Profile::parse(
            "version: 1\npositions: line\nevents: Ir\nsummary: 61\n\n\
             ob=/bin/a\nfl=x.rs\nfn=outer\n10 4\nfi=y.rs\n11 5\ncfi=z.rs\ncfn=inner\n\
             calls=2 7\n12 20\n13 2\n\nfl=z.rs\nfn=inner\n7 20\n\nob=/lib/c\nfn=memcpy\n0 30\n\n\
             totals: 61\n",
        )
        .unwrap();
        let of =
            |object: &str, name: &str| profile.by_function[&(object.to_owned(), name.to_owned())];
        assert_eq!(of("/bin/a", "outer"), 11);
        assert_eq!(of("/bin/a", "inner"), 20);
        assert_eq!(of("/lib/c", "memcpy"), 30);
        assert_eq!(profile.by_function.values().sum::<u64>(), 61);
    }

    #[test]
    fn a_count_that_is_no_number_is_an_error() {
        let error = Profile::parse("ob=/bin/a\nfn=outer\n10 4x\n").unwrap_err();
        assert!(error.to_string().contains("10 4x"), "{error}");
    }
}
