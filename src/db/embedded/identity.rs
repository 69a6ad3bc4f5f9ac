//! Which user runs the server, and how a child becomes that user.
//!
//! PostgreSQL refuses to run as uid 0. So a program that runs as root runs the server as another user: the owner of existing data,
//! else of the data folder, else `postgres`, else `nobody`. That user may not be able to reach the data by its path (a checkout
//! under a 0700 home). So the folder is opened here, and the child reaches it as `/proc/self/fd/N`: it never walks the path above
//! it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[cfg(target_os = "linux")]
use nix::errno::Errno;
use nix::sys::signal::Signal;
#[cfg(target_os = "linux")]
use nix::unistd::Gid;
use nix::unistd::{self, Uid};

use super::error::{self, Error};
use super::folder::Folder;

/// A user of the operating system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
}

impl User {
    /// Return the user that the server of this data folder runs as.
    pub(super) fn for_server(folder: &Folder) -> Result<Self, Error> {
        let owner = match fs::metadata(&folder.cluster) {
            _ if folder.is_blank() => None,
            Ok(cluster) => Some(cluster.uid()),
            // The cluster cannot even be looked at: assume that the folder's owner owns it too.
            Err(_) => Some(folder.owner()?.0),
        };
        let me = effective_uid();
        match owner {
            Some(0) if me == 0 => Err(Error::OwnedByRoot { path: folder.cluster.clone() }),
            Some(owner) if me != 0 && owner != me => Err(Error::OtherOwner {
                path: folder.cluster.clone(),
                owner: name_of(owner),
                me: name_of(me),
            }),
            Some(owner) => Self::named(owner),
            None if me != 0 => Self::named(me),
            None => match folder.owner()?.0 {
                0 => Self::by_name("postgres")
                    .or_else(|| Self::by_name("nobody"))
                    .ok_or(Error::NoSuchUser { user: "postgres".to_owned() }),
                owner => Self::named(owner),
            },
        }
    }

    /// Return the users that may connect: the server's user, the program's user, and root, who may do anything anyway.
    pub(super) fn clients(server: &Self) -> Vec<String> {
        let mut names = vec![server.name.clone(), name_of(effective_uid()), name_of(0)];
        names.sort();
        names.dedup();
        names
    }

    /// Run `look` with this user's access to files. The kernel shows the working folder of a process to the user of that process
    /// and to users that may debug any process, which root in a container may not.
    pub(super) fn look<T>(&self, look: impl FnOnce() -> T) -> T {
        #[cfg(target_os = "linux")]
        let _guard = (effective_uid() == 0).then(|| FsUidGuard::of(self));
        look()
    }

    fn named(uid: u32) -> Result<Self, Error> {
        Self::by_uid(uid).ok_or_else(|| Error::NoSuchUser { user: format!("user {uid}") })
    }

    fn by_uid(uid: u32) -> Option<Self> {
        unistd::User::from_uid(Uid::from_raw(uid)).ok().flatten().map(Self::from)
    }

    fn by_name(name: &str) -> Option<Self> {
        unistd::User::from_name(name).ok().flatten().map(Self::from)
    }
}

impl From<unistd::User> for User {
    fn from(user: unistd::User) -> Self {
        Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), name: user.name }
    }
}

/// Gives the thread another identity for access to files, until it is dropped.
#[cfg(target_os = "linux")]
struct FsUidGuard {
    uid: Uid,
    gid: Gid,
}

#[cfg(target_os = "linux")]
impl FsUidGuard {
    fn of(user: &User) -> Self {
        let gid = unistd::setfsgid(Gid::from_raw(user.gid));
        Self { uid: unistd::setfsuid(Uid::from_raw(user.uid)), gid }
    }
}

#[cfg(target_os = "linux")]
impl Drop for FsUidGuard {
    fn drop(&mut self) {
        unistd::setfsuid(self.uid);
        unistd::setfsgid(self.gid);
    }
}

/// Return the user whose rights the program has.
pub(super) fn effective_uid() -> u32 {
    unistd::geteuid().as_raw()
}

/// Return the user's name, or its number if it has no name.
pub(super) fn name_of(uid: u32) -> String {
    User::by_uid(uid).map_or_else(|| uid.to_string(), |user| user.name)
}

/// Give a file that root created to its intended owner. An ordinary user already owns the files that it creates.
pub(super) fn give(file: &File, path: &Path, uid: u32, gid: u32) -> Result<(), Error> {
    if effective_uid() != 0 {
        return Ok(());
    }
    fchown(file, Some(uid), Some(gid)).map_err(error::io("change the owner of", path))
}

/// A folder that is held open, so that a child can work in it without walking to it.
#[derive(Debug)]
pub(super) struct OpenFolder {
    file: File,
    path: PathBuf,
}

impl OpenFolder {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY)
            .open(path)
            .map_err(error::io("open", path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    pub(super) fn give(&self, user: &User) -> Result<(), Error> {
        give(&self.file, &self.path, user.uid, user.gid)
    }

    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(error::io("sync", &self.path))
    }

    /// Return the path by which a child started by [`command`] reaches the folder.
    pub(super) fn argument(&self) -> PathBuf {
        if cfg!(target_os = "linux") {
            PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
        } else {
            self.path.clone()
        }
    }
}

/// Return a command that runs a program of PostgreSQL as `user` with access to `folder`.
///
/// The program runs in a separate process group, so that Ctrl-C reaches only Plaza, which stops the program after the last request.
/// When the thread that spawns it ends, it receives the signal `on_death`. It inherits only `PATH` of the environment: it must not
/// see the secrets among Plaza's settings, and `PG…` or `LC_…` variables would change its behaviour. `folder` must live until the
/// program is spawned.
pub(super) fn command(
    program: &Path,
    path: Option<&OsStr>,
    user: &User,
    folder: &OpenFolder,
    on_death: Signal,
) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", path.unwrap_or(OsStr::new("/usr/bin:/bin")))
        .env("LC_ALL", "C")
        // PostgreSQL 15 returns to the folder in which it was started, which `user` may not be allowed to enter.
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    if effective_uid() == 0 {
        // If a uid is set, std also drops root's supplementary groups.
        command.uid(user.uid).gid(user.gid);
    }
    let folder = folder.file.as_raw_fd();
    let parent = std::process::id();
    let prepare = move || {
        // SAFETY: a plain system call on a descriptor that the child inherited open.
        if unsafe { libc::fcntl(folder, libc::F_SETFD, 0) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: only sets a signal's disposition. A shell's background job ignores SIGINT, which initdb would inherit.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        follow_to_death(parent, on_death)
    };
    // SAFETY: between fork and exec `prepare` only makes async-signal-safe calls (fcntl, signal, prctl, getppid) and does not
    // allocate. It runs after setuid, which would clear the death signal.
    unsafe { command.pre_exec(prepare) };
    command
}

/// Have the kernel send `signal` when the parent thread ends, for whatever reason.
#[cfg(target_os = "linux")]
fn follow_to_death(parent: u32, signal: Signal) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(signal)?;
    // The parent may have died before the signal was requested.
    let is_alive = unistd::getppid().as_raw().unsigned_abs() == parent;
    if is_alive { Ok(()) } else { Err(Errno::ESRCH.into()) }
}

/// Do nothing: other systems have no death signal. There, a killed program leaves the server to the next start.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the signature of the one that does something")]
fn follow_to_death(_parent: u32, _signal: Signal) -> io::Result<()> {
    Ok(())
}
