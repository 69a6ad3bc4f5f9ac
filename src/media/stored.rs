//! Pictures whose files are in the store, and which no row shows yet.
//!
//! The transaction that makes a row show a picture confirms its files. If anything fails before that, the files that were announced
//! and not confirmed are removed: immediately if this node can, or else when their lease ends.

use diesel::PgConnection;
use tokio::runtime::Handle;

use super::Media;
use super::variants::PicturePurpose;
use crate::error::{Code, Error, Result};
use crate::models::file::File;
use crate::models::picture::NewPicture;

/// A picture whose files are in the store. Dropping it removes the files again, unless a row shows it.
#[must_use = "dropping it removes the files; settle it after the transaction"]
pub struct StoredPicture {
    media: Media,
    record: PictureRecord,
    purpose: PicturePurpose,
    /// Whether the writing of the files has ended.
    pub(super) is_written: bool,
    is_settled: bool,
}

/// The row of a picture, and the keys of its files. A transaction records it.
#[derive(Clone)]
pub struct PictureRecord {
    pub(super) picture: NewPicture,
    pub(super) keys: Vec<String>,
}

impl PictureRecord {
    /// Record the picture, in the transaction that makes a row show it, and return its key. 503 `busy` if the upload took so long
    /// that its files are being removed.
    pub fn insert(&self, conn: &mut PgConnection) -> Result<&str> {
        if !File::confirm(conn, &self.keys, &self.picture.key)? {
            return Err(Error::unavailable(Code::Busy, 1));
        }
        self.picture.insert(conn)?;
        Ok(&self.picture.key)
    }
}

impl StoredPicture {
    /// Arm the guard for files that are announced and about to be written.
    pub(super) fn announced(media: Media, record: PictureRecord, purpose: PicturePurpose) -> Self {
        Self { media, record, purpose, is_written: false, is_settled: false }
    }

    /// Return the keys of the files, the original's first.
    pub(super) fn keys(&self) -> &[String] {
        &self.record.keys
    }

    /// Return what the transaction records.
    pub fn record(&self) -> PictureRecord {
        self.record.clone()
    }

    /// End the upload after its transaction. `is_used` says whether a row shows the picture; if none does, the files are removed
    /// before this returns.
    pub async fn settle(mut self, is_used: bool) {
        self.is_settled = true;
        if is_used {
            self.media.metrics.pictures_kept.of(self.purpose.as_str()).inc();
        } else {
            let keys = std::mem::take(&mut self.record.keys);
            self.media.give_up(keys, self.is_written).await;
        }
    }
}

impl Drop for StoredPicture {
    fn drop(&mut self) {
        // Without a runtime, the program ends, and another node removes the files when their lease ends.
        if !self.is_settled
            && let Ok(runtime) = Handle::try_current()
        {
            let (media, keys, is_written) =
                (self.media.clone(), std::mem::take(&mut self.record.keys), self.is_written);
            runtime.spawn(async move { media.give_up(keys, is_written).await });
        }
    }
}

impl Media {
    /// Give up the files that are not confirmed. If that fails now, because the database is down, they are removed when their
    /// lease ends.
    async fn give_up(&self, keys: Vec<String>, is_written: bool) {
        let given_up = self.db.transaction(move |conn| Ok(File::give_up(conn, &keys, is_written)?)).await;
        if let Err(error) = given_up {
            tracing::warn!(cause = %error, "the files of a failed upload will be removed later");
        }
    }
}
