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

    /// What to do about a file that nobody wrote so; a newer one says it.
    pub(crate) const fn cure(&self, text: &'static str) -> &'static str {
        match self {
            Self::Malformed { .. } => text,
            Self::Newer { .. } => "",
        }
    }

    /// Refuses a file of a later format.
    pub(crate) fn check(found: u64, known_max: u32) -> Result<(), Self> {
        if found > u64::from(known_max) { Err(Self::Newer { found, known_max }) } else { Ok(()) }
    }
}

/// What to do about a directory whose `ringmirror.json` is damaged.
pub(crate) const DIRECTORY_CURE: &str = ": put back a copy of the file; without one, move the \
                                         directory away and mirror into an empty one";
