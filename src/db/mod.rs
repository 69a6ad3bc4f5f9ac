//! The database: the one bridge from async code to diesel, migrations, notices between nodes, and the embedded server.

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

use crate::context;
use crate::error::{Code, Error, Result, is_connection_lost};
use crate::metrics::{LabeledMetric, Metrics};
use crate::timing::Timing;
use queue::Queue;

/// How long a transaction may take. After that its caller no longer waits, and it is not known whether the transaction was
/// committed, as when the connection breaks during a commit.
const TRANSACTION: Duration = Duration::from_mins(1);
/// How long a transaction of [`Db::long_transaction`] may take.
const LONG_TRANSACTION: Duration = Duration::from_mins(10);

/// The pool of connections, and the only way from async code to it. Clones share it.
#[derive(Clone)]
pub struct Db {
    pool: Pool<ConnectionManager<PgConnection>>,
    queue: Queue,
    /// How long a request waits for a connection before it gets 503.
    pool_wait: Duration,
    /// How long a read waits for a server that accepts statements and does not answer, not even with its own timeout.
    patience: Duration,
    /// Limits how many statements run concurrently that may each take the whole statement timeout.
    turns: Arc<Semaphore>,
    /// Notified of each transaction that is committed.
    committed: Arc<Notify>,
    refused: LabeledMetric<Counter>,
}

/// The state of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// Connections in use.
    pub busy: u32,
    /// Open connections that are not in use.
    pub idle: u32,
    /// Maximum number of connections.
    pub max: u32,
    /// Jobs that wait for a connection.
    pub waiting: usize,
}

impl Db {
    /// Create a pool of `size` connections to `url`, each with `statement_timeout`. It connects lazily: the caller must check
    /// whether the database can be reached.
    pub fn new(url: &str, size: u32, statement_timeout: Duration) -> Self {
        Self::counting(url, size, statement_timeout, Timing::default().pool_wait, &Metrics::default())
    }

    /// Create a pool whose requests wait `pool_wait` for a connection. `metrics` counts statements and requests that got no answer.
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
            // A test on check-out costs a round trip per request. Instead, a broken connection is noticed in use and discarded, and
            // work that can be repeated is repeated.
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

    /// Read, or execute one statement that may be repeated. If the connection turns out to be broken, the work is repeated on a
    /// fresh one. 503 `database_unavailable` if no connection is free within 3 s, or if the server has silently gone away: the
    /// statement timeout has passed without an answer.
    pub async fn run<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut PgConnection) -> Result<T> + Send + 'static,
    {
        self.run_within(self.patience, read).await
    }

    /// Wait until a transaction of this node is committed. A commit since the last call counts. Only one task may wait.
    pub async fn committed(&self) {
        self.committed.notified().await;
    }

    /// Return the state of the pool, and how many jobs wait for it.
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

    /// Wait for a turn to run a statement that may take the whole statement timeout. A quarter of the connections may do so
    /// concurrently. 503 `busy` after 3 s.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = tokio::time::timeout(self.pool_wait, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| self.refused(Error::unavailable(Code::Busy, 1)))?;
        turn.map_err(Error::internal)
    }

    /// Read as [`Db::run`] does, but answer 503 `database_unavailable` after `patience`. For statements that take no time if the
    /// database answers at all.
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
        // The thread and its connection are lost until the connection breaks or the server answers after all.
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

    /// Run `work` in a transaction, which takes effect as a whole or not at all. It is repeated only if `BEGIN` itself failed. 503
    /// `database_unavailable` also if the database does not answer for a minute.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
    {
        let begin = begin(None);
        self.answer_within(TRANSACTION, move |db, deadline| db.transaction_until(deadline, &begin, work))
            .await
    }

    /// Run a transaction that may take minutes, such as the deletion of a user with all their content. The transaction may take ten
    /// minutes, and so may each of its statements.
    pub async fn long_transaction<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
    {
        let begin = begin(Some(LONG_TRANSACTION));
        self.answer_within(LONG_TRANSACTION, move |db, deadline| db.transaction_until(deadline, &begin, work))
            .await
    }

    /// Do what [`Db::transaction`] does for code that is not async, such as the command line.
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
                return Attempt::Done(Err(Error::internal("a transaction was started twice")));
            };
            Attempt::Done(match work(conn) {
                Ok(value) => {
                    let done = AnsiTransactionManager::commit_transaction(conn);
                    self.committed.notify_one();
                    done.map(|()| value).map_err(Error::from)
                }
                Err(error) => {
                    // The first error counts. If the rollback fails, the pool drops the connection.
                    drop(AnsiTransactionManager::rollback_transaction(conn));
                    Err(error)
                }
            })
        })
    }

    /// Check that the database answers, for `/readyz` and `plaza check`.
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

    /// Run `attempt` on one connection after another until one is alive: after a restart of the database, every pooled connection
    /// is dead.
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
                    tracing::warn!(cause = %error, "the pool has no connection to the database");
                    Error::unavailable(Code::DatabaseUnavailable, 1)
                })?;
            let (result, may_repeat) = match attempt(&mut conn) {
                Attempt::Done(result) => (result, false),
                Attempt::Broken(error) => (Err(error), true),
            };
            if !matches!(&result, Err(error) if error.code() == Code::DatabaseUnavailable) {
                return result;
            }
            // On check-in, r2d2 asks diesel, and diesel asks its transaction manager. So the pool drops this connection.
            AnsiTransactionManager::transaction_manager_status_mut(&mut *conn).set_in_error();
            if left == 0 || !may_repeat {
                return result;
            }
            left -= 1;
        }
    }
}

/// Return the SQL that begins a transaction and sets what its triggers need to know, in one message.
fn begin(statement_timeout: Option<Duration>) -> String {
    let actor = context::actor().map(|user| format!("; SET LOCAL plaza.actor = '{user}'"));
    let time = statement_timeout.map(|time| format!("; SET LOCAL statement_timeout = {}", time.as_millis()));
    format!("BEGIN{}{}", actor.unwrap_or_default(), time.unwrap_or_default())
}

enum Attempt<T> {
    Done(Result<T>),
    Broken(Error),
}

/// Sets up each new connection.
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
        // Request English messages if we are allowed to, since diesel passes on only the text of a timeout.
        conn.batch_execute(&format!(
            "SET statement_timeout = {}; SET timezone = 'UTC'; SET application_name = 'plaza';
             DO $$ BEGIN SET lc_messages = 'C'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$",
            self.statement_timeout.as_millis()
        ))
        .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// Logs the errors of the pool, because r2d2's default handler knows only the `log` crate.
#[derive(Debug)]
struct LogErrors;

impl<E: std::error::Error> diesel::r2d2::HandleError<E> for LogErrors {
    fn handle_error(&self, error: E) {
        tracing::debug!(cause = %error, "the connection pool reported an error");
    }
}
