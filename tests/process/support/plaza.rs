//! The program under test: started, observed, and killed at the end, even if the test fails.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use super::{Client, PATIENCE, eventually, kill, postmaster, processes, try_psql};

/// `plaza serve`, running.
pub struct Plaza {
    child: Child,
    said: Arc<Said>,
    data: PathBuf,
    address: String,
    database_url: String,
    finds_database: Option<FindsDatabase>,
}

/// How to find out the URL of a program's database.
pub enum FindsDatabase {
    /// It is in the arguments.
    Told(String),
    /// This command prints it, once the program is ready.
    Asks(Command),
}

/// `plaza serve` that ended before it was ready.
#[derive(Debug)]
pub struct Refused {
    pub status: ExitStatus,
    pub said: String,
}

/// What the program has written to standard error so far.
#[derive(Default)]
struct Said {
    state: Mutex<(String, bool)>,
    changed: Condvar,
}

impl Said {
    fn listen(self: Arc<Self>, stream: impl std::io::Read + Send + 'static) {
        thread::spawn(move || {
            let mut lines = BufReader::new(stream);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                self.state.lock().expect("no panic").0.push_str(&String::from_utf8_lossy(&line));
                self.changed.notify_all();
                line.clear();
            }
            self.state.lock().expect("no panic").1 = true;
            self.changed.notify_all();
        });
    }

    /// Wait for a text and return the line that contains it; `None` if the program ended without it.
    fn wait_for(&self, text: &str) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state.lock().expect("no panic");
        loop {
            // Only complete lines: the last one may still grow.
            let whole = state.0.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(line) = whole.lines().find(|line| line.contains(text)) {
                return Some(line.to_owned());
            }
            if state.1 {
                return None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it never said `{text}`, only:\n{}", state.0);
            state = self.changed.wait_timeout(state, left).expect("no panic").0;
        }
    }

    fn all(&self) -> String {
        self.state.lock().expect("no panic").0.clone()
    }
}

impl Plaza {
    pub fn spawn(mut command: Command, finds_database: FindsDatabase, data: &Path) -> Self {
        let mut child = command.spawn().expect("the program can be run");
        let said = Arc::new(Said::default());
        Arc::clone(&said).listen(child.stderr.take().expect("piped"));
        Self {
            child,
            said,
            data: data.to_owned(),
            address: String::new(),
            database_url: String::new(),
            finds_database: Some(finds_database),
        }
    }

    /// Wait until it is ready or has ended.
    pub fn ready(mut self) -> Result<Self, Refused> {
        let Some(line) = self.said.wait_for("Plaza is ready") else {
            let status = self.wait();
            return Err(Refused { status, said: self.said() });
        };
        // The log is text or JSON.
        let named = line.split_once(" address=").or(line.split_once("\"address\":\""));
        let (_, rest) = named.unwrap_or_else(|| panic!("the line names the address: {line}"));
        rest.split([' ', '"']).next().expect("a word").clone_into(&mut self.address);
        self.database_url = match self.finds_database.take().expect("it is asked once") {
            FindsDatabase::Told(url) => url,
            FindsDatabase::Asks(command) => Output::of(command).succeeded().trim_end().to_owned(),
        };
        Ok(self)
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The operators' address, which the program does not print. The kernel's list of sockets has it.
    pub fn ops_address(&self) -> String {
        let own = listening(self.pid());
        assert_eq!(own.len(), 2, "it listens on two addresses: {own:?}");
        own.into_iter().find(|address| address != &self.address).expect("one is the API's")
    }

    /// The URL of its database.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    pub fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// A client of the operators' address.
    pub fn operator(&self) -> Client {
        Client::new(&self.ops_address())
    }

    /// What it has written to standard error.
    pub fn said(&self) -> String {
        self.said.all()
    }

    /// The last warnings and errors that it has logged.
    fn complaints(&self) -> String {
        let said = self.said();
        last_lines(said.lines().filter(|line| ["ERROR", "WARN"].iter().any(|level| line.contains(level))))
    }

    /// Wait until it writes this text.
    pub fn says(&self, text: &str) {
        assert!(self.said.wait_for(text).is_some(), "it ended without `{text}`:\n{}", self.said());
    }

    pub fn sql(&self, sql: &str) -> String {
        try_psql(&self.database_url, sql).unwrap_or_else(|said| panic!("{sql}: {said}\n{}", self.said()))
    }

    /// Send this signal to the postmaster alone, and wait until another one serves.
    pub fn end_postmaster(&self, signal: i32) {
        let before = postmaster(&self.data).expect("a postmaster");
        kill(before, signal);
        eventually("another postmaster serves", || {
            postmaster(&self.data).filter(|&now| now != before)?;
            try_psql(&self.database_url, "select 1").ok()
        });
    }

    /// Insert a row that must never be lost, into the test's own table.
    pub fn remember(&self, what: &str) {
        self.sql(&format!("create table if not exists kept (what text); insert into kept values ('{what}')"));
    }

    pub fn remembered(&self) -> String {
        self.sql("select string_agg(what, ' ' order by ctid) from kept")
    }

    pub fn signal(&self, signal: i32) {
        kill(self.pid(), signal);
    }

    /// Wait until it ends.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the program ends", || self.child.try_wait().expect("our child"))
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_some()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.signal(libc::SIGKILL);
        self.wait();
    }

