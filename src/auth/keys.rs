//! The Ed25519 keys that sign access tokens: made on first start, sealed in the database, published as JWKS.

use std::collections::HashMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use diesel::pg::PgConnection;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Serialize;
use utoipa::ToSchema;

use super::secret::Secret;
use crate::error::{Error, Result};
use crate::models::signing_key::SigningKey;

/// What the sealing key is derived for.
const SEALING: &str = "signing keys";

/// The keys of all nodes, opened.
pub struct Keys {
    kid: String,
    signing: EncodingKey,
    verifying: HashMap<String, DecodingKey>,
    jwks: Jwks,
}

/// RFC 7517: the public halves, for others who check our tokens.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Jwks {
    /// The newest first.
    pub keys: Vec<Jwk>,
}

/// One public key (RFC 8037).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Jwk {
    /// Names the key in a token's header.
    pub kid: String,
    /// Octet key pair.
    #[schema(examples("OKP"))]
    pub kty: String,
    /// The curve.
    #[schema(examples("Ed25519"))]
    pub crv: String,
    /// The algorithm of RFC 8037.
    #[schema(examples("EdDSA"))]
    pub alg: String,
    /// What it is for.
    #[serde(rename = "use")]
    #[schema(examples("sig"))]
    pub purpose: String,
    /// The public key, base64url.
    pub x: String,
}

impl Keys {
    /// The keys of the database; the first is made if there is none. Fails where the secret does not open them.
    pub fn load_or_make(conn: &mut PgConnection, secret: &Secret) -> Result<Self> {
        SigningKey::lock_all(conn)?;
        if let Some(keys) = Self::load(conn, secret)? {
            return Ok(keys);
        }
        let sealing = secret.derive(SEALING);
        let row = make(&sealing)?;
        row.insert(conn)?;
        Self::open(&sealing, &[row])
    }

    /// The keys of the database, if there are any yet. Fails where the secret does not open them.
    pub fn load(conn: &mut PgConnection, secret: &Secret) -> Result<Option<Self>> {
        let rows = SigningKey::all(conn)?;
        if rows.is_empty() { Ok(None) } else { Self::open(&secret.derive(SEALING), &rows).map(Some) }
    }

    fn open(sealing: &[u8; 32], rows: &[SigningKey]) -> Result<Self> {
        let newest = rows.first().ok_or_else(|| Error::internal("there is no signing key"))?;
        let pkcs8 = unseal(sealing, newest)?;
        Ok(Self {
            kid: newest.kid.clone(),
            signing: EncodingKey::from_ed_der(&pkcs8),
            verifying: rows
                .iter()
                .map(|row| (row.kid.clone(), DecodingKey::from_ed_der(&row.public_key)))
                .collect(),
            jwks: Jwks { keys: rows.iter().map(Jwk::from).collect() },
        })
    }

    /// The key that signs now, and its name.
    pub fn signing(&self) -> (&str, &EncodingKey) {
        (&self.kid, &self.signing)
    }

    /// The key of that name, if we have it.
    pub fn verifying(&self, kid: &str) -> Option<&DecodingKey> {
        self.verifying.get(kid)
    }

    /// What `/.well-known/jwks.json` shows.
    pub fn jwks(&self) -> &Jwks {
        &self.jwks
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

fn make(sealing: &[u8; 32]) -> Result<SigningKey> {
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
    Ok(SigningKey { kid, public_key, sealed_private_key, created_at: Utc::now() })
}

fn unseal(sealing: &[u8; 32], row: &SigningKey) -> Result<Vec<u8>> {
    let refused = || {
        Error::internal(
            "PLAZA_SECRET_KEY does not open the signing keys of this database. Give every node the secret that made them \
             (data/keys/secret.key of the first)",
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
