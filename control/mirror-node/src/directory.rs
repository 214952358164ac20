//! The data directory: its lock, its identity, what it remembers, its checkpoints.
//!
//! ```text
//! .lock                             held while a process works in the directory
//! meta.properties                   identity, as a stock broker keeps it
//! ringmirror.json                   what is mirrored from where (directory_state.rs)
//! ringmirror-acls.json              who may do what (acl_store.rs)
//! recovery-point-offset-checkpoint  below it everything is durable
//! log-start-offset-checkpoint       first offsets kept
//! replication-offset-checkpoint     high watermarks
//! .kafka_cleanshutdown              every log was closed cleanly
//! <topic>-<partition>/              the engine's
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use kafka_log::meta_properties::{self, MetaProperties, MetaPropertiesError};
use kafka_log::offset_checkpoint::{CheckpointError, CheckpointName, OffsetCheckpoint};
use kafka_log::{bootstrap_checkpoint, clean_shutdown};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, TopicName, TopicPartition};
use mirror_coordinator::mirror_name::MirrorName;

use crate::acl_store::{self, AclStore, AclStoreError};
use crate::directory_state::{DirectoryState, STATE_BYTES_MAX};
use crate::durable_file;
use crate::random_id::random_id;
use crate::stored_format::{DIRECTORY_CURE, StoredFormatError};

/// A data directory this process holds the lock of.
#[derive(Debug)]
pub struct DataDirectory {
    root: PathBuf,
    /// Whose log directory it is.
    pub meta: MetaProperties,
    /// What is mirrored from where.
    pub state: DirectoryState,
    /// When nothing of ours was in it before: the directories that were made for it.
    made: Option<Vec<PathBuf>>,
    _lock: File,
}

/// The checkpoints of a directory, one offset per partition each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryCheckpoints {
    /// Below it everything is durable.
    pub recovery_points: BTreeMap<TopicPartition, Offset>,
    /// First offset kept.
    pub log_starts: BTreeMap<TopicPartition, Offset>,
    /// High watermark, never above what is durable.
    pub high_watermarks: BTreeMap<TopicPartition, Offset>,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused.
    #[error("{}: cannot {action}: {error}", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// Another process works in it.
    #[error(
        "{}: in use by another process (its .lock is held): stop that one or name another \
         directory",
        path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// It has no `ringmirror.json`, but is not empty either.
    #[error(
        "{}: not empty and not made by ringmirror (no ringmirror.json, but {found:?}): name an \
         empty directory",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Something found in it.
        found: String,
    },
    /// There is nothing of ringmirror in it.
    #[error("{}: not a directory of ringmirror (no ringmirror.json)", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// A broker was started on it.
    #[error(
        "{}: a Kafka broker was started on it (__cluster_metadata-0 is there): mirroring into it \
         would damage what the broker wrote; name another directory",
        path.display()
    )]
    HandedOver {
        /// The directory.
        path: PathBuf,
    },
    /// A mirror of a node has topics under another name than their source.
    #[error(
        "{path}: topics of mirror {mirror} have names of their own here (topics.prefix={prefix}), \
         such as {topic}, and `ringmirror mirror` knows topics by the names of their source only: \
         go on with `ringmirror node --data-dir {path}`, or name another directory",
        path = path.display()
    )]
    Prefixed {
        /// The directory.
        path: PathBuf,
        /// Whose topics they are.
        mirror: MirrorName,
        /// What their names begin with.
        prefix: String,
        /// One of them.
        topic: TopicName,
    },
    /// `meta.properties` is wrong.
    #[error("{}: {error}", path.display())]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: MetaPropertiesError,
    },
    /// `ringmirror.json` is wrong or newer.
    #[error("{}: {error}{}", path.display(), error.cure(DIRECTORY_CURE))]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: StoredFormatError,
    },
    /// `ringmirror-acls.json` is wrong or newer.
    #[error("{}: {error}", path.display())]
    Acls {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: AclStoreError,
    },
    /// A checkpoint is wrong.
    #[error(
        "{}: {error}: delete the file to have every log recovered from its beginning",
        path.display()
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: CheckpointError,
    },
    /// It mirrors another cluster.
    #[error(
        "{}: mirrors cluster {ours}, but the bootstrap server belongs to cluster {theirs}: wrong \
         address, or wrong directory",
        path.display()
    )]
    WrongSource {
        /// The directory.
        path: PathBuf,
        /// The cluster it mirrors.
        ours: String,
        /// The cluster that answered.
        theirs: String,
    },
}

impl DataDirectory {
    /// Opens a directory to mirror into, making it when it is missing or empty.
    ///
    /// # Errors
    /// When it is in use, not ours, newer, damaged or was taken over by a broker.
    pub fn open_or_create(root: &Path) -> Result<Self, DirectoryError> {
        let missing = missing_directories(root);
        let opened = Self::make_and_open(root);
        if opened.is_err() {
            remove_empty(&missing);
        }
        let (directory, is_new) = opened?;
        Ok(Self { made: is_new.then_some(missing), ..directory })
    }

