//! The event streams of a node: their number, and the events that they share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::models::Viewer;
use crate::models::event::{self, FullEvent};
use crate::timing::Timing;

/// Maximum number of events that are read for all streams together. A stream that is further behind reads the rest by itself.
const TAIL: i64 = 500;

/// The streams of this node.
pub struct Streams {
    pub(super) published: watch::Sender<i64>,
    pub(super) is_over: watch::Sender<bool>,
    tail: tokio::sync::Mutex<Arc<Tail>>,
    seats: Mutex<HashMap<i64, usize>>,
    most: usize,
    pub(super) token_check: Duration,
    pub(super) heartbeat: Duration,
}

/// The latest published events: all events between two positions.
#[derive(Default)]
pub(super) struct Tail {
    pub(super) after: i64,
    pub(super) up_to: i64,
    pub(super) events: Vec<FullEvent>,
}

impl Streams {
    /// Allow at most `most` streams for each user.
    pub fn new(most: usize, timing: &Timing) -> Self {
        Self {
            published: watch::channel(0).0,
            is_over: watch::channel(false).0,
            tail: tokio::sync::Mutex::default(),
            seats: Mutex::default(),
            most,
            token_check: timing.token_check,
            heartbeat: timing.stream_heartbeat,
        }
    }

    /// Return the latest events, up to this position or beyond it. They are replaced when further events are published, so erased
    /// data is not shown for longer than it takes to publish the deletion.
    pub(super) async fn tail(&self, db: &Db, up_to: i64) -> Result<Arc<Tail>> {
        let mut tail = self.tail.lock().await;
        if tail.up_to < up_to {
            let after = tail.up_to.max(up_to - TAIL);
            let all = Viewer::Staff(0);
            let read = db.run(move |conn| Ok(event::Event::between(conn, all, (after, up_to), TAIL)?));
            *tail = Arc::new(Tail { after, up_to, events: read.await? });
        }
        Ok(Arc::clone(&tail))
    }

    /// Notify the streams that events are published up to this position.
    pub fn go_on_to(&self, position: i64) {
        self.published.send_if_modified(|last| {
            let is_new = position > *last;
            *last = position.max(*last);
            is_new
        });
    }

    /// End all streams. Their clients continue on another node.
    pub fn end(&self) {
        self.is_over.send_replace(true);
    }

    /// Return the number of streams.
    pub fn count(&self) -> usize {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Take a place among the streams for a user. 429 `too_many_streams` if the user has the maximum number of streams.
    pub(super) fn seat(self: &Arc<Self>, user_id: i64) -> Result<Seat> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = seats.entry(user_id).or_default();
        if *taken >= self.most {
            return Err(Error::unavailable(Code::TooManyStreams, 5));
        }
        *taken += 1;
        Ok(Seat { streams: Arc::clone(self), user_id })
    }
}

/// A user's place among the streams.
pub(super) struct Seat {
    streams: Arc<Streams>,
    user_id: i64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.streams.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(&self.user_id) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.user_id);
            }
        }
    }
}
