//! Who a token's user is, remembered, so that a request with a token costs about as much as one without.
//!
//! The database is the truth. A node remembers what it said, and forgets it when the database tells of a change: every end of a
//! session and every change of a user's rights is a notice of the transaction that makes it. A node that has heard nothing for
//! a second remembers nothing: it asks per request, and where it cannot, the answer is 503.

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web::Data;
use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use diesel::PgConnection;
use lru::LruCache;

use super::caller::CurrentUser;
use super::sessions::ended;
use super::tokens::{AccessTokens, BadToken, Verified};
use crate::db::Db;
use crate::db::listener::{Listener, News};
use crate::error::Result;
use crate::models::session::Session;

/// How long a request waits for the database to say whose token it is: as long as for a connection.
const ASKING: Duration = Duration::from_secs(3);

/// How many tokens are remembered, at about 300 bytes each. The one that was not seen for the longest time goes first.
const REMEMBERED: NonZero<usize> = NonZero::new(16_384).expect("more than nothing");

/// Knows callers by their tokens.
pub struct Callers {
    tokens: Data<AccessTokens>,
    db: Data<Db>,
    memory: Arc<Memory>,
    listener: Listener,
}

/// What a node remembers. Shared with whoever makes it forget.
pub struct Memory {
    known: Mutex<Known>,
}

struct Known {
    callers: LruCache<[u8; 32], Remembered>,
    /// Counts what was forgotten, so that an answer that was on its way meanwhile is not remembered.
    forgotten: u64,
}

struct Remembered {
    user: Arc<CurrentUser>,
    until: DateTime<Utc>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { known: Mutex::new(Known { callers: LruCache::new(REMEMBERED), forgotten: 0 }) }
    }
}

impl Memory {
    /// Forget whatever the news may have changed.
    pub fn hear(&self, news: &[News]) {
        // With a key, every token goes that it signed.
        if news.iter().any(|news| matches!(news, News::Connected | News::Keys | News::Users)) {
            let mut known = self.lock();
            known.forgotten += 1;
            known.callers.clear();
        } else {
            self.forget(news.iter().filter_map(|news| match news {
                News::User(id) => Some(*id),
                _ => None,
            }));
        }
    }

    /// Forget these users. Whoever changes one's rights here does so after the commit, so that it holds at once on this node;
    /// the others hear of it.
    pub fn forget(&self, users: impl IntoIterator<Item = i64>) {
        let users: HashSet<i64> = users.into_iter().collect();
        if users.is_empty() {
            return;
        }
        let mut known = self.lock();
        known.forgotten += 1;
        let theirs: Vec<[u8; 32]> = known
            .callers
            .iter()
            .filter(|(_, remembered)| users.contains(&remembered.user.id))
            .map(|(token, _)| *token)
            .collect();
        for token in theirs {
            known.callers.pop(&token);
        }
    }

    fn recall(&self, token: &[u8; 32]) -> Option<Arc<CurrentUser>> {
        let mut known = self.lock();
        let remembered = known.callers.get(token)?;
        if remembered.until > Utc::now() {
            return Some(Arc::clone(&remembered.user));
        }
        known.callers.pop(token);
        None
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callers {
    /// `memory` must hear the news that `listener` brings.
    pub fn new(tokens: Data<AccessTokens>, db: Data<Db>, memory: Arc<Memory>, listener: Listener) -> Self {
        Self { tokens, db, memory, listener }
    }

    /// Whether this node hears of changes, so that it may remember anybody.
    pub fn is_hearing(&self) -> bool {
        self.listener.is_hearing()
    }

    /// Forget a user whose rights or sessions have just changed here.
    pub fn forget(&self, user_id: i64) {
        self.memory.forget([user_id]);
    }

    /// Before a key signs or is published: where the node does not hear of new ones, it looks for them.
    pub async fn know_keys(&self) -> Result<()> {
        if !self.listener.is_hearing() {
            self.tokens.keys().look_again(&self.db, false).await?;
        }
        Ok(())
    }

    /// The user of a bearer token. 401 for a token that is malformed, not ours, expired, or of a session that ended; 503 where
    /// only the database can tell and does not answer.
    pub async fn identify(&self, token: &str) -> Result<Arc<CurrentUser>> {
        let fingerprint = fingerprint(token);
        if self.listener.is_hearing()
            && let Some(user) = self.memory.recall(&fingerprint)
        {
            return Ok(user);
        }
        let verified = self.verify(token).await?;
        let forgotten = self.memory.lock().forgotten;
        let find =
            move |conn: &mut PgConnection| Ok(Session::live(conn, verified.session_id, verified.user_id)?);
        let live = self.db.run_within(ASKING, find);
        let live = live.await?.filter(|live| live.is_active).ok_or_else(ended)?;
        let until = verified.expires_at.min(live.expires_at);
        let user = Arc::new(CurrentUser {
            id: live.user_id,
            username: live.username,
            username_key: live.username_key,
            is_staff: live.is_staff,
            session_id: verified.session_id,
            logged_in_at: live.created_at,
        });
        let mut known = self.memory.lock();
        if known.forgotten == forgotten {
            known.callers.put(fingerprint, Remembered { user: Arc::clone(&user), until });
        }
        Ok(user)
    }

    async fn verify(&self, token: &str) -> Result<Verified> {
        let first = self.tokens.verify(token);
        if first != Err(BadToken::UnknownKey) {
            return Ok(first?);
        }
        self.tokens.keys().look_again(&self.db, self.listener.is_hearing()).await?;
        Ok(self.tokens.verify(token)?)
    }
}

fn fingerprint(token: &str) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    fingerprint
}
