//! Which names a list of patterns means: plain names and expressions in the syntax of RE2, each
//! for whole names; what is excluded wins over what is included (KIP-1279, `topics.include`).

use std::collections::BTreeSet;
use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::cluster_metadata::limits::{
    EXPRESSIONS_MAX, PATTERN_BYTES_MAX, PATTERNS_COMPILED_BYTES_MAX, PATTERNS_MAX, TOLD_CHARS_MAX,
};

/// `topics.include` and `topics.exclude`, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPatterns {
    /// What is meant.
    pub include: PatternList,
    /// What of it is not.
    pub exclude: PatternList,
}

/// A compiled list of patterns: `^(a|b)$`. An empty one matches nothing.
#[derive(Clone)]
pub struct PatternList {
    patterns: Vec<String>,
    /// Patterns that are plain names: looked up instead of being compiled.
    names: BTreeSet<String>,
    expressions: Option<Regex>,
}

/// Why a list of patterns is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not an expression.
    #[error("{pattern:?} is not a regular expression: {reason}")]
    Malformed {
        /// The pattern, or its beginning.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Cannot be an entry of a list between commas.
    #[error(
        "{pattern:?} cannot be an entry of a list: {reason}; write it in another way, for \
         example as several patterns"
    )]
    NotAnEntry {
        /// The pattern, or its beginning.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Longer than [`PATTERN_BYTES_MAX`].
    #[error("pattern {pattern:?} has {bytes} bytes, at most {PATTERN_BYTES_MAX} are taken")]
    TooLong {
        /// Its beginning.
        pattern: String,
        /// Its length.
        bytes: usize,
    },
    /// More than [`PATTERNS_MAX`].
    #[error("{count} patterns in one list, at most {PATTERNS_MAX} are taken")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// More expressions than [`EXPRESSIONS_MAX`].
    #[error(
        "{count} expressions in one list, at most {EXPRESSIONS_MAX} are taken beside plain names \
         (letters, digits, - and _): join some of them with |"
    )]
    TooManyExpressions {
        /// How many there are.
        count: usize,
    },
    /// Together more than [`PATTERNS_COMPILED_BYTES_MAX`].
    #[error(
        "the {count} expressions of the list need more than {PATTERNS_COMPILED_BYTES_MAX} bytes \
         together: use simpler ones, without large repetitions"
    )]
    TooLarge {
        /// How many there are.
        count: usize,
    },
}

impl TopicPatterns {
    /// True when the name is included and not excluded.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        self.include.matches(name) && !self.exclude.matches(name)
    }
}

impl PatternList {
    /// Compiles a list.
    ///
    /// # Errors
    /// Names the pattern that is no expression, or the limit that is passed.
    pub fn parse<T: AsRef<str>>(patterns: &[T]) -> Result<Self, PatternError> {
        if patterns.len() > PATTERNS_MAX {
            return Err(PatternError::TooMany { count: patterns.len() });
        }
        let mut parsed = Self { patterns: Vec::new(), names: BTreeSet::new(), expressions: None };
        let mut expressions = BTreeSet::new();
        for pattern in patterns.iter().map(AsRef::as_ref) {
            check_entry(pattern)?;
            if is_plain_name(pattern) {
                parsed.names.insert(pattern.to_owned());
            } else {
                expressions.insert(pattern);
            }
            parsed.patterns.push(pattern.to_owned());
        }
        parsed.expressions = joined(&expressions)?;
        Ok(parsed)
    }

    /// True when a pattern matches the whole name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let by_expression = || self.expressions.as_ref().is_some_and(|all| all.is_match(name));
        self.names.contains(name) || by_expression()
    }

    /// The patterns as written.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// The first pattern that matches the name, for messages: looked for among the first
    /// `PATTERNS_SEARCHED_MAX` only.
    #[must_use]
    pub fn matching(&self, name: &str) -> Option<&str> {
        let alone = |pattern: &&String| Self::parse(&[pattern]).is_ok_and(|one| one.matches(name));
        let searched = self.patterns.iter().take(PATTERNS_SEARCHED_MAX);
        let by_name = self.names.get(name);
        by_name.or_else(|| searched.into_iter().find(alone)).map(String::as_str)
    }
}

impl PartialEq for PatternList {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for PatternList {}

impl fmt::Debug for PatternList {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(&self.patterns).finish()
    }
}

/// True for a pattern that can only mean the name it is: no sign in it has another meaning.
#[must_use]
pub fn is_plain_name(pattern: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !pattern.is_empty() && pattern.bytes().all(plain)
}

fn check_entry(pattern: &str) -> Result<(), PatternError> {
    let refused = |reason| PatternError::NotAnEntry { pattern: beginning(pattern), reason };
    if pattern.len() > PATTERN_BYTES_MAX {
        let (pattern, bytes) = (beginning(pattern), pattern.len());
        return Err(PatternError::TooLong { pattern, bytes });
    }
    if pattern.is_empty() {
        return Err(refused("it is empty"));
    }
    if pattern.contains(',') {
        return Err(refused("a comma separates entries"));
    }
    if pattern.trim() != pattern {
        return Err(refused("blanks around an entry do not count"));
    }
    Ok(())
}

/// All expressions as one; `None` when there are none.
fn joined(expressions: &BTreeSet<&str>) -> Result<Option<Regex>, PatternError> {
    let count = expressions.len();
    if count == 0 {
        return Ok(None);
    }
    if count > EXPRESSIONS_MAX {
        return Err(PatternError::TooManyExpressions { count });
    }
    let mut text = String::from(r"\A(?:");
    for (index, pattern) in expressions.iter().enumerate() {
        // Alone first: `a)(b` is an expression only inside the frame.
        compiled(pattern).map_err(|error| malformed(pattern, &error))?;
        if index > 0 {
            text.push('|');
        }
        text.push_str("(?:");
        text.push_str(pattern);
        text.push(')');
    }
    text.push_str(r")\z");
    match compiled(&text) {
        Ok(regex) => Ok(Some(regex)),
        Err(regex::Error::CompiledTooBig(_)) => Err(PatternError::TooLarge { count }),
        // One that compiles alone and not inside a group, such as one that ends in a comment.
        Err(error) => {
            let breaks = |pattern: &&&str| compiled(&format!("(?:{pattern})")).is_err();
            let pattern = expressions.iter().find(breaks).copied().unwrap_or("");
            Err(malformed(pattern, &error))
        }
    }
}

fn compiled(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(PATTERNS_COMPILED_BYTES_MAX).build()
}

fn malformed(pattern: &str, error: &regex::Error) -> PatternError {
    let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
    let reason = reason.strip_prefix("error: ").map(str::to_owned).unwrap_or(reason);
    PatternError::Malformed { pattern: beginning(pattern), reason }
}

/// As much of a text as a message has room for.
pub(crate) fn beginning(text: &str) -> String {
    match text.char_indices().nth(TOLD_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Each of them is compiled anew for one message.
const PATTERNS_SEARCHED_MAX: usize = 100;

#[cfg(test)]
mod tests;
