//! The operations on files.

use super::*;

impl Executor {
    pub(super) fn write(
        &mut self,
        target: WriteTarget,
        chunk: u64,
        buffer: BufferLease,
        mode: WriteMode,
    ) {
        let WriteTarget { slot, segment, position, range, finishes } = target;
        let is_direct = mode == WriteMode::Direct;
        if is_direct {
            assert_aligned(position, &buffer, range);
        }
        let file = if is_direct { SegmentFile::DirectLog } else { SegmentFile::Log };
        let mut buffer = buffer;
        let result = match self.files.open(FileKey { slot, base: segment, file }) {
            Err(error) => Err(error),
            Ok(file) if !is_direct && is_small(range) => {
                let result = write_inline(&file, &buffer, range, position);
                if result.is_ok() {
                    buffer = self.keep_recent(&file, buffer, finishes);
                }
                result
            }
            Ok(file) => {
                let page_cache = self.page_cache(range, mode);
                let op = InFlight::write(&file, buffer, range, position, page_cache);
                let transfer = Transfer { file, position, range, page_cache, finishes };
                return self.table.insert(Purpose::Write { slot, chunk, segment, transfer }, op);
            }
        };
        self.complete(Completion::Written { slot, chunk, buffer, result });
    }

    /// Bulk that goes through the page cache need not stay there: the same few pages serve write
    /// after write, and the system neither finds fresh memory for each nor has all of it to write
    /// back at once. Readers of the newest records have the buffers that [`Self::keep_recent`]
    /// leaves.
    fn page_cache(&self, range: Range, mode: WriteMode) -> PageCache {
        let is_bulk = range.end - range.start >= DIRECT_BYTES_MIN;
        match mode {
            WriteMode::Direct => PageCache::Bypassed,
            WriteMode::Buffered if is_bulk && !self.keeps_pages => PageCache::Dropped,
            WriteMode::Buffered => PageCache::Kept,
        }
    }

    pub(super) fn written(&mut self, id: WriteId, mut transfer: Transfer, done: Done) {
        let WriteId { slot, segment, chunk } = id;
        let (result, mut buffer) = lease_of(done);
        let result = match transfer.advance(result) {
            Ok(true) => {
                buffer = self.keep_recent(&transfer.file, buffer, transfer.finishes);
                Ok(())
            }
            Ok(false) => {
                let op = transfer.go_on(buffer);
                return self.table.insert(Purpose::Write { slot, chunk, segment, transfer }, op);
            }
            Err(error) if transfer.page_cache == PageCache::Bypassed && is_refusal(&error) => {
                // Some file systems accept the flag when opening and refuse the write.
                self.files.refuse_direct(&error);
                let target = WriteTarget {
                    slot,
                    segment,
                    position: transfer.position,
                    range: transfer.range,
                    finishes: transfer.finishes,
                };
                return self.write(target, chunk, buffer, WriteMode::Buffered);
            }
            Err(error) if transfer.page_cache == PageCache::Dropped && is_unknown(&error) => {
                self.keeps_pages = true;
                transfer.page_cache = PageCache::Kept;
                let op = transfer.go_on(buffer);
                return self.table.insert(Purpose::Write { slot, chunk, segment, transfer }, op);
            }
            Err(error) => Err(error),
        };
        self.complete(Completion::Written { slot, chunk, buffer, result });
    }

    /// Leaves the buffer to readers, in exchange for another, when it is worth that: less than one
    /// direct write is in the page cache.
    fn keep_recent(
        &self,
        file: &File,
        buffer: BufferLease,
        finishes: Option<WrittenExtent>,
    ) -> BufferLease {
        match finishes {
            Some(extent) if extent.range.end - extent.range.start >= DIRECT_BYTES_MIN => {
                self.recent.exchange(buffer, file, extent)
            }
            _ => buffer,
        }
    }

    pub(super) fn write_index(
        &mut self,
        target: WriteTarget,
        file: SegmentFile,
        buffer: BufferLease,
    ) {
        let WriteTarget { slot, segment, position, range, finishes } = target;
        let result = match self.files.open(FileKey { slot, base: segment, file }) {
            Err(error) => Err(error),
            Ok(file) if is_small(range) => write_inline(&file, &buffer, range, position),
            Ok(file) => {
                let page_cache = PageCache::Kept;
                let op = InFlight::write(&file, buffer, range, position, page_cache);
                let transfer = Transfer { file, position, range, page_cache, finishes };
                return self.table.insert(Purpose::WriteIndex { slot, transfer }, op);
            }
        };
        self.complete(Completion::IndexWritten { slot, buffer, result });
    }

    pub(super) fn index_written(
        &mut self,
        slot: PartitionSlot,
        mut transfer: Transfer,
        done: Done,
    ) {
        let (result, buffer) = lease_of(done);
        let result = match transfer.advance(result) {
            Ok(false) => {
                let op = transfer.go_on(buffer);
                return self.table.insert(Purpose::WriteIndex { slot, transfer }, op);
            }
            result => result.map(drop),
        };
        self.complete(Completion::IndexWritten { slot, buffer, result });
    }

