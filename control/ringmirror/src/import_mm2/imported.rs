//! What a file of MirrorMaker 2 becomes: a mirror for every direction that is switched on.

use std::collections::{BTreeMap, BTreeSet};

use mirror_coordinator::mirror_config::MirrorConfig;
use mirror_coordinator::mirror_config::definitions::TOPIC_PROPERTIES_EXCLUDE;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::topic_patterns::PatternList;
use serde::Serialize;

use super::counterparts::{OF_CLIENT, OF_CONSUMER, is_provided, reason};
use super::mm2_file::{Entry, Flow, Mm2File, is_true, list};

/// All that is to be told.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Import {
    /// By target, then by source.
    pub(super) mirrors: Vec<ImportedMirror>,
    /// Directions that cannot be taken over.
    pub(super) refused: Vec<RefusedFlow>,
    /// What is not as it was.
    pub(super) notes: Vec<String>,
    pub(super) without_counterpart: Vec<KeyWithoutCounterpart>,
}

/// A mirror, as `cluster-mirrors --create` and `--start` take it.
#[derive(Debug, Serialize)]
pub(super) struct ImportedMirror {
    pub(super) target: String,
    pub(super) source: String,
    pub(super) mirror: String,
    /// Where the script puts its settings.
    pub(super) file: String,
    pub(super) settings: BTreeMap<&'static str, String>,
    /// What is started; none when there is nothing to start.
    pub(super) topics: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct RefusedFlow {
    pub(super) target: String,
    pub(super) source: String,
    pub(super) reason: String,
}

#[derive(Debug, Serialize)]
pub(super) struct KeyWithoutCounterpart {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) reason: String,
}

impl Import {
    /// Of the directions that end at a target, or of all.
    ///
    /// # Errors
    /// When there is no such target.
    pub(super) fn of(file: &Mm2File, target: Option<&str>) -> Result<Self, String> {
        if let Some(target) = target.filter(|target| !file.clusters.contains(*target)) {
            let known: Vec<&str> = file.clusters.iter().map(String::as_str).collect();
            return Err(format!("no cluster {target:?} in clusters: {}", known.join(", ")));
        }
        let is_meant = |flow: &Flow| target.is_none_or(|target| flow.target == target);
        let mut flows: Vec<Flow> = file.enabled().into_iter().filter(is_meant).collect();
        flows.sort_by(|one, other| one.target.cmp(&other.target));
        let mut import = Self::default();
        let mut names = BTreeSet::new();
        for flow in &flows {
            let imported = mirror(file, flow, &mut import.notes).and_then(|mirror| {
                let is_new = names.insert((mirror.target.clone(), mirror.mirror.clone()));
                is_new.then_some(mirror).ok_or_else(|| "two sources have one name".to_owned())
            });
            match imported {
                Ok(mirror) => import.mirrors.push(mirror),
                Err(reason) => {
                    let Flow { source, target } = flow.clone();
                    import.refused.push(RefusedFlow { target, source, reason });
                }
            }
        }
        if flows.is_empty() {
            import
                .notes
                .push("no direction is switched on: A->B.enabled = true is missing".to_owned());
        }
        for entry in &file.entries {
            if let Some(reason) = reason(entry, &flows) {
                let (line, key) = (entry.line, entry.key.clone());
                import.without_counterpart.push(KeyWithoutCounterpart { line, key, reason });
            }
        }
        Ok(import)
    }
}

