//! Finds pictures that an earlier version damaged. If the original is intact, the picture is then shown under another name with
//! new variants.
//!
//! URLs are immutable, and browsers and CDNs keep what they refer to for a year, so a damaged variant is not written again under
//! its own URL. The picture gets another key instead: what shows it is updated in one transaction, and the database has the old
//! files removed and reports it.

use diesel::result::Error::RollbackTransaction;
use plaza_image::{self as image, EncodedPicture, Picture as Pixels};

use super::Media;
use super::limits::{LIMITS, MASTER_SIDE};
use super::store::unavailable;
use super::upload::{self, RenderedPicture};
use super::variants::{self, Key, PicturePurpose};
use crate::error::{Error, Result};
use crate::models::file::File;
use crate::models::picture::Picture;

/// Size in bytes of the largest file that Plaza writes: a PNG of pixels that do not compress.
const LARGEST_FILE: u64 = MASTER_SIDE as u64 * MASTER_SIDE as u64 * 5;

/// What is wrong with a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PictureReport {
    /// Why the original cannot be read, if it cannot.
    pub unreadable: Option<String>,
    /// Number of empty lines along the original's edges, if the original was scaled down when it was stored.
    pub empty_lines: u32,
    /// Keys of the variants that lost rows, with the number of these rows.
    pub variants: Vec<(String, u32)>,
}

impl Media {
    /// Compare a picture's variants with its original, and check whether the original was stored with empty lines.
    pub async fn check(&self, picture: &Picture) -> Result<PictureReport> {
        let Some((_, pixels, _share)) = self.original(picture).await? else {
            let unreadable = Some("its file is missing from the store, or is no longer a picture".to_owned());
            return Ok(PictureReport { unreadable, ..PictureReport::default() });
        };
        // A picture that was stored as it came was not resampled.
        let was_scaled = pixels.width().max(pixels.height()) == MASTER_SIDE;
        let empty_lines = if was_scaled { pixels.lines_lost() } else { 0 };
        let mut found = PictureReport { empty_lines, ..PictureReport::default() };
        let key = picture.key.clone();
        let keys = self.db.run(move |conn| Ok(File::of_picture(conn, &key)?)).await?;
        for key in keys {
            let lost = self.lost_rows(picture, &pixels, &key).await?;
            if lost > 0 {
                found.variants.push((key, lost));
            }
        }
        Ok(found)
    }

    async fn lost_rows(&self, picture: &Picture, original: &Pixels, key: &str) -> Result<u32> {
        let purpose: Option<PicturePurpose> = picture.purpose.parse().ok();
        let name = Key::parse(key).and_then(|key| key.variant);
        // A size that the settings no longer name cannot be compared.
        let named = purpose.zip(name).and_then(|(purpose, name)| self.kinds.of(purpose).variant(name));
        let Some(variant) = named else { return Ok(0) };
        let Some(bytes) = self.store.read(key, LARGEST_FILE).await.map_err(|error| unavailable(&error))?
        else {
            return Ok(0);
        };
        let (original, resize) = (original.clone(), variant.resize);
        let compare = move || {
            let Ok(shown) = image::decode(&bytes, &LIMITS, MASTER_SIDE) else { return Ok(u32::MAX) };
            Ok(shown.lost_rows(&original.variant(resize)?))
        };
        self.workers.run(compare).await?.map_err(|fault: image::Fault| Error::internal(fault))
    }

    /// Give a picture another key, and make all its variants again under it. Return the new key, or `None` if the original
    /// is gone or is not a picture. Fails if nothing shows the picture any more.
    pub async fn renew(&self, picture: &Picture) -> Result<Option<String>> {
        let unknown = |()| Error::internal(format!("a picture has the unknown purpose {}", picture.purpose));
        let purpose: PicturePurpose = picture.purpose.parse().map_err(unknown)?;
        let Some((bytes, pixels, share)) = self.original(picture).await? else { return Ok(None) };
        let kinds = self.kinds.clone();
        let format = variants::format_of(&picture.key);
        let render = move || -> Result<RenderedPicture> {
            let (width, height) = (pixels.width(), pixels.height());
            let master = EncodedPicture { bytes: bytes.to_vec(), format, width, height };
            upload::finished(&pixels, master, kinds.of(purpose), image::Effort::Full, share)
        };
        let rendered = self.workers.run(render).await??;
        let old = picture.key.clone();
        let stored = self.store_rendered(rendered, purpose).await?;
        let record = stored.record();
        let renewed = self.db.transaction(move |conn| {
            let new = record.insert(conn)?.to_owned();
            if Picture::replace(conn, &old, &new)? { Ok(Some(new)) } else { Err(RollbackTransaction.into()) }
        });
        let renewed = renewed.await;
        stored.settle(renewed.is_ok()).await;
        renewed
    }

    /// Return the bytes and the pixels of an original, and the permit for the memory that they take. `None` if its file is gone,
    /// or is not a picture.
    async fn original(
        &self,
        picture: &Picture,
    ) -> Result<Option<(bytes::Bytes, Pixels, tokio::sync::OwnedSemaphorePermit)>> {
        let size = (picture.width.unsigned_abs(), picture.height.unsigned_abs());
        let share = self.budget.reserve(image::memory_of_original(size) * 3).await?;
        let found = self.store.read(&picture.key, LARGEST_FILE).await.map_err(|error| unavailable(&error))?;
        let Some(bytes) = found else { return Ok(None) };
        let decode = move || {
            let pixels = image::decode(&bytes, &LIMITS, MASTER_SIDE).ok()?;
            Some((bytes, pixels, share))
        };
        self.workers.run(decode).await
    }
}
