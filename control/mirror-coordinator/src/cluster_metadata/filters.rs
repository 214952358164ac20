//! How commands edit a mirror's filters (KIP-1279, how filters change).

use std::collections::{BTreeMap, BTreeSet};

use super::Mirror;
use super::command_error::{CommandError, ErrorCode};
use crate::mirror_config::definitions;
use crate::mirror_config::{TOPICS_EXCLUDE, TOPICS_INCLUDE, list, topic_patterns};
use crate::mirror_name::MirrorName;
use crate::topic_patterns::{PatternList, TopicPatterns};

/// A mirror's two lists, as they are being edited.
pub(super) struct Filters {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Filters {
    pub(super) fn of(configs: &BTreeMap<String, String>) -> Self {
        let elements = |name: &str| {
            let default = definitions::find(name).and_then(|definition| definition.default);
            let text = configs.get(name).map(String::as_str).or(default).unwrap_or_default();
            list(text).into_iter().map(str::to_owned).collect()
        };
        Self { include: elements(TOPICS_INCLUDE), exclude: elements(TOPICS_EXCLUDE) }
    }

    /// What starting with patterns does: they join the lists. An entry of the exclusions that is
    /// asked for by the very same words goes, or what a stop put there could never be started
    /// again; the exclusions that every mirror begins with stay.
    pub(super) fn start(&mut self, include: &[String], exclude: &[String]) {
        let asked: BTreeSet<&String> = include.iter().collect();
        self.exclude.retain(|entry| entry == DEFAULT_EXCLUDE || !asked.contains(entry));
        add(&mut self.include, include);
        add(&mut self.exclude, exclude);
    }

    /// What stopping with a pattern does: an equal entry of the inclusions goes, any other
    /// pattern joins the exclusions. Either way nothing of it is found and started again.
    ///
    /// Stopping with `.*` is the failover of all: it empties the inclusions instead. As an
    /// exclusion it would keep the operator from starting anything again by its name.
    pub(super) fn stop(&mut self, pattern: &str) {
        if pattern == EVERYTHING {
            self.include.clear();
            return;
        }
        let before = self.include.len();
        self.include.retain(|entry| entry != pattern);
        if self.include.len() == before {
            add(&mut self.exclude, &[pattern.to_owned()]);
        }
    }

    /// Refuses an entry that is in both lists by the very same words, which can mean no topic. What
    /// every mirror excludes by itself is left to whoever starts a topic.
    pub(super) fn check_apart(include: &[String], exclude: &[String]) -> Result<(), String> {
        let exclude: BTreeSet<&String> = exclude.iter().collect();
        let in_both = |entry: &&String| *entry != DEFAULT_EXCLUDE && exclude.contains(entry);
        match include.iter().find(in_both) {
            Some(entry) => Err(format!(
                "{entry:?} is both included and excluded, and what is excluded is not mirrored: \
                 leave it out of one of the two"
            )),
            None => Ok(()),
        }
    }

    /// The same for the settings of a mirror.
    pub(super) fn check_configs(configs: &BTreeMap<String, String>) -> Result<(), String> {
        let Self { include, exclude } = Self::of(configs);
        Self::check_apart(&include, &exclude)
    }

    pub(super) fn has_include(&self, pattern: &str) -> bool {
        self.include.iter().any(|entry| entry == pattern)
    }

    /// The mirror with these lists; unchanged lists stay as they are written.
    pub(super) fn into_mirror(self, mirror: &Mirror) -> Mirror {
        let before = Self::of(&mirror.configs);
        let mut after = mirror.clone();
        for (name, old, new) in [
            (TOPICS_INCLUDE, before.include, self.include),
            (TOPICS_EXCLUDE, before.exclude, self.exclude),
        ] {
            if old != new {
                after.configs.insert(name.to_owned(), new.join(","));
            }
        }
        after
    }
}

/// Compiles the patterns of a request.
pub(super) fn parse_patterns(
    mirror: &MirrorName,
    patterns: &[String],
) -> Result<PatternList, CommandError> {
    PatternList::parse(patterns).map_err(|error| {
        let message = format!("mirror {mirror}: {error}; nothing was changed");
        CommandError::new(ErrorCode::InvalidRegularExpression, message)
    })
}

/// Compiles a mirror's lists, which may have grown past a limit.
pub(super) fn compiled(name: &MirrorName, mirror: &Mirror) -> Result<TopicPatterns, CommandError> {
    topic_patterns(&mirror.configs).map_err(|error| {
        let message = format!("mirror {name}: {error}; nothing was changed");
        CommandError::new(ErrorCode::InvalidConfig, message)
    })
}

fn add(entries: &mut Vec<String>, more: &[String]) {
    let mut seen: BTreeSet<String> = entries.iter().cloned().collect();
    entries.extend(more.iter().filter(|entry| seen.insert((*entry).clone())).cloned());
}

/// The pattern that means every topic.
const EVERYTHING: &str = ".*";
/// What every mirror excludes unless it is told otherwise.
const DEFAULT_EXCLUDE: &str = "__.*";
