//! Notices between nodes, sent through the database: one connection listens, on a dedicated thread.
//!
//! A trigger sends each notice in the transaction that causes it, so the notice comes with the commit or not at all, whatever made
//! the change. Notices that are missed while there is no connection are not sent again: [`Notice::Connected`] reports this.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::models::event::Event;
use crate::timing::Timing;

/// How often the connection is polled. Waiting for libpq is possible, but diesel does not expose its socket.
const LOOK: Duration = Duration::from_millis(20);

/// A notice of what another node, or this one, did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The connection is new, so any notice may have been missed.
    Connected,
    /// This user, or one of the user's sessions, has changed.
    User(i64),
    /// Any user or session may have changed.
    Users,
    /// The signing keys have changed.
    Keys,
    /// There are new jobs.
    Jobs,
    /// There are events that are not published yet.
    Written,
    /// Events are published up to this position.
    Published(i64),
}

impl Notice {
    /// Parse a notice. `None` for a notice that only a newer version knows.
    fn parse(payload: &str) -> Option<Self> {
        match payload.split_once(' ').unwrap_or((payload, "")) {
            ("user", id) => id.parse().ok().map(Self::User),
            ("users", _) => Some(Self::Users),
            ("keys", _) => Some(Self::Keys),
            ("jobs", _) => Some(Self::Jobs),
            ("events", position) => position.parse().ok().map(Self::Published),
            _ => None,
        }
    }
}

/// The thread that listens. It ends when this value is dropped.
pub struct Listener {
    state: Arc<State>,
}

struct State {
    timing: Timing,
    /// When the last query that the database answered was sent. Every notice that was committed before then has been received.
    last_heard: Mutex<Option<Instant>>,
    is_over: AtomicBool,
}

impl Listener {
    /// Listen to the schema of `url`, and keep trying to connect for as long as it takes. The listener calls `handle` on its thread:
    /// with the notices that arrived together, and several times a second with none. While `handle` works, no other notice is
    /// received.
    pub fn start(
        url: &str,
        timing: Timing,
        handle: impl FnMut(&[Notice]) + Send + 'static,
    ) -> std::io::Result<Self> {
        let state = Arc::new(State { timing, last_heard: Mutex::default(), is_over: AtomicBool::default() });
        let (url, shared) = (url.to_owned(), Arc::clone(&state));
        thread::Builder::new().name("listener".into()).spawn(move || listen(&url, &shared, handle))?;
        Ok(Self { state })
    }

    /// Whether every notice is received that was committed more than [`Timing::stale_after`] ago.
    pub fn is_listening(&self) -> bool {
        let last_heard = *self.state.last_heard.lock().unwrap_or_else(PoisonError::into_inner);
        last_heard.is_some_and(|last_heard| last_heard.elapsed() < self.state.timing.stale_after)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Release);
    }
}

fn listen(url: &str, state: &State, mut handle: impl FnMut(&[Notice])) {
    let mut is_outage_logged = false;
    while !state.is_over.load(Ordering::Acquire) {
        let ended = connect(url).and_then(|mut conn| {
            handle(&[Notice::Connected]);
            is_outage_logged = false;
            follow(&mut conn, state, &mut handle)
        });
        if let Err(cause) = ended {
            // Logged once per outage, and not for an outage that we cause ourselves.
            if !is_outage_logged && !state.is_over.load(Ordering::Acquire) {
                tracing::warn!(%cause, "cannot receive notices from other nodes; asking the database for each request instead");
            }
            is_outage_logged = true;
            thread::sleep(state.timing.reconnect);
        }
    }
}

fn connect(url: &str) -> Result<PgConnection, Box<dyn std::error::Error>> {
    #[derive(QueryableByName)]
    struct Channel {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let mut conn = PgConnection::establish(url)?;
    // For administrators who look at the server's connections.
    conn.batch_execute(
        "SELECT set_config('application_name', 'plaza listener of ' || current_schema(), false)",
    )?;
    let channel: Channel =
        diesel::sql_query("SELECT quote_ident(channel()) AS name").get_result(&mut conn)?;
    conn.batch_execute(&format!("LISTEN {}", channel.name))?;
    Ok(conn)
}

/// Receive notices until the connection breaks or the listener is dropped.
fn follow(
    conn: &mut PgConnection,
    state: &State,
    handle: &mut impl FnMut(&[Notice]),
) -> Result<(), Box<dyn std::error::Error>> {
    let mut asked: Option<Instant> = None;
    while !state.is_over.load(Ordering::Acquire) {
        let beat = asked.is_none_or(|asked| asked.elapsed() >= state.timing.heartbeat).then(Instant::now);
        // Transactions that write events send no notices, because notices make commits wait for each other. So the events are
        // polled.
        let has_events = beat.is_some() && Event::are_waiting(conn)?;
        let mut notices = conn
            .notifications_iter()
            .filter_map(|notice| notice.map(|notice| Notice::parse(&notice.payload)).transpose())
            .collect::<QueryResult<Vec<_>>>()?;
        notices.extend(has_events.then_some(Notice::Written));
        // Called with every heartbeat too, to retry what failed for earlier notices.
        if beat.is_some() || !notices.is_empty() {
            handle(&notices);
        }
        if beat.is_some() {
            asked = beat;
            *state.last_heard.lock().unwrap_or_else(PoisonError::into_inner) = beat;
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_version_says_is_passed_over() {
        assert_eq!(Notice::parse("user 7"), Some(Notice::User(7)));
        assert_eq!(Notice::parse("keys"), Some(Notice::Keys));
        assert_eq!(Notice::parse("jobs"), Some(Notice::Jobs));
        assert_eq!(Notice::parse("events 12"), Some(Notice::Published(12)));
        for unknown in ["", "user", "user x", "weather fine"] {
            assert_eq!(Notice::parse(unknown), None, "{unknown}");
        }
    }
}
