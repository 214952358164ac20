//! A directory of its own for one test, deleted at its end.

use std::fs;
use std::path::PathBuf;

use crate::random_id::random_id;

/// A path that does not exist yet; the test may make it.
pub(crate) struct TestDirectory(pub(crate) PathBuf);

impl TestDirectory {
    pub(crate) fn new() -> Self {
        let name = format!("ringmirror-test-{}", random_id().unwrap());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}
