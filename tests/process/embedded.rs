//! The embedded server, as a program that is killed, interrupted, doubled and moved about. Nothing is faked: these are the real
//! binaries, and what is looked at is the rows.
//!
//! What a test needs of another user is done only when the tests run as root.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The program under test, serving from this data folder.
fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgdemo"));
    command.arg("serve").arg(dir);
    command
}

/// Wait until the program serves; where the database is, or what it said when it ended instead.
fn ready(child: &mut Child) -> Result<String, String> {
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("text");
    if let Some(url) = line.trim_end().strip_prefix("ready ") {
        return Ok(url.to_owned());
    }
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut said)
        .expect("text");
    Err(said)
}

/// What another command takes for the running server's URL ("none" if there is none).
fn running(dir: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pgdemo"))
        .arg("running")
        .arg(dir)
        .output()
        .expect("pgdemo");
    text(&output)
}

/// The program as a test holds it: killed in the end, whatever became of the test.
struct Running {
    child: Child,
    url: String,
    dir: PathBuf,
}

impl Running {
    fn spawn(mut command: Command) -> Child {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program")
    }

    fn start(dir: &Path) -> Self {
        Self::start_with(program(dir), dir)
    }

    fn start_with(command: Command, dir: &Path) -> Self {
        Self::of(Self::spawn(command), dir).unwrap_or_else(|said| panic!("did not start: {said}"))
    }

    fn of(mut child: Child, dir: &Path) -> Result<Self, String> {
        let ready = ready(&mut child);
        // Also where it fails, the child is waited for.
        let running = Self {
            child,
            url: String::new(),
            dir: dir.to_owned(),
        };
        Ok(Self::with_url(running, ready?))
    }

    fn with_url(mut self, url: String) -> Self {
        self.url = url;
        self
    }

    fn sql(&self, sql: &str) -> String {
        self.try_sql(sql)
            .unwrap_or_else(|said| panic!("{sql}: {said}"))
    }

