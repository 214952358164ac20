//! The access control lists of a node, in a file of their own at the root of its directory:
//!
//! ```json
//! {
//!   "format_version": 1,
//!   "acls": [
//!     {
//!       "resource": "TOPIC",
//!       "name": "orders",
//!       "pattern": "LITERAL",
//!       "principal": "User:ada",
//!       "host": "*",
//!       "operation": "READ",
//!       "permission": "ALLOW",
//!       "mirrors": ["from-berlin"]
//!     }
//!   ]
//! }
//! ```
//! A rule without `mirrors` was asked for here. Not in `ringmirror.json`, which is written for
//! every leader epoch: thousands of rules would be written with it each time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use mirror_coordinator::acl::acl_table::{AclOrigin, AclTable};
use mirror_coordinator::acl::authorizer::AclRules;
use mirror_coordinator::acl::{
    ACL_TEXT_BYTES_MAX, ACLS_MAX, AclBinding, AclOperation, AclPattern, AclPermission, AclResource,
    RawAcl,
};
use mirror_coordinator::mirror_name::MirrorName;
use serde::{Deserialize, Serialize};

use crate::durable_file;
use crate::stored_format::StoredFormatError;

/// The rules, for all who look at them and all who change them.
#[derive(Debug)]
pub struct AclStore {
    path: PathBuf,
    current: RwLock<Arc<Acls>>,
    /// Held from before a change is planned until it is on disk.
    changing: Mutex<()>,
}

/// The rules as they are at one moment.
#[derive(Clone, Debug, Default)]
pub struct Acls {
    /// Each with where it came from.
    pub table: AclTable,
    /// To decide by.
    pub rules: AclRules,
}

/// Why rules cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum AclStoreError {
    /// The system refused.
    #[error("cannot read or write the access control lists: {0}")]
    Io(#[from] std::io::Error),
    /// The file is not one of ours, or a newer one.
    #[error("{0}{cure}", cure = .0.cure(CURE))]
    Format(#[from] StoredFormatError),
}

impl AclStore {
    /// Reads the rules of a directory, whose lock must be held; there are none without a file.
    ///
    /// # Errors
    /// When there is a file that cannot be read, or is not ours.
    pub fn open(root: &Path) -> Result<Self, AclStoreError> {
        let path = root.join(FILE_NAME);
        let table = match durable_file::read(&path, FILE_BYTES_MAX)? {
            Some(contents) => parse(&contents)?,
            None => AclTable::default(),
        };
        let current = RwLock::new(Arc::new(Acls::new(table)));
        Ok(Self { path, current, changing: Mutex::default() })
    }

    /// The rules now.
    #[must_use]
    pub fn current(&self) -> Arc<Acls> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the rules; what is seen and answered then is on disk. Waits for the disk when
    /// something is different.
    ///
    /// # Errors
    /// What the system said; nothing is changed then.
    pub fn change<T>(&self, plan: impl FnOnce(&mut AclTable) -> T) -> Result<T, AclStoreError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current();
        let mut table = before.table.clone();
        let outcome = plan(&mut table);
        if table != before.table {
            durable_file::replace(&self.path, &encode(&table))?;
            let now = Arc::new(Acls::new(table));
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = now;
        }
        Ok(outcome)
    }
}

impl Acls {
    /// Sorts the rules of a table.
    #[must_use]
    pub fn new(table: AclTable) -> Self {
        let rules = AclRules::new(table.acls());
        Self { table, rules }
    }
}

fn encode(table: &AclTable) -> Vec<u8> {
    let acl = |(acl, origin): (&AclBinding, &AclOrigin)| RawEntry {
        resource: acl.resource.name().to_owned(),
        name: acl.name.clone(),
        pattern: acl.pattern.name().to_owned(),
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: acl.operation.name().to_owned(),
        permission: acl.permission.name().to_owned(),
        mirrors: match origin {
            AclOrigin::Local => Vec::new(),
            AclOrigin::Mirrors(names) => names.iter().map(ToString::to_string).collect(),
        },
    };
    let raw = RawAcls { format_version: FORMAT_VERSION, acls: table.entries().map(acl).collect() };
    let mut contents = serde_json::to_vec_pretty(&raw).expect("texts always serialise");
    contents.push(b'\n');
    contents
}

fn parse(contents: &[u8]) -> Result<AclTable, StoredFormatError> {
    let version: RawVersion =
        serde_json::from_slice(contents).map_err(StoredFormatError::malformed)?;
    StoredFormatError::check(version.format_version, FORMAT_VERSION)?;
    let raw: RawAcls = serde_json::from_slice(contents).map_err(StoredFormatError::malformed)?;
    let mut table = AclTable::default();
    for entry in raw.acls {
        let (acl, origin) = entry.parsed().map_err(StoredFormatError::malformed)?;
        if !table.restore(acl, origin).map_err(StoredFormatError::malformed)? {
            return Err(StoredFormatError::malformed("a rule is there twice"));
        }
    }
    Ok(table)
}

impl RawEntry {
    fn parsed(&self) -> Result<(AclBinding, AclOrigin), String> {
        let unknown = |what: &str| format!("{what:?} is no word of a rule");
        let number = |number: Option<i8>, what: &str| number.ok_or_else(|| unknown(what));
        let resource = AclResource::from_name(&self.resource).map(AclResource::number);
        let pattern = AclPattern::from_name(&self.pattern).map(AclPattern::number);
        let operation = AclOperation::from_name(&self.operation).map(AclOperation::number);
        let permission = AclPermission::from_name(&self.permission).map(AclPermission::number);
        let acl = AclBinding::parse(&RawAcl {
            resource: number(resource, &self.resource)?,
            name: &self.name,
            pattern: number(pattern, &self.pattern)?,
            principal: &self.principal,
            host: &self.host,
            operation: number(operation, &self.operation)?,
            permission: number(permission, &self.permission)?,
        })
        .map_err(|error| error.to_string())?;
        if self.mirrors.is_empty() {
            return Ok((acl, AclOrigin::Local));
        }
        let mirrors = self.mirrors.iter().map(|name| MirrorName::parse(name));
        let mirrors: Option<BTreeSet<_>> = mirrors.collect();
        let mirrors = mirrors.ok_or_else(|| format!("{acl}: no names of mirrors"))?;
        Ok((acl, AclOrigin::Mirrors(mirrors)))
    }
}

/// Read first, so that a newer format is told apart from a broken file.
#[derive(Deserialize)]
struct RawVersion {
    format_version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAcls {
    format_version: u32,
    acls: Vec<RawEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    resource: String,
    name: String,
    pattern: String,
    principal: String,
    host: String,
    operation: String,
    permission: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mirrors: Vec<String>,
}

/// The file's name at the root of a directory.
pub const FILE_NAME: &str = "ringmirror-acls.json";
/// The newest format read and written; a file with a higher one is refused.
const FORMAT_VERSION: u32 = 1;
/// Largest file read, in bytes.
const FILE_BYTES_MAX: u64 = 512 << 20;

// What is written can be read again: a byte of text takes at most six of JSON.
const _: () = assert!((ACLS_MAX * (3 * ACL_TEXT_BYTES_MAX * 6 + 1024)) as u64 <= FILE_BYTES_MAX);

const CURE: &str = ": put back a copy of the file, or move it away and make its rules anew";

#[cfg(test)]
mod tests;
