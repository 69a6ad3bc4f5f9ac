//! The database: the one bridge from async code to diesel, migrations, and a server of the program's own.

pub mod actor;
pub mod embedded;
pub mod listener;
pub mod migrations;
mod queue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::connection::{
    AnsiTransactionManager, InstrumentationEvent, SimpleConnection, TransactionManager,
};
use diesel::pg::PgConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, Error, Result, is_connection_lost};
use crate::metrics::{By, Metrics};
use crate::timing::Timing;
use queue::Queue;

/// How long a transaction may take. After that nobody waits for it any more; whether it stands is not known, as when the
/// connection breaks during a commit.
const TRANSACTION: Duration = Duration::from_mins(1);
/// The same for those that may take long.
const LONG_TRANSACTION: Duration = Duration::from_mins(10);

/// The pool, and the only way from async code to it. Clones share it.
#[derive(Clone)]
pub struct Db {
    pool: Pool<ConnectionManager<PgConnection>>,
    queue: Queue,
    /// How long a request waits for a connection before it is told 503.
    pool_wait: Duration,
    /// How long a read waits for a server that takes statements and does not answer, not even with a time-out of its own.
    patience: Duration,
    /// How many of those run at once that may each take all of a statement's time.
    turns: Arc<Semaphore>,
    /// Told of each transaction that was committed.
    committed: Arc<Notify>,
    refused: By<Counter>,
}

/// How a pool is.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// Those that are being used.
    pub busy: u32,
    /// Those that are open besides.
    pub idle: u32,
    /// How many there may be.
    pub max: u32,
    /// Pieces of work that wait for one.
    pub waiting: usize,
}

impl Db {
    /// A pool of `size` connections to `url`, each with `statement_timeout`. Connects lazily: that the database can be
    /// reached is for the caller to try.
    pub fn new(url: &str, size: u32, statement_timeout: Duration) -> Self {
        Self::counting(url, size, statement_timeout, Timing::default().pool_wait, &Metrics::default())
    }

    /// A pool whose requests wait `pool_wait` for a connection. `metrics` count statements and requests that got no answer.
    pub fn counting(
        url: &str,
        size: u32,
        statement_timeout: Duration,
        pool_wait: Duration,
        metrics: &Metrics,
    ) -> Self {
        let statements = metrics.statements.clone();
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .connection_timeout(pool_wait)
            // A test on check-out costs a round trip per request. Instead a connection that breaks shows in use, is thrown
            // away, and what can be repeated is.
            .test_on_check_out(false)
            .error_handler(Box::new(LogErrors))
            .connection_customizer(Box::new(Customize { statement_timeout, statements }))
            .build_unchecked(ConnectionManager::new(url));
        let turns = usize::try_from(size / 4).unwrap_or(1).max(1);
        Self {
            pool,
            queue: Queue::new(size),
            pool_wait,
            patience: pool_wait + statement_timeout,
            turns: Arc::new(Semaphore::new(turns)),
            committed: Arc::default(),
            refused: metrics.database_refused.clone(),
        }
    }

