//! What remains to be written when a segment is rolled or a log is closed.

/// A rolled segment, to be finished on disk.
#[derive(Debug)]
pub struct ClosedSegment {}

/// A log to be closed.
#[derive(Debug)]
pub struct ClosedLog {}
