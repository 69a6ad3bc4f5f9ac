//! A cache of the users behind access tokens, so that a request with a token costs about as much as one without.
//!
//! The database is the source of truth. A node caches its answers, and evicts them when the database reports a change: every
//! transaction that ends a session or changes a user's rights sends a notice. A node that has received nothing for a second does
//! not use its cache: it asks the database on each request, and answers 503 if it cannot.

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

/// How long a request waits for the database to identify the user of a token: as long as it waits for a connection.
const ASKING: Duration = Duration::from_secs(3);

/// Maximum number of cached tokens, at about 300 bytes each. The least recently used one is evicted first.
const REMEMBERED: NonZero<usize> = NonZero::new(16_384).expect("more than nothing");

/// Identifies callers by their tokens.
pub struct Callers {
    tokens: Data<AccessTokens>,
    db: Data<Db>,
    memory: Arc<Memory>,
    listener: Listener,
}

/// The cached callers of a node. Shared with the code that evicts them.
pub struct Memory {
    known: Mutex<Known>,
}

struct Known {
    callers: LruCache<[u8; 32], Remembered>,
    /// Counts the evictions, so that a lookup that was in progress during one is not cached.
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
    /// Evict every caller whom these notices may concern.
    pub fn hear(&self, news: &[News]) {
        // A key that is removed invalidates every token that it signed.
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

    /// Evict these users. Code that changes a user's rights on this node calls this after the commit, so that the change takes
    /// effect here immediately. The other nodes receive a notice.
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
    /// Create the lookup of callers. `memory` must receive the notices that `listener` delivers.
    pub fn new(tokens: Data<AccessTokens>, db: Data<Db>, memory: Arc<Memory>, listener: Listener) -> Self {
        Self { tokens, db, memory, listener }
    }

    /// Whether this node receives notices of changes, and so may use its cache.
    pub fn is_hearing(&self) -> bool {
        self.listener.is_hearing()
    }

    /// Evict a user whose rights or sessions have just changed on this node.
    pub fn forget(&self, user_id: i64) {
        self.memory.forget([user_id]);
    }

    /// Reload the signing keys if this node receives no notices of new ones. Call this before a key signs or is published.
    pub async fn know_keys(&self) -> Result<()> {
        if !self.listener.is_hearing() {
            self.tokens.keys().look_again(&self.db, false).await?;
        }
        Ok(())
    }

    /// Return the user of a bearer token. 401 if the token is malformed, not ours, expired, or of a session that has ended; 503 if
    /// only the database can tell and it does not answer.
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
