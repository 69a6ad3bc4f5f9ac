//! Access tokens (RFC 9068), and opaque tokens such as refresh tokens.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::secret::Secret;
use crate::error::{Code, Error, Result};

/// The type of an access token in its header (RFC 9068, section 2.1).
const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The longest lifetime of an access token, unless the setting is longer, and the largest accepted difference between the clocks of
/// two nodes. In seconds.
const DAY: i64 = 24 * 60 * 60;

/// The claims of an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: the public URL.
    pub iss: String,
    /// Audience: the public URL.
    pub aud: String,
    /// The user's id, in decimal.
    pub sub: String,
    /// The session's id, in decimal.
    pub sid: String,
    /// Unique id of the token.
    pub jti: String,
    /// Time of issue, in seconds since 1970.
    pub iat: i64,
    /// Time of expiry, in seconds since 1970.
    pub exp: i64,
}

/// Issues and verifies access tokens.
pub struct AccessTokens {
    keys: Arc<Keys>,
    validation: Validation,
    issuer: String,
    lifetime: TimeDelta,
}

/// The content of a valid access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSubject {
    /// The user's id.
    pub user_id: i64,
    /// The session's id.
    pub session_id: i64,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
}

/// Why a token is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadToken {
    /// This service did not make the token, or the token was changed.
    Invalid,
    /// The token has the right form, but this node does not know its key.
    UnknownKey,
    /// The token was valid, but has expired.
    Expired,
}

impl From<BadToken> for Error {
    fn from(bad: BadToken) -> Self {
        match bad {
            BadToken::Expired => Self::refused(Code::TokenExpired, "The access token has expired."),
            BadToken::Invalid | BadToken::UnknownKey => Self::refused(
                Code::AccessTokenInvalid,
                "This service did not issue the access token, or the token was altered.",
            ),
        }
    }
}

impl AccessTokens {
    /// Set up issuing and verifying. `issuer` is the public URL, which all nodes share; a token is valid for `lifetime`.
    pub fn new(keys: Arc<Keys>, issuer: String, lifetime: TimeDelta) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&issuer]);
        validation.set_audience(&[&issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 0;
        // A token has expired at `exp` itself (RFC 7519, section 4.1.4); jsonwebtoken would accept it for a second longer.
        validation.reject_tokens_expiring_in_less_than = 1;
        Self { keys, validation, issuer, lifetime }
    }

    /// Return the keys that sign and verify the tokens.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// How long a token is valid.
    pub fn lifetime(&self) -> TimeDelta {
        self.lifetime
    }

    /// Issue a token at `now` for a session of a user.
    pub fn issue(&self, user_id: i64, session_id: i64, now: DateTime<Utc>) -> Result<String> {
        let ring = self.keys.ring();
        let (kid, key) = ring.signing(now)?;
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: user_id.to_string(),
            sid: session_id.to_string(),
            jti: uuid::Uuid::new_v4().simple().to_string(),
            iat: now.timestamp(),
            exp: (now + self.lifetime).timestamp(),
        };
        jsonwebtoken::encode(&header(kid), &claims, key).map_err(Error::internal)
    }

    /// Return the content of a token that this service made and that has not expired. Whether its session is still open is for the
    /// database to say.
    pub fn verify(&self, token: &str) -> Result<TokenSubject, BadToken> {
        let mut said = jsonwebtoken::decode_header(token).map_err(|_| BadToken::Invalid)?;
        let kid = said.kid.clone().ok_or(BadToken::Invalid)?;
        // The only part that may be written in another way: media types are case-insensitive.
        if said.typ.as_ref().is_some_and(|typ| typ.eq_ignore_ascii_case(ACCESS_TOKEN_TYPE)) {
            said.typ = Some(ACCESS_TOKEN_TYPE.into());
        }
        // A header with anything more is not ours: a key that it contains or points to, a critical extension, or another form of
        // the claims.
        if said != header(&kid) {
            return Err(BadToken::Invalid);
        }
        let (now, ring) = (Utc::now(), self.keys.ring());
        let key = ring.verifying(&kid, now).ok_or(BadToken::UnknownKey)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => BadToken::Expired,
                _ => BadToken::Invalid,
            })?
            .claims;
        let longest = self.lifetime.num_seconds().max(DAY);
        let is_of_these_days = (0..=longest).contains(&claims.exp.saturating_sub(claims.iat))
            && claims.iat.saturating_sub(now.timestamp()) <= DAY;
        let ids = id(&claims.sub).zip(id(&claims.sid)).filter(|_| is_of_these_days);
        match (ids, DateTime::from_timestamp(claims.exp, 0)) {
            (Some((user_id, session_id)), Some(expires_at)) => {
                Ok(TokenSubject { user_id, session_id, expires_at })
            }
            _ => Err(BadToken::Invalid),
        }
    }
}

