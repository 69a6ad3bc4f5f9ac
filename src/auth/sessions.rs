//! Sessions: how they are opened, refreshed and ended.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;

use super::secret::Secret;
use super::tokens::{AccessTokens, OpaqueTokens, Ticket, hash, random_id};
use crate::error::{Code, Error, Result};
use crate::models::session::{NewSession, Rotation, Session};

/// The time limits of sessions and refresh tokens.
#[derive(Clone, Copy, Debug)]
pub struct SessionLifetimes {
    /// How long a refresh token is valid if it is not used.
    pub sliding: TimeDelta,
    /// How long a session lasts at most.
    pub absolute: TimeDelta,
    /// How long a used token still returns the current one, which parallel tabs need.
    pub grace: TimeDelta,
    /// How long a used token still returns its successor if that has not been used, which lost responses need.
    pub repeat: TimeDelta,
}

/// Issues the tokens of sessions, and exchanges refresh tokens for new pairs.
pub struct Sessions {
    access: Arc<AccessTokens>,
    refresh: OpaqueTokens,
    lifetimes: SessionLifetimes,
}

/// The tokens of a session.
#[derive(Debug)]
pub struct Pair {
    /// The access token, for requests.
    pub access: String,
    /// How long the access token is valid.
    pub access_lifetime: TimeDelta,
    /// The refresh token, for the next pair.
    pub refresh: String,
    /// When the refresh token expires.
    pub refresh_expires_at: DateTime<Utc>,
    /// When the tokens were issued.
    pub at: DateTime<Utc>,
}

/// The result of a refresh.
#[derive(Debug)]
pub enum RefreshOutcome {
    /// The session's current tokens.
    Pair(Box<Pair>),
    /// The token was used before, so another client may have it. That has ended the session of this user.
    Replayed(i64),
}

impl Sessions {
    /// Derive the key of the refresh tokens. `access` issues the access tokens.
    pub fn new(secret: &Secret, access: Arc<AccessTokens>, lifetimes: SessionLifetimes) -> Self {
        Self { access, refresh: OpaqueTokens::new(secret, "refresh tokens"), lifetimes }
    }

    /// Return the issuer of the access tokens.
    pub fn access(&self) -> &AccessTokens {
        &self.access
    }

    /// Open a session for a user whose password was right.
    pub fn open(&self, conn: &mut PgConnection, user_id: i64, user_agent: &str, ip: &str) -> Result<Pair> {
        let now = Utc::now();
        let ticket = Ticket { id: random_id()?, generation: 0 };
        let expires_at = now + self.lifetimes.sliding.min(self.lifetimes.absolute);
        let pair = self.pair(user_id, ticket, expires_at, now)?;
        let token_hash = &hash(&pair.refresh);
        NewSession { id: ticket.id, user_id, token_hash, user_agent, ip, expires_at }.insert(conn)?;
        Ok(pair)
    }

    /// Return the session of a refresh token that this service made, however old the token is. 401 `refresh_token_invalid` for
    /// anything else.
    pub fn session_of(&self, token: &str) -> Result<i64> {
        self.ticket(token).map(|ticket| ticket.id)
    }

    /// Exchange a refresh token. The result is the next tokens of the session, or the current ones again if the token was used
    /// before but within the time limits. Any other token that was used before ends the session, which takes effect only if the
    /// transaction is committed. 401 `session_revoked` if the session has already ended.
    pub fn refresh(&self, conn: &mut PgConnection, token: &str) -> Result<RefreshOutcome> {
        let ticket = self.ticket(token)?;
        let next = Ticket { generation: ticket.generation + 1, ..ticket };
        let rotation = Rotation {
            id: ticket.id,
            generation: ticket.generation,
            old_hash: &hash(token),
            new_hash: &hash(&self.refresh.seal(next)?),
            sliding: self.lifetimes.sliding,
            absolute: self.lifetimes.absolute,
            grace: self.lifetimes.grace,
        };
        if let Some(session) = rotation.execute(conn)? {
            return self.present(&session);
        }
        // Another request was faster, the token is old, or the session has ended.
        let (session, at) = Session::find(conn, ticket.id)?.ok_or_else(ended)?;
        let since = session.since_rotation(ticket.generation, at);
        let is_parallel = since.is_some_and(|since| since < self.lifetimes.grace);
        let was_lost =
            session.generation == next.generation && since.is_some_and(|since| since < self.lifetimes.repeat);
        if is_parallel || was_lost {
            return self.present(&session);
        }
        Session::end(conn, session.id)?;
        Ok(RefreshOutcome::Replayed(session.user_id))
    }

    fn present(&self, session: &Session) -> Result<RefreshOutcome> {
        let ticket = Ticket { id: session.id, generation: session.generation };
        let pair = self.pair(session.user_id, ticket, session.expires_at, Utc::now())?;
        Ok(RefreshOutcome::Pair(Box::new(pair)))
    }

    fn pair(
        &self,
        user_id: i64,
        ticket: Ticket,
        refresh_expires_at: DateTime<Utc>,
        at: DateTime<Utc>,
    ) -> Result<Pair> {
        Ok(Pair {
            access: self.access.issue(user_id, ticket.id, at)?,
            access_lifetime: self.access.lifetime(),
            refresh: self.refresh.seal(ticket)?,
            refresh_expires_at,
            at,
        })
    }

    fn ticket(&self, token: &str) -> Result<Ticket> {
        self.refresh.open(token).ok_or_else(invalid_refresh_token)
    }
}

/// 401 for a token that is not a refresh token, or is no longer valid.
pub fn invalid_refresh_token() -> Error {
    Error::refused(Code::RefreshTokenInvalid, "The refresh token is unknown or was already used.")
}

/// 401 for a token of a session that has ended.
pub fn ended() -> Error {
    Error::refused(Code::SessionRevoked, "The session of this token has ended.")
}
