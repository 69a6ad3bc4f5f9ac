//! Plaza's data folder, and the paths in it that belong to PostgreSQL.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::error::{self, Error};

/// The absolute path of Plaza's data folder, and the paths in it that belong to PostgreSQL.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
    pub(super) cluster: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) log: PathBuf,
    /// Where a cluster is created, under another name until it is complete.
    pub(super) making: PathBuf,
}

impl Folder {
    /// Open the folder, and create it if it does not exist (0700: keys and mails lie beside the cluster).
    pub(super) fn make(path: &Path) -> Result<Self, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(error::io("create", path))?;
        Self::existing(path)
    }

    pub(super) fn existing(path: &Path) -> Result<Self, Error> {
        let root = path.canonicalize().map_err(error::io("find", path))?;
        Ok(Self {
            cluster: root.join("postgres"),
            lock: root.join("postgres.lock"),
            log: root.join("postgres.log"),
            making: root.join("postgres.new"),
            root,
        })
    }

    /// Return the user and the group that own the folder.
    pub(super) fn owner(&self) -> Result<(u32, u32), Error> {
        let root = fs::metadata(&self.root).map_err(error::io("read", &self.root))?;
        Ok((root.uid(), root.gid()))
    }

    /// Whether there is no cluster: the folder does not exist or is empty. A folder that cannot be read belongs to another user, so
    /// it is not blank.
    pub(super) fn is_blank(&self) -> bool {
        match fs::read_dir(&self.cluster) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Return the major version that created the cluster; `None` if there is none yet.
    pub(super) fn version(&self) -> Result<Option<u32>, Error> {
        if self.is_blank() {
            return Ok(None);
        }
        let file = self.cluster.join("PG_VERSION");
        let not_a_cluster = || Error::NotACluster { path: self.cluster.clone() };
        match fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_| not_a_cluster()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(not_a_cluster()),
            Err(source) => Err(error::io("read", &file)(source)),
        }
    }
}
