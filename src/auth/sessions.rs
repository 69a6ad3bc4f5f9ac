//! What sessions do: open, rotate, end.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;

use super::tokens::{AccessTokens, OpaqueTokens, Ticket, hash, random_id};
use crate::config::Accounts;
use crate::config::time::to_time_delta;
use crate::error::{Code, Error, Result};
use crate::models::session::{NewSession, Rotation, Session};

/// How long things last.
#[derive(Clone, Copy, Debug)]
struct Windows {
    /// Of a refresh token that is not used.
    sliding: TimeDelta,
    /// Of a session.
    absolute: TimeDelta,
    /// In which a used token answers with whatever is the present one: parallel tabs.
    grace: TimeDelta,
    /// In which a used token answers with its successor, if that was not used: lost answers.
    repeat: TimeDelta,
}

/// Turns sessions into tokens, and tokens into the next ones.
pub struct Sessions {
    access: actix_web::web::Data<AccessTokens>,
    refresh: OpaqueTokens,
    windows: Windows,
}

/// The tokens of a session.
#[derive(Debug)]
pub struct Pair {
    /// For requests.
    pub access: String,
    /// How long it is good for.
    pub access_lifetime: TimeDelta,
    /// For the next pair.
    pub refresh: String,
    /// When it dies.
    pub refresh_expires_at: DateTime<Utc>,
    /// When they were made.
    pub at: DateTime<Utc>,
}

/// What a refresh token leads to.
#[derive(Debug)]
pub enum Refreshed {
    /// The session's present tokens.
    Pair(Box<Pair>),
    /// The token was used before, which has ended the session of this user: somebody else may have it.
    Replayed(i64),
}

impl Sessions {
    /// `refresh` makes the refresh tokens.
    pub fn new(
        access: actix_web::web::Data<AccessTokens>,
        refresh: OpaqueTokens,
        settings: &Accounts,
    ) -> Self {
        let windows = Windows {
            sliding: to_time_delta(settings.refresh_lifetime),
            absolute: to_time_delta(settings.session_lifetime),
            grace: to_time_delta(settings.refresh_grace),
            repeat: to_time_delta(settings.refresh_repeat),
        };
        Self { access, refresh, windows }
    }

    /// Makes the access tokens.
    pub fn access(&self) -> &AccessTokens {
        &self.access
    }

    /// Open a session for a user whose password was right.
    pub fn open(&self, conn: &mut PgConnection, user_id: i64, user_agent: &str, ip: &str) -> Result<Pair> {
        let now = Utc::now();
        let ticket = Ticket { id: random_id()?, generation: 0 };
        let expires_at = now + self.windows.sliding.min(self.windows.absolute);
        let pair = self.pair(user_id, ticket, expires_at, now)?;
        let token_hash = &hash(&pair.refresh);
        NewSession { id: ticket.id, user_id, token_hash, user_agent, ip, expires_at }.insert(conn)?;
        Ok(pair)
    }

    /// The session of a refresh token that we made, however old. 401 `refresh_token_invalid` for anything else.
    pub fn session_of(&self, token: &str) -> Result<i64> {
        self.ticket(token).map(|ticket| ticket.id)
    }

    /// The next tokens of the session; the present ones again, where the token was used, but within the windows; or the end
    /// of the session, which only stands if the transaction does. 401 `session_revoked` where it has ended already.
    pub fn refresh(&self, conn: &mut PgConnection, token: &str) -> Result<Refreshed> {
        let ticket = self.ticket(token)?;
        let next = Ticket { generation: ticket.generation + 1, ..ticket };
        let rotation = Rotation {
            id: ticket.id,
            generation: ticket.generation,
            old_hash: &hash(token),
            new_hash: &hash(&self.refresh.seal(next)?),
            sliding: self.windows.sliding,
            absolute: self.windows.absolute,
            grace: self.windows.grace,
        };
        if let Some(session) = rotation.execute(conn)? {
            return self.present(&session);
        }
        // Somebody was faster, or the token is old, or the session has ended.
        let (session, at) = Session::find(conn, ticket.id)?.ok_or_else(ended)?;
        let since = session.since_rotation(ticket.generation, at);
        let is_parallel = since.is_some_and(|since| since < self.windows.grace);
        let was_lost =
            session.generation == next.generation && since.is_some_and(|since| since < self.windows.repeat);
        if is_parallel || was_lost {
            return self.present(&session);
        }
        Session::end(conn, session.id)?;
        Ok(Refreshed::Replayed(session.user_id))
    }

    fn present(&self, session: &Session) -> Result<Refreshed> {
        let ticket = Ticket { id: session.id, generation: session.generation };
        let pair = self.pair(session.user_id, ticket, session.expires_at, Utc::now())?;
        Ok(Refreshed::Pair(Box::new(pair)))
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

/// 401 for what is no refresh token, or no longer.
pub fn invalid_refresh_token() -> Error {
    Error::refused(Code::RefreshTokenInvalid, "The refresh token is unknown or was used before.")
}

/// 401 for what belongs to a session that is over.
pub fn ended() -> Error {
    Error::refused(Code::SessionRevoked, "The session of this token has ended.")
}
