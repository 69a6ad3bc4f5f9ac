//! The pictures of users and posts that have none. They are drawn, or shipped with the program, so nothing can delete them.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use plaza_image::{self as image, EncodedPicture, Format, Rejection, Resize};
use tokio::sync::Semaphore;

use super::limits::{LIMITS, MASTER_SIDE};
use super::variants::Variant;
use crate::error::{Code, Error, Result};
use crate::metrics::{GaugeGuard, WorkerMetrics};
use crate::workers::{Priority, Workers};

/// Number of files that are cached. Most of them have some kilobytes.
const KEPT: usize = 512;
/// Number of threads that draw.
pub const PAINTERS: usize = 1;
/// Maximum number of pictures that are queued to be drawn.
const QUEUED: usize = 64;
/// Side in pixels of the default avatar from which variants are made.
const AVATAR_SIDE: u32 = 512;
/// The formats of default avatars.
pub const AVATAR_FORMATS: [Format; 2] = [Format::WebP, Format::Jpeg];
/// The key of the default cover, which is not a file of the store.
pub const COVER_KEY: &str = "covers/nocover.png";
/// The default cover.
pub const COVER: &[u8] = include_bytes!("../../media/covers/nocover.png");
/// The size of the default cover in pixels.
pub const COVER_SIZE: (u32, u32) = (1280, 720);
/// The preview of the default cover, as a blurhash.
pub const COVER_BLURHASH: &str = "LdO;6]xut6xu~pj[WBofIVfQWBWB";

/// Draws default pictures, and caches them. Clones share the cache.
#[derive(Clone)]
pub struct Defaults {
    /// Default pictures are drawn for any client, so they have their own queue and never keep an upload waiting.
    painter: Workers,
    places: Arc<Semaphore>,
    wait: Duration,
    drawn: Arc<Mutex<LruCache<String, Bytes>>>,
}

impl Defaults {
    /// Start the thread with this priority, but never with one below `Low`, since a page that a user is looking at shows these
    /// pictures. A request that waits longer than `wait` for a place in the queue gets 503. `load` counts the thread's jobs.
    pub fn start(priority: Priority, wait: Duration, load: WorkerMetrics) -> Result<Self> {
        let kept = NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            painter: Workers::start("painter", PAINTERS, QUEUED, priority.min(Priority::Low), load)
                .map_err(Error::internal)?,
            places: Arc::new(Semaphore::new(QUEUED)),
            wait,
            drawn: Arc::new(Mutex::new(LruCache::new(kept))),
        })
    }

    /// Return a file of the avatar that is drawn from a username: the same bytes for the same name.
    pub async fn avatar(&self, username: &str, variant: &Variant, format: Format) -> Result<Bytes> {
        let (name, resize) = (username.to_owned(), variant.resize);
        let key = format!("{}.{}/{username}", variant.name, format.extension());
        let draw = move || {
            Ok(match avatar_size(resize) {
                (width, height) if width == height => image::default_avatar(&name, width).encode(format)?,
                _ => image::default_avatar(&name, AVATAR_SIDE).variant(resize)?.encode(format)?,
            })
        };
        self.draw(key, draw).await
    }

    /// Return a variant of the default cover.
    pub async fn cover(&self, variant: &Variant, format: Format) -> Result<Bytes> {
        let resize = variant.resize;
        let key = format!("{}.{}", variant.name, format.extension());
        let draw = move || {
            // The shipped file is a picture: the test below reads it.
            let cover = image::decode(COVER, &LIMITS, MASTER_SIDE)?;
            Ok(cover.variant(resize)?.encode(format)?)
        };
        self.draw(key, draw).await
    }

    async fn draw(
        &self,
        key: String,
        draw: impl FnOnce() -> Result<EncodedPicture, Rejection> + Send + 'static,
    ) -> Result<Bytes> {
        let drawn = || self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = drawn().get(&key).cloned();
        if let Some(bytes) = kept {
            return Ok(bytes);
        }
        // Requests wait in order of arrival, and no request fails immediately because the queue is full.
        let load = self.painter.load();
        let waiting = GaugeGuard::new(&load.waiting);
        let place = tokio::time::timeout(self.wait, self.places.acquire()).await;
        drop(waiting);
        let place = place.map_err(|_| {
            load.refused.inc();
            Error::unavailable(Code::Busy, 1)
        })?;
        let _place = place.map_err(Error::internal)?;
        let bytes = Bytes::from(self.painter.run(draw).await?.map_err(Error::internal)?.bytes);
        drawn().put(key, bytes.clone());
        Ok(bytes)
    }
}

/// Return the size of a variant of a default avatar.
pub fn avatar_size(resize: Resize) -> (u32, u32) {
    resize.size(AVATAR_SIDE, AVATAR_SIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_cover_is_what_is_said_of_it() {
        let cover = image::decode(COVER, &LIMITS, MASTER_SIDE).expect("a picture");
        assert_eq!((cover.width(), cover.height()), COVER_SIZE);
        assert_eq!(cover.blurhash().as_deref(), Ok(COVER_BLURHASH));
    }
}
