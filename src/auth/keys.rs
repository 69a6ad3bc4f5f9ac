//! The Ed25519 keys that sign access tokens: generated at the first start, sealed in the database, published as JWKS.
//!
//! A key is published first, so that every node and every client that caches the JWKS knows it. Then it signs. When the next key
//! signs, it still verifies tokens until the last one that it signed has expired. Then it is retired.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::PgConnection;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Serialize;
use utoipa::ToSchema;

use super::secret::Secret;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::models::signing_key::SigningKey;

/// The purpose for which the sealing key is derived.
const SEALING: &str = "signing keys";

/// The largest accepted difference between the clocks of nodes.
const SKEW: TimeDelta = TimeDelta::minutes(1);

/// The shortest time between two reloads. A token with an unknown key causes one, but not more often than this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The keys of all nodes. They follow the changes in the database.
pub struct Keys {
    sealing: [u8; 32],
    /// How long a token is valid. Its key is kept at least as long.
    lifetime: TimeDelta,
    ring: RwLock<Arc<Ring>>,
    looked_at: Mutex<Instant>,
}

/// The keys as read from the database at one time.
pub struct Ring {
    /// The keys, sorted by the time from which they sign, the latest first.
    keys: Vec<Key>,
    by_kid: HashMap<String, usize>,
    lifetime: TimeDelta,
}

struct Key {
    kid: String,
    signs_from: DateTime<Utc>,
    signing: EncodingKey,
    verifying: DecodingKey,
    jwk: Jwk,
}

/// The public keys (RFC 7517), for services that verify access tokens themselves.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Jwks {
    /// The public keys, the newest first.
    pub keys: Vec<Jwk>,
}

/// A public key (RFC 8037).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Jwk {
    /// Key id, which names the key in a token's header.
    pub kid: String,
    /// Key type: octet key pair.
    #[schema(examples("OKP"))]
    pub kty: String,
    /// Curve of the key.
    #[schema(examples("Ed25519"))]
    pub crv: String,
    /// Signature algorithm (RFC 8037).
    #[schema(examples("EdDSA"))]
    pub alg: String,
    /// Use of the key: signatures.
    #[serde(rename = "use")]
    #[schema(examples("sig"))]
    pub purpose: String,
    /// Public key, base64url-encoded.
    pub x: String,
}

impl Keys {
    /// Load the keys of the database, and generate the first one if there is none. Fails if the secret does not open them.
    /// `lifetime` is that of a token.
    pub fn load_or_make(conn: &mut PgConnection, secret: &Secret, lifetime: TimeDelta) -> Result<Self> {
        SigningKey::lock_all(conn)?;
        let sealing = secret.derive(SEALING);
        if SigningKey::all(conn)?.is_empty() {
            make(&sealing, Utc::now())?.insert(conn)?;
        }
        let ring = RwLock::new(Arc::new(Ring::read(conn, &sealing, lifetime)?));
        Ok(Self { sealing, lifetime, ring, looked_at: Mutex::new(Instant::now()) })
    }

    /// Return the current keys.
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Read the keys from the database again.
    pub fn reload(&self, conn: &mut PgConnection) -> Result<()> {
        let ring = Ring::read(conn, &self.sealing, self.lifetime)?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        Ok(())
    }

    /// Reload the keys, in case another node has just published one. A node that receives notices of new keys reloads at most once
    /// a second, so that tokens with made-up keys cost the database nothing. Returns whether the keys were reloaded.
    pub async fn look_again(self: &Arc<Self>, db: &Db, is_listening: bool) -> Result<bool> {
        {
            let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
            if is_listening && looked_at.elapsed() < LOOK_AGAIN {
                return Ok(false);
            }
            *looked_at = Instant::now();
        }
        let keys = Arc::clone(self);
        db.run(move |conn| keys.reload(conn)).await?;
        Ok(true)
    }