    /// Opens the directory; says whether nothing of ours was in it before.
    fn make_and_open(root: &Path) -> Result<(Self, bool), DirectoryError> {
        fs::create_dir_all(root).map_err(|error| failed(root, "create it", error))?;
        let state_path = root.join(STATE_FILE);
        // Refused before the lock file is made: nothing is left in a directory that is not ours.
        if !state_path.exists() {
            refuse_foreign(root)?;
        } else if root.join(CLUSTER_METADATA_DIRECTORY).exists() {
            return Err(DirectoryError::HandedOver { path: root.to_owned() });
        }
        let lock = wait_for_lock(root)?;
        // Another process may have filled it since.
        let is_new = !state_path.exists();
        if is_new {
            refuse_foreign(root)?;
            write_identity(root).inspect_err(|_| remove_identity(root))?;
        }
        let directory = Self::load(root, lock)?;
        directory.refuse_handed_over()?;
        // What a handover prepared no longer fits once more is mirrored.
        directory.remove_file(bootstrap_checkpoint::FILE_NAME)?;
        Ok((directory, is_new))
    }

    /// Ends a start that came to nothing: removes all that opening the directory made. What was
    /// there before stays.
    pub fn abandon(&mut self) {
        let Some(made) = self.made.take() else { return };
        remove_identity(&self.root);
        remove_empty(&made);
    }

    /// Opens a directory that was mirrored into.
    ///
    /// # Errors
    /// When it is in use, not ours, newer or damaged.
    pub fn open(root: &Path) -> Result<Self, DirectoryError> {
        if !root.join(STATE_FILE).exists() {
            return Err(DirectoryError::NotOurs { path: root.to_owned() });
        }
        let lock = wait_for_lock(root)?;
        Self::load(root, lock)
    }