    /// Read, or do one statement that may be repeated: it is, on a fresh connection, where the first one turns out to
    /// be broken. 503 `database_unavailable` when no connection is to be had within 3 s, or when the server has gone without
    /// a word: its time-out for statements has passed, and nothing came.
    pub async fn run<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut PgConnection) -> Result<T> + Send + 'static,
    {
        self.run_within(self.patience, read).await
    }

    /// Until a transaction of this node is committed; one that was since the last time counts. For one who waits.
    pub async fn committed(&self) {
        self.committed.notified().await;
    }

    /// How the pool is, and who waits for it.
    pub fn connections(&self) -> Connections {
        let state = self.pool.state();
        Connections {
            busy: state.connections.saturating_sub(state.idle_connections),
            idle: state.idle_connections,
            max: self.pool.max_size(),
            waiting: self.queue.waiting(),
        }
    }

    /// How long a statement may take.
    pub fn statement_timeout(&self) -> Duration {
        self.patience.saturating_sub(self.pool_wait)
    }

    /// Wait for a turn to do what may take all of a statement's time, which a quarter of the connections do at once. 503 `busy` after
    /// 3 s.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = tokio::time::timeout(self.pool_wait, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| self.refused(Error::unavailable(Code::Busy, 1)))?;
        turn.map_err(Error::internal)
    }

    /// The same for what takes no time where the database answers at all: 503 `database_unavailable` after `patience`.
    pub async fn run_within<T, F>(&self, patience: Duration, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut PgConnection) -> Result<T> + Send + 'static,
    {
        self.answer_within(patience, move |db, deadline| {
            db.on_live_connection(deadline, |conn| match read(conn) {
                Err(error) if error.code() == Code::DatabaseUnavailable => Attempt::Broken(error),
                result => Attempt::Done(result),
            })
        })
        .await
    }

    async fn answer_within<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(&Self, Instant) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // The thread and its connection are lost until that breaks or answers after all.
        let answer = tokio::time::timeout(patience, self.blocking(work)).await.unwrap_or_else(|_| {
            tracing::warn!(?patience, "the database does not answer");
            Err(Error::unavailable(Code::DatabaseUnavailable, 1))
        });
        answer.map_err(|error| match error.code() {
            Code::DatabaseUnavailable | Code::QueryTimeout => self.refused(error),
            _ => error,
        })
    }

    fn refused(&self, error: Error) -> Error {
        self.refused.of(error.code().entry().name).inc();
        error
    }

    /// Everything that `work` does stands or falls together. Repeated only where `BEGIN` itself failed. 503
    /// `database_unavailable` also where the database says nothing for a minute.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
    {
        let begin = begin(None);
        self.answer_within(TRANSACTION, move |db, deadline| db.transaction_until(deadline, &begin, work))
            .await
    }

    /// The same for what may take minutes, such as the deletion of somebody with everything: it has ten of them, and so have its
    /// statements.
    pub async fn long_transaction<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
    {
        let begin = begin(Some(LONG_TRANSACTION));
        self.answer_within(LONG_TRANSACTION, move |db, deadline| db.transaction_until(deadline, &begin, work))
            .await
    }

    /// [`Db::transaction`] for code that is not async: the command line.
    pub fn transaction_blocking<T>(&self, work: impl FnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        self.transaction_until(Instant::now() + self.pool_wait, &begin(None), work)
    }

    fn transaction_until<T>(
        &self,
        deadline: Instant,
        begin: &str,
        work: impl FnOnce(&mut PgConnection) -> Result<T>,
    ) -> Result<T> {
        let mut work = Some(work);
        self.on_live_connection(deadline, |conn| {
            if let Err(error) = AnsiTransactionManager::begin_transaction_sql(conn, begin) {
                return if is_connection_lost(&error) {
                    Attempt::Broken(error.into())
                } else {
                    Attempt::Done(Err(error.into()))
                };
            }
            let Some(work) = work.take() else {
                return Attempt::Done(Err(Error::internal("a transaction was begun twice")));
            };
            Attempt::Done(match work(conn) {
                Ok(value) => {
                    let done = AnsiTransactionManager::commit_transaction(conn);
                    self.committed.notify_one();
                    done.map(|()| value).map_err(Error::from)
                }
                Err(error) => {
                    // What counts is the first error; a rollback that fails leaves a connection that the pool drops.
                    drop(AnsiTransactionManager::rollback_transaction(conn));
                    Err(error)
                }
            })
        })
    }

    /// Whether the database answers, for `/readyz` and `plaza check`.
    pub async fn ping(&self) -> Result<()> {
        self.run(|conn| Ok(conn.batch_execute("SELECT 1")?)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, Instant) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let deadline = Instant::now() + self.pool_wait;
        let db = self.clone();
        self.queue.run(self.pool_wait, move || work(&db, deadline)).await
    }

    /// Try on one connection after another until one is alive: after a restart of the database every pooled one is dead.
    fn on_live_connection<T>(
        &self,
        deadline: Instant,
        mut attempt: impl FnMut(&mut PgConnection) -> Attempt<T>,
    ) -> Result<T> {
        let mut left = self.pool.max_size();
        loop {
            let mut conn = self
                .pool
                .get_timeout(deadline.saturating_duration_since(Instant::now()))
                .map_err(|error| {
                    tracing::warn!(cause = %error, "no connection to the database");
                    Error::unavailable(Code::DatabaseUnavailable, 1)
                })?;
            let (result, may_repeat) = match attempt(&mut conn) {
                Attempt::Done(result) => (result, false),
                Attempt::Broken(error) => (Err(error), true),
            };
            if !matches!(&result, Err(error) if error.code() == Code::DatabaseUnavailable) {
                return result;
            }
            // r2d2 asks diesel on check-in, and diesel asks its transaction manager: so the pool drops it.
            AnsiTransactionManager::transaction_manager_status_mut(&mut *conn).set_in_error();
            if left == 0 || !may_repeat {
                return result;
            }
            left -= 1;
        }
    }
}

/// What begins a transaction, with what its triggers want to know of it, in one message.
fn begin(statement_timeout: Option<Duration>) -> String {
    let actor = actor::current().map(|user| format!("; SET LOCAL plaza.actor = '{user}'"));
    let time = statement_timeout.map(|time| format!("; SET LOCAL statement_timeout = {}", time.as_millis()));
    format!("BEGIN{}{}", actor.unwrap_or_default(), time.unwrap_or_default())
}

enum Attempt<T> {
    Done(Result<T>),
    Broken(Error),
}

/// What every connection is told once.
#[derive(Debug)]
struct Customize {
    statement_timeout: Duration,
    statements: Counter,
}

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Customize {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        let statements = self.statements.clone();
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                statements.inc();
            }
        });
        // Messages in English where we may ask for it, since the text is all that diesel passes on of a time-out.
        conn.batch_execute(&format!(
            "SET statement_timeout = {}; SET timezone = 'UTC'; SET application_name = 'plaza';
             DO $$ BEGIN SET lc_messages = 'C'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$",
            self.statement_timeout.as_millis()
        ))
        .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// r2d2's default handler knows the `log` crate only.
#[derive(Debug)]
struct LogErrors;

impl<E: std::error::Error> diesel::r2d2::HandleError<E> for LogErrors {
    fn handle_error(&self, error: E) {
        tracing::debug!(cause = %error, "the connection pool");
    }
}
