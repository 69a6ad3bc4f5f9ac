//! Where the server is reached: a Unix socket in a folder that only its user (and root) may enter.
//!
//! That folder is the cluster itself, unless the path is too long for a socket's address or libpq would misread it. Then it is a
//! folder with a short path under `/tmp`. `postmaster.pid` says which, so other commands need not guess.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::fs::{self, DirBuilder};
use std::hash::Hasher;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::{Path, PathBuf};

use super::error::{self, Error};
use super::identity::{User, effective_uid};
use super::options::{DATABASE, ROLE};

/// Maximum length of the folder's path, in bytes: an address holds 104 (macOS) or 108, with the socket's name and the final NUL.
const LONGEST: usize = 85;

/// The port, which is only a part of the socket's name. It is fixed, so that `PGPORT` has no effect.
pub(super) const PORT: &str = "5432";

/// The folder of the socket.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    folder: PathBuf,
    in_cluster: bool,
}

impl Socket {
    pub(super) fn of(cluster: &Path, user: &User) -> Self {
        let bytes = cluster.as_os_str().as_bytes();
        // libpq reads a comma as the end of one host and the start of another.
        let in_cluster = bytes.len() <= LONGEST && !bytes.contains(&b',');
        let folder = if in_cluster {
            cluster.to_owned()
        } else {
            let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
            hasher.write(bytes);
            PathBuf::from(format!("/tmp/plaza-{}-{:016x}", user.uid, hasher.finish()))
        };
        Self { folder, in_cluster }
    }

    /// Return the folder as an argument for the server, whose working folder is its cluster.
    pub(super) fn argument(&self) -> &OsStr {
        if self.in_cluster { OsStr::new(".") } else { self.folder.as_os_str() }
    }

    /// Create the folder, and make sure that it belongs to the server's user: any user may create files under `/tmp`.
    pub(super) fn prepare(&self, user: &User) -> Result<(), Error> {
        if self.in_cluster {
            return Ok(());
        }
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error::io("create", &self.folder)(error));
            }
            _ => {}
        }
        let mut found = fs::symlink_metadata(&self.folder).map_err(error::io("read", &self.folder))?;
        if found.is_dir() && found.uid() == 0 && effective_uid() == 0 {
            lchown(&self.folder, Some(user.uid), Some(user.gid))
                .map_err(error::io("change the owner of", &self.folder))?;
            found = fs::symlink_metadata(&self.folder).map_err(error::io("read", &self.folder))?;
        }
        if found.is_dir() && found.uid() == user.uid && found.mode().trailing_zeros() >= 6 {
            return Ok(());
        }
        Err(Error::SocketFolder { path: self.folder.clone(), owner: user.name.clone() })
    }

    /// Remove what a killed server left. The caller must hold the lock, and every process of that server must be gone.
    pub(super) fn clear(&self, cluster: &Path) -> Result<(), Error> {
        let socket = self.folder.join(format!(".s.PGSQL.{PORT}"));
        let lock = self.folder.join(format!(".s.PGSQL.{PORT}.lock"));
        for file in [cluster.join("postmaster.pid"), socket, lock] {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error::io("remove", &file)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Remove the folder under `/tmp` after the server has ended; a folder that still holds something stays.
    pub(super) fn remove(&self) {
        if !self.in_cluster {
            drop(fs::remove_dir(&self.folder));
        }
    }

    pub(super) fn url(&self) -> String {
        url(&self.folder)
    }
}

/// What a running server reports about itself in `postmaster.pid`.
pub(super) struct Status {
    pub(super) pid: u32,
    pub(super) ready: bool,
    socket: OsString,
}

impl Status {
    /// Read the status; `None` while the file does not exist or is incomplete.
    pub(super) fn read(cluster: &Path) -> Result<Option<Self>, Error> {
        let path = cluster.join("postmaster.pid");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error::io("read", &path)(error)),
        };
        Ok(Self::parse(&text))
    }

    /// Parse the file: line 1 is the process, line 5 the socket's folder, line 8 the state of the server.
    fn parse(text: &[u8]) -> Option<Self> {
        let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
        Some(Self {
            pid: std::str::from_utf8(lines.first()?).ok()?.trim().parse().ok()?,
            socket: OsString::from_vec(lines.get(4)?.to_vec()),
            ready: lines.get(7)?.trim_ascii() == b"ready",
        })
    }

    pub(super) fn url(&self, cluster: &Path) -> String {
        if self.socket == "." { url(cluster) } else { url(Path::new(&self.socket)) }
    }
}

/// Return a URL for libpq. Every byte of the folder that might have another meaning is written as `%XX`.
fn url(folder: &Path) -> String {
    let mut url = format!("postgresql://{ROLE}@/{DATABASE}?host=");
    for &byte in folder.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            write!(url, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    url.push_str("&port=");
    url.push_str(PORT);
    url
}

/// FNV-1a: the folder under `/tmp` must have the same name in every build, which std's hasher does not promise.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leaves_nothing_to_be_misread() {
        assert_eq!(
            url(Path::new("/srv/my data/é&?")),
            "postgresql://plaza@/plaza?host=%2Fsrv%2Fmy%20data%2F%C3%A9%26%3F&port=5432"
        );
    }

    #[test]
    fn a_long_path_or_one_with_a_comma_moves_the_socket() {
        let user = User { uid: 7, gid: 7, name: "ana".to_owned() };
        let long = format!("/{}", "x".repeat(85));
        for (cluster, stays) in [("/srv/plaza", true), ("/srv/a,b", false), (long.as_str(), false)] {
            assert_eq!(Socket::of(Path::new(cluster), &user).in_cluster, stays, "{cluster}");
        }
    }

    #[test]
    fn an_unfinished_pid_file_is_none() {
        assert!(Status::parse(b"12\n/data\n").is_none());
        let whole = Status::parse(b"12\n/data\n17\n5432\n.\n\n 1 2\nready   \n").expect("eight lines");
        assert!(whole.ready && whole.pid == 12);
        assert_eq!(whole.url(Path::new("/d")), url(Path::new("/d")));
    }
}
