//! What a client sends, until it is judged: a little in memory, the rest in a file without a name.
//!
//! A hundred clients who send ten megabytes each take a few megabytes of memory. The file is unlinked when it is made, so it goes
//! with the program, however that ends.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;

/// What is kept in memory, in bytes: the text parts of any form.
const IN_MEMORY: usize = 64 << 10;

/// Takes bytes in.
pub struct Spool<'a> {
    folder: &'a Path,
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
}

#[derive(Debug)]
enum Content {
    Memory(Bytes),
    File(File),
}

impl<'a> Spool<'a> {
    /// The file, should there be one, is made in `folder`.
    pub fn new(folder: &'a Path) -> Self {
        Self { folder, start: BytesMut::new(), file: None, length: 0, digest: Context::new(&SHA256) }
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
        Ok(Spooled { content, length: self.length, digest })
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
    async fn what_was_taken_in_comes_out_and_leaves_no_name_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        for length in [0, 1, IN_MEMORY, IN_MEMORY + 1, 1_000_000] {
            let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect();
            let mut spool = Spool::new(folder.path());
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
