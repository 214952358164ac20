//! Why a file of the node's own, with a format version in it, cannot be used.

/// What is wrong with the contents of such a file.
#[derive(Debug, thiserror::Error)]
pub enum StoredFormatError {
    /// Written by a newer ringmirror.
    #[error("format version {found}, this ringmirror reads up to {known_max}: use the newer one")]
    Newer {
        /// The version found.
        found: u64,
        /// The newest that is read.
        known_max: u32,
    },
    /// Not what ringmirror writes.
    #[error("malformed: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
}

impl StoredFormatError {
    /// Of a file that ringmirror cannot have written.
    pub(crate) fn malformed(reason: impl ToString) -> Self {
        Self::Malformed { reason: reason.to_string() }
    }

    /// Refuses a file of a later format.
    pub(crate) fn check(found: u64, known_max: u32) -> Result<(), Self> {
        if found > u64::from(known_max) { Err(Self::Newer { found, known_max }) } else { Ok(()) }
    }
}