    fn load(root: &Path, lock: File) -> Result<Self, DirectoryError> {
        let state_path = root.join(STATE_FILE);
        let contents = read(&state_path, STATE_BYTES_MAX)?.unwrap_or_default();
        let state = DirectoryState::parse(&contents)
            .map_err(|error| DirectoryError::State { path: state_path, error })?;
        let meta_path = root.join(meta_properties::FILE_NAME);
        let contents = read(&meta_path, SMALL_FILE_BYTES_MAX)?.unwrap_or_default();
        let meta = MetaProperties::parse(&contents)
            .map_err(|error| DirectoryError::Meta { path: meta_path, error })?;
        Ok(Self { root: root.to_owned(), meta, state, made: None, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Remembers the source's cluster id, or refuses another one than remembered.
    ///
    /// # Errors
    /// When the directory mirrors another cluster, or the id cannot be written down.
    pub fn bind_source(&mut self, cluster_id: Option<&str>) -> Result<(), DirectoryError> {
        match (&self.state.source_cluster_id, cluster_id) {
            (Some(ours), Some(theirs)) if ours != theirs => Err(DirectoryError::WrongSource {
                path: self.root.clone(),
                ours: ours.clone(),
                theirs: theirs.to_owned(),
            }),
            (None, Some(theirs)) => {
                self.state.source_cluster_id = Some(theirs.to_owned());
                self.write_state()
            }
            _ => Ok(()),
        }
    }

    /// Writes `ringmirror.json`, for its owner only once it may hold secrets.
    ///
    /// # Errors
    /// What the system said.
    pub fn write_state(&self) -> Result<(), DirectoryError> {
        let path = self.root.join(STATE_FILE);
        let access = if self.state.is_confidential() {
            durable_file::Access::OwnerOnly
        } else {
            durable_file::Access::AsUsual
        };
        durable_file::replace_with(&path, &self.state.encode(), access)
            .map_err(|error| failed(&path, "write it", error))
    }

    /// Reads the access control lists.
    ///
    /// # Errors
    /// When they are newer or damaged.
    pub fn open_acls(&self) -> Result<AclStore, DirectoryError> {
        AclStore::open(&self.root).map_err(|error| DirectoryError::Acls {
            path: self.root.join(acl_store::FILE_NAME),
            error,
        })
    }

    /// Writes `meta.properties`.
    ///
    /// # Errors
    /// What the system said.
    pub fn write_meta(&self) -> Result<(), DirectoryError> {
        self.replace_file(meta_properties::FILE_NAME, &self.meta.encode())
    }

    /// Reads the three checkpoints; missing ones are empty.
    ///
    /// # Errors
    /// Names the checkpoint that is damaged.
    pub fn read_checkpoints(&self) -> Result<DirectoryCheckpoints, DirectoryError> {
        let read_one = |name: CheckpointName| {
            let path = self.root.join(name.text());
            let contents = read(&path, CHECKPOINT_BYTES_MAX)?.unwrap_or_default();
            let parsed = OffsetCheckpoint::parse(&contents);
            parsed
                .map(|checkpoint| checkpoint.offsets)
                .map_err(|error| DirectoryError::Checkpoint { path, error })
        };
        Ok(DirectoryCheckpoints {
            recovery_points: read_one(CheckpointName::RecoveryPoint)?,
            log_starts: read_one(CheckpointName::LogStart)?,
            high_watermarks: read_one(CheckpointName::Replication)?,
        })
    }

    /// Writes the three checkpoints. Log starts first: a recovery point never lies below them.
    ///
    /// # Errors
    /// What the system said.
    pub fn write_checkpoints(
        &self,
        checkpoints: &DirectoryCheckpoints,
    ) -> Result<(), DirectoryError> {
        Self::write_checkpoints_at(&self.root, checkpoints)
    }

    /// Writes the three checkpoints below `root`, whose lock must be held.
    pub(crate) fn write_checkpoints_at(
        root: &Path,
        checkpoints: &DirectoryCheckpoints,
    ) -> Result<(), DirectoryError> {
        for (name, offsets) in [
            (CheckpointName::LogStart, &checkpoints.log_starts),
            (CheckpointName::RecoveryPoint, &checkpoints.recovery_points),
            (CheckpointName::Replication, &checkpoints.high_watermarks),
        ] {
            let contents = OffsetCheckpoint { offsets: offsets.clone() }.encode();
            replace(&root.join(name.text()), &contents)?;
        }
        Ok(())
    }

    /// True when every log in the directory was closed cleanly.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        was_closed(&self.root)
    }

    /// Takes the clean-shutdown marker away; says whether it was there.
    ///
    /// # Errors
    /// What the system said.
    pub fn take_clean_marker(&self) -> Result<bool, DirectoryError> {
        self.remove_file(clean_shutdown::FILE_NAME)
    }

    /// Has the next mirror run read the logs of `damaged` from the beginning, so that it cuts them
    /// at the damage and fetches the rest: nothing says any more that they are durable or closed.
    ///
    /// # Errors
    /// What the system said.
    pub fn distrust(
        &self,
        damaged: &[TopicPartition],
        checkpoints: &mut DirectoryCheckpoints,
    ) -> Result<(), DirectoryError> {
        for name in damaged {
            checkpoints.recovery_points.remove(name);
        }
        self.write_checkpoints(checkpoints)?;
        self.take_clean_marker()?;
        Ok(())
    }

    /// Says that every log in the directory was closed cleanly. The last thing to be written.
    ///
    /// # Errors
    /// What the system said.
    pub fn write_clean_marker(&self) -> Result<(), DirectoryError> {
        self.replace_file(
            clean_shutdown::FILE_NAME,
            &clean_shutdown::encode(clean_shutdown::NO_BROKER_EPOCH),
        )
    }

    /// Replaces a file at the root.
    ///
    /// # Errors
    /// What the system said.
    pub fn replace_file(&self, name: &str, contents: &[u8]) -> Result<(), DirectoryError> {
        replace(&self.root.join(name), contents)
    }

    /// The partitions whose directories are there, in order, and names of other directories.
    ///
    /// # Errors
    /// What the system said.
    pub fn list_partitions(&self) -> Result<(Vec<TopicPartition>, Vec<String>), DirectoryError> {
        let unreadable = |error| failed(&self.root, "list it", error);
        let (mut partitions, mut others) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.root).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if !entry.file_type().map_err(unreadable)?.is_dir() {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            match TopicPartition::parse_directory(&name) {
                Some(partition) => partitions.push(partition),
                None => others.push(name),
            }
        }
        partitions.sort();
        others.sort();
        Ok((partitions, others))
    }

    /// Makes a partition's directory; says whether it was missing.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn make_partition(&self, name: &TopicPartition) -> Result<bool, DirectoryError> {
        let path = self.root.join(name.to_string());
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            made => made.map(|()| true).map_err(|error| failed(&path, "create it", error)),
        }
    }

    /// Deletes a partition's directory with all that is in it.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn remove_partition(&self, name: &TopicPartition) -> Result<(), DirectoryError> {
        let path = self.root.join(name.to_string());
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed(&path, "delete it", error))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a directory a broker has worked in.
    ///
    /// # Errors
    /// [`DirectoryError::HandedOver`].
    pub fn refuse_handed_over(&self) -> Result<(), DirectoryError> {
        if self.root.join(CLUSTER_METADATA_DIRECTORY).exists() {
            return Err(DirectoryError::HandedOver { path: self.root.clone() });
        }
        Ok(())
    }

    fn remove_file(&self, name: &str) -> Result<bool, DirectoryError> {
        let path = self.root.join(name);
        durable_file::remove(&path).map_err(|error| failed(&path, "delete it", error))
    }
}

