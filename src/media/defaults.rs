//! Pictures of those who have none: drawn or shipped with the program, so that nothing can delete them.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use plaza_image::{self as image, Encoded, Format, Rejected, Resize};
use tokio::sync::Semaphore;

use super::limits::{LIMITS, MASTER_SIDE};
use super::variants::Variant;
use crate::error::{Code, Error, Result};
use crate::metrics::{Counted, Load};
use crate::workers::{Priority, Workers};

/// How many files are kept ready, most of them of some kilobytes.
const KEPT: usize = 512;
/// Threads that draw.
pub const PAINTERS: usize = 1;
/// How many are queued to be drawn.
const QUEUED: usize = 64;
/// The side of a default avatar that variants are derived from, in pixels.
const AVATAR_SIDE: u32 = 512;
/// Of avatars.
pub const AVATAR_FORMATS: [Format; 2] = [Format::WebP, Format::Jpeg];
/// The key of the default cover, which is no file of the store.
pub const COVER_KEY: &str = "covers/nocover.png";
/// The default cover.
pub const COVER: &[u8] = include_bytes!("../../media/covers/nocover.png");
/// Its size in pixels.
pub const COVER_SIZE: (u32, u32) = (1280, 720);
/// Its preview.
pub const COVER_BLURHASH: &str = "LdO;6]xut6xu~pj[WBofIVfQWBWB";

/// Draws, and keeps what was drawn. Clones share it.
#[derive(Clone)]
pub struct Defaults {
    /// They are drawn for anybody, so they have a queue of their own and never keep an upload waiting.
    painter: Workers,
    places: Arc<Semaphore>,
    wait: Duration,
    drawn: Arc<Mutex<LruCache<String, Bytes>>>,
}

impl Defaults {
    /// Start the thread, with this priority but never behind `Low`, since a page that is being looked at shows these pictures. A
    /// request that waits longer than `wait` for a place in the queue is 503; `load` counts the thread's jobs.
    pub fn start(priority: Priority, wait: Duration, load: Load) -> Result<Self> {
        let kept = NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            painter: Workers::start("painter", PAINTERS, QUEUED, priority.min(Priority::Low), load)
                .map_err(Error::internal)?,
            places: Arc::new(Semaphore::new(QUEUED)),
            wait,
            drawn: Arc::new(Mutex::new(LruCache::new(kept))),
        })
    }

    /// A file of the avatar that is drawn from a username: the same bytes for the same name.
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

    /// A variant of the default cover.
    pub async fn cover(&self, variant: &Variant, format: Format) -> Result<Bytes> {
        let resize = variant.resize;
        let key = format!("{}.{}", variant.name, format.extension());
        let draw = move || {
            // The picture that is shipped is one: the test below reads it.
            let cover = image::decode(COVER, &LIMITS, MASTER_SIDE)?;
            Ok(cover.variant(resize)?.encode(format)?)
        };
        self.draw(key, draw).await
    }

    async fn draw(
        &self,
        key: String,
        draw: impl FnOnce() -> Result<Encoded, Rejected> + Send + 'static,
    ) -> Result<Bytes> {
        let drawn = || self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = drawn().get(&key).cloned();
        if let Some(bytes) = kept {
            return Ok(bytes);
        }
        // They wait in order of arrival, and a queue that is full refuses nobody at once.
        let load = self.painter.load();
        let waiting = Counted::new(&load.waiting);
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

/// What a variant of a default avatar measures.
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