fn mirror(file: &Mm2File, flow: &Flow, notes: &mut Vec<String>) -> Result<ImportedMirror, String> {
    let servers = file
        .of_source(flow, "bootstrap.servers")
        .ok_or_else(|| format!("{}.bootstrap.servers is missing", flow.source))?;
    let naming = Naming::of(file, flow, notes)?;
    let mut settings = BTreeMap::from([("bootstrap.servers", list(value(servers)?).join(","))]);
    if !naming.prefix.is_empty() {
        settings.insert("topics.prefix", naming.prefix.clone());
    }
    let topics = elements(file, flow, ["topics", "topics.whitelist"], ".*")?;
    let topics: Vec<String> = topics.iter().map(|one| naming.pattern(one)).collect();
    settings.insert("topics.exclude", naming.excluded(file, flow)?.join(","));
    // Checkpoints were how consumers found their place where offsets were not committed for them.
    let has_checkpoints = switch(file, flow, "emit.checkpoints.enabled", true)?;
    let has_offsets = switch(file, flow, "sync.group.offsets.enabled", has_checkpoints)?;
    let groups = elements(file, flow, ["groups", "groups.whitelist"], ".*")?;
    let groups = if has_offsets { groups.join(",") } else { String::new() };
    settings.insert("groups.include", groups);
    let groups = elements(file, flow, ["groups.exclude", "groups.blacklist"], GROUPS_EXCLUDE)?;
    settings.insert("groups.exclude", groups.join(","));
    let has_acls = switch(file, flow, "sync.topic.acls.enabled", true)?;
    settings.insert("acls.include", if has_acls { "TOPIC" } else { "" }.to_owned());
    if has_acls {
        note(notes, ACLS);
    }
    topic_properties(file, flow, &mut settings)?;
    numbers(file, flow, &mut settings)?;
    checked(&settings, &topics)?;
    let (source, target) = (flow.source.clone(), flow.target.clone());
    let mirror = mirror_name(&source)?;
    let file = format!("./{mirror}-to-{}.properties", mirror_name(&target)?);
    Ok(ImportedMirror { target, source, mirror, file, settings, topics })
}

/// What a node would say of them.
fn checked(settings: &BTreeMap<&'static str, String>, topics: &[String]) -> Result<(), String> {
    let owned = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    MirrorConfig::parse_whole(&owned.collect()).map_err(|error| error.to_string())?;
    PatternList::parse(topics).map(drop).map_err(|error| format!("topics: {error}"))
}

/// What topics are called at the target.
struct Naming {
    /// Before the name at the source.
    prefix: String,
    separator: String,
}

impl Naming {
    fn of(file: &Mm2File, flow: &Flow, notes: &mut Vec<String>) -> Result<Self, String> {
        let text = |name: &str| file.of_connector(flow, name).map(value).transpose();
        let class = text("replication.policy.class")?.unwrap_or(DEFAULT_POLICY);
        let separator = text("replication.policy.separator")?.unwrap_or(".").to_owned();
        let class = class.rsplit('.').next().unwrap_or_default();
        let prefix = match class {
            DEFAULT_POLICY => {
                note(notes, PREFIXED);
                format!("{}{separator}", flow.source)
            }
            IDENTITY_POLICY => String::new(),
            other => {
                return Err(format!(
                    "replication.policy.class {other} is not known: which names it makes cannot \
                     be said; set it to {IDENTITY_POLICY} in the file for equal names, or to \
                     {DEFAULT_POLICY} for source.topic"
                ));
            }
        };
        Ok(Self { prefix, separator })
    }

    /// A pattern for names at the source as one for names here.
    fn pattern(&self, at_source: &str) -> String {
        let is_name =
            at_source.chars().all(|one| one.is_ascii_alphanumeric() || "_-".contains(one));
        match self.prefix.is_empty() {
            true => at_source.to_owned(),
            false if is_name || at_source == ".*" => {
                format!("{}{at_source}", escaped(&self.prefix))
            }
            false => format!("{}(?:{at_source})", escaped(&self.prefix)),
        }
    }

    /// What the file leaves out, and what MirrorMaker leaves out by itself.
    fn excluded(&self, file: &Mm2File, flow: &Flow) -> Result<Vec<String>, String> {
        let names = ["topics.exclude", "topics.blacklist"];
        let mut excluded = elements(file, flow, names, TOPICS_EXCLUDE)?;
        excluded.extend([OF_MIRROR_MAKER.to_owned(), CHECKPOINTS.to_owned(), INTERNAL.to_owned()]);
        if !self.prefix.is_empty() {
            // Topics that came from the target would go round and round.
            let separator = escaped(&self.separator);
            excluded.push(format!("(?:.*{separator})?{}{separator}.*", escaped(&flow.target)));
        }
        let mut seen = BTreeSet::new();
        excluded.retain(|one| seen.insert(one.clone()));
        // Under a prefix they are never mirrored.
        excluded.retain(|one| self.prefix.is_empty() || one != INTERNAL);
        Ok(excluded.iter().map(|one| self.pattern(one)).collect())
    }
}

