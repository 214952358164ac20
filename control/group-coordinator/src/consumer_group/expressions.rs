//! Subscriptions by regular expression: which topics the expressions of a group mean.
//!
//! What they mean is kept, as a stock broker does: one that takes the group over knows at once what
//! its members read, and lets them keep their partitions while it looks at the topics itself.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::group_record::{GroupExpression, GroupRecord, RegularExpressionValue};

use crate::consumer_group::ConsumerGroup;
use crate::consumer_group::member::names_bytes;
use crate::limits::{EXPRESSIONS_KEPT_BYTES_MAX, NAME_ENTRY_BYTES};
use crate::request::Now;
use crate::topic_expression::TopicExpression;
use crate::topics::TopicTable;
use crate::turn::Turn;

/// The expressions of a group, and what each meant when it was looked at.
#[derive(Debug, Default)]
pub(super) struct Expressions(BTreeMap<String, Meaning>);

#[derive(Debug, Default)]
struct Meaning {
    names: BTreeSet<String>,
    /// There is a record of it.
    is_kept: bool,
}

impl Expressions {
    /// The topics that `expression` means.
    pub(super) fn names(&self, expression: Option<&str>) -> impl Iterator<Item = &String> {
        let meaning = expression.and_then(|text| self.0.get(text));
        meaning.into_iter().flat_map(|meaning| &meaning.names)
    }

    /// Takes in what a log says.
    pub(super) fn load(&mut self, text: String, value: Option<RegularExpressionValue>) {
        if let Some(value) = value {
            let names = value.topics.into_iter().collect();
            self.0.insert(text, Meaning { names, is_kept: true });
        } else {
            self.0.remove(&text);
        }
    }

    /// Memory they take, about.
    pub(super) fn bytes(&self) -> usize {
        let bytes_of = |(text, meaning): (&String, &Meaning)| {
            text.len() + NAME_ENTRY_BYTES + names_bytes(&meaning.names)
        };
        self.0.iter().map(bytes_of).sum()
    }

    /// Lets go of those not in `used`; returns those that a record tells of.
    fn forget_unused(&mut self, used: &BTreeSet<String>) -> Vec<String> {
        let unused = self.0.extract_if(.., |text, _| !used.contains(text));
        unused.filter(|(_, meaning)| meaning.is_kept).map(|(text, _)| text).collect()
    }

    /// Finds out what those in `used` mean, all of them when topics are others than before. Returns
    /// those whose record changes, with whether there is to be one.
    fn look(
        &mut self,
        used: BTreeSet<String>,
        topics: &TopicTable,
        are_topics_others: bool,
    ) -> Vec<(String, bool)> {
        let mut changed = Vec::new();
        let mut kept_bytes = 0;
        for text in used {
            let is_new = !self.0.contains_key(&text);
            let meaning = self.0.entry(text.clone()).or_default();
            let mut is_other = is_new;
            if is_new || are_topics_others {
                // What cannot be used here, but came from a log, means no topic.
                let expression = TopicExpression::parse(&text).ok();
                let names = expression.map(|all| all.names(topics)).unwrap_or_default();
                is_other |= meaning.names != names;
                meaning.names = names;
            }
            kept_bytes += text.len() + names_bytes(&meaning.names);
            let was_kept =
                std::mem::replace(&mut meaning.is_kept, kept_bytes <= EXPRESSIONS_KEPT_BYTES_MAX);
            if meaning.is_kept != was_kept || (meaning.is_kept && is_other) {
                changed.push((text, meaning.is_kept));
            }
        }
        changed
    }
}

impl ConsumerGroup {
    /// Brings what is known of the expressions up to the members and the topics.
    pub(super) fn follow_expressions(
        &mut self,
        turn: &Turn<'_>,
        are_topics_others: bool,
        records: &mut Vec<GroupRecord>,
    ) {
        self.forget_unused_expressions(records);
        let used = self.used_expressions();
        let changed = self.expressions.look(used, &turn.topics.table, are_topics_others);
        for (text, is_kept) in changed {
            records.push(self.expression_record(&text, is_kept.then_some(turn.now)));
        }
    }

    /// Members are gone, or read other topics.
    pub(super) fn forget_unused_expressions(&mut self, records: &mut Vec<GroupRecord>) {
        let used = self.used_expressions();
        for text in self.expressions.forget_unused(&used) {
            records.push(self.expression_record(&text, None));
        }
    }

    /// Those with a record, as it is or, without a time, as it is forgotten.
    pub(super) fn expression_records(&self, now: Option<Now>) -> impl Iterator<Item = GroupRecord> {
        let kept = self.expressions.0.iter().filter(|(_, meaning)| meaning.is_kept);
        kept.map(move |(text, _)| self.expression_record(text, now))
    }

    fn used_expressions(&self) -> BTreeSet<String> {
        self.members.values().filter_map(|member| member.topic_regex.clone()).collect()
    }

    fn expression_record(&self, text: &str, now: Option<Now>) -> GroupRecord {
        let group = self.group_id.to_string();
        let key = GroupExpression { group, expression: text.to_owned() };
        let value = now.map(|now| RegularExpressionValue {
            topics: self.expressions.names(Some(text)).cloned().collect(),
            version: NO_METADATA_OFFSET,
            timestamp_ms: now.unix_ms,
        });
        GroupRecord::RegularExpression(key, value)
    }
}

/// Stands for no state of a stock broker's metadata: it looks at the topics again.
const NO_METADATA_OFFSET: i64 = 0;
