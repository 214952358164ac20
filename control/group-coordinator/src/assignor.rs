//! Who reads what: the assignors of KIP-848 that run here and not in clients.

use std::collections::BTreeMap;

use kafka_wire::partition::TopicId;

use crate::assignment::Assignment;
use crate::refusal::Refusal;

mod range;
mod uniform;

/// The ways to assign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// Everybody gets as much as anybody, and keeps what it has as far as that allows.
    #[default]
    Uniform,
    /// Of each topic everybody gets a range, the same range of topics of one size.
    Range,
}

/// A member as an assignor sees it.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    /// The topics it reads, each with its number of partitions.
    pub(crate) topics: BTreeMap<TopicId, u32>,
    /// What it was to read before.
    pub(crate) previous: &'a Assignment,
}

impl Assignor {
    /// The assignor of that name.
    pub(crate) fn parse(name: &str) -> Result<Self, Refusal> {
        match name {
            "uniform" => Ok(Self::Uniform),
            "range" => Ok(Self::Range),
            _ => Err(Refusal::UnsupportedAssignor),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// Who is to read what. Every partition of a topic that anyone reads goes to exactly one
    /// member that reads the topic.
    pub(crate) fn assign(self, subscribers: &[Subscriber<'_>]) -> BTreeMap<String, Assignment> {
        match self {
            Self::Uniform => uniform::assign(subscribers),
            Self::Range => range::assign(subscribers),
        }
    }
}

#[cfg(test)]
mod tests;
