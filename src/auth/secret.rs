//! The one secret that all nodes share, and the keys that are derived from it.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use aws_lc_rs::{hkdf, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Minimum number of characters of a secret that an administrator chooses.
const MIN_CHARACTERS: usize = 32;

/// The secret. It is never used as a key directly: each use derives its own key.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// Why there is no usable secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The given secret is so short that it can be guessed.
    #[error(
        "PLAZA_SECRET_KEY has {0} characters, but must have at least {MIN_CHARACTERS}. Generate one with `openssl rand -base64 48`"
    )]
    TooShort(usize),
    /// The file in the data folder cannot be read or created.
    #[error("cannot read or create the secret key in {path}: {source}")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The cause of the failure.
        source: std::io::Error,
    },
}

impl Secret {
    /// Return the given secret, or else the one in `data_dir/keys/secret.key`. Creates that file if it does not exist.
    pub fn load(given: Option<String>, data_dir: &Path) -> Result<Self, SecretError> {
        let text = if let Some(text) = given {
            text
        } else {
            let path = data_dir.join("keys").join("secret.key");
            read_or_make(data_dir, &path).map_err(|source| SecretError::File { path, source })?
        };
        let text = text.trim();
        if text.chars().count() < MIN_CHARACTERS {
            return Err(SecretError::TooShort(text.chars().count()));
        }
        Ok(Self(text.as_bytes().to_vec()))
    }

    /// Return the secret as [`Secret::load`] does, but create nothing: `None` if there is no secret yet.
    pub fn find(given: Option<String>, data_dir: &Path) -> Result<Option<Self>, SecretError> {
        if given.is_none() && !data_dir.join("keys").join("secret.key").exists() {
            return Ok(None);
        }
        Self::load(given, data_dir).map(Some)
    }

    /// Derive a key for one purpose: HKDF-SHA256 (RFC 5869) with the purpose as `info`.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let info = [purpose.as_bytes()];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"plaza")
            .extract(&self.0)
            .expand(&info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("HKDF-SHA256 yields 32 bytes");
        key
    }
}

/// Read the secret at `path`, or create the file. The file appears complete or not at all: it is written under another name and
/// then linked. The link fails if another node on the same folder was faster; then this node uses that node's secret.
fn read_or_make(data_dir: &Path, path: &Path) -> std::io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        result => return result,
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut bytes = [0; 48];
    rand::fill(&mut bytes).map_err(|_| std::io::Error::other("the system provides no random bytes"))?;
    let aside = folder.join(format!(".secret.{}", uuid::Uuid::new_v4().simple()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    writeln!(file, "{}", URL_SAFE_NO_PAD.encode(bytes))?;
    file.sync_all()?;
    for made in [folder, &aside] {
        give_to_owner_of(data_dir, made)?;
    }
    let linked = fs::hard_link(&aside, path);
    fs::remove_file(&aside)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::File::open(folder)?.sync_all()?;
    fs::read_to_string(path)
}

/// Give a file that root created to the owner of the data folder, who may want to run the program later without root.
pub(crate) fn give_to_owner_of(data_dir: &Path, made: &Path) -> std::io::Result<()> {
    let (owner, own) = (fs::metadata(data_dir)?, fs::metadata(made)?);
    if owner.uid() == own.uid() { Ok(()) } else { chown(made, Some(owner.uid()), Some(owner.gid())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secret::load(None, folder.path()).unwrap();
        let second = Secret::load(None, folder.path()).unwrap();
        assert_eq!(first.derive("x"), second.derive("x"));
        assert_ne!(first.derive("x"), first.derive("y"));
        let names: Vec<_> =
            fs::read_dir(folder.path().join("keys")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["secret.key"]);
    }

    #[test]
    fn a_short_one_is_refused() {
        let error = Secret::load(Some("hunter2".into()), Path::new("/nowhere"));
        assert!(matches!(error, Err(SecretError::TooShort(7))));
    }
}
