//! What is uploaded: pictures from the bytes of a client to files in the store.

pub mod image;
pub mod store;
pub mod variants;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use lru::LruCache;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::error::{Code, Error, Result, Violation};
use crate::models::picture::NewPicture;
use crate::workers::{Priority, Workers};
use image::{Encoded, Format, Header, Limits, Rejected};
use store::{Store, StoreError};
use variants::{Use, Variant};

/// Most pixels and longest side of a picture that is accepted.
pub const LIMITS: Limits = Limits { max_pixels: 40_000_000, max_side: 16_384 };
/// Longest side of a picture that is kept.
const MASTER_SIDE: u32 = 2048;
/// How long a picture waits for memory before its upload is told 503.
const MEMORY_WAIT: Duration = Duration::from_secs(10);
/// How many default avatars are kept ready, about 10 kB each.
const KEPT_DEFAULTS: usize = 512;

/// The store, and the threads and the memory that pictures in work may take. Clones share them.
#[derive(Clone)]
pub struct Media {
    store: Store,
    workers: Workers,
    /// Default avatars are drawn for anybody, so they have a queue of their own and never keep an upload waiting.
    painter: Workers,
    memory: Arc<Semaphore>,
    budget: u32,
    defaults: Arc<Mutex<LruCache<String, Bytes>>>,
}

/// The files of one picture, ready to be written.
struct Rendered {
    master: Encoded,
    blurhash: String,
    variants: Vec<(&'static str, Encoded)>,
}

impl Media {
    /// `memory` in MiB, `threads` that decode and encode.
    pub fn new(store: Store, memory: u32, threads: usize) -> Result<Self> {
        Ok(Self {
            store,
            workers: Workers::start("picture", threads, 64, Priority::Low).map_err(Error::internal)?,
            painter: Workers::start("painter", 1, 64, Priority::Low).map_err(Error::internal)?,
            memory: Arc::new(Semaphore::new(memory as usize)),
            budget: memory,
            defaults: Arc::new(Mutex::new(LruCache::new(
                NonZeroUsize::new(KEPT_DEFAULTS).unwrap_or(NonZeroUsize::MIN),
            ))),
        })
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Decode, set upright, strip and store a picture with its variants, and tell what to record. The files are durable
    /// when this returns; a row that names them may then be committed. `part` is where the client sent it.
    ///
    /// 415 for what is no picture, 422 for a damaged one or too many pixels, 503 when memory stays short or the store is
    /// away; the store is then as it was.
    pub async fn accept(&self, bytes: Bytes, part: &'static str, of: &'static Use) -> Result<NewPicture> {
        let header = image::inspect(&bytes, &LIMITS).map_err(|rejected| refusal(&rejected, part))?;
        let share = self.reserve(header).await?;
        let rendered = self.workers.run(move || (render(&bytes, part, of), share).0).await??;
        let key = new_key(of, rendered.master.format);
        let (blurhash, master) = (rendered.blurhash.clone(), &rendered.master);
        let picture = NewPicture {
            key: key.clone(),
            width: i32::try_from(master.width).map_err(Error::internal)?,
            height: i32::try_from(master.height).map_err(Error::internal)?,
            bytes: i64::try_from(master.bytes.len()).map_err(Error::internal)?,
            blurhash,
        };
        if let Err(error) = self.write(&key, rendered).await {
            self.remove(&key).await;
            return Err(unavailable(&error));
        }
        Ok(picture)
    }

    async fn write(&self, key: &str, rendered: Rendered) -> Result<(), StoreError> {
        for (name, file) in rendered.variants {
            let variant = variants::key_of(key, name, file.format);
            self.store.put(&variant, file.bytes.into(), file.format).await?;
        }
        self.store.put(key, rendered.master.bytes.into(), rendered.master.format).await
    }

    /// Remove a picture's files, which no row names any more. What cannot be removed now is left behind and logged.
    pub async fn remove(&self, key: &str) {
        for file in variants::files_of(key, &variants::AVATAR) {
            if let Err(error) = self.store.delete(&file).await {
                tracing::warn!(file, cause = %error, "a file could not be removed");
            }
        }
    }

    /// A file of the avatar that is drawn from a username: the same bytes for the same name, for ever.
    pub async fn default_avatar(&self, username: &str, variant: &Variant, format: Format) -> Result<Bytes> {
        let key = format!("{}.{}/{username}", variant.name, format.extension());
        let kept = self.defaults.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(bytes) = kept {
            return Ok(bytes);
        }
        let (username, size) = (username.to_owned(), variant.resize.size(1, 1).0);
        let drawn = self.painter.run(move || image::default_avatar(&username, size).encode(format)).await?;
        let encoded = drawn.map_err(Error::internal)?;
        let bytes = Bytes::from(encoded.bytes);
        self.defaults.lock().unwrap_or_else(PoisonError::into_inner).put(key, bytes.clone());
        Ok(bytes)
    }

    async fn reserve(&self, header: Header) -> Result<tokio::sync::OwnedSemaphorePermit> {
        let mebibytes = u32::try_from(header.memory().div_ceil(1 << 20)).unwrap_or(u32::MAX).min(self.budget);
        let permit = Arc::clone(&self.memory).acquire_many_owned(mebibytes);
        match tokio::time::timeout(MEMORY_WAIT, permit).await {
            Ok(permit) => permit.map_err(Error::internal),
            Err(_) => Err(Error::unavailable(Code::Busy, 5)),
        }
    }
}

fn render(bytes: &[u8], part: &str, of: &Use) -> Result<Rendered> {
    let picture = image::decode(bytes, &LIMITS, MASTER_SIDE).map_err(|rejected| refusal(&rejected, part))?;
    let master = picture.encode(picture.plain_format()).map_err(Error::internal)?;
    let mut files = Vec::new();
    for variant in of.variants {
        let resized = picture.variant(variant.resize);
        for format in variants::formats(master.format) {
            files.push((variant.name, resized.encode(format).map_err(Error::internal)?));
        }
    }
    Ok(Rendered { blurhash: picture.blurhash(), master, variants: files })
}

/// `avatars/2026/11/20/<128 random bits>.jpg`: never from the client's file name, never used twice.
fn new_key(of: &Use, format: Format) -> String {
    let folder = Utc::now().format(of.upload_to);
    format!("{folder}/{}.{}", uuid::Uuid::new_v4().simple(), format.extension())
}

fn unavailable(error: &StoreError) -> Error {
    tracing::error!(cause = %error, "the store cannot be reached");
    Error::unavailable(Code::StoreUnavailable, 5)
}

/// The accepted formats, for messages and for `listChoices`.
pub const ACCEPTED: [Format; 4] = [Format::Jpeg, Format::Png, Format::WebP, Format::Gif];

fn refusal(rejected: &Rejected, part: &str) -> Error {
    let detail = rejected.to_string();
    let (code, rule, params) = match rejected {
        Rejected::Unsupported => {
            let accepted: Vec<_> = ACCEPTED.iter().map(|format| format.content_type()).collect();
            (Code::UnsupportedPicture, "unsupported_picture", json!({ "accepted": accepted }))
        }
        Rejected::TooLarge { width, height } => {
            let params = json!({
                "width": width, "height": height, "max_pixels": LIMITS.max_pixels, "max_side": LIMITS.max_side
            });
            (Code::ImageTooLarge, "image_too_large", params)
        }
        Rejected::Corrupt(_) => (Code::ImageCorrupt, "image_corrupt", json!({})),
    };
    Error::violation(code, Violation::body(part, rule, detail).with(params))
}
