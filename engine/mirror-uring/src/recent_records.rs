//! Records written a moment ago, still in memory: readers of a log's tail take them from here and
//! not from the disk, which has the engine's writes to do.
//!
//! ```text
//!  shard's thread                                 readers' threads
//!  buffer written --> [ kept | kept | .. | kept ] --> find: a share of one buffer
//!  a buffer nobody  <--- the oldest
//!    reads any more
//! ```
//! **Invariants.**
//! - A kept buffer changes only when nobody shares it: who reads slowly costs readers a kept
//!   buffer, and mirroring nothing.
//! - The shard never waits for readers, and keeps nothing when nobody has asked for long.
//! - What is found is in the file: buffers are kept when their write is done, and forgotten before
//!   their partition's files are cut, deleted or handed on.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mirror_shard::buffer_pool::BufferLease;
use mirror_shard::op::PartitionSlot;

use crate::ring::Range;

/// What the shards of an engine wrote last; for any thread, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RecentRecords {
    shards: Arc<[Arc<KeptBuffers>]>,
}

/// Bytes of a segment, as they were written; while they are held, their buffer is not used again.
#[derive(Debug)]
pub struct RecentBytes {
    buffer: Arc<BufferLease>,
    start: usize,
    end: usize,
}

/// One shard's kept buffers.
#[derive(Debug, Default)]
pub(crate) struct KeptBuffers {
    /// The one written last behind.
    kept: Mutex<Vec<Kept>>,
    is_off: bool,
    /// How many more buffers are kept before a reader must have asked again.
    wanted: AtomicU32,
}

#[derive(Debug)]
struct Kept {
    buffer: Arc<BufferLease>,
    /// `None` for a buffer that holds nothing of use.
    contents: Option<Contents>,
}

#[derive(Clone, Copy, Debug)]
struct Contents {
    file: FileIdentity,
    extent: WrittenExtent,
}

/// What makes two descriptors the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
}

impl RecentRecords {
    pub(crate) fn new(shards: Vec<Arc<KeptBuffers>>) -> Self {
        Self { shards: shards.into() }
    }

    /// The bytes of `file` from `position` on, as many as one buffer has but at most `bytes`;
    /// `None` when they are not in memory any more.
    ///
    /// Asking makes the shards keep what they write for a while.
    ///
    /// # Errors
    /// The system's, about the file.
    pub fn find(&self, file: &File, position: u64, bytes: u32) -> io::Result<Option<RecentBytes>> {
        if self.shards.iter().all(|shard| shard.is_off) {
            return Ok(None);
        }
        let file = FileIdentity::of(file)?;
        Ok(self.shards.iter().find_map(|shard| shard.find(file, position, bytes)))
    }
}

impl Deref for RecentBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer.bytes()[self.start..self.end]
    }
}

/// All bytes that one file got from a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenExtent {
    pub(crate) slot: PartitionSlot,
    /// Where in the file the first byte lies.
    pub(crate) position: u64,
    /// Where in the buffer the bytes are.
    pub(crate) range: Range,
}

impl KeptBuffers {
    /// Keeps what is written in exchange for these buffers.
    pub(crate) fn new(spare: Vec<BufferLease>) -> Self {
        let empty = |buffer| Kept { buffer: Arc::new(buffer), contents: None };
        let kept: Vec<_> = spare.into_iter().map(empty).collect();
        // The first to ask is to find what was written before.
        let wanted = AtomicU32::new(WRITES_KEPT_AFTER_ASKING);
        Self { is_off: kept.is_empty(), kept: Mutex::new(kept), wanted }
    }

    /// Takes a buffer whose bytes are all in files now, and gives one that nobody needs: another
    /// one, or the same when readers do not ask any more, hold all others, or are looking right
    /// now.
    pub(crate) fn exchange(
        &self,
        written: BufferLease,
        file: &File,
        extent: WrittenExtent,
    ) -> BufferLease {
        // Only this thread lowers it; a reader's rise that is lost here is made again.
        let wanted = self.wanted.load(Ordering::Relaxed);
        if wanted == 0 {
            return written;
        }
        self.wanted.store(wanted - 1, Ordering::Relaxed);
        let (Ok(mut kept), Ok(file)) = (self.kept.try_lock(), FileIdentity::of(file)) else {
            return written;
        };
        let is_free = |kept: &mut Kept| Arc::get_mut(&mut kept.buffer).is_some();
        let Some(place) = kept.iter_mut().position(is_free) else { return written };
        let mut oldest = kept.remove(place);
        let buffer = Arc::get_mut(&mut oldest.buffer).expect("readers share it under the lock");
        let free = std::mem::replace(buffer, written);
        oldest.contents = Some(Contents { file, extent });
        kept.push(oldest);
        free
    }

    /// Forgets what belongs to a partition whose files are about to change.
    pub(crate) fn forget(&self, slot: PartitionSlot) {
        for kept in &mut *self.lock() {
            if kept.contents.is_some_and(|contents| contents.extent.slot == slot) {
                kept.contents = None;
            }
        }
    }

    /// The buffers at the end, but those that readers still hold.
    pub(crate) fn take_back(&self) -> Vec<BufferLease> {
        let kept = std::mem::take(&mut *self.lock());
        kept.into_iter().filter_map(|kept| Arc::into_inner(kept.buffer)).collect()
    }

    fn find(&self, file: FileIdentity, position: u64, bytes: u32) -> Option<RecentBytes> {
        self.wanted.store(WRITES_KEPT_AFTER_ASKING, Ordering::Relaxed);
        let kept = self.lock();
        // What was written last is what is asked for most.
        kept.iter().rev().find_map(|kept| kept.share(file, position, bytes))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn share(&self, file: FileIdentity, position: u64, bytes: u32) -> Option<RecentBytes> {
        let extent = self.contents.filter(|contents| contents.file == file)?.extent;
        let skipped = u32::try_from(position.checked_sub(extent.position)?).ok()?;
        let Range { start, end } = extent.range;
        let start = start.checked_add(skipped).filter(|start| *start < end)?;
        let end = end.min(start.saturating_add(bytes));
        let at = |place| usize::try_from(place).expect("usize holds 32 bits");
        Some(RecentBytes { buffer: Arc::clone(&self.buffer), start: at(start), end: at(end) })
    }
}

impl FileIdentity {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// Buffers that are kept after a reader asked, before the next must ask: seconds, at full speed.
const WRITES_KEPT_AFTER_ASKING: u32 = 8192;

#[cfg(test)]
mod tests;