/// True when the marker below `root` says that every log was closed cleanly.
#[must_use]
pub fn was_closed(root: &Path) -> bool {
    root.join(clean_shutdown::FILE_NAME).exists()
}

/// Removes those of the directories that are empty, the others somebody else uses by now.
fn remove_empty(directories: &[PathBuf]) {
    for directory in directories {
        let _ = fs::remove_dir(directory);
    }
}

/// `root` and the directories above it that are not there, lowest first.
fn missing_directories(root: &Path) -> Vec<PathBuf> {
    let above = root.ancestors().take_while(|path| !path.as_os_str().is_empty());
    above.take_while(|path| !path.exists()).map(Path::to_owned).collect()
}

/// Gives a new directory its identity and an empty state.
fn write_identity(root: &Path) -> Result<(), DirectoryError> {
    let meta = generate_meta().map_err(|error| failed(root, "make an id for it", error))?;
    let state = DirectoryState::default();
    for (name, contents) in
        [(meta_properties::FILE_NAME, meta.encode()), (STATE_FILE, state.encode())]
    {
        replace(&root.join(name), &contents)?;
    }
    Ok(())
}

/// Takes the identity away again; the lock must be held. Another start that waits for the lock
/// finds out that it waited for a file that is gone.
fn remove_identity(root: &Path) {
    // The state goes first and the lock last: whatever is left is the beginning of a new one.
    for name in [STATE_FILE, meta_properties::FILE_NAME] {
        let _ = fs::remove_file(root.join(name));
        let _ = fs::remove_file(root.join(durable_file::temporary_name(name)));
    }
    let _ = fs::remove_file(root.join(LOCK_FILE));
}

/// A fresh identity for a new directory.
fn generate_meta() -> io::Result<MetaProperties> {
    Ok(MetaProperties {
        cluster_id: random_id()?.to_string(),
        node_id: NODE_ID_UNTIL_HANDOVER,
        directory_id: Some(random_id()?.bytes()),
    })
}

/// Takes the lock, after a moment if need be: a process that was killed holds it until the kernel
/// has ended its disk writes, and its successor is often started at once.
fn wait_for_lock(root: &Path) -> Result<File, DirectoryError> {
    let started = Instant::now();
    loop {
        match take_lock(root) {
            Err(DirectoryError::Locked { .. }) if started.elapsed() < LOCK_WAIT => {
                thread::sleep(LOCK_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

fn take_lock(root: &Path) -> Result<File, DirectoryError> {
    let path = root.join(LOCK_FILE);
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(|error| failed(&path, "write it", error))?;
    match lock.try_lock() {
        // The one who held it may have taken the file away with all the rest.
        Ok(()) if !is_file_at(&lock, &path) => {
            Err(DirectoryError::Locked { path: root.to_owned() })
        }
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DirectoryError::Locked { path: root.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(&path, "lock it", error)),
    }
}

/// Whether `path` still leads to `file`.
fn is_file_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// A directory without our state must be empty but for files we make before it.
fn refuse_foreign(root: &Path) -> Result<(), DirectoryError> {
    let unreadable = |error| failed(root, "list it", error);
    for entry in fs::read_dir(root).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        let ours_before_state =
            name == LOCK_FILE || name == meta_properties::FILE_NAME || name.ends_with(".tmp");
        if !ours_before_state && name != "lost+found" {
            return Err(DirectoryError::Foreign { path: root.to_owned(), found: name });
        }
    }
    Ok(())
}

fn replace(path: &Path, contents: &[u8]) -> Result<(), DirectoryError> {
    durable_file::replace(path, contents).map_err(|error| failed(path, "write it", error))
}

fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, DirectoryError> {
    durable_file::read(path, bytes_max).map_err(|error| failed(path, "read it", error))
}

fn failed(path: &Path, action: &'static str, error: io::Error) -> DirectoryError {
    DirectoryError::Io { path: path.to_owned(), action, error }
}

/// Kafka wants a number; handover replaces it by the one chosen then.
const NODE_ID_UNTIL_HANDOVER: BrokerId = BrokerId::from_wire(1).expect("1 is not negative");
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(50);
const LOCK_FILE: &str = ".lock";
const STATE_FILE: &str = "ringmirror.json";
const CLUSTER_METADATA_DIRECTORY: &str = "__cluster_metadata-0";
const SMALL_FILE_BYTES_MAX: u64 = 1 << 20;
/// A million entries with names of full length.
const CHECKPOINT_BYTES_MAX: u64 = 300 << 20;

#[cfg(test)]
mod tests;
