//! Variants that are made when somebody asks for one.
//!
//! Of all who ask for the same one at once, on all nodes, one makes it: on a node they share one flight, and between nodes the row
//! in `files` is claimed. Whoever finds it claimed waits for the other to end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use super::image::{self, Format, Limits};
use super::variants::{self, Key, Purpose, Variant};
use super::{MASTER_SIDE, Media, unavailable};
use crate::error::{Code, Error, Result};
use crate::events::REMOVE_FILES;
use crate::models::file::{Claim, File};
use crate::models::job::NewJob;
use crate::models::picture::Picture;

/// How long whoever makes a variant has it to itself. A node that dies meanwhile holds it up for so long.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How long making it may take: less than that, or two could write it.
const MAKING: Duration = Duration::from_secs(20);
/// How long somebody waits for another to make it.
const WAIT: Duration = Duration::from_secs(15);
/// How often whoever waits for another node looks.
const LOOK: Duration = Duration::from_millis(30);

/// Of pictures that we wrote ourselves.
const KEPT: Limits = Limits { max_pixels: MASTER_SIDE as u64 * MASTER_SIDE as u64, max_side: MASTER_SIDE };

/// What became of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is in the store.
    Yes,
    /// There is no such picture, or it has no such variant.
    Unknown,
    /// The picture's own file is gone, or is no picture.
    SourceMissing,
}

/// A refusal, to be told to everybody who waited.
type Outcome = Result<Made, Code>;

/// The variants that are being made on this node. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<String, watch::Receiver<Option<Outcome>>>>>);

impl Flights {
    /// Who makes it; `Err` is where to hear what became of it, which somebody else makes.
    fn board(&self, key: &str) -> Result<watch::Sender<Option<Outcome>>, watch::Receiver<Option<Outcome>>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key) {
            return Err(flight.clone());
        }
        let (sender, receiver) = watch::channel(None);
        flights.insert(key.to_owned(), receiver);
        Ok(sender)
    }

    fn land(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Ends a flight, also where it panics.
struct Landing {
    flights: Flights,
    key: String,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.flights.land(&self.key);
    }
}

impl Media {
    /// See to it that the variant of this key is in the store. 503 when memory stays short, or the store or the database is
    /// away.
    pub async fn make(&self, key: &str) -> Result<Made> {
        let mut landed = match self.flights.board(key) {
            Err(flight) => flight,
            Ok(flight) => {
                let landed = flight.subscribe();
                let (media, key) = (self.clone(), key.to_owned());
                // It goes on when whoever asked goes away: others wait for it too.
                let make = async move {
                    let _landing = Landing { flights: media.flights.clone(), key: key.clone() };
                    let outcome = media.make_once(&key).await.map_err(|error| told(&error));
                    flight.send_replace(Some(outcome));
                };
                actix_web::rt::spawn(make.in_current_span());
                landed
            }
        };
        let outcome = landed.wait_for(Option::is_some).await.ok().and_then(|outcome| *outcome);
        outcome.unwrap_or(Err(Code::Busy)).map_err(|code| match code {
            Code::StoreUnavailable => Error::unavailable(code, 5),
            code => Error::unavailable(code, 1),
        })
    }

    /// Every variant of a picture that the settings name, with those that are there already; how many were made. For the command
    /// line.
    pub async fn make_all(&self, picture: &Picture) -> Result<usize> {
        let Ok(purpose) = picture.purpose.parse::<Purpose>() else { return Ok(0) };
        let named = &self.uses.of(purpose).variants;
        let formats = variants::formats(variants::format_of(&picture.key));
        let keys: Vec<String> = named
            .iter()
            .flat_map(|variant| formats.map(|format| variants::key_of(&picture.key, &variant.name, format)))
            .collect();
        let asked = keys.clone();
        let known = self.db.run(move |conn| Ok(File::known(conn, &asked)?)).await?;
        let mut made = 0;
        for key in keys.into_iter().filter(|key| !known.contains(key)) {
            match self.make(&key).await? {
                Made::Yes => made += 1,
                Made::Unknown | Made::SourceMissing => {}
            }
        }
        Ok(made)
    }

