//! Why a worker didn't boot, in its own words: a file in memory that the master makes and the worker writes to.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};

/// An error with what the application printed before it. What is longer is cut.
pub const BOOT_REPORT_BYTES_MAX: usize = 65_536;

/// One worker's, in the master and in the worker.
#[derive(Debug)]
pub struct BootReport(File);

impl AsFd for BootReport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for BootReport {
    fn from(file: OwnedFd) -> Self {
        Self(file.into())
    }
}

impl BootReport {
    /// An empty one.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn create() -> io::Result<Self> {
        Ok(Self(memfd_create("lyger-boot", MemfdFlags::CLOEXEC)?.into()))
    }

    /// Leaves the reason for whoever reads it when this process has ended.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, reason: &str) -> io::Result<()> {
        let bytes = &reason.as_bytes()[..reason.len().min(BOOT_REPORT_BYTES_MAX)];
        self.0.set_len(0)?;
        self.0.write_all_at(bytes, 0)
    }

    /// What was left, if anything was.
    #[must_use]
    pub fn read(&self) -> Option<String> {
        let mut bytes = vec![0; BOOT_REPORT_BYTES_MAX];
        let count = self.0.read_at(&mut bytes, 0).ok().filter(|&count| count > 0)?;
        Some(String::from_utf8_lossy(&bytes[..count]).trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_writes_the_other_reads() {
        let master = BootReport::create().unwrap();
        assert_eq!(master.read(), None);
        let worker = BootReport::from(master.as_fd().try_clone_to_owned().unwrap());
        worker.write("x".repeat(BOOT_REPORT_BYTES_MAX + 1).as_str()).unwrap();
        assert_eq!(master.read().unwrap().len(), BOOT_REPORT_BYTES_MAX);
        worker.write("no such class\n").unwrap();
        assert_eq!(master.read().unwrap(), "no such class");
    }
}
