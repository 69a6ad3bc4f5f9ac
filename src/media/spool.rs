//! What a client sends, until it is judged: a little in memory, the rest in a file without a name.
//!
//! A hundred clients who send ten megabytes each take a few megabytes of memory. The file is unlinked when it is made, so it goes
//! with the program, however that ends.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{self, Code, Error};

/// What is kept in memory, in bytes: the text parts of any form.
const IN_MEMORY: usize = 64 << 10;

/// Where what comes is kept, and for how many at once: each may take as much of the disk as an upload may have.
pub struct Spools {
    folder: PathBuf,
    free: Arc<Semaphore>,
}

/// How long somebody waits for others to have uploaded.
const WAIT: Duration = Duration::from_secs(10);

impl Spools {
    /// For `at_once` uploads, in `folder`.
    pub fn new(folder: PathBuf, at_once: u32) -> Self {
        Self { folder, free: Arc::new(Semaphore::new(at_once as usize)) }
    }

    /// Room for an upload, as long as any of what it held is held; 503 `busy` where too many others have not ended.
    pub async fn room(&self) -> error::Result<Room<'_>> {
        let permit = tokio::time::timeout(WAIT, Arc::clone(&self.free).acquire_owned()).await;
        let permit = permit.map_err(|_| Error::unavailable(Code::Busy, 5))?.map_err(Error::internal)?;
        Ok(Room { folder: &self.folder, permit: Arc::new(permit) })
    }
}

/// Room for an upload.
pub struct Room<'a> {
    folder: &'a Path,
    permit: Arc<OwnedSemaphorePermit>,
}

impl Room<'_> {
    /// For one part of it.
    pub fn spool(&self) -> Spool<'_> {
        Spool {
            folder: self.folder,
            permit: Arc::clone(&self.permit),
            start: BytesMut::new(),
            file: None,
            length: 0,
            digest: Context::new(&SHA256),
        }
    }
}

/// Takes bytes in.
pub struct Spool<'a> {
    folder: &'a Path,
    permit: Arc<OwnedSemaphorePermit>,
    start: BytesMut,
    file: Option<tokio::fs::File>,
    length: usize,
    digest: Context,
}

/// What was taken in.
#[derive(Debug)]
pub struct Spooled {
    content: Content,
    length: usize,
    digest: [u8; 32],
    /// Held as long as the file is.
    _permit: Arc<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Content {
    Memory(Bytes),
    File(File),
}

impl Spool<'_> {
    /// Bytes so far.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Take in what came next. Fails where the disk does.
    pub async fn push(&mut self, chunk: &[u8]) -> Result<()> {
        self.length += chunk.len();
        self.digest.update(chunk);
        if let Some(file) = &mut self.file {
            return file.write_all(chunk).await;
        }
        self.start.extend_from_slice(chunk);
        if self.start.len() > IN_MEMORY {
            let mut file = tokio::fs::File::from_std(tempfile::tempfile_in(self.folder)?);
            file.set_max_buf_size(IN_MEMORY);
            file.write_all(&std::mem::take(&mut self.start)).await?;
            self.file = Some(file);
        }
        Ok(())
    }

    /// That was all.
    pub async fn finish(self) -> Result<Spooled> {
        let content = match self.file {
            None => Content::Memory(self.start.freeze()),
            Some(mut file) => {
                file.flush().await?;
                Content::File(file.into_std().await)
            }
        };
        let mut digest = [0; 32];
        digest.copy_from_slice(self.digest.finish().as_ref());
        Ok(Spooled { content, length: self.length, digest, _permit: self.permit })
    }
}

impl Spooled {
    /// Bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// SHA-256 of it.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// All of it. Blocks where it is a file.
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

    #[actix_web::test]
    async fn who_finds_no_room_waits_for_it() {
        let spools = Spools::new(PathBuf::new(), 1);
        let spooled = spools.room().await.expect("room").spool().finish().await.expect("nothing");
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, spools.room()).await.is_err());
        drop(spooled);
        assert!(tokio::time::timeout(WAIT, spools.room()).await.is_ok_and(|room| room.is_ok()));
    }

    #[actix_web::test]
    async fn what_was_taken_in_comes_out_and_leaves_no_name_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let spools = Spools::new(folder.path().to_owned(), 1);
        for length in [0, 1, IN_MEMORY, IN_MEMORY + 1, 1_000_000] {
            let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect();
            let room = spools.room().await.expect("room");
            let mut spool = room.spool();
            for chunk in bytes.chunks(7777) {
                spool.push(chunk).await.expect("a disk");
            }
            let mut spooled = spool.finish().await.expect("a disk");
            assert_eq!(matches!(spooled.content, Content::Memory(_)), length <= IN_MEMORY);
            assert_eq!((spooled.len(), spooled.is_empty()), (length, length == 0));
            for _ in 0..2 {
                assert_eq!(spooled.read().expect("a file"), bytes, "{length}");
            }
            assert_eq!(spooled.digest(), aws_lc_rs::digest::digest(&SHA256, &bytes).as_ref(), "{length}");
            assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "{length}");
        }
    }
}
