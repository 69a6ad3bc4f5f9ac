//! Makes variants when a client requests them.
//!
//! Of all concurrent requests for the same variant, on all nodes, one makes it. On a node they share one flight; between nodes,
//! the row in `files` is claimed. A node that finds it claimed waits for the other node to end.

use std::time::Duration;

use diesel::PgConnection;
use plaza_image::{self as image, EncodedPicture, Format, Limits, Rejection};
use tokio::time::{Instant, sleep, timeout};

use super::Media;
use super::in_flight::{FlightGuard, VariantOutcome};
use super::limits::MASTER_SIDE;
use super::store::{StoreError, unavailable};
use super::variants::{self, Key, PicturePurpose, Variant};
use crate::context;
use crate::error::{Code, Error, Result};
use crate::models::file::{Claim, File};
use crate::models::job::Payload;
use crate::models::job_payload::RemoveFiles;
use crate::models::picture::Picture;

/// The first and the longest interval at which a node that waits for another one looks again. It doubles with each look.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_millis(500);

/// The limits of pictures that Plaza wrote itself.
const KEPT: Limits = Limits { max_pixels: MASTER_SIDE as u64 * MASTER_SIDE as u64, max_side: MASTER_SIDE };

impl Media {
    /// Ensure that the variant of this key is in the store. 503 if memory stays short, or if the store or the database is down.
    pub async fn make(&self, key: &str) -> Result<VariantOutcome> {
        if self.in_flight.lacks_source(key) {
            return Ok(VariantOutcome::SourceMissing);
        }
        let mut outcome = match self.in_flight.join_or_start(key) {
            Err(flight) => flight,
            Ok(flight) => {
                let outcome = flight.subscribe();
                let (media, key) = (self.clone(), key.to_owned());
                // The task continues when its client disconnects: other requests wait for it too.
                let make = async move {
                    let _guard = FlightGuard { in_flight: media.in_flight.clone(), key: key.clone() };
                    let outcome = media.make_once(&key).await.map_err(|error| code_of(&error));
                    match outcome {
                        Ok(VariantOutcome::SourceMissing) => media.in_flight.remember_missing(&key),
                        Ok(_) => {}
                        Err(code) => {
                            media.metrics.variants_failed.of(code.entry().name).inc();
                        }
                    }
                    flight.send_replace(Some(outcome));
                };
                context::spawn(make);
                outcome
            }
        };
        // The task ends without an outcome only if it panics, which the panic hook has logged.
        let outcome = outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| *outcome);
        outcome.unwrap_or(Err(Code::Busy)).map_err(|code| match code {
            Code::InternalError => Error::internal("a variant could not be made"),
            Code::StoreUnavailable => Error::unavailable(code, 5),
            code => Error::unavailable(code, 1),
        })
    }

    /// Ensure that every variant of a picture that the settings name is in the store, for the command line. Return the keys of
    /// the variants that could not be made.
    pub async fn make_all(&self, picture: &Picture) -> Vec<String> {
        let Ok(purpose) = picture.purpose.parse::<PicturePurpose>() else { return vec![picture.key.clone()] };
        let formats = variants::formats(variants::format_of(&picture.key));
        let mut failed = Vec::new();
        for variant in &self.kinds.of(purpose).variants {
            for format in formats {
                let key = variants::key_of(&picture.key, &variant.name, format);
                // The cause was logged where it arose.
                if !matches!(self.make(&key).await, Ok(VariantOutcome::InStore)) {
                    failed.push(key);
                }
            }
        }
        failed
    }

    async fn make_once(&self, key: &str) -> Result<VariantOutcome> {
        let Some(parsed) = Key::parse(key) else { return Ok(VariantOutcome::Unknown) };
        let Some(name) = parsed.variant else { return Ok(VariantOutcome::Unknown) };
        let kinds = [&self.kinds.avatar, &self.kinds.cover];
        let purposes: Vec<&'static str> =
            kinds.iter().filter(|of| of.variant(name).is_some()).map(|of| of.purpose.as_str()).collect();
        let originals = parsed.originals();
        if purposes.is_empty() {
            return Ok(VariantOutcome::Unknown);
        }
        let find = move |conn: &mut PgConnection| Ok(Picture::find(conn, &originals, &purposes)?);
        let Some(source) = self.db.run(find).await? else { return Ok(VariantOutcome::Unknown) };
        let unknown = |()| Error::internal(format!("a picture has the unknown purpose {}", source.purpose));
        let purpose: PicturePurpose = source.purpose.parse().map_err(unknown)?;
        let Some(variant) = self.kinds.of(purpose).variant(name) else { return Ok(VariantOutcome::Unknown) };
        let (give_up_at, lease) = (Instant::now() + self.timing.variant_wait, self.timing.variant_claim);
        let (mut look, mut vanished) = (FIRST_LOOK, None);
        while Instant::now() < give_up_at {
            let (owned, original) = (key.to_owned(), source.key.clone());
            let claim =
                move |conn: &mut PgConnection| Ok(File::claim(conn, &owned, &original, vanished, lease)?);
            match self.db.transaction(claim).await? {
                Claim::NoPicture => return Ok(VariantOutcome::Unknown),
                Claim::Taken => {
                    sleep(look).await;
                    look = (look * 2).min(LAST_LOOK);
                }
                Claim::Stored(at) => {
                    if self.store.exists(key).await.map_err(|error| unavailable(&error))? {
                        return Ok(VariantOutcome::InStore);
                    }
                    vanished = Some(at);
                }
                Claim::Mine => return self.make_claimed(key, parsed.format, &source, variant).await,
            }
        }
        Err(Error::unavailable(Code::Busy, 1))
    }

    /// Make a variant that this node has claimed. The claim ends with this call, whatever the outcome.
    async fn make_claimed(
        &self,
        key: &str,
        format: Format,
        source: &Picture,
        variant: &Variant,
    ) -> Result<VariantOutcome> {
        let owned = key.to_owned();
        let encoded =
            match timeout(self.timing.variant_making, self.encode_variant(format, source, variant)).await {
                Ok(Ok(Some(encoded))) => encoded,
                failed => {
                    self.db.transaction(move |conn| Ok(File::release(conn, &owned)?)).await?;
                    return match failed {
                        Ok(Ok(_)) => Ok(VariantOutcome::SourceMissing),
                        Ok(Err(error)) => Err(error),
                        Err(_) => Err(Error::unavailable(Code::Busy, 1)),
                    };
                }
            };
        let written = timeout(self.timing.variant_writing, self.write_variant(key, encoded)).await;
        if !matches!(written, Ok(Ok(()))) {
            let had_row = self.db.transaction(move |conn| Ok(File::abandon(conn, &owned)?)).await?;
            return match written {
                // The picture's files are being removed, which is why the write failed.
                _ if !had_row => Ok(VariantOutcome::Unknown),
                Ok(Err(error)) => Err(unavailable(&error)),
                _ => Err(Error::unavailable(Code::StoreUnavailable, 5)),
            };
        }
        self.metrics.variants_made.inc();
        let confirm = move |conn: &mut PgConnection| {
            let is_kept = File::stored(conn, &owned)?;
            if !is_kept {
                // The picture was removed in the meantime, and its files with it, but this file was written later.
                RemoveFiles { keys: vec![owned], were_public: false }.enqueue(conn, None)?;
            }
            Ok(is_kept)
        };
        let is_kept = self.db.transaction(confirm).await?;
        Ok(if is_kept { VariantOutcome::InStore } else { VariantOutcome::Unknown })
    }

    /// Encode a variant. `None` if the picture's original file is gone, or is no longer a picture.
    async fn encode_variant(
        &self,
        format: Format,
        source: &Picture,
        variant: &Variant,
    ) -> Result<Option<EncodedPicture>> {
        let (length, size) =
            (source.bytes.unsigned_abs(), (source.width.unsigned_abs(), source.height.unsigned_abs()));
        let original = variants::format_of(&source.key);
        let price = |effort| {
            let of_variant = image::memory_of_variant(size, variant.resize, original, effort);
            length + image::memory_of_original(size) + of_variant
        };
        let effort = self.budget.effort(price);
        let share = self.budget.reserve(price(effort)).await?;
        let found = self.store.read(&source.key, length).await.map_err(|error| unavailable(&error))?;
        let resize = variant.resize;
        let encode = move || {
            let _share = share;
            let gone = "the file is missing from the store, or is larger than before";
            let picture = match found.map(|bytes| image::decode(&bytes, &KEPT, MASTER_SIDE)) {
                Some(Ok(picture)) => picture,
                Some(Err(Rejection::Fault(fault))) => return Err(fault),
                Some(Err(rejected)) => return Ok(Err(rejected.to_string())),
                None => return Ok(Err(gone.to_owned())),
            };
            Ok(Ok(picture.variant(resize)?.encode_with(format, effort)?))
        };
        match self.workers.run(encode).await?.map_err(Error::internal)? {
            Ok(encoded) => Ok(Some(encoded)),
            Err(cause) => {
                tracing::error!(key = source.key, cause, "the original of a picture cannot be read");
                Ok(None)
            }
        }
    }

    async fn write_variant(&self, key: &str, encoded: EncodedPicture) -> Result<(), StoreError> {
        self.store.put(key, encoded.bytes.into(), encoded.format).await?;
        // The previous owner of the claim may have died while it wrote.
        self.store.tidy(key).await
    }
}

/// Return the code with which every waiting request is answered. The clients may be gone by now, so the cause of an internal
/// error is logged here.
fn code_of(error: &Error) -> Code {
    if error.code() == Code::InternalError {
        tracing::error!(cause = %error, "a variant could not be made");
    }
    error.code()
}
