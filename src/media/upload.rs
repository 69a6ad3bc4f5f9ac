//! Uploads: from what a client sends to files that a row names.
//!
//! The files are announced in the database before they are written, and confirmed by the transaction that uses them.

use std::sync::Arc;

use plaza_image::{self as image, Effort, EncodedPicture, Header, Picture, Rejection};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::Media;
use super::limits::{ACCEPTED, LIMITS, MASTER_SIDE};
use super::spool::SpooledFile;
use super::store::{StoreError, unavailable};
use super::stored::{PictureRecord, StoredPicture};
use super::variants::{self, PictureKind, PicturePurpose, Variant};
use crate::config::time::to_time_delta;
use crate::error::{Code, Error, Result, Violation};
use crate::models::file::File;
use crate::models::picture::NewPicture;

/// The files of one picture, ready to be written.
pub(super) struct RenderedPicture {
    master: EncodedPicture,
    blurhash: String,
    variants: Vec<(String, EncodedPicture)>,
    /// As much of the memory as the files take, until they are written.
    share: OwnedSemaphorePermit,
}

impl Media {
    /// Decode a picture, turn it upright, strip it, and store it with the variants that are made at upload. The files are durable
    /// when this returns. Record them in a transaction, and then settle them. `part` is the part of the request in which the
    /// client sent the picture.
    ///
    /// 415 if the content is not a picture, 422 if it is damaged or has too many pixels, 503 if memory or threads stay short or
    /// the store is down. In these cases, nothing has changed.
    pub async fn store_picture(
        &self,
        content: SpooledFile,
        part: &'static str,
        purpose: PicturePurpose,
    ) -> Result<StoredPicture> {
        let rendered = self.render(content, part, purpose).await.inspect_err(|error| {
            self.metrics.pictures_refused.of(error.code().entry().name).inc();
        })?;
        self.store_rendered(rendered, purpose).await
    }

    /// Announce the files of a picture, and write them.
    pub(super) async fn store_rendered(
        &self,
        rendered: RenderedPicture,
        purpose: PicturePurpose,
    ) -> Result<StoredPicture> {
        let record = record(&rendered, self.kinds.of(purpose))?;
        let (keys, lease) = (record.keys.clone(), to_time_delta(self.upload_lease));
        self.db.transaction(move |conn| Ok(File::announce(conn, &keys, lease)?)).await?;
        let mut stored = StoredPicture::announced(self.clone(), record, purpose);
        match self.write(stored.keys(), rendered).await {
            Ok(()) => {
                stored.is_written = true;
                Ok(stored)
            }
            Err(error) => {
                stored.settle(false).await;
                Err(error)
            }
        }
    }

    async fn render(
        &self,
        mut content: SpooledFile,
        part: &'static str,
        purpose: PicturePurpose,
    ) -> Result<RenderedPicture> {
        let length = content.len() as u64;
        // To know what decoding will take, the header must be read, which takes memory itself. That memory is released in
        // between, or uploads whose header has been read could wait for each other.
        let share = self.budget.reserve(length).await?;
        let inspected = self.workers.run_within(self.timing.picture_wait, move || {
            let header = read(&mut content).and_then(|bytes| {
                image::inspect(&bytes, &LIMITS).map_err(|rejected| refusal(&rejected, part))
            });
            drop(share);
            header.map(|header| (content, header))
        });
        let (mut content, header) = inspected.await??;
        let price = |effort| length + price(&header, self.kinds.of(purpose), effort);
        let effort = self.budget.effort(price);
        let (price, all) = (price(effort), self.budget.all());
        if price > all {
            return Err(too_dear(part, price, all));
        }
        let share = self.budget.reserve(price).await?;
        let kinds = Arc::clone(&self.kinds);
        let rendered = self.workers.run_within(self.timing.picture_wait, move || {
            let bytes = read(&mut content)?;
            render(&bytes, part, kinds.of(purpose), effort, share)
        });
        rendered.await?
    }

    async fn write(&self, keys: &[String], rendered: RenderedPicture) -> Result<()> {
        let _share = rendered.share;
        let files =
            std::iter::once(rendered.master).chain(rendered.variants.into_iter().map(|(_, file)| file));
        let write = async {
            for (key, file) in keys.iter().zip(files) {
                self.store.put(key, file.bytes.into(), file.format).await?;
            }
            Ok::<(), StoreError>(())
        };
        // Well before the lease ends, so that nothing is written after its row was purged.
        match tokio::time::timeout(self.upload_lease / 2, write).await {
            Ok(written) => written.map_err(|error| unavailable(&error)),
            Err(_) => Err(Error::unavailable(Code::StoreUnavailable, 5)),
        }
    }
}

