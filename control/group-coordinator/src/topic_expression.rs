//! Subscriptions by regular expression.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_COMPILED_BYTES_MAX};
use crate::refusal::Refusal;
use crate::topics::TopicTable;

/// A regular expression (Kafka's are those of RE2) that a topic's whole name must match.
#[derive(Clone, Debug)]
pub(crate) struct TopicExpression(Regex);

impl TopicExpression {
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(Refusal::InvalidRegularExpression);
        }
        // The expression stands alone first: what is wrong with it must not be mended by brackets.
        let compile =
            |text: &str| RegexBuilder::new(text).size_limit(EXPRESSION_COMPILED_BYTES_MAX).build();
        compile(text).map_err(|_| Refusal::InvalidRegularExpression)?;
        let whole = compile(&format!("\\A(?:{text})\\z"));
        whole.map(Self).map_err(|_| Refusal::InvalidRegularExpression)
    }

    /// The names of the topics it means.
    pub(crate) fn names(&self, topics: &TopicTable) -> BTreeSet<String> {
        let meant = topics.public_names().filter(|name| self.0.is_match(name));
        meant.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests;
