//! What copyings leave behind: emptied at once, deleted at the end of the sitting.
//!
//! ext4 without a journal gives no inode out again for minutes after a file was deleted, and looks
//! at all of these, one by one, for every file that is created meanwhile. Whoever copies a thousand
//! partitions after a thousand were deleted spends more processor time on that than on copying. So
//! files keep their inodes and only give back what they hold.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Files of one copying on their way out.
#[derive(Debug)]
pub struct SpentLogs(PathBuf);

impl SpentLogs {
    /// A new place in `all`, the directory of everything spent.
    fn new(all: &Path) -> Result<Self> {
        fs::create_dir_all(all)?;
        Ok(Self(all.join(fs::read_dir(all)?.count().to_string())))
    }

    /// Takes a whole directory that nobody uses any more, and empties its files.
    ///
    /// # Errors
    /// The system's.
    pub fn retire(all: &Path, directory: &Path) -> Result<()> {
        let spent = Self::new(all)?;
        fs::rename(directory, &spent.0)
            .with_context(|| format!("moving {} out of the way", directory.display()))?;
        spent.empty()
    }

    /// Gives second names to the files of a topic, so that they outlive their deletion by the
    /// broker that has them.
    ///
    /// # Errors
    /// The system's.
    pub fn hold(all: &Path, directory: &Path, topic: &str, partitions: u32) -> Result<Self> {
        let spent = Self::new(all)?;
        fs::create_dir(&spent.0)?;
        for partition in 0..partitions {
            let log = directory.join(format!("{topic}-{partition}"));
            for entry in fs::read_dir(&log)? {
                let entry = entry?;
                let name = format!("{partition}-{}", entry.file_name().display());
                match fs::hard_link(entry.path(), spent.0.join(name)) {
                    // The broker replaces its checkpoints now and then.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    linked => linked?,
                }
            }
        }
        Ok(spent)
    }

    /// Gives back what the files hold, and waits until the disk has done its part.
    ///
    /// # Errors
    /// The system's.
    pub fn empty(self) -> Result<()> {
        empty_files(&self.0)?;
        rustix::fs::sync();
        Ok(())
    }
}

fn empty_files(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => empty_files(&entry.path())?,
            false => drop(File::create(entry.path())?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