/// Return the header of an access token. A valid token has exactly this header.
fn header(kid: &str) -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(ACCESS_TOKEN_TYPE.into());
    header.kid = Some(kid.into());
    header
}

/// Parse an id in the form in which we write it: no sign, no leading zeros.
fn id(text: &str) -> Option<i64> {
    text.parse().ok().filter(|id: &i64| *id > 0 && id.to_string() == text)
}

/// Makes and opens opaque tokens: 256 bits that conceal a row's id and a number. Refresh tokens and the tokens of mails are opaque
/// tokens.
///
/// A token is the two numbers, encrypted with AES-256-GCM-SIV (RFC 8452) and a key from the secret: one half is ciphertext, the
/// other half is the tag. The encryption is deterministic, so the current token of a session can be computed again without being
/// stored, and a token that is used again identifies its session however old it is. The nonce is fixed, which this mode allows as
/// long as each purpose has its own key.
#[derive(Clone)]
pub struct OpaqueTokens {
    key: Arc<LessSafeKey>,
}

/// The content of an opaque token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The row's id.
    pub id: i64,
    /// The number of the token within the row; the first is 0.
    pub generation: i64,
}

impl OpaqueTokens {
    /// Derive the key of one purpose. It is used for nothing else, and is the same on every node.
    pub fn new(secret: &Secret, purpose: &str) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, &secret.derive(purpose)).expect("the key has 32 bytes");
        Self { key: Arc::new(LessSafeKey::new(key)) }
    }

    /// Return the token of this row and generation.
    pub fn seal(&self, ticket: Ticket) -> Result<String> {
        let mut bytes = [ticket.id.to_be_bytes(), ticket.generation.to_be_bytes()].concat();
        self.key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut bytes).map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Return the content of a token, if this service made it.
    pub fn open(&self, token: &str) -> Option<Ticket> {
        let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let opened = self.key.open_in_place(nonce(), Aad::empty(), &mut bytes).ok()?;
        let (id, generation) = opened.split_at_checked(8)?;
        Some(Ticket {
            id: i64::from_be_bytes(id.try_into().ok()?),
            generation: i64::from_be_bytes(generation.try_into().ok()?),
        })
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Return what is stored of an opaque token: its SHA-256 hash.
pub fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

/// Return 53 random bits, the most that a JavaScript number holds, as the id of a row from which opaque tokens are derived. An id
/// never recurs, not even after a restore.
pub fn random_id() -> Result<i64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(Error::internal)?;
    Ok(i64::from_be_bytes(bytes) & ((1 << 53) - 1))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn opaque_tokens_are_256_bits_and_open_under_their_secret_and_purpose_only() {
        let tokens = |secret: &str, purpose| {
            OpaqueTokens::new(&Secret::load(Some(secret.into()), Path::new("")).unwrap(), purpose)
        };
        let ours = tokens("an example secret of enough characters", "refresh");
        let ticket = Ticket { id: 7, generation: 3 };
        let token = ours.seal(ticket).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(&token).unwrap().len() * 8, 256);
        assert_eq!(ours.open(&token), Some(ticket));
        assert_eq!(ours.seal(ticket).unwrap(), token);
        assert_eq!(tokens("another example secret of 32 and more", "refresh").open(&token), None);
        assert_eq!(tokens("an example secret of enough characters", "mail").open(&token), None);
        assert_eq!(ours.open(&token[1..]), None);
        assert_eq!(ours.open("x"), None);
    }
}
