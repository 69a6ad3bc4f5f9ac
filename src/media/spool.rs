//! Holds what a client sends until it is checked: a little in memory, the rest in a file without a name.
//!
//! A hundred clients that send ten megabytes each take a few megabytes of memory. The file is unlinked when it is created, so it
//! is deleted when the program ends, for whatever reason.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{self, Code, Error};

/// Maximum number of bytes of an upload that are kept in memory: enough for the texts of most forms.
const IN_MEMORY: usize = 64 << 10;

/// Where uploads are kept, and how many may be in progress concurrently: each may take as much of the disk as an upload may have.
pub struct UploadSpool {
    folder: PathBuf,
    free: Arc<Semaphore>,
    at_once: usize,
    /// Maximum for each user: a quarter, so that one user cannot keep all others from uploading.
    each: usize,
    /// How long an upload waits for others to end.
    wait: Duration,
    users: Mutex<HashMap<i64, Weak<Semaphore>>>,
}

/// The permit of the user, and the one of all users.
type Permits = Arc<(OwnedSemaphorePermit, OwnedSemaphorePermit)>;

impl UploadSpool {
    /// Allow `at_once` concurrent uploads in `folder`, a quarter of them for one user. An upload that waits longer than `wait`
    /// gets 503.
    pub fn new(folder: PathBuf, at_once: u32, wait: Duration) -> Self {
        let at_once = at_once as usize;
        let each = at_once.div_ceil(4);
        Self { folder, free: Arc::new(Semaphore::new(at_once)), at_once, each, wait, users: Mutex::default() }
    }

    /// Reserve room for an upload of a user. The room is in use as long as any part of the upload is held. 503 `busy` if too many
    /// other uploads have not ended.
    pub async fn slot(&self, user: Option<i64>) -> error::Result<Slot<'_>> {
        let own = self.own(user.unwrap_or_default());
        let free = Arc::clone(&self.free);
        let both = async { own.acquire_owned().await.ok().zip(free.acquire_owned().await.ok()) };
        let both =
            tokio::time::timeout(self.wait, both).await.map_err(|_| Error::unavailable(Code::Busy, 5))?;
        let permits = Arc::new(both.ok_or_else(|| Error::internal("a semaphore is closed"))?);
        Ok(Slot { folder: &self.folder, permits, memory: Cell::new(IN_MEMORY) })
    }

    /// Return the number of uploads that hold room.
    pub fn under_way(&self) -> UnderWay {
        let now = self.at_once.saturating_sub(self.free.available_permits());
        UnderWay { now, max: self.at_once }
    }

    /// Return the user's share of the room. All uploads of the user that are in progress share it.
    fn own(&self, user: i64) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = users.get(&user).and_then(Weak::upgrade) {
            return own;
        }
        users.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.each));
        users.insert(user, Arc::downgrade(&own));
        own
    }
}

/// The uploads that hold room.
#[derive(Clone, Copy, Debug)]
pub struct UnderWay {
    /// Their current number.
    pub now: usize,
    /// Their maximum number.
    pub max: usize,
}

/// Room for an upload.
pub struct Slot<'a> {
    folder: &'a Path,
    permits: Permits,
    /// Number of bytes that may still be kept in memory, for all parts of the upload together.
    memory: Cell<usize>,
}

impl Slot<'_> {
    /// Start to receive one part of the upload.
    pub fn spool(&self) -> Spool<'_> {
        Spool { slot: self, start: BytesMut::new(), file: None, length: 0, digest: Context::new(&SHA256) }
    }
}

/// Receives the bytes of one part.
pub struct Spool<'a> {
    slot: &'a Slot<'a>,
    start: BytesMut,
    file: Option<tokio::fs::File>,
    length: usize,
    digest: Context,
}

/// The content that was received.
#[derive(Debug)]
pub struct SpooledFile {
    content: Content,
    length: usize,
    digest: [u8; 32],
    /// Held for as long as the file is.
    _permits: Permits,
}

#[derive(Debug)]
enum Content {
    Memory(Bytes),
    File(File),
}

