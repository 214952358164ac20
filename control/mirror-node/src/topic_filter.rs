//! Which topics are mirrored: regular expressions over whole names, exclusion wins.

use kafka_wire::partition::TopicName;
use regex::{Regex, RegexBuilder};

/// A compiled `--topics` and `--exclude`.
#[derive(Clone, Debug)]
pub struct TopicFilter {
    include_text: String,
    exclude_text: Option<String>,
    include: Regex,
    exclude: Option<Regex>,
    /// The alternatives of the inclusion that begin with `__`.
    internal: Vec<Regex>,
}

/// An expression that is none.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a regular expression: {reason}")]
pub struct FilterError {
    /// As written, or its beginning.
    text: String,
    /// What is wrong with it.
    reason: String,
}

impl TopicFilter {
    /// Compiles the expressions; both must match whole topic names.
    ///
    /// # Errors
    /// Names the expression that cannot be compiled.
    pub fn new(include: &str, exclude: Option<&str>) -> Result<Self, FilterError> {
        let alternatives = include.split('|').map(|part| part.trim_matches(['(', ')', '^', '$']));
        let internal = alternatives.filter(|part| part.starts_with(INTERNAL_PREFIX));
        Ok(Self {
            include_text: include.to_owned(),
            exclude_text: exclude.map(str::to_owned),
            include: whole(include)?,
            exclude: exclude.map(whole).transpose()?,
            // A part of a larger expression need not compile alone; then it names no topic.
            internal: internal.filter_map(|part| whole(part).ok()).collect(),
        })
    }

    /// What is included, as written.
    #[must_use]
    pub fn include_text(&self) -> &str {
        &self.include_text
    }

    /// What is excluded, as written.
    #[must_use]
    pub fn exclude_text(&self) -> Option<&str> {
        self.exclude_text.as_deref()
    }

    /// True when `topic` is to be mirrored. Internal topics (`__...`) only when an alternative of
    /// the inclusion itself begins with `__`: `.*` does not mean them.
    #[must_use]
    pub fn selects(&self, topic: &TopicName) -> bool {
        let name = topic.as_str();
        let excluded = self.exclude.as_ref().is_some_and(|exclude| exclude.is_match(name));
        let internal = name.starts_with(INTERNAL_PREFIX);
        let named = self.internal.iter().any(|part| part.is_match(name));
        self.include.is_match(name) && !excluded && (!internal || named)
    }
}

fn whole(text: &str) -> Result<Regex, FilterError> {
    let refused = |error: regex::Error| FilterError {
        text: beginning(text),
        reason: error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
    };
    // Alone first: `a)(b` is an expression only inside our frame.
    Regex::new(text).map_err(refused)?;
    let framed = RegexBuilder::new(&format!("^(?:{text})$")).size_limit(REGEX_BYTES_MAX).build();
    framed.map_err(refused)
}

/// As much of a text as a message has room for.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(TOLD_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Names of a cluster's own topics begin with this.
const INTERNAL_PREFIX: &str = "__";
/// Largest compiled expression, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// Characters of an expression that a message repeats.
const TOLD_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests;
