//! One program per data folder: the program holds a `flock` on a file that names it, for as long as it lives.
//!
//! The kernel releases the lock when its holder ends, for whatever reason, so a lock that is held means a living program. The file
//! itself stays: if it were removed, two programs could lock two files of the same name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::error::{self, Error};
use super::folder::Folder;
use super::identity::give;

/// How long to wait until the lock or a port becomes free. A killed program holds it until the kernel has torn the program down,
/// which has taken more than half a second on a busy machine. [`holder`] also takes the lock for a moment.
pub const GRACE: Duration = Duration::from_secs(3);

/// Permission to use the cluster. It ends with the value, or with the process.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

/// The holder of the lock.
pub(super) enum Holder {
    Nobody,
    /// A living program, with its process id once it has written that.
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
        // This only helps readers of the file: the kernel decides who holds the lock.
        drop(replace(&mut self.file, ""));
    }
}

/// Return the current holder of this folder's lock.
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