    pub(super) fn sync(&mut self, slot: PartitionSlot, segment: Offset) {
        match self.files.open_for_sync(slot, segment) {
            Ok(file) => {
                let op = InFlight::sync_data(&file);
                self.table.insert(Purpose::Sync { slot, segment }, op);
            }
            Err(error) => {
                let result = Err(error);
                self.complete(Completion::Synced { slot, segment, result });
            }
        }
    }

    /// Bytes are durable only when the name that leads to them is.
    pub(super) fn data_synced(
        &mut self,
        slot: PartitionSlot,
        segment: Offset,
        result: io::Result<u32>,
    ) {
        let unsynced = result.and_then(|_| self.files.unsynced_directory(slot));
        let result = match unsynced {
            Ok(Some(UnsyncedDirectory { directory, created_count })) => {
                let purpose = Purpose::SyncDirectory { slot, segment, created_count };
                return self.table.insert(purpose, InFlight::sync_all(&directory));
            }
            result => result.map(drop),
        };
        self.complete(Completion::Synced { slot, segment, result });
    }

    pub(super) fn allocate(
        &mut self,
        slot: PartitionSlot,
        segment: Offset,
        position: u64,
        bytes: u64,
    ) {
        let key = FileKey { slot, base: segment, file: SegmentFile::DirectLog };
        match self.files.open(key) {
            Ok(file) => {
                let op = InFlight::allocate(&file, position, bytes);
                self.table.insert(Purpose::Allocate { slot, segment }, op);
            }
            Err(error) => {
                let result = Err(error);
                self.complete(Completion::Allocated { slot, segment, result });
            }
        }
    }

    /// Completes what was done to a file; when the disk is full, what can go is deleted.
    pub(super) fn complete(&mut self, completion: Completion) {
        if let Completion::Written { result: Err(error), .. }
        | Completion::IndexWritten { result: Err(error), .. }
        | Completion::Allocated { result: Err(error), .. }
        | Completion::Synced { result: Err(error), .. } = &completion
        {
            self.tasks.make_room(error);
        }
        self.completions.push(completion);
    }

    pub(super) fn file_task(&mut self, slot: PartitionSlot, task: FileTask) {
        if may_replace_bytes(&task) {
            self.recent.forget(slot);
        }
        if let FileTask::Load { partition, .. } = &task {
            self.files.bind(slot, self.data_dir.join(partition.to_string()));
        }
        let Some(directory) = self.files.directory(slot).map(PathBuf::from) else {
            let text = format!("partition slot {} has no directory", slot.0);
            let result = Err(io::Error::new(io::ErrorKind::NotFound, text).into());
            return self.completions.push(Completion::File { slot, result });
        };
        if matches!(task, FileTask::Remove) {
            self.files.unbind(slot);
        } else {
            self.files.close_slot(slot);
        }
        self.tasks.start(slot, directory, task, &self.tasks_done.0);
    }
}

impl Transfer {
    /// Takes the kernel's answer in; true when nothing is left.
    pub(super) fn advance(&mut self, result: io::Result<u32>) -> io::Result<bool> {
        let mut count = result?;
        if self.range.start + count >= self.range.end {
            return Ok(true);
        }
        if self.page_cache == PageCache::Bypassed {
            // The rest must start aligned again; a part of a block is written once more.
            count -= count % DIRECT_ALIGNMENT;
        }
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.range.start += count;
        self.position += u64::from(count);
        Ok(false)
    }

    fn go_on(&self, buffer: BufferLease) -> InFlight {
        InFlight::write(&self.file, buffer, self.range, self.position, self.page_cache)
    }
}

/// True when other bytes may take the place of those in a segment, or another file its identity.
fn may_replace_bytes(task: &FileTask) -> bool {
    match task {
        FileTask::CloseSegment(_) | FileTask::WriteEpochs(_) => false,
        FileTask::Load { .. }
        | FileTask::RetireSegments(_)
        | FileTask::CloseLog(_)
        | FileTask::Remove => true,
    }
}

fn is_small(range: Range) -> bool {
    range.end - range.start <= INLINE_WRITE_BYTES_MAX
}

fn write_inline(file: &File, buffer: &BufferLease, range: Range, position: u64) -> io::Result<()> {
    let start = usize::try_from(range.start).expect("usize holds 32 bits");
    let end = usize::try_from(range.end).expect("usize holds 32 bits");
    file.write_all_at(&buffer.bytes()[start..end], position)
}

fn is_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINVAL)
}

/// How older kernels, and file systems that cannot, answer a write that is to drop its pages.
fn is_unknown(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EOPNOTSUPP)
}

/// The shard's promise for direct writes; the kernel would answer a bare "invalid argument".
fn assert_aligned(position: u64, buffer: &BufferLease, range: Range) {
    let alignment = usize::try_from(DIRECT_ALIGNMENT).expect("usize holds 32 bits");
    assert!(position.is_multiple_of(u64::from(DIRECT_ALIGNMENT)), "position {position}");
    assert!(range.start.is_multiple_of(DIRECT_ALIGNMENT), "start {}", range.start);
    assert!(range.end.is_multiple_of(DIRECT_ALIGNMENT), "end {}", range.end);
    assert!(buffer.bytes().as_ptr().addr().is_multiple_of(alignment), "buffer's address");
}
