//! The store of a test: its own folder or bucket.

use std::path::PathBuf;

use object_store::aws::AmazonS3Builder;
use object_store::{Attributes, GetOptions, ObjectStore};
use tempfile::TempDir;

use crate::buckets::{Bucket, S3Server, files_below};

/// The prefix of every key in a bucket.
const PREFIX: &str = "plaza/";

/// A place for files, which is deleted with its test.
pub enum Store {
    Folder(TempDir),
    Bucket {
        bucket: Bucket,
        /// The folder in which the bucket's server keeps it.
        _folder: TempDir,
    },
}

impl Store {
    pub fn folder() -> Self {
        Self::Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn bucket() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::Bucket { bucket: S3Server::start(folder.path()).bucket("pictures"), _folder: folder }
    }

    /// The location as for `--store`.
    pub fn location(&self) -> String {
        match self {
            Self::Folder(_) => format!("file:{}", self.media().display()),
            Self::Bucket { bucket, .. } => format!("s3://{}/{PREFIX}", bucket.name()),
        }
    }

    /// The `AWS_…` variables for the location.
    pub fn variables(&self) -> Vec<(String, String)> {
        match self {
            Self::Folder(_) => Vec::new(),
            Self::Bucket { bucket, .. } => bucket.variables(),
        }
    }

    /// The folder of the local store.
    pub fn media(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.path().join("media"),
            Self::Bucket { .. } => panic!("this test is about a folder"),
        }
    }

    /// The bucket of the other kind of store.
    pub fn as_bucket(&self) -> &Bucket {
        match self {
            Self::Folder(_) => panic!("this test is about a bucket"),
            Self::Bucket { bucket, .. } => bucket,
        }
    }

    /// The key of every file, sorted.
    pub fn files(&self) -> Vec<String> {
        match self {
            Self::Folder(_) => files_below(&self.media()),
            Self::Bucket { bucket, .. } => {
                let inside =
                    |key: String| key.strip_prefix(PREFIX).expect("a key behind the prefix").to_owned();
                bucket.objects().into_iter().map(inside).collect()
            }
        }
    }
}

/// The attributes that the bucket's server stores with a file.
pub async fn attributes(bucket: &Bucket, file: &str) -> Attributes {
    let known = bucket
        .variables()
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_lowercase().parse().ok()?, value)));
    let client = known
        .fold(AmazonS3Builder::new(), |builder, (name, value)| builder.with_config(name, value))
        .with_allow_http(true)
        .with_bucket_name(bucket.name())
        .build()
        .expect("a client");
    let head = GetOptions { head: true, ..GetOptions::default() };
    client.get_opts(&format!("{PREFIX}{file}").into(), head).await.expect("the file").attributes
}
