//! A file of MirrorMaker 2: which clusters there are, and what each key is about.

use std::collections::{BTreeMap, BTreeSet};

use mirror_node::properties;

/// What a key is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// Everything: `x`.
    General,
    /// One cluster: `A.x`.
    Cluster(String),
    /// One direction: `A->B.x`.
    Flow(Flow),
    /// Nothing: a direction between clusters that are not there.
    Nowhere,
}

/// From where to where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) source: String,
    pub(super) target: String,
}

/// One key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) scope: Scope,
    /// The key without what says its scope.
    pub(super) name: String,
}

/// The file.
#[derive(Debug)]
pub(super) struct Mm2File {
    pub(super) clusters: BTreeSet<String>,
    /// In the order of lines; of a key that is there twice the last one.
    pub(super) entries: Vec<Entry>,
    places: BTreeMap<(Scope, String), usize>,
}

impl Mm2File {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let pairs = properties::parse(text).map_err(|error| error.to_string())?;
        let last: BTreeMap<&str, usize> =
            pairs.iter().enumerate().map(|(at, pair)| (pair.key.as_str(), at)).collect();
        let clusters = last.get(CLUSTERS).map(|at| pairs[*at].value.as_str());
        let clusters = clusters.ok_or("no key clusters: is this a file of MirrorMaker 2?")?;
        let clusters: BTreeSet<String> = list(clusters).into_iter().map(str::to_owned).collect();
        if clusters.is_empty() || clusters.len() > CLUSTERS_MAX {
            return Err(format!(
                "clusters names {}, 1 to {CLUSTERS_MAX} are taken",
                clusters.len()
            ));
        }
        let (mut entries, mut places) = (Vec::new(), BTreeMap::new());
        for (at, pair) in pairs.iter().enumerate() {
            if last.get(pair.key.as_str()) != Some(&at) {
                continue; // set again further down, which counts
            }
            let (scope, name) = scope(&pair.key, &clusters);
            places.insert((scope.clone(), name.clone()), entries.len());
            let (line, key, value) = (pair.line, pair.key.clone(), pair.value.trim().to_owned());
            entries.push(Entry { line, key, value, scope, name });
        }
        Ok(Self { clusters, entries, places })
    }

    pub(super) fn get(&self, scope: &Scope, name: &str) -> Option<&Entry> {
        let place = self.places.get(&(scope.clone(), name.to_owned()))?;
        self.entries.get(*place)
    }

    /// A setting of a connector. MirrorMaker hands connectors `x` and, over it, `A->B.x`; an `A.x`
    /// reaches them as `source.cluster.x`, which means nothing but to clients.
    pub(super) fn of_connector(&self, flow: &Flow, name: &str) -> Option<&Entry> {
        let own = self.get(&Scope::Flow(flow.clone()), name);
        own.or_else(|| self.get(&Scope::General, name))
    }

    /// A setting of the clients that read the source.
    pub(super) fn of_source(&self, flow: &Flow, name: &str) -> Option<&Entry> {
        let of_flow = Scope::Flow(flow.clone());
        let own = self.get(&of_flow, &format!("source.cluster.{name}"));
        let of_cluster = || self.get(&Scope::Cluster(flow.source.clone()), name);
        let of_all = || self.get(&Scope::General, name).filter(|_| is_for_all_clients(name));
        own.or_else(of_cluster).or_else(of_all)
    }

    /// A setting of the consumer that reads the source.
    pub(super) fn of_consumer(&self, flow: &Flow, name: &str) -> Option<&Entry> {
        let of_flow = Scope::Flow(flow.clone());
        let of_source = format!("source.consumer.{name}");
        let plain = format!("consumer.{name}");
        let own = self.get(&of_flow, &of_source);
        let of_cluster = || self.get(&Scope::Cluster(flow.source.clone()), &plain);
        own.or_else(of_cluster).or_else(|| self.get(&of_flow, &plain))
    }

    /// The directions that are switched on, in order.
    pub(super) fn enabled(&self) -> Vec<Flow> {
        let enabled = self.entries.iter().filter_map(|entry| match &entry.scope {
            Scope::Flow(flow) if entry.name == "enabled" && is_true(&entry.value) => Some(flow),
            _ => None,
        });
        enabled
            .filter(|flow| flow.source != flow.target)
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }
}

/// What MirrorMaker takes over from the top for the clients of every cluster.
pub(super) fn is_for_all_clients(name: &str) -> bool {
    name == "bootstrap.servers" || name == "security.protocol"
}

fn scope(key: &str, clusters: &BTreeSet<String>) -> (Scope, String) {
    let of_alias = |text: &str| {
        let fits = |alias: &&String| {
            text.strip_prefix(alias.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        // An alias may have dots, and may begin as another does.
        let alias = clusters.iter().filter(fits).max_by_key(|alias| alias.len())?;
        Some((alias.clone(), text[alias.len() + 1..].to_owned()))
    };
    if let Some((source, rest)) = key.split_once("->") {
        return match of_alias(rest).filter(|_| clusters.contains(source)) {
            Some((target, name)) => (Scope::Flow(Flow { source: source.to_owned(), target }), name),
            None => (Scope::Nowhere, key.to_owned()),
        };
    }
    match of_alias(key) {
        Some((alias, name)) => (Scope::Cluster(alias), name),
        None => (Scope::General, key.to_owned()),
    }
}

/// The elements of a list between commas.
pub(super) fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|element| !element.is_empty()).collect()
}

/// As Java reads a truth.
pub(super) fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

/// Aliases of all clusters.
pub(super) const CLUSTERS: &str = "clusters";
/// More are not meant.
const CLUSTERS_MAX: usize = 100;
