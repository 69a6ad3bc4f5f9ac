//! `plaza serve`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use nix::unistd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use url::Url;

use super::Result;
use super::database::Database;
use crate::app::App;
use crate::auth::secret::Secret;
use crate::config::Config;
use crate::db::embedded::GRACE;
use crate::db::migrations;

/// How long a stop waits for jobs that have started, such as a mail to a slow server.
const JOBS_PATIENCE: Duration = Duration::from_secs(10);

/// Answer requests until told to stop.
#[derive(Args, Default)]
pub struct Serve {
    /// Apply pending migrations first; the embedded database is migrated even without this flag
    #[arg(long)]
    migrate: bool,
}

impl Serve {
    /// Run a node. Exits with 0 after SIGTERM or Ctrl-C, once every request that had started is answered.
    pub fn run(&self, config: Config) -> Result<ExitCode> {
        yield_to_the_database();
        // Check what depends on the settings alone before anything is created.
        config.pictures.kinds()?;
        // Bind the ports before the database starts: an administrator who starts a second server by mistake learns of it before
        // anything is created.
        let (api, ops) = (bind(config.listen, "PLAZA_LISTEN")?, bind(config.ops_listen, "PLAZA_OPS_LISTEN")?);
        let database = Database::for_serving(&config)?;
        self.migrate(&database)?;
        let secret = Secret::load(config.secret_key()?, &config.data_dir)?;
        let drain = config.drain;
        let public_url = config.public_url.clone();
        let app = App::new(config, database.url(), &secret).map_err(|error| error.to_string())?;
        let system = actix_web::rt::System::new();
        let served = system.block_on(serve(app, (api, ops), drain, public_url));
        // Dropping the runtime would wait for its blocking threads. A thread that waits for a database which neither answers nor
        // closes the connection would keep the program running forever. A handle is leaked, too: if the last handle were dropped
        // with a worker's thread, it would wake the runtime from a thread-local destructor, where tokio panics, which aborts the
        // program.
        std::mem::forget((actix_web::rt::System::current(), system));
        served?;
        database.stop()?;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }

    fn migrate(&self, database: &Database) -> Result<()> {
        let mut conn = database.connect()?;
        if !database.is_given() || self.migrate {
            for name in migrations::up(&mut conn)? {
                tracing::info!(name, "migrated");
            }
            return Ok(());
        }
        let pending: Vec<_> = migrations::status(&mut conn)?
            .into_iter()
            .filter(|status| !status.applied)
            .map(|status| status.name)
            .collect();
        if pending.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the database lacks {} migrations ({}). Apply them with `plaza migrate`, or start with `plaza serve --migrate`",
            pending.len(),
            pending.join(", ")
        )
        .into())
    }
}

/// Answer requests until told to stop, then finish those that have started.
async fn serve(
    app: App,
    (api, ops): (TcpListener, TcpListener),
    drain: Duration,
    public_url: Url,
) -> Result<()> {
    let address = api.local_addr()?;
    let (public, operators) = app.serve(api, ops)?;
    let handles = (public.handle(), operators.handle());
    let background = app.work();
    let mut signals = Signals::new()?;
    tracing::info!(
        %address,
        %public_url,
        documentation = format_args!("{}docs/", public_url.as_str()),
        "Plaza is ready"
    );
    let servers = tokio::spawn(async move { tokio::try_join!(public, operators) });
    let name = signals.next().await;
    tracing::info!(signal = name, ?drain, "stopping: /readyz answers 503, requests are still accepted");
    app.state().begin_stop();
    tokio::select! {
        () = tokio::time::sleep(drain) => {}
        _ = signals.next() => {}
    }
    app.state().streams.end();
    tokio::select! {
        () = handles.0.stop(true) => {}
        _ = signals.next() => handles.0.stop(false).await,
    }
    background.stop(JOBS_PATIENCE).await;
    handles.1.stop(true).await;
    servers.await??;
    Ok(())
}

/// Lower the priority of this program's session, so that PostgreSQL comes first.
///
/// Linux may divide the cores among sessions first (`sched(7)`, "The autogroup feature"). This program is then one session, and
/// each PostgreSQL process of a connection is another. Linux gives this session the same share whether its threads hash passwords
/// or answer requests, so reads wait for logins (measured: a p99 of 70 ms instead of 6). The priority is lowered a little, and only
/// if the session is the program's own, as under a service manager: the session of a terminal is not ours to change.
fn yield_to_the_database() {
    let is_own_session = unistd::getsid(None) == Ok(unistd::getpid());
    if cfg!(target_os = "linux") && is_own_session {
        // Without autogroups there is no priority to lower.
        drop(std::fs::write("/proc/self/autogroup", "5"));
    }
}

fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    let deadline = Instant::now() + GRACE;
    loop {
        match TcpListener::bind(address) {
            // The address may still belong to a program that was killed a moment ago.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(10));
            }
            bound => return bound.map_err(|error| {
                format!("cannot listen on {address}: {error}. Stop the program that uses this port, or set {setting} to a free one").into()
            }),
        }
    }
}

/// SIGTERM and SIGINT, each of which requests a stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
