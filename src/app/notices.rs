//! What a node does with the notices of other nodes.

use std::sync::Arc;

use crate::api::events::streams::Streams;
use crate::auth::session_cache::CachedSessions;
use crate::auth::tokens::AccessTokens;
use crate::db::Db;
use crate::db::listener::Notice;
use crate::events::JobSignals;
use crate::models::event::Event;

/// The parts of a node that notices change.
pub(super) struct NoticeHandler {
    pub(super) cache: Arc<CachedSessions>,
    pub(super) access: Arc<AccessTokens>,
    pub(super) db: Db,
    pub(super) signals: Arc<JobSignals>,
    pub(super) streams: Arc<Streams>,
    /// Whether the signing keys could not be reloaded.
    pub(super) has_stale_keys: bool,
    /// Whether the last position of the events could not be read.
    pub(super) is_behind: bool,
}

impl NoticeHandler {
    /// Handle the notices that arrived together. This runs on the listener's thread, with every heartbeat too.
    pub(super) fn handle(&mut self, notices: &[Notice]) {
        let is_new = notices.contains(&Notice::Connected);
        if self.has_stale_keys || is_new || notices.contains(&Notice::Keys) {
            self.reload_keys();
        }
        // Only after the keys are reloaded: otherwise, a token of a removed key could be cached in between.
        self.cache.apply(notices);
        if is_new || notices.contains(&Notice::Jobs) {
            self.signals.all();
        }
        if is_new || notices.contains(&Notice::Written) {
            self.signals.publisher.notify_one();
        }
        self.advance_streams(notices, is_new);
    }

    fn reload_keys(&mut self) {
        let read = self.db.transaction_blocking(|conn| self.access.keys().reload(conn));
        self.has_stale_keys = read.is_err();
        if let Err(error) = read {
            tracing::warn!(cause = %error, "the signing keys could not be reloaded");
        }
    }

    fn advance_streams(&mut self, notices: &[Notice], is_new: bool) {
        // Find out what was published while no notices were received. If that cannot be read now, the next heartbeat tries again.
        self.is_behind |= is_new;
        let missed = self.is_behind.then(|| last_position(&self.db)).flatten();
        self.is_behind &= missed.is_none();
        let positions = notices.iter().filter_map(|notice| match notice {
            Notice::Published(position) => Some(*position),
            _ => None,
        });
        if let Some(position) = positions.chain(missed).max() {
            self.streams.go_on_to(position);
        }
    }
}

fn last_position(db: &Db) -> Option<i64> {
    let read = db.transaction_blocking(|conn| Ok(Event::last_position(conn)?));
    read.inspect_err(
        |error| tracing::warn!(cause = %error, "the position of the last event could not be read"),
    )
    .ok()
}