impl Spool<'_> {
    /// Receive the next bytes. Fails if the disk does.
    pub async fn push(&mut self, chunk: &[u8]) -> Result<()> {
        self.length += chunk.len();
        self.digest.update(chunk);
        if let Some(file) = &mut self.file {
            return file.write_all(chunk).await;
        }
        let memory = &self.slot.memory;
        if chunk.len() <= memory.get() {
            memory.set(memory.get() - chunk.len());
            self.start.extend_from_slice(chunk);
            return Ok(());
        }
        let mut file = tokio::fs::File::from_std(tempfile::tempfile_in(self.slot.folder)?);
        file.set_max_buf_size(IN_MEMORY);
        let start = std::mem::take(&mut self.start);
        memory.set(memory.get() + start.len());
        file.write_all(&start).await?;
        file.write_all(chunk).await?;
        self.file = Some(file);
        Ok(())
    }

    /// Finish the part: all its bytes have been received.
    pub async fn finish(self) -> Result<SpooledFile> {
        let content = match self.file {
            None => Content::Memory(self.start.freeze()),
            Some(mut file) => {
                file.flush().await?;
                Content::File(file.into_std().await)
            }
        };
        let mut digest = [0; 32];
        digest.copy_from_slice(self.digest.finish().as_ref());
        Ok(SpooledFile { content, length: self.length, digest, _permits: Arc::clone(&self.slot.permits) })
    }
}

impl SpooledFile {
    /// Return the length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the content is empty.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Return the SHA-256 digest of the content.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Return the whole content. Blocks if it is in a file.
    pub fn read(&mut self) -> Result<Bytes> {
        match &mut self.content {
            Content::Memory(bytes) => Ok(bytes.clone()),
            Content::File(file) => {
                file.seek(SeekFrom::Start(0))?;
                let mut bytes = Vec::with_capacity(self.length);
                file.read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    #[actix_web::test]
    async fn who_finds_no_room_waits_for_it() {
        let spools = UploadSpool::new(PathBuf::new(), 1, WAIT);
        let spooled = spools.slot(Some(1)).await.expect("room").spool().finish().await.expect("nothing");
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, spools.slot(Some(1))).await.is_err());
        drop(spooled);
        assert!(tokio::time::timeout(WAIT, spools.slot(Some(1))).await.is_ok_and(|slot| slot.is_ok()));
    }

    #[actix_web::test]
    async fn nobody_takes_all_the_room() {
        let spools = UploadSpool::new(PathBuf::new(), 8, WAIT);
        let _own = (spools.slot(Some(1)).await.expect("room"), spools.slot(Some(1)).await.expect("room"));
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, spools.slot(Some(1))).await.is_err());
        assert!(tokio::time::timeout(soon, spools.slot(Some(2))).await.is_ok());
    }

    #[actix_web::test]
    async fn the_parts_of_an_upload_share_its_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let spools = UploadSpool::new(folder.path().to_owned(), 1, WAIT);
        let slot = spools.slot(None).await.expect("room");
        let mut kept = Vec::new();
        for _ in 0..31 {
            let mut spool = slot.spool();
            spool.push(&vec![7; IN_MEMORY - 1]).await.expect("a disk");
            kept.push(spool.finish().await.expect("a disk"));
        }
        let in_memory = kept.iter().filter(|part| matches!(part.content, Content::Memory(_))).count();
        assert_eq!(in_memory, 1);
    }

    #[actix_web::test]
    async fn what_was_taken_in_comes_out_and_leaves_no_name_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let spools = UploadSpool::new(folder.path().to_owned(), 1, WAIT);
        for length in [0, 1, IN_MEMORY, IN_MEMORY + 1, 1_000_000] {
            let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect();
            let slot = spools.slot(Some(1)).await.expect("room");
            let mut spool = slot.spool();
            for chunk in bytes.chunks(7777) {
                spool.push(chunk).await.expect("a disk");
            }
            let mut spooled = spool.finish().await.expect("a disk");
            assert_eq!(
                matches!(spooled.content, Content::Memory(_)),
                length <= 7777 * (IN_MEMORY / 7777) || length <= IN_MEMORY
            );
            assert_eq!((spooled.len(), spooled.is_empty()), (length, length == 0));
            for _ in 0..2 {
                assert_eq!(spooled.read().expect("a file"), bytes, "{length}");
            }
            assert_eq!(spooled.digest(), aws_lc_rs::digest::digest(&SHA256, &bytes).as_ref(), "{length}");
            assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "{length}");
        }
    }
}