/// The names of settings that are not copied: ours are names, theirs may be expressions.
fn topic_properties(
    file: &Mm2File,
    flow: &Flow,
    settings: &mut BTreeMap<&'static str, String>,
) -> Result<(), String> {
    let names = ["config.properties.exclude", "config.properties.blacklist"];
    let entry = names.iter().find_map(|name| file.of_connector(flow, name));
    let Some(entry) = entry else { return Ok(()) };
    let mut names = Vec::new();
    for element in list(value(entry)?) {
        let plain = element.replace("\\.", ".");
        let is_name = plain.chars().all(|one| one.is_ascii_alphanumeric() || one == '.');
        if !is_name {
            return Err(format!(
                "{} has an expression, {element:?}: topic.properties.exclude takes names only, so \
                 write those that are meant",
                entry.key
            ));
        }
        names.push(plain);
    }
    // The default is replaced, and these two are of this node alone.
    let ours =
        list(TOPIC_PROPERTIES_EXCLUDE).into_iter().filter(|name| name.starts_with("mirror."));
    names.extend(ours.map(str::to_owned));
    settings.insert("topic.properties.exclude", names.join(","));
    Ok(())
}

fn numbers(
    file: &Mm2File,
    flow: &Flow,
    settings: &mut BTreeMap<&'static str, String>,
) -> Result<(), String> {
    let of_client = OF_CLIENT.iter().map(|(theirs, ours)| (file.of_source(flow, theirs), *ours));
    let of_consumer =
        OF_CONSUMER.iter().map(|(theirs, ours)| (file.of_consumer(flow, theirs), *ours));
    for (entry, ours) in of_client.chain(of_consumer) {
        if let Some(entry) = entry {
            settings.insert(ours, value(entry)?.to_owned());
        }
    }
    Ok(())
}

/// The value, unless it is somewhere else.
fn value(entry: &Entry) -> Result<&str, String> {
    match is_provided(&entry.value) {
        true => Err(format!(
            "the value of {} (line {}) comes from a config provider, which is not resolved: write \
             it into the file",
            entry.key, entry.line
        )),
        false => Ok(&entry.value),
    }
}

fn elements(
    file: &Mm2File,
    flow: &Flow,
    names: [&str; 2],
    default: &str,
) -> Result<Vec<String>, String> {
    let entry = names.iter().find_map(|name| file.of_connector(flow, name));
    let text = entry.map_or(Ok(default), value)?;
    Ok(list(text).into_iter().map(str::to_owned).collect())
}

fn switch(file: &Mm2File, flow: &Flow, name: &str, default: bool) -> Result<bool, String> {
    let entry = file.of_connector(flow, name);
    Ok(entry.map(value).transpose()?.map_or(default, is_true))
}

/// An alias as the name of a mirror.
fn mirror_name(alias: &str) -> Result<String, String> {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let name = alias.chars().map(|letter| if legal(letter) { letter } else { '_' });
    let name: String = name.collect();
    let parsed = MirrorName::parse(&name).ok_or_else(|| format!("{alias:?} names no mirror"))?;
    Ok(parsed.to_string())
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if !letter.is_ascii_alphanumeric() && !"_-".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn note(notes: &mut Vec<String>, text: &str) {
    if !notes.iter().any(|known| known == text) {
        notes.push(text.to_owned());
    }
}

const DEFAULT_POLICY: &str = "DefaultReplicationPolicy";
const IDENTITY_POLICY: &str = "IdentityReplicationPolicy";
/// Defaults of MirrorMaker 2 (`DefaultTopicFilter`, `DefaultGroupFilter`).
const TOPICS_EXCLUDE: &str = r"mm2.*\.internal,.*\.replica,__.*";
const GROUPS_EXCLUDE: &str = "console-consumer-.*,connect-.*,__.*";
/// What it never mirrors (`ReplicationPolicy.isInternalTopic`).
const OF_MIRROR_MAKER: &str = r"mm2.*\.internal";
const CHECKPOINTS: &str = r".*checkpoints\.internal";
const INTERNAL: &str = "__.*";

const PREFIXED: &str = "topics are called source.topic, as DefaultReplicationPolicy calls them \
                        (topics.prefix). What is mirrored under another name cannot be failed \
                        back: for that, take the line topics.prefix out and use the names of the \
                        source";
const ACLS: &str = "acls.include=TOPIC copies all ACLs of topics; MirrorMaker 2 left WRITE out and \
                    made READ of ALL";