    fn try_sql(&self, sql: &str) -> Result<String, String> {
        let output = psql(&self.url, sql).output().expect("psql");
        if output.status.success() {
            Ok(text(&output))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// The rows that must never be lost.
    fn remember(&self, what: &str) {
        self.sql(&format!(
            "create table if not exists kept (what text); insert into kept values ('{what}')"
        ));
    }

    fn remembered(&self) -> String {
        self.sql("select string_agg(what, ' ' order by ctid) from kept")
    }

    fn signal(&self, signal: i32) {
        kill(self.child.id().cast_signed(), signal);
    }

    fn kill(mut self) {
        self.signal(libc::SIGKILL);
        self.child.wait().expect("our child");
    }

    fn stop(mut self) -> ExitStatus {
        self.signal(libc::SIGINT);
        let status = self.child.wait().expect("our child");
        assert!(processes(&self.dir).is_empty(), "it left a server behind");
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if !thread::panicking() {
            return;
        }
        for pid in processes(&self.dir) {
            kill(pid, libc::SIGKILL);
        }
    }
}

/// A child that is not to outlive its test, whatever becomes of that.
struct KilledAtEnd(Child);

impl Drop for KilledAtEnd {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn psql(url: &str, sql: &str) -> Command {
    let mut command = Command::new("psql");
    command.args([
        "--no-psqlrc",
        "-qAt",
        "-v",
        "ON_ERROR_STOP=1",
        url,
        "-c",
        sql,
    ]);
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

fn kill(pid: i32, signal: i32) {
    // SAFETY: takes plain numbers.
    unsafe { libc::kill(pid, signal) };
}

fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Poll until it is so.
fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Every process that works in the cluster of this data folder.
fn processes(dir: &Path) -> Vec<i32> {
    let Ok(cluster) = fs::metadata(dir.join("postgres")) else {
        return Vec::new();
    };
    let pids = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        fs::metadata(format!("/proc/{pid}/cwd"))
            .is_ok_and(|cwd| (cwd.dev(), cwd.ino()) == (cluster.dev(), cluster.ino()))
    })
    .collect()
}

fn postmaster(dir: &Path) -> Option<i32> {
    fs::read_to_string(dir.join("postgres/postmaster.pid"))
        .ok()?
        .lines()
        .next()?
        .parse()
        .ok()
}

/// Where the running server's socket lies, by its own account.
fn socket_folder(dir: &Path) -> PathBuf {
    let status = fs::read_to_string(dir.join("postgres/postmaster.pid")).expect("a running server");
    PathBuf::from(status.lines().nth(4).expect("eight lines"))
}

fn log(dir: &Path) -> String {
    fs::read_to_string(dir.join("postgres.log")).expect("the log")
}

/// A folder for a test, and in it the path of a data folder that does not exist yet.
fn folder() -> (TempDir, PathBuf) {
    let temp = TempDir::new().expect("a folder");
    let dir = temp.path().join("data");
    (temp, dir)
}

#[test]
fn the_first_start_makes_a_durable_private_database() {
    let (_temp, dir) = folder();
    let plaza = Running::start(&dir);
    for (setting, value) in [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
        ("shared_buffers", "128MB"),
        ("max_connections", "23"),
        ("is_superuser", "off"),
    ] {
        assert_eq!(plaza.sql(&format!("show {setting}")), value, "{setting}");
    }
    assert_eq!(
        plaza.sql("select current_user || ' ' || current_database()"),
        "plaza plaza"
    );
    assert_eq!(
        plaza.sql("select datlocprovider, datdba::regrole from pg_database where datname = current_database()"),
        "i|plaza"
    );
    plaza.sql("create extension pg_trgm; create table t (x int); drop table t");
    assert!(
        plaza.try_sql("create role other").is_err(),
        "it is no superuser"
    );
    let superuser = plaza.url.replace("plaza@", "postgres@");
    let as_superuser = psql(&superuser, "select 1").output().expect("psql");
    assert_eq!(
        as_superuser.status.success(),
        !is_root(),
        "only the server's own user is the superuser"
    );

    plaza.remember("first");
    assert!(plaza.stop().success());
    assert_eq!(running(&dir), "none");
    let again = Running::start(&dir);
    assert_eq!(again.remembered(), "first");
    assert_eq!(running(&dir), again.url);
    assert!(again.stop().success());
    assert!(
        !log(&dir).contains("recovery"),
        "a clean stop needs none:\n{}",
        log(&dir)
    );
}

#[test]
fn a_killed_program_started_again_in_the_same_instant_has_every_row() {
    let (_temp, dir) = folder();
    let mut plaza = Running::start(&dir);
    for round in 0..5 {
        plaza.remember(&format!("r{round}"));
        plaza.signal(libc::SIGKILL);
        // Not even waited for.
        let next = Running::spawn(program(&dir));
        plaza = Running::of(next, &dir).unwrap_or_else(|said| panic!("round {round}: {said}"));
    }
    assert_eq!(plaza.remembered(), "r0 r1 r2 r3 r4");
    assert!(plaza.stop().success());
}

#[test]
fn the_server_ends_with_a_killed_program() {
    let (_temp, dir) = folder();
    let plaza = Running::start(&dir);
    plaza.kill();
    eventually("the server is gone", || {
        processes(&dir).is_empty().then_some(())
    });
    assert!(
        log(&dir).contains("database system is shut down"),
        "by a shutdown, not by a crash"
    );
}

#[test]
fn program_and_all_of_postgres_killed_at_once_lose_nothing() {
    let (_temp, dir) = folder();
    let mut plaza = Running::start(&dir);
    for round in 0..3 {
        plaza.remember(&format!("r{round}"));
        let pids = processes(&dir);
        assert!(pids.len() > 3, "{pids:?}");
        plaza.signal(libc::SIGKILL);
        for pid in pids {
            kill(pid, libc::SIGKILL);
        }
        plaza = Running::start(&dir);
    }
    assert_eq!(plaza.remembered(), "r0 r1 r2");
    assert!(
        log(&dir).contains("automatic recovery in progress"),
        "it was a crash"
    );
    assert!(plaza.stop().success());
}

#[test]
fn a_postmaster_killed_alone_is_started_again_under_the_living_program() {
    let (_temp, dir) = folder();
    let plaza = Running::start(&dir);
    for round in 0..2 {
        plaza.remember(&format!("r{round}"));
        let killed = postmaster(&dir).expect("a postmaster");
        kill(killed, libc::SIGKILL);
        eventually("it serves again", || plaza.try_sql("select 1").ok());
        assert_ne!(postmaster(&dir), Some(killed));
    }
    assert_eq!(plaza.remembered(), "r0 r1");
    assert!(plaza.stop().success());
}

#[test]
fn a_server_shut_down_by_somebody_else_is_started_again() {
    let (_temp, dir) = folder();
    let plaza = Running::start(&dir);
    let first = postmaster(&dir).expect("a postmaster");
    kill(first, libc::SIGTERM);
    eventually("it is another", || {
        postmaster(&dir).filter(|&now| now != first).map(drop)
    });
    eventually("it serves again", || plaza.try_sql("select 1").ok());
    assert!(plaza.stop().success());
}

#[test]
fn orphaned_backends_are_ended_before_the_next_server_starts() {
    let (_temp, dir) = folder();
    let plaza = Running::start(&dir);
    plaza.remember("kept");
    // Busy, so it does not see that its postmaster is gone.
    let busy = psql(
        &plaza.url,
        "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b",
    )
    .stderr(Stdio::null())
    .spawn()
    .expect("psql");
    let _busy = KilledAtEnd(busy);
    let backend: i32 = eventually("the query runs", || {
        plaza.sql("select pid from pg_stat_activity where query like '%count(*)%' and pid <> pg_backend_pid()").parse().ok()
    });
    let postmaster = postmaster(&dir).expect("a postmaster");
    plaza.signal(libc::SIGSTOP);
    kill(postmaster, libc::SIGKILL);
    plaza.kill();
    eventually("only the orphan is left", || {
        (processes(&dir) == [backend]).then_some(())
    });

    let again = Running::start(&dir);
    assert!(!processes(&dir).contains(&backend));
    assert_eq!(again.remembered(), "kept");
    assert!(again.stop().success());
}

#[test]
fn a_first_start_killed_anywhere_on_the_way_is_made_good_by_the_next() {
    // From the first file to the role and database.
    for point in [
        "PG_VERSION",
        "global/pg_control",
        "base/1/PG_VERSION",
        "base/5/PG_VERSION",
        "base/16384/PG_VERSION",
    ] {
        let (_temp, dir) = folder();
        let mut child = Running::spawn(program(&dir));
        let making = dir.join("postgres.new");
        eventually(point, || {
            // The last points pass quickly; having missed one is seen below.
            (making.join(point).exists() || dir.join("postgres").exists()).then_some(())
        });
        child.kill().expect("our child");
        let caught = !dir.join("postgres").exists();
        assert!(caught || point.contains("16384"), "missed {point}");

        let plaza = Running::start(&dir);
        assert!(!making.exists(), "{point}");
        plaza.remember(point);
        assert_eq!(plaza.remembered(), point);
        assert!(plaza.stop().success());
        child.wait().expect("our child");
    }
}

#[test]
fn a_second_program_is_refused_with_the_first_ones_pid() {
    let (_temp, dir) = folder();
    let plaza = Running::start(&dir);
    let began = Instant::now();
    let refused = Running::of(Running::spawn(program(&dir)), &dir)
        .err()
        .expect("refused");
    assert!(
        refused.contains(&format!("process {}", plaza.child.id())),
        "{refused}"
    );
    assert!(
        refused.contains("PLAZA_DATA_DIR"),
        "it says what to do: {refused}"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(plaza.sql("select 1"), "1", "the first does not notice");
    assert!(plaza.stop().success());
}

#[test]
fn of_two_first_starts_at_once_one_wins_and_nothing_breaks() {
    for _ in 0..3 {
        let (_temp, dir) = folder();
        let both = [Running::spawn(program(&dir)), Running::spawn(program(&dir))];
        let pids = both.each_ref().map(Child::id);
        let results = both.map(|child| {
            thread::spawn({
                let dir = dir.clone();
                move || Running::of(child, &dir)
            })
        });
        let results = results.map(|result| result.join().expect("no panic"));
        let (won, lost) = match results {
            [Ok(won), Err(said)] => ((won, pids[0]), said),
            [Err(said), Ok(won)] => ((won, pids[1]), said),
            [Ok(_), Ok(_)] => panic!("both run"),
            [Err(a), Err(b)] => panic!("neither runs: {a} {b}"),
        };
        assert!(lost.contains(&format!("process {}", won.1)), "{lost}");
        won.0.remember("kept");
        assert!(won.0.stop().success());
    }
}

#[test]
fn a_program_that_panics_exits_or_aborts_takes_the_server_along() {
    let (_temp, dir) = folder();
    Running::start(&dir).remember("kept");
    for how in ["panic", "exit", "abort"] {
        let mut command = program(&dir);
        command.arg(how);
        let mut plaza = Running::start_with(command, &dir);
        let status = plaza.child.wait().expect("our child");
        match how {
            "panic" => assert_eq!(status.code(), Some(101)),
            "exit" => assert_eq!(status.code(), Some(7)),
            _ => assert_eq!(status.signal(), Some(libc::SIGABRT)),
        }
        eventually("the server is gone", || {
            processes(&dir).is_empty().then_some(())
        });
    }
    let again = Running::start(&dir);
    assert_eq!(again.remembered(), "kept");
    assert!(again.stop().success());
}

#[test]
fn ctrl_c_reaches_the_program_alone_which_stops_the_server() {
    let (_temp, dir) = folder();
    let mut command = program(&dir);
    // As a terminal does: the foreground group gets the signal.
    command.process_group(0);
    let mut plaza = Running::start_with(command, &dir);
    let group = plaza.child.id().cast_signed();
    let server = postmaster(&dir).expect("a postmaster");
    // SAFETY: takes a plain number.
    let servers_group = unsafe { libc::getpgid(server) };
    assert_ne!(servers_group, group, "the server is in a group of its own");
    kill(-group, libc::SIGINT);
    assert!(plaza.child.wait().expect("our child").success());
    assert!(processes(&dir).is_empty());
    assert!(log(&dir).contains("database system is shut down"));
}

#[test]
fn paths_too_long_or_too_odd_for_a_socket_do() {
    let temp = TempDir::new().expect("a folder");
    for name in ["long".repeat(40), "a b,c%&'\"=é".to_owned()] {
        let dir = temp.path().join(name);
        let plaza = Running::start(&dir);
        let socket = socket_folder(&dir);
        assert_eq!(
            fs::metadata(&socket).expect("the socket's folder").mode() & 0o777,
            0o700
        );
        assert_eq!(running(&dir), plaza.url, "another command finds it");
        plaza.remember("kept");
        plaza.kill();
        let again = Running::start(&dir);
        assert_eq!(again.remembered(), "kept");
        assert!(again.stop().success());
        assert!(!socket.exists(), "removed with the server");
    }
}

#[test]
fn a_socket_folder_of_somebody_else_is_not_trusted() {
    if !is_root() {
        return;
    }
    let temp = TempDir::new().expect("a folder");
    let dir = temp.path().join("long".repeat(40));
    let plaza = Running::start(&dir);
    let socket = socket_folder(&dir);
    assert!(plaza.stop().success());
    fs::create_dir(&socket).expect("the folder");
    fs::set_permissions(&socket, Permissions::from_mode(0o700)).expect("ours");
    chown(&socket, Some(1), Some(1)).expect("root may");
    let refused = Running::of(Running::spawn(program(&dir)), &dir)
        .err()
        .expect("refused");
    assert!(refused.contains(&socket.display().to_string()), "{refused}");
    fs::remove_dir(&socket).expect("the folder");
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let (_temp, dir) = folder();
    assert!(Running::start(&dir).stop().success());
    let conf = dir.join("postgres/postgresql.conf");
    let good = fs::read_to_string(&conf).expect("the configuration");
    fs::write(&conf, format!("{good}\nno_such_setting = 1\n")).expect("writable");
    let said = Running::of(Running::spawn(program(&dir)), &dir)
        .err()
        .expect("refused");
    assert!(
        said.contains("no_such_setting") && said.contains("postgres.log"),
        "{said}"
    );
    fs::write(&conf, good).expect("writable");

    fs::write(dir.join("postgres/PG_VERSION"), "14\n").expect("writable");
    let said = Running::of(Running::spawn(program(&dir)), &dir)
        .err()
        .expect("refused");
    assert!(
        said.contains("made by PostgreSQL 14") && said.contains("install PostgreSQL 14"),
        "{said}"
    );

    let (_temp, empty) = folder();
    let mut command = program(&empty);
    command.env("PGDEMO_BIN_DIR", "/nowhere");
    let said = Running::of(Running::spawn(command), &empty)
        .err()
        .expect("refused");
    assert!(
        said.contains("/nowhere")
            && said.contains("apt-get install")
            && said.contains("DATABASE_URL"),
        "{said}"
    );
    assert!(!empty.join("postgres").exists());

    fs::create_dir_all(empty.join("postgres")).expect("a folder");
    fs::write(empty.join("postgres/thesis.txt"), "mine").expect("a file");
    if is_root() {
        chown(empty.join("postgres"), Some(65534), Some(65534)).expect("root may");
    }
    let said = Running::of(Running::spawn(program(&empty)), &empty)
        .err()
        .expect("refused");
    assert!(said.contains("holds no PostgreSQL data"), "{said}");
    assert!(empty.join("postgres/thesis.txt").exists());
}

#[test]
fn the_servers_log_holds_no_users_data() {
    let (_temp, dir) = folder();
    let plaza = Running::start(&dir);
    let twice = "create table u (mail text unique); insert into u values ('ana@example.org'), ('ana@example.org')";
    assert!(plaza.try_sql(twice).is_err());
    assert!(plaza.stop().success());
    assert!(!log(&dir).contains("ana@"), "{}", log(&dir));
}

/// The program as another user, from a copy that this user may execute. Only for root.
fn program_as(uid: u32, temp: &Path, dir: &Path) -> Command {
    let copy = temp.join("program");
    if !copy.exists() {
        fs::copy(env!("CARGO_BIN_EXE_pgdemo"), &copy).expect("a copy");
    }
    let original = program(dir);
    let mut command = Command::new(copy);
    command
        .args(original.get_args())
        .uid(uid)
        .gid(uid)
        .current_dir("/");
    command
}

/// A folder of this user's in one that all may walk, and the data folder's path in it. Only for root.
fn home(uid: u32, mode: u32) -> (TempDir, PathBuf) {
    let temp = TempDir::new().expect("a folder");
    fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).expect("ours");
    let home = temp.path().join("home");
    fs::create_dir(&home).expect("a folder");
    fs::set_permissions(&home, Permissions::from_mode(mode)).expect("ours");
    chown(&home, Some(uid), Some(uid)).expect("root may");
    (temp, home.join("data"))
}

const DAEMON: u32 = 1;
const NOBODY: u32 = 65534;

#[test]
fn root_serves_from_under_a_home_that_is_closed_to_others() {
    if !is_root() {
        return;
    }
    let (_temp, dir) = home(0, 0o700);
    let plaza = Running::start(&dir);
    plaza.remember("kept");
    let server = fs::metadata(format!("/proc/{}", postmaster(&dir).expect("a postmaster")))
        .expect("alive")
        .uid();
    assert_ne!(server, 0);
    kill(postmaster(&dir).expect("a postmaster"), libc::SIGKILL);
    eventually("it serves again", || plaza.try_sql("select 1").ok());
    kill(postmaster(&dir).expect("a postmaster"), libc::SIGHUP);
    eventually("it reads its configuration again", || {
        log(&dir).contains("reloading configuration").then_some(())
    });
    assert_eq!(plaza.sql("select 1"), "1");
    assert!(!log(&dir).contains("could not open"), "{}", log(&dir));
    plaza.kill();
    let again = Running::start(&dir);
    assert_eq!(again.remembered(), "kept");
    assert!(again.stop().success());
}

#[test]
fn an_ordinary_user_serves_alone() {
    if !is_root() {
        return; // The other tests are this one.
    }
    let (temp, dir) = home(DAEMON, 0o700);
    let plaza = Running::start_with(program_as(DAEMON, temp.path(), &dir), &dir);
    let as_daemon = |sql: &str| {
        text(
            &psql(&plaza.url, sql)
                .uid(DAEMON)
                .gid(DAEMON)
                .output()
                .expect("psql"),
        )
    };
    assert_eq!(
        as_daemon("create table t (x int); insert into t values (7); select x from t"),
        "7"
    );
    let superuser = plaza.url.replace("plaza@", "postgres@");
    assert_eq!(
        text(
            &psql(&superuser, "show is_superuser")
                .uid(DAEMON)
                .gid(DAEMON)
                .output()
                .expect("psql")
        ),
        "on"
    );
    let stranger = psql(&plaza.url, "select 1")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("psql");
    assert!(!stranger.status.success(), "others are kept out");
    assert_eq!(plaza.sql("select x from t"), "7", "root may use it too");
    assert_eq!(
        fs::metadata(dir.join("postgres"))
            .expect("the cluster")
            .uid(),
        DAEMON
    );

    plaza.signal(libc::SIGKILL);
    let again = Running::start_with(program_as(DAEMON, temp.path(), &dir), &dir);
    assert_eq!(again.sql("select x from t"), "7");
    assert!(again.stop().success());
}

#[test]
fn root_runs_the_server_as_the_owner_of_its_data() {
    if !is_root() {
        return;
    }
    let (temp, dir) = home(NOBODY, 0o755);
    let made = Running::start_with(program_as(NOBODY, temp.path(), &dir), &dir);
    made.remember("made");
    assert!(made.stop().success());

    let by_root = Running::start(&dir);
    let server = fs::metadata(format!("/proc/{}", postmaster(&dir).expect("a postmaster")))
        .expect("alive")
        .uid();
    assert_eq!(server, NOBODY);
    by_root.remember("root");
    by_root.kill();
    let by_root = Running::start(&dir);
    by_root.remember("again");
    assert!(by_root.stop().success());

    let back = Running::start_with(program_as(NOBODY, temp.path(), &dir), &dir);
    assert_eq!(back.remembered(), "made root again");
    assert!(back.stop().success());

    let other = Running::of(Running::spawn(program_as(DAEMON, temp.path(), &dir)), &dir)
        .err()
        .expect("refused");
    assert!(other.contains("belongs to nobody"), "{other}");
}

#[test]
fn root_keeps_to_the_owner_of_an_empty_folder() {
    if !is_root() {
        return;
    }
    let (temp, dir) = home(DAEMON, 0o755);
    fs::create_dir(&dir).expect("a folder");
    chown(&dir, Some(DAEMON), Some(DAEMON)).expect("root may");
    let by_root = Running::start(&dir);
    by_root.remember("root");
    by_root.kill();
    let by_user = Running::start_with(program_as(DAEMON, temp.path(), &dir), &dir);
    assert_eq!(by_user.remembered(), "root");
    assert!(by_user.stop().success());
}