    /// Kill the program and every process of its PostgreSQL at the same time.
    pub fn kill_all(mut self) {
        let server = processes(&self.data);
        assert!(server.len() > 3, "a server has several processes: {server:?}");
        self.signal(libc::SIGKILL);
        for pid in server {
            kill(pid, libc::SIGKILL);
        }
        self.wait();
    }

    /// Send SIGTERM, and assert that it exits with 0 and leaves no process behind.
    pub fn stop(mut self) {
        self.signal(libc::SIGTERM);
        let status = self.wait();
        assert!(status.success(), "a stop is no failure: {status}\n{}", self.said());
        let left = processes(&self.data);
        assert!(left.is_empty(), "it left a server behind: {left:?}");
    }
}

fn last_lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    const AT_MOST: usize = 40;
    let lines: Vec<_> = lines.collect();
    lines[lines.len().saturating_sub(AT_MOST)..].join("\n")
}

impl Drop for Plaza {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        // The log has the cause of a 500; the response does not.
        if thread::panicking() {
            eprintln!("{self:?} complained:\n{}", self.complaints());
            let log = fs::read_to_string(self.data.join("postgres.log")).unwrap_or_default();
            eprintln!("Its PostgreSQL, if it has one of its own:\n{}", last_lines(log.lines()));
        }
    }
}

impl fmt::Debug for Plaza {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaza {} at {}", self.child.id(), self.address)
    }
}

/// The exit code and the output of a command.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Output {
    pub fn of(command: Command) -> Self {
        Self::of_with_input(command, "")
    }

    /// Run the command with this text on standard input.
    pub fn of_with_input(mut command: Command, input: &str) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the program can be run");
        // A program that does not read its input may have closed the pipe.
        drop(child.stdin.take().expect("piped").write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("our child");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Assert that it exited with 0, and return its standard output.
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "it should succeed: {self:?}");
        self.out
    }

    /// Assert that it exited with 1, and return its standard error.
    pub fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "it should fail: {self:?}");
        self.err
    }
}

/// The addresses that a process listens on.
fn listening(pid: i32) -> Vec<String> {
    let folder = Path::new("/proc").join(pid.to_string());
    let sockets: Vec<String> = fs::read_dir(folder.join("fd"))
        .expect("our child")
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let table = fs::read_to_string(folder.join("net/tcp")).expect("our child");
    table
        .lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // `0A` is LISTEN. Addresses look like `0100007F:1F90`, with the IP in the machine's byte order.
            let is_ours = columns.get(3) == Some(&"0A") && sockets.iter().any(|it| it == columns[9]);
            let (ip, port) = columns.get(1).filter(|_| is_ours)?.split_once(':')?;
            let ip = u32::from_str_radix(ip, 16).ok()?.to_ne_bytes();
            let port = u16::from_str_radix(port, 16).ok()?;
            Some(std::net::SocketAddr::from((ip, port)).to_string())
        })
        .collect()
}