    async fn make_once(&self, key: &str) -> Result<Made> {
        let Some(parsed) = Key::parse(key) else { return Ok(Made::Unknown) };
        let Some(name) = parsed.variant else { return Ok(Made::Unknown) };
        let uses = [&self.uses.avatar, &self.uses.cover];
        let purposes: Vec<&'static str> =
            uses.iter().filter(|of| of.variant(name).is_some()).map(|of| of.purpose.as_str()).collect();
        if purposes.is_empty() {
            return Ok(Made::Unknown);
        }
        let give_up_at = Instant::now() + WAIT;
        let mut vanished = None;
        while Instant::now() < give_up_at {
            let (owned, originals, purposes) = (key.to_owned(), parsed.originals(), purposes.clone());
            let claim = move |conn: &mut diesel::PgConnection| {
                Ok(File::claim(conn, &owned, &originals, &purposes, vanished, LEASE)?)
            };
            match self.db.transaction(claim).await? {
                Claim::NoPicture => return Ok(Made::Unknown),
                Claim::Taken => sleep(LOOK).await,
                Claim::Stored(at) => {
                    if self.store.exists(key).await.map_err(|error| unavailable(&error))? {
                        return Ok(Made::Yes);
                    }
                    vanished = Some(at);
                }
                Claim::Mine(source) => {
                    let purpose: Option<Purpose> = source.purpose.parse().ok();
                    let variant = purpose.and_then(|purpose| self.uses.of(purpose).variant(name));
                    let Some(variant) = variant else { return Ok(Made::Unknown) };
                    return self.make_claimed(key, parsed.format, &source, variant).await;
                }
            }
        }
        Err(Error::unavailable(Code::Busy, 1))
    }

    /// The claim ends with it, one way or another.
    async fn make_claimed(
        &self,
        key: &str,
        format: Format,
        source: &Picture,
        variant: &Variant,
    ) -> Result<Made> {
        let made = timeout(MAKING, self.write_variant(key, format, source, variant)).await;
        let made = made.unwrap_or_else(|_| Err(Error::unavailable(Code::Busy, 1)));
        let owned = key.to_owned();
        if !matches!(made, Ok(Made::Yes)) {
            self.db.transaction(move |conn| Ok(File::release(conn, &owned)?)).await?;
            return made;
        }
        self.metrics.variants_made.inc();
        let is_kept = self
            .db
            .transaction(move |conn| {
                let is_kept = File::stored(conn, &owned)?;
                if !is_kept {
                    // The picture was removed meanwhile, and its files with it, but this one came later.
                    let payload = json!({ "keys": [owned] });
                    NewJob { kind: REMOVE_FILES, payload, user_id: None }.insert(conn)?;
                }
                Ok(is_kept)
            })
            .await?;
        Ok(if is_kept { Made::Yes } else { Made::Unknown })
    }

    async fn write_variant(
        &self,
        key: &str,
        format: Format,
        source: &Picture,
        variant: &Variant,
    ) -> Result<Made> {
        let side = |side: i32| u64::from(side.unsigned_abs());
        let (length, pixels) = (source.bytes.unsigned_abs(), side(source.width) * side(source.height));
        let share = self.budget.reserve(length + image::memory_of_kept(pixels)).await?;
        let found = self.store.read(&source.key, length).await.map_err(|error| unavailable(&error))?;
        let resize = variant.resize;
        let encode = move || {
            let picture = found.and_then(|bytes| image::decode(&bytes, &KEPT, MASTER_SIDE).ok());
            let encoded = picture.map(|picture| picture.variant(resize).encode(format)).transpose();
            drop(share);
            encoded
        };
        let Some(encoded) = self.workers.run(encode).await?.map_err(Error::internal)? else {
            tracing::error!(
                key = source.key,
                "a picture's file is gone from the store, or is no picture any more"
            );
            return Ok(Made::SourceMissing);
        };
        self.store.put(key, encoded.bytes.into(), format).await.map_err(|error| unavailable(&error))?;
        // Whoever had the claim before may have died over it.
        self.store.tidy(key).await.map_err(|error| unavailable(&error))?;
        Ok(Made::Yes)
    }
}

/// What everybody who waited is told; the cause of a fault of ours is logged here, once.
fn told(error: &Error) -> Code {
    match error.code() {
        Code::InternalError => {
            tracing::error!(cause = %error, "a variant could not be made");
            Code::Busy
        }
        code => code,
    }
}
