//! Access tokens (RFC 9068) and refresh tokens.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::secret::Secret;
use crate::error::{Code, Error, Result};

/// RFC 9068, section 2.1: what kind of token it is.
const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// How long an access token is good for.
pub const ACCESS_LIFETIME: Duration = Duration::from_mins(15);

/// What an access token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it: the public URL.
    pub iss: String,
    /// Whom it is for: the public URL.
    pub aud: String,
    /// The user's id, in decimal.
    pub sub: String,
    /// The session's id, in decimal.
    pub sid: String,
    /// Unlike any other token's.
    pub jti: String,
    /// Seconds since 1970.
    pub iat: i64,
    /// Seconds since 1970.
    pub exp: i64,
}

/// Makes and checks access tokens.
pub struct AccessTokens {
    keys: Keys,
    validation: Validation,
    issuer: String,
}

impl AccessTokens {
    /// `issuer` is the public URL, which all nodes share.
    pub fn new(keys: Keys, issuer: String) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&issuer]);
        validation.set_audience(&[&issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = 0;
        Self { keys, validation, issuer }
    }

    /// The keys behind it.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A token for a session of a user, made at `now`, good for [`ACCESS_LIFETIME`].
    pub fn issue(&self, user_id: i64, session_id: i64, now: DateTime<Utc>) -> Result<String> {
        let (kid, key) = self.keys.signing();
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(ACCESS_TOKEN_TYPE.into());
        header.kid = Some(kid.into());
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: user_id.to_string(),
            sid: session_id.to_string(),
            jti: uuid::Uuid::new_v4().simple().to_string(),
            iat: now.timestamp(),
            exp: now.timestamp() + i64::try_from(ACCESS_LIFETIME.as_secs()).unwrap_or(0),
        };
        jsonwebtoken::encode(&header, &claims, key).map_err(Error::internal)
    }

    /// The user's and the session's id, from a token that we made and that has not expired. Whether the session lives is
    /// for the database to say.
    pub fn verify(&self, token: &str) -> Result<(i64, i64)> {
        let invalid = || {
            Error::refused(
                Code::AccessTokenInvalid,
                "This is no access token of this service, or it was changed.",
            )
        };
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        let typ = header.typ.as_deref().unwrap_or_default();
        let names_a_key_itself =
            header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some();
        // We understand no extension, so a token that insists on one is not for us (RFC 7515, section 4.1.11).
        let insists = header.crit.as_ref().is_some_and(|crit| !crit.is_empty());
        if !typ.eq_ignore_ascii_case(ACCESS_TOKEN_TYPE) || names_a_key_itself || insists {
            return Err(invalid());
        }
        let key = header.kid.as_deref().and_then(|kid| self.keys.verifying(kid)).ok_or_else(invalid)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => {
                    Error::refused(Code::TokenExpired, "The access token has expired.")
                }
                _ => invalid(),
            })?
            .claims;
        match (claims.sub.parse(), claims.sid.parse()) {
            (Ok(user), Ok(session)) => Ok((user, session)),
            _ => Err(invalid()),
        }
    }
}

/// Makes and opens refresh tokens: 256 bits that hide a session's id and generation.
///
/// A token is the two numbers under AES-256-GCM-SIV (RFC 8452) with a key from the secret: half of it ciphertext, half
/// tag. Deterministic, so the present token of a family can be told again without being stored, and a token that is used
/// again leads to its family however old it is. The nonce is fixed, which this mode allows as long as no plaintext is
/// sealed for two purposes.
pub struct RefreshTokens {
    key: LessSafeKey,
}

/// What a refresh token hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The session's id.
    pub session_id: i64,
    /// Which token of the session it is, the first being 0.
    pub generation: i64,
}

impl RefreshTokens {
    /// With a key of their own, the same on every node.
    pub fn new(secret: &Secret) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, &secret.derive("refresh tokens"))
            .expect("the key has 32 bytes");
        Self { key: LessSafeKey::new(key) }
    }

    /// The token of this session and generation.
    pub fn seal(&self, ticket: Ticket) -> Result<String> {
        let mut bytes = [ticket.session_id.to_be_bytes(), ticket.generation.to_be_bytes()].concat();
        self.key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut bytes).map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What the token hides, if we made it.
    pub fn open(&self, token: &str) -> Option<Ticket> {
        let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let opened = self.key.open_in_place(nonce(), Aad::empty(), &mut bytes).ok()?;
        let (session_id, generation) = opened.split_at_checked(8)?;
        Some(Ticket {
            session_id: i64::from_be_bytes(session_id.try_into().ok()?),
            generation: i64::from_be_bytes(generation.try_into().ok()?),
        })
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// What is kept of a refresh token.
pub fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn refresh_tokens_are_256_bits_and_open_under_their_secret_only() {
        let tokens =
            |secret: &str| RefreshTokens::new(&Secret::load(Some(secret.into()), Path::new("")).unwrap());
        let ours = tokens("an example secret of enough characters");
        let ticket = Ticket { session_id: 7, generation: 3 };
        let token = ours.seal(ticket).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(&token).unwrap().len() * 8, 256);
        assert_eq!(ours.open(&token), Some(ticket));
        assert_eq!(ours.seal(ticket).unwrap(), token);
        assert_eq!(tokens("another example secret of 32 and more").open(&token), None);
        assert_eq!(ours.open(&token[1..]), None);
        assert_eq!(ours.open("x"), None);
    }
}