    /// Publish another key, which signs after `lead`, and return its row, which says when that is. If a key is already waiting to
    /// sign, return the row of that key instead. Fails if the secret does not open the current keys.
    pub fn rotate(conn: &mut PgConnection, secret: &Secret, lead: TimeDelta) -> Result<SigningKey> {
        SigningKey::lock_all(conn)?;
        let sealing = secret.derive(SEALING);
        let rows = SigningKey::all(conn)?;
        for row in &rows {
            unseal(&sealing, row)?;
        }
        let now = Utc::now();
        if let Some(waiting) = rows.into_iter().next().filter(|newest| newest.signs_from > now) {
            return Ok(waiting);
        }
        let row = make(&sealing, now + lead)?;
        row.insert(conn)?;
        Ok(row)
    }

    /// Delete the keys whose tokens have all expired, and return their number.
    pub fn purge(conn: &mut PgConnection, lifetime: TimeDelta) -> Result<usize> {
        let rows = SigningKey::all(conn)?;
        let now = Utc::now();
        // Each pair holds a key, preceded by its successor.
        let dead: Vec<String> = rows
            .windows(2)
            .filter(|pair| is_dead(pair[0].signs_from, lifetime, now))
            .map(|pair| pair[1].kid.clone())
            .collect();
        if dead.is_empty() { Ok(0) } else { Ok(SigningKey::delete(conn, &dead)?) }
    }
}

impl Ring {
    /// Return the keys of the database, or `None` if there are none yet. Fails if the secret does not open them.
    pub fn find(conn: &mut PgConnection, secret: &Secret) -> Result<Option<Self>> {
        if SigningKey::all(conn)?.is_empty() {
            return Ok(None);
        }
        Self::read(conn, &secret.derive(SEALING), TimeDelta::zero()).map(Some)
    }

    fn read(conn: &mut PgConnection, sealing: &[u8; 32], lifetime: TimeDelta) -> Result<Self> {
        let keys =
            SigningKey::all(conn)?.iter().map(|row| Key::open(sealing, row)).collect::<Result<Vec<_>>>()?;
        let by_kid = keys.iter().enumerate().map(|(index, key)| (key.kid.clone(), index)).collect();
        Ok(Self { keys, by_kid, lifetime })
    }

    /// Return the key that signs at this time, and its name.
    pub fn signing(&self, now: DateTime<Utc>) -> Result<(&str, &EncodingKey)> {
        let in_turn = self.keys.iter().find(|key| key.signs_from <= now).or(self.keys.last());
        let key = in_turn.ok_or_else(|| Error::internal("there is no signing key"))?;
        Ok((&key.kid, &key.signing))
    }

    /// Return the key of that name, if this node has it and tokens that it signed may still be valid.
    pub fn verifying(&self, kid: &str, now: DateTime<Utc>) -> Option<&DecodingKey> {
        let index = *self.by_kid.get(kid)?;
        (!self.is_retired(index, now)).then(|| &self.keys[index].verifying)
    }

    /// Return the content of `/.well-known/jwks.json`.
    pub fn jwks(&self, now: DateTime<Utc>) -> Jwks {
        let live = self.keys.iter().enumerate().filter(|(index, _)| !self.is_retired(*index, now));
        Jwks { keys: live.map(|(_, key)| key.jwk.clone()).collect() }
    }

    fn is_retired(&self, index: usize, now: DateTime<Utc>) -> bool {
        let successor = index.checked_sub(1).map(|newer| &self.keys[newer]);
        successor.is_some_and(|successor| is_dead(successor.signs_from, self.lifetime, now))
    }
}

/// Whether the last token has expired that a key signed before its successor began to sign.
fn is_dead(successor_signs_from: DateTime<Utc>, lifetime: TimeDelta, now: DateTime<Utc>) -> bool {
    successor_signs_from + lifetime + SKEW < now
}

impl Key {
    fn open(sealing: &[u8; 32], row: &SigningKey) -> Result<Self> {
        Ok(Self {
            kid: row.kid.clone(),
            signs_from: row.signs_from,
            signing: EncodingKey::from_ed_der(&unseal(sealing, row)?),
            verifying: DecodingKey::from_ed_der(&row.public_key),
            jwk: Jwk::from(row),
        })
    }
}

