//! Which topics of a mirror a list of names and expressions means.

use std::collections::BTreeSet;

use kafka_wire::partition::TopicName;
use mirror_coordinator::mirror_config::list;
use mirror_coordinator::topic_patterns::PatternList;

use crate::exit_code::CommandError;

/// A list as it was given, compiled.
#[derive(Clone, Debug)]
pub(crate) struct TopicChoice {
    patterns: PatternList,
}

impl TopicChoice {
    /// Reads `a,b-.*` or `[a,b-.*]` of `--topics`.
    ///
    /// # Errors
    /// As [`Self::parse_of`].
    pub(crate) fn parse(text: &str) -> Result<Self, CommandError> {
        Self::parse_of("--topics", text)
    }

    /// Reads the same of another flag.
    ///
    /// # Errors
    /// Names the element that is no expression, or says that there is none.
    pub(crate) fn parse_of(flag: &str, text: &str) -> Result<Self, CommandError> {
        let elements = list(text);
        if elements.is_empty() {
            let text = format!("{flag} names nothing; all topics are {flag} '.*'");
            return Err(CommandError::usage(text));
        }
        let patterns = PatternList::parse(&elements)
            .map_err(|error| CommandError::usage(format!("{flag}: {error}")))?;
        Ok(Self { patterns })
    }

    /// The list, as it was written.
    pub(crate) fn patterns(&self) -> &[String] {
        self.patterns.patterns()
    }

    /// Those of the known topics that are meant, sorted.
    pub(crate) fn among<'a>(&self, known: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let meant: BTreeSet<&String> =
            known.into_iter().filter(|name| self.patterns.matches(name)).collect();
        meant.into_iter().cloned().collect()
    }

    /// Elements that can only mean one topic, and match none that is known: the node says what is
    /// wrong with each.
    pub(crate) fn names_without(&self, known: &BTreeSet<&String>) -> Vec<String> {
        let names = self.patterns.patterns().iter().filter(|text| {
            TopicName::parse(text).is_some() && !known.contains(text) && !matches_any(text, known)
        });
        names.cloned().collect()
    }
}

fn matches_any(pattern: &str, known: &BTreeSet<&String>) -> bool {
    PatternList::parse(&[pattern])
        .is_ok_and(|pattern| known.iter().any(|name| pattern.matches(name)))
}

/// Patterns that match these topics and no others. Names that an expression could take for more
/// than themselves are joined: a node takes fewer expressions than names.
pub(crate) fn exactly(topics: &[String]) -> Vec<String> {
    let (dotted, plain): (Vec<&String>, Vec<&String>) =
        topics.iter().partition(|topic| topic.contains('.'));
    let mut joined = Vec::new();
    let mut open = String::new();
    for topic in dotted {
        let pattern = topic.replace('.', "\\.");
        if !open.is_empty() && open.len() + 1 + pattern.len() > JOINED_BYTES_MAX {
            joined.push(std::mem::take(&mut open));
        }
        if !open.is_empty() {
            open.push('|');
        }
        open.push_str(&pattern);
    }
    joined.extend((!open.is_empty()).then_some(open));
    plain.into_iter().cloned().chain(joined).collect()
}

/// Longest pattern made here; a node takes such of twice the length.
const JOINED_BYTES_MAX: usize = 2_048;

#[cfg(test)]
mod tests;