fn read(content: &mut SpooledFile) -> Result<bytes::Bytes> {
    content.read().map_err(Error::internal)
}

/// Return the keys, the original's first, and the row.
fn record(rendered: &RenderedPicture, of: &PictureKind) -> Result<PictureRecord> {
    let master = &rendered.master;
    let key = of.new_key(master.format);
    let variants = rendered.variants.iter().map(|(name, file)| variants::key_of(&key, name, file.format));
    let keys = std::iter::once(key.clone()).chain(variants).collect();
    let picture = NewPicture {
        key,
        width: i32::try_from(master.width).map_err(Error::internal)?,
        height: i32::try_from(master.height).map_err(Error::internal)?,
        bytes: i64::try_from(master.bytes.len()).map_err(Error::internal)?,
        blurhash: rendered.blurhash.clone(),
        purpose: of.purpose.as_str(),
    };
    Ok(PictureRecord { picture, keys })
}

/// Return the variants that are made at upload.
fn at_upload(of: &PictureKind) -> impl Iterator<Item = &Variant> {
    of.variants.iter().filter(|variant| of.at_upload.contains(&variant.name))
}

/// Return the number of bytes that a picture takes until its files are made: its own, and those of the largest variant.
fn price(header: &Header, of: &PictureKind, effort: Effort) -> u64 {
    let size = header.size(MASTER_SIDE);
    let variant = |variant: &Variant| image::memory_of_variant(size, variant.resize, header.format, effort);
    header.memory(MASTER_SIDE).saturating_add(at_upload(of).map(variant).max().unwrap_or(0))
}

fn too_dear(part: &str, price: u64, all: u64) -> Error {
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let detail = format!(
        "Decoding the picture takes {} MiB of memory, but the server has only {} MiB for pictures.",
        mebibytes(price),
        mebibytes(all)
    );
    let params = json!({ "memory": price, "max_memory": all });
    Error::violation(Code::ImageTooLarge, Violation::body(part, "image_too_large", detail).with(params))
}

fn render(
    bytes: &[u8],
    part: &str,
    of: &PictureKind,
    effort: Effort,
    share: OwnedSemaphorePermit,
) -> Result<RenderedPicture> {
    let picture = image::decode(bytes, &LIMITS, MASTER_SIDE).map_err(|rejected| refusal(&rejected, part))?;
    let master = picture.encode_original().map_err(Error::internal)?;
    finished(&picture, master, of, effort, share)
}

/// Return the files of a picture whose original is encoded already, and as much of the memory as they take.
pub(super) fn finished(
    picture: &Picture,
    master: EncodedPicture,
    of: &PictureKind,
    effort: Effort,
    mut share: OwnedSemaphorePermit,
) -> Result<RenderedPicture> {
    let mut files = Vec::new();
    for variant in at_upload(of) {
        let resized = picture.variant(variant.resize).map_err(Error::internal)?;
        for format in variants::formats(master.format) {
            files.push((variant.name.clone(), resized.encode_with(format, effort).map_err(Error::internal)?));
        }
    }
    let length = master.bytes.len() + files.iter().map(|(_, file)| file.bytes.len()).sum::<usize>();
    let kept = share.split(length.div_ceil(1 << 20).min(share.num_permits()));
    let share = kept.ok_or_else(|| Error::internal("a permit is smaller than itself"))?;
    let blurhash = picture.blurhash().map_err(Error::internal)?;
    Ok(RenderedPicture { blurhash, master, variants: files, share })
}

fn refusal(rejected: &Rejection, part: &str) -> Error {
    let detail = rejected.to_string();
    let (code, rule, params) = match rejected {
        Rejection::Unsupported => {
            let accepted: Vec<_> = ACCEPTED.iter().map(|format| format.content_type()).collect();
            (Code::UnsupportedPicture, "unsupported_picture", json!({ "accepted": accepted }))
        }
        Rejection::TooLarge { width, height } => {
            let params = json!({
                "width": width, "height": height, "max_pixels": LIMITS.max_pixels, "max_side": LIMITS.max_side
            });
            (Code::ImageTooLarge, "image_too_large", params)
        }
        Rejection::Corrupt(_) => (Code::ImageCorrupt, "image_corrupt", json!({})),
        Rejection::Fault(fault) => return Error::internal(fault.clone()),
    };
    Error::violation(code, Violation::body(part, rule, detail).with(params))
}