impl From<&SigningKey> for Jwk {
    fn from(row: &SigningKey) -> Self {
        Self {
            kid: row.kid.clone(),
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            alg: "EdDSA".into(),
            purpose: "sig".into(),
            x: URL_SAFE_NO_PAD.encode(&row.public_key),
        }
    }
}

fn make(sealing: &[u8; 32], signs_from: DateTime<Utc>) -> Result<SigningKey> {
    let pkcs8 =
        Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).map_err(Error::internal)?;
    let pair =
        Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|error| Error::internal(error.to_string()))?;
    let public_key = pair.public_key().as_ref().to_vec();
    let kid = URL_SAFE_NO_PAD.encode(&digest(&SHA256, &public_key).as_ref()[..12]);
    let mut sealed = pkcs8.as_ref().to_vec();
    let nonce = RandomizedNonceKey::new(&AES_256_GCM, sealing)
        .and_then(|key| key.seal_in_place_append_tag(Aad::from(kid.as_bytes()), &mut sealed))
        .map_err(Error::internal)?;
    let sealed_private_key = [nonce.as_ref().as_slice(), &sealed].concat();
    Ok(SigningKey { kid, public_key, sealed_private_key, created_at: Utc::now(), signs_from })
}

fn unseal(sealing: &[u8; 32], row: &SigningKey) -> Result<Vec<u8>> {
    let refused = || {
        Error::internal(
            "PLAZA_SECRET_KEY does not decrypt the signing keys in this database. Give every node the secret that encrypted \
             them (data/keys/secret.key of the first node)",
        )
    };
    let (nonce, sealed) = row.sealed_private_key.split_at_checked(NONCE_LEN).ok_or_else(refused)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
    let mut buffer = sealed.to_vec();
    let key = RandomizedNonceKey::new(&AES_256_GCM, sealing).map_err(Error::internal)?;
    let opened =
        key.open_in_place(nonce, Aad::from(row.kid.as_bytes()), &mut buffer).map_err(|_| refused())?;
    Ok(opened.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(signs_from: &[i64]) -> Ring {
        let keys: Vec<Key> = signs_from
            .iter()
            .map(|minute| {
                let at = DateTime::UNIX_EPOCH + TimeDelta::minutes(*minute);
                let row = SigningKey { kid: minute.to_string(), ..make(&[7; 32], at).unwrap() };
                Key {
                    kid: row.kid.clone(),
                    signs_from: at,
                    signing: EncodingKey::from_secret(&[]),
                    verifying: DecodingKey::from_ed_der(&row.public_key),
                    jwk: Jwk::from(&row),
                }
            })
            .collect();
        let by_kid = keys.iter().enumerate().map(|(index, key)| (key.kid.clone(), index)).collect();
        Ring { keys, by_kid, lifetime: TimeDelta::minutes(15) }
    }

    #[test]
    fn a_key_is_published_then_signs_then_verifies_then_is_retired() {
        let ring = ring(&[100, 0]);
        let at = |minute| {
            let now = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
            let published: Vec<_> = ring.jwks(now).keys.into_iter().map(|key| key.kid).collect();
            let verifies: Vec<_> =
                ["100", "0"].into_iter().filter(|kid| ring.verifying(kid, now).is_some()).collect();
            assert_eq!(published, verifies);
            (ring.signing(now).unwrap().0.to_owned(), published.join(" "))
        };
        assert_eq!(at(99), ("0".into(), "100 0".into()));
        assert_eq!(at(100), ("100".into(), "100 0".into()));
        assert_eq!(at(115), ("100".into(), "100 0".into()));
        assert_eq!(at(117), ("100".into(), "100".into()));
    }

    #[test]
    fn a_sealed_key_opens_under_its_own_name_and_secret_only() {
        let row = make(&[7; 32], Utc::now()).unwrap();
        assert!(unseal(&[7; 32], &row).is_ok());
        assert!(unseal(&[8; 32], &row).is_err());
        assert!(unseal(&[7; 32], &SigningKey { kid: "other".into(), ..row }).is_err());
    }
}
