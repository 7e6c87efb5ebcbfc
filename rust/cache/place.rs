//! Where a snapshot lies: what a link of its name leads to, whether a file can be made there, and what is kept of one that didn't fit.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::geteuid;

use super::part::Part;

/// As many as the kernel follows.
const LINKS_MAX: usize = 40;

/// A name in a folder; no link, unless somebody makes one there meanwhile.
pub(super) struct Place {
    folder: PathBuf,
    name: OsString,
}

/// What has become of a file that didn't fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OldFile {
    /// It has this name as well, until a file that is not smaller doesn't fit.
    As(PathBuf),
    /// There is one already, which is larger.
    Larger(PathBuf),
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

impl Place {
    /// Follows links, so that the file that they lead to is replaced, and not they. Those of other users are not followed, but for root's: in
    /// a folder that others can write to they would choose which of this user's files is replaced.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            match std::fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    if ![geteuid().as_raw(), 0].contains(&found.uid()) {
                        return Err(io::Error::other("it is a symbolic link of another user"));
                    }
                    path = folder_of(&path).join(std::fs::read_link(&path)?);
                }
                // What is wrong with the folder is said when a file is made there.
                _ => {
                    let name = path.file_name().unwrap_or_default().to_owned();
                    return Ok(Self { folder: folder_of(&path).to_owned(), name });
                }
            }
        }
        Err(Errno::LOOP.into())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Whether a file can be made there, as a save will make one; nothing is left of it.
    pub(super) fn probe(&self) -> io::Result<()> {
        Part::create(&self.folder, &self.name).map(drop)
    }

    /// Gives the file, which `file` is open at, a second name, so that the next save doesn't take the last one of it. A larger one that
    /// has that name stays: it may be the one from before a mistyped limit.
    pub(super) fn keep(&self, mut file: &File) -> io::Result<OldFile> {
        let mut name = self.name.clone();
        name.push(".old");
        let old = self.folder.join(&name);
        match std::fs::symlink_metadata(&old) {
            Ok(found) if found.is_file() && found.len() > file.metadata()?.len() => return Ok(OldFile::Larger(old)),
            Ok(_) => std::fs::remove_file(&old)?,
            Err(_) => {} // nothing there, as a rule, and otherwise the link can't be made
        }
        if std::fs::hard_link(self.path(), &old).is_err() {
            // Not every file system has links.
            let part = Part::create(&self.folder, &name)?;
            file.rewind()?;
            io::copy(&mut file, &mut part.file())?;
            part.file().sync_all()?;
            part.rename(&old)?;
        }
        Ok(OldFile::As(old))
    }
}
