//! Where files are kept: in a local folder or an S3 bucket, behind one code path.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path as FsPath, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    Attribute, Attributes, ClientConfigKey, GetOptions, GetResult, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, RetryConfig,
};
use plaza_image::Format;
use prometheus_client::metrics::counter::Counter;

use crate::error::{Code, Error};

/// The `Cache-Control` of a file whose key is never used again.
pub const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Where pictures are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreLocation {
    /// A folder on this machine.
    File(PathBuf),
    /// A bucket, and the prefix of the keys in it, which may be empty.
    S3 {
        /// The name of the bucket.
        bucket: String,
        /// The prefix of every key, without slashes at either end.
        prefix: String,
    },
}

impl FromStr for StoreLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest
                    .trim_start_matches('/')
                    .split_once('/')
                    .unwrap_or((rest.trim_start_matches('/'), ""));
                if bucket.is_empty() {
                    return Err("must name a bucket, as in s3://BUCKET/PREFIX".into());
                }
                Ok(Self::S3 { bucket: bucket.into(), prefix: prefix.trim_matches('/').into() })
            }
            _ => Err("must be file:FOLDER or s3://BUCKET/PREFIX".into()),
        }
    }
}

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    /// The folder of a local store.
    folder: Option<PathBuf>,
    requests: Counter,
}

/// A file in the list of all files.
#[derive(Clone, Debug)]
pub struct ListResponse {
    /// The key.
    pub key: String,
    /// The size in bytes.
    pub size: u64,
}

/// How long after its last write an unfinished file counts as left behind.
const LEFT_BEHIND: Duration = Duration::from_hours(1);

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be created.
    #[error("cannot create the media folder {folder}: {source}")]
    Folder {
        /// The folder.
        folder: std::path::PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The error of the object store.
    #[error(transparent)]
    Store(#[from] object_store::Error),
    /// The store accepted a file, but does not return it.
    #[error("the store lost or changed a file that was just written")]
    Lost,
    /// The error of the file system of a local folder.
    #[error("cannot use the media folder: {0}")]
    Files(io::Error),
}

/// How often a file is written again if its folder disappears in the meantime.
const TRIES: u32 = 10;

/// Whether something was not found, however deep in the chain of causes that is reported.
fn is_not_found(error: &object_store::Error) -> bool {
    let chain = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    chain
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == ErrorKind::NotFound)
}

impl Store {
    /// Open the store. A local folder is created if it is missing. A bucket must exist; it is accessed when it is used, as the
    /// `AWS_…` variables in `aws` say. `requests` counts the requests to the store.
    pub fn open(
        location: &StoreLocation,
        aws: &[(String, String)],
        requests: Counter,
    ) -> Result<Self, StoreError> {
        match location {
            StoreLocation::File(folder) => {
                std::fs::create_dir_all(folder)
                    .map_err(|source| StoreError::Folder { folder: folder.clone(), source })?;
                // Without fsync, a file whose row exists could be gone after a power cut.
                let local =
                    LocalFileSystem::new_with_prefix(folder)?.with_fsync(true).with_automatic_cleanup(true);
                Ok(Self { inner: Arc::new(local), folder: Some(folder.clone()), requests })
            }
            StoreLocation::S3 { bucket, prefix } => {
                // A client is waiting, so an unreachable store must be reported soon.
                let retry = RetryConfig {
                    max_retries: 2,
                    retry_timeout: Duration::from_secs(5),
                    ..RetryConfig::default()
                };
                let client = |key, value| (AmazonS3ConfigKey::Client(key), value);
                let s3 = [
                    client(ClientConfigKey::ConnectTimeout, "2 seconds"),
                    client(ClientConfigKey::Timeout, "20 seconds"),
                    // Only an AWS_ENDPOINT_URL that says so is accessed without TLS.
                    client(ClientConfigKey::AllowHttp, "true"),
                ]
                .into_iter()
                .fold(builder(aws), |builder, (key, value)| builder.with_config(key, value))
                .with_bucket_name(bucket)
                .with_retry(retry)
                .build()?;
                let inner: Arc<dyn ObjectStore> = if prefix.is_empty() {
                    Arc::new(s3)
                } else {
                    Arc::new(PrefixStore::new(s3, prefix.as_str()))
                };
                Ok(Self { inner, folder: None, requests })
            }
        }
    }

