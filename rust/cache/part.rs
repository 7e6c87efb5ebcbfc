//! A file that is being written beside the one whose place it takes once it is whole.
//!
//! Its name is its own, and it is made and never opened: what others have put into the folder (a link, a pipe, a file that they can read)
//! is neither followed nor waited for nor written to. As long as it is written it is locked, so what a killed writer has left can be told from it.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::geteuid;

/// Between the name of the other file and what makes this one's its own.
const INFIX: &str = ".saving-";

/// A name is tried once more where somebody has it, or takes the new file for one that was left.
const TRIES_MAX: usize = 100;

/// Such a file; removed when it is dropped without having been renamed.
pub(super) struct Part {
    file: File,
    path: PathBuf,
    is_renamed: bool,
}

impl Part {
    /// One that only its owner may read: values may be anybody's secrets.
    pub(super) fn create(folder: &Path, name: &OsStr) -> io::Result<Self> {
        for _ in 0..TRIES_MAX {
            let mut own = prefix(name);
            own.push(format!("{:016x}", RandomState::new().hash_one(std::process::id())));
            let path = folder.join(own);
            let file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let part = Self { file, path, is_renamed: false };
            // Who removes what was left may have come in between.
            if flock(&part.file, FlockOperation::NonBlockingLockExclusive).is_ok() && part.has_its_name()? {
                return Ok(part);
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn has_its_name(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        let there = std::fs::symlink_metadata(&self.path);
        Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn rename(mut self, to: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, to)?;
        self.is_renamed = true;
        Ok(())
    }

    /// Removes what writers have left who were killed: files of this user's with such a name that nobody has locked.
    pub(super) fn remove_left(folder: &Path, name: &OsStr) {
        let prefix = prefix(name);
        // Where the folder can't be read nothing is to be removed, and what follows says whether it can be written to.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
                let _ = remove_if_left(&entry.path());
            }
        }
    }
}

fn prefix(name: &OsStr) -> OsString {
    let mut prefix = name.to_owned();
    prefix.push(INFIX);
    prefix
}

fn remove_if_left(path: &Path) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let found = file.metadata()?;
    // Another name of somebody's file is not ours to judge.
    let is_ours = found.is_file() && found.uid() == geteuid().as_raw() && found.nlink() == 1;
    if is_ours && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_renamed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
