//! Where files are kept: a local folder or an S3 bucket, behind one code path.

use std::path::Path as FsPath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    Attribute, Attributes, ClientConfigKey, GetOptions, GetResult, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, RetryConfig,
};

use super::image::Format;
use crate::config::StoreLocation;

/// What a client may do with a file whose key is never used again.
pub const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    takes_attributes: bool,
}

/// A store that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made.
    #[error("cannot make the media folder {folder}: {source}")]
    Folder {
        /// Which.
        folder: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store's own words.
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

impl Store {
    /// Open the store. A local folder is made if it is absent; a bucket must be there, and is asked for when it is used.
    pub fn open(location: &StoreLocation) -> Result<Self, StoreError> {
        match location {
            StoreLocation::File(folder) => {
                std::fs::create_dir_all(folder)
                    .map_err(|source| StoreError::Folder { folder: folder.clone(), source })?;
                // Without fsync, a file could be gone after a power cut whose row is there.
                let local = LocalFileSystem::new_with_prefix(FsPath::new(folder))?.with_fsync(true);
                Ok(Self { inner: Arc::new(local), takes_attributes: false })
            }
            StoreLocation::S3 { bucket, prefix } => {
                // A client waits meanwhile, so a store that is away is told soon.
                let retry = RetryConfig {
                    max_retries: 2,
                    retry_timeout: Duration::from_secs(5),
                    ..RetryConfig::default()
                };
                let client = |key, value| (AmazonS3ConfigKey::Client(key), value);
                let s3 = [
                    client(ClientConfigKey::ConnectTimeout, "2 seconds"),
                    client(ClientConfigKey::Timeout, "20 seconds"),
                    // Only an AWS_ENDPOINT_URL that says so is spoken to without TLS.
                    client(ClientConfigKey::AllowHttp, "true"),
                ]
                .into_iter()
                .fold(AmazonS3Builder::from_env(), |builder, (key, value)| builder.with_config(key, value))
                .with_bucket_name(bucket)
                .with_retry(retry)
                .build()?;
                let inner: Arc<dyn ObjectStore> = if prefix.is_empty() {
                    Arc::new(s3)
                } else {
                    Arc::new(PrefixStore::new(s3, prefix.as_str()))
                };
                Ok(Self { inner, takes_attributes: true })
            }
        }
    }

    /// Write a file that is not there yet. The local store writes aside and links, so nobody sees half a file.
    pub async fn put(&self, key: &str, bytes: Bytes, format: Format) -> Result<(), StoreError> {
        let mut options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        // A local folder has nowhere to keep them and says so with an error.
        if self.takes_attributes {
            options.attributes = Attributes::from_iter([
                (Attribute::ContentType, format.content_type()),
                (Attribute::CacheControl, IMMUTABLE),
            ]);
        }
        self.inner
            .put_opts(&Path::parse(key).map_err(object_store::Error::from)?, bytes.into(), options)
            .await?;
        Ok(())
    }

    /// A file, or a part of it; `None` if it is not there.
    pub async fn get(&self, key: &str, options: GetOptions) -> Result<Option<GetResult>, StoreError> {
        let Ok(path) = Path::parse(key) else { return Ok(None) };
        match self.inner.get_opts(&path, options).await {
            Ok(result) => Ok(Some(result)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Remove a file; no error if it is not there.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        match self.inner.delete(&Path::parse(key).map_err(object_store::Error::from)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Write, read and remove a small file: for `plaza check`.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let key = format!("probe/{}.jpg", uuid::Uuid::new_v4().simple());
        self.put(&key, Bytes::from_static(b"probe"), Format::Jpeg).await?;
        self.get(&key, GetOptions::default()).await?;
        self.delete(&key).await
    }
}