    /// Write a file, unless it exists. No key is used for two contents, so an existing file is this one, written by an attempt
    /// whose answer was lost. The local store writes to another name and links the file, so no reader sees half a file. The file
    /// is durable when this returns.
    pub async fn put(&self, key: &str, bytes: Bytes, format: Format) -> Result<(), StoreError> {
        let mut options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        // A local folder has nowhere to keep attributes, and returns an error.
        if self.folder.is_none() {
            options.attributes = Attributes::from_iter([
                (Attribute::ContentType, format.content_type()),
                (Attribute::CacheControl, IMMUTABLE),
            ]);
        }
        self.requests.inc();
        let (path, mut tries) = (path(key)?, 0);
        loop {
            match self.inner.put_opts(&path, bytes.clone().into(), options.clone()).await {
                Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => return Ok(()),
                // Removing the last file of a local folder removes the folder too, even while this file is being written to it.
                Err(error) if self.folder.is_some() && tries < TRIES && is_not_found(&error) => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Return a file, or a part of it; `None` if it does not exist.
    pub async fn get(&self, key: &str, options: GetOptions) -> Result<Option<GetResult>, StoreError> {
        let Ok(path) = Path::parse(key) else { return Ok(None) };
        self.requests.inc();
        match self.inner.get_opts(&path, options).await {
            Ok(result) => Ok(Some(result)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Return all of a file that has at most `most` bytes; `None` if there is none.
    pub async fn read(&self, key: &str, most: u64) -> Result<Option<Bytes>, StoreError> {
        match self.get(key, GetOptions::default()).await? {
            Some(result) if result.meta.size <= most => Ok(Some(result.bytes().await?)),
            _ => Ok(None),
        }
    }

    /// Whether a file exists.
    pub async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.get(key, GetOptions { head: true, ..GetOptions::default() }).await?.is_some())
    }

    /// List every file, in no particular order.
    pub fn list(&self) -> impl Stream<Item = Result<ListResponse, StoreError>> + Unpin {
        self.requests.inc();
        self.inner.list(None).map(|listed| {
            let meta = listed?;
            Ok(ListResponse { key: meta.location.to_string(), size: meta.size })
        })
    }

    /// Remove a file, and what a crash in the middle of its writing left beside it. It is not an error if the file does not
    /// exist.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.requests.inc();
        match self.inner.delete(&path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let Some(folder) = &self.folder else { return Ok(()) };
        let file = folder.join(key);
        blocking(move || {
            remove_asides(&file)?;
            // Otherwise a power cut could bring back the file, which is no longer used.
            sync_folder(file.parent().unwrap_or(&file))
        })
        .await
    }

    /// Remove what a crash in the middle of its writing left beside a file that has been written since.
    pub async fn tidy(&self, key: &str) -> Result<(), StoreError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let file = folder.join(key);
        blocking(move || remove_asides(&file)).await
    }

    /// Return what crashes left in a local store and no node will finish. Remove it, unless this is a rehearsal.
    pub async fn unfinished(&self, is_rehearsal: bool) -> Result<Vec<String>, StoreError> {
        let Some(folder) = self.folder.clone() else { return Ok(Vec::new()) };
        blocking(move || {
            let mut found = Vec::new();
            let mut folders = vec![folder.clone()];
            while let Some(next) = folders.pop() {
                // Nodes write and remove files meanwhile: a file that is gone before it is looked at was not left behind.
                let Some(entries) = unless_gone(next.read_dir())? else { continue };
                for entry in entries {
                    let Some(entry) = unless_gone(entry)? else { continue };
                    let Some(kind) = unless_gone(entry.file_type())? else { continue };
                    let path = entry.path();
                    if kind.is_dir() {
                        folders.push(path);
                    } else if is_aside(&path) && unless_gone(is_old(&path))?.unwrap_or(false) {
                        found.push(path.strip_prefix(&folder).unwrap_or(&path).display().to_string());
                        if !is_rehearsal {
                            unless_gone(fs::remove_file(&path))?;
                        }
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    /// Write, read and remove a small file, for `plaza check`.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let key = format!("probe/{}.jpg", uuid::Uuid::new_v4().simple());
        let probe = Bytes::from_static(b"probe");
        self.put(&key, probe.clone(), Format::Jpeg).await?;
        let read = self.read(&key, probe.len() as u64).await?;
        self.delete(&key).await?;
        if read.as_ref() == Some(&probe) { Ok(()) } else { Err(StoreError::Lost) }
    }
}

fn path(key: &str) -> Result<Path, StoreError> {
    Ok(Path::parse(key).map_err(object_store::Error::from)?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    #[expect(clippy::disallowed_methods, reason = "a few system calls, as object_store itself makes them")]
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).flatten().map_err(StoreError::Files)
}

/// Remove the unfinished versions of a file. The local store writes to `NAME#1` first, or to the next number that is free.
fn remove_asides(file: &FsPath) -> io::Result<()> {
    for number in 1.. {
        let mut aside = file.as_os_str().to_owned();
        aside.push(format!("#{number}"));
        match fs::remove_file(FsPath::new(&aside)) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn sync_folder(folder: &FsPath) -> io::Result<()> {
    match fs::File::open(folder) {
        Ok(folder) => folder.sync_all(),
        // It was the last file, and its folder was deleted with it.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Return `None` if the file does not exist any more.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether this is a file that the local store writes to until it is complete.
fn is_aside(path: &FsPath) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether no node can still be writing to it. A file dated in the future, because a clock was set back, counts as new.
fn is_old(path: &FsPath) -> io::Result<bool> {
    Ok(path.metadata()?.modified()?.elapsed().unwrap_or_default() > LEFT_BEHIND)
}

/// Return what `AmazonS3Builder::from_env` makes of the same variables: unknown variables are ignored.
fn builder(aws: &[(String, String)]) -> AmazonS3Builder {
    let known = aws.iter().filter_map(|(name, value)| {
        let key: AmazonS3ConfigKey = name.to_ascii_lowercase().parse().ok()?;
        Some((key, value))
    });
    known.fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value))
}

/// Log that the store does not do what it is asked, and return 503.
pub fn unavailable(error: &StoreError) -> Error {
    tracing::error!(cause = %error, "the store cannot be reached");
    Error::unavailable(Code::StoreUnavailable, 5)
}
