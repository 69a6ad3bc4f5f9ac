//! A cache of the users behind access tokens, so that a request with a token costs about as much as one without.
//!
//! The database is the source of truth. A node caches its answers, and evicts them when the database reports a change: every
//! transaction that ends a session or changes a user's rights sends a notice. A node that has received nothing for a second does
//! not use its cache: it asks the database on each request, and answers 503 if it cannot.

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use diesel::PgConnection;
use lru::LruCache;

use super::caller::CurrentUser;
use super::sessions::ended;
use super::tokens::{AccessTokens, BadToken, TokenSubject};
use crate::db::Db;
use crate::db::listener::{Listener, Notice};
use crate::error::Result;
use crate::models::session::Session;

/// How long a request waits for the database to identify the user of a token: as long as it waits for a connection.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum number of cached tokens, at about 300 bytes each. The least recently used one is evicted first.
const CACHE_SIZE: NonZero<usize> = NonZero::new(16_384).expect("more than nothing");

/// Identifies callers by their tokens.
pub struct SessionCache {
    tokens: Arc<AccessTokens>,
    db: Db,
    cache: Arc<CachedSessions>,
    listener: Listener,
}

/// The cached callers of a node. Shared with the code that evicts them.
pub struct CachedSessions {
    state: Mutex<CacheState>,
}

struct CacheState {
    users: LruCache<[u8; 32], CachedSession>,
    /// Counts the evictions, so that a lookup that was in progress during one is not cached.
    evictions: u64,
}

struct CachedSession {
    user: Arc<CurrentUser>,
    until: DateTime<Utc>,
}

impl Default for CachedSessions {
    fn default() -> Self {
        Self { state: Mutex::new(CacheState { users: LruCache::new(CACHE_SIZE), evictions: 0 }) }
    }
}

impl CachedSessions {
    /// Evict every caller whom these notices may concern.
    pub fn apply(&self, notices: &[Notice]) {
        // A key that is removed invalidates every token that it signed.
        if notices.iter().any(|notice| matches!(notice, Notice::Connected | Notice::Keys | Notice::Users)) {
            let mut state = self.lock();
            state.evictions += 1;
            state.users.clear();
        } else {
            self.evict(notices.iter().filter_map(|notice| match notice {
                Notice::User(id) => Some(*id),
                _ => None,
            }));
        }
    }

    /// Evict these users. Code that changes a user's rights on this node calls this after the commit, so that the change takes
    /// effect here immediately. The other nodes receive a notice.
    pub fn evict(&self, users: impl IntoIterator<Item = i64>) {
        let users: HashSet<i64> = users.into_iter().collect();
        if users.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.evictions += 1;
        let theirs: Vec<[u8; 32]> = state
            .users
            .iter()
            .filter(|(_, cached)| users.contains(&cached.user.id))
            .map(|(token, _)| *token)
            .collect();
        for token in theirs {
            state.users.pop(&token);
        }
    }

    fn recall(&self, token: &[u8; 32]) -> Option<Arc<CurrentUser>> {
        let mut state = self.lock();
        let cached = state.users.get(token)?;
        if cached.until > Utc::now() {
            return Some(Arc::clone(&cached.user));
        }
        state.users.pop(token);
        None
    }

    fn lock(&self) -> MutexGuard<'_, CacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionCache {
    /// Create the lookup of callers. `cache` must receive the notices that `listener` delivers.
    pub fn new(tokens: Arc<AccessTokens>, db: Db, cache: Arc<CachedSessions>, listener: Listener) -> Self {
        Self { tokens, db, cache, listener }
    }

    /// Whether this node receives notices of changes, and so may use its cache.
    pub fn is_listening(&self) -> bool {
        self.listener.is_listening()
    }

    /// Evict a user whose rights or sessions have just changed on this node.
    pub fn evict(&self, user_id: i64) {
        self.cache.evict([user_id]);
    }

    /// Reload the signing keys if this node receives no notices of new ones. Call this before a key signs or is published.
    pub async fn ensure_fresh_keys(&self) -> Result<()> {
        if !self.listener.is_listening() {
            self.tokens.keys().look_again(&self.db, false).await?;
        }
        Ok(())
    }

    /// Return the user of a bearer token. 401 if the token is malformed, not ours, expired, or of a session that has ended; 503 if
    /// only the database can tell and it does not answer.
    pub async fn identify(&self, token: &str) -> Result<Arc<CurrentUser>> {
        let fingerprint = fingerprint(token);
        if self.listener.is_listening()
            && let Some(user) = self.cache.recall(&fingerprint)
        {
            return Ok(user);
        }
        let verified = self.verify(token).await?;
        let evictions = self.cache.lock().evictions;
        let find =
            move |conn: &mut PgConnection| Ok(Session::live(conn, verified.session_id, verified.user_id)?);
        let live = self.db.run_within(LOOKUP_TIMEOUT, find);
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
        let mut state = self.cache.lock();
        if state.evictions == evictions {
            state.users.put(fingerprint, CachedSession { user: Arc::clone(&user), until });
        }
        Ok(user)
    }

    async fn verify(&self, token: &str) -> Result<TokenSubject> {
        let first = self.tokens.verify(token);
        if first != Err(BadToken::UnknownKey) {
            return Ok(first?);
        }
        self.tokens.keys().look_again(&self.db, self.listener.is_listening()).await?;
        Ok(self.tokens.verify(token)?)
    }
}

fn fingerprint(token: &str) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    fingerprint
}
