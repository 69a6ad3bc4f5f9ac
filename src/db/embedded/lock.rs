//! One program per data folder: a `flock` for life on a file that names its holder.
//!
//! The kernel drops the lock with its holder, however that ends, so a lock that is held means a living program. The file itself
//! stays: to remove it would let two programs lock two files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::error::{self, Error};
use super::folder::Folder;
use super::identity::give;

/// How long what a program has for itself is given to come free: a killed one holds it until the kernel has torn it down, which on a
/// busy machine has taken more than half a second. The lock is also taken for a moment by [`holder`].
pub const GRACE: Duration = Duration::from_secs(3);

/// The right to touch the cluster. Ends with the value, or with the process.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

/// Who has the lock.
pub(super) enum Holder {
    Nobody,
    /// A living program, with its process id once it has written it.
    Program(Option<u32>),
}

impl Lock {
    pub(super) fn take(folder: &Folder) -> Result<Self, Error> {
        let path = &folder.lock;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
            .map_err(error::io("open", path))?;
        let (uid, gid) = folder.owner()?;
        give(&file, path, uid, gid)?;

        let deadline = Instant::now() + GRACE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::InUse { path: folder.root.clone(), pid: pid(&mut file) });
                }
                Err(TryLockError::Error(source)) => return Err(error::io("lock", path)(source)),
            }
        }
        replace(&mut file, &format!("{}\n", std::process::id())).map_err(error::io("write", path))?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only a courtesy to readers: who holds the lock is the kernel's to say.
        drop(replace(&mut self.file, ""));
    }
}

/// Who holds the lock of this folder now.
pub(super) fn holder(folder: &Folder) -> Result<Holder, Error> {
    let path: &Path = &folder.lock;
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(error::io("open", path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Holder::Nobody),
        Err(TryLockError::WouldBlock) => Ok(Holder::Program(pid(&mut file))),
        Err(TryLockError::Error(source)) => Err(error::io("lock", path)(source)),
    }
}

fn replace(file: &mut File, contents: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(contents.as_bytes())
}

fn pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
