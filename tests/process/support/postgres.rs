//! The PostgreSQL of a program: its processes, its log, and psql.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;

use super::users::{self, me};
use super::{KilledAtEnd, Plaza};
use crate::database::programs;

/// The psql binary itself. Debian's wrapper in the search path first runs Perl to choose a version.
pub static PSQL: LazyLock<PathBuf> = LazyLock::new(|| programs().join("psql"));

/// A psql command for one or more statements.
pub fn psql(url: &str, sql: &str) -> Command {
    let mut command = Command::new(&*PSQL);
    command.args(["--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", url, "-c", sql]);
    command.stdin(Stdio::null());
    command
}

/// The same command as another user. Only root can choose a user other than itself.
pub fn psql_as(uid: u32, url: &str, sql: &str) -> Command {
    let mut command = psql(url, sql);
    if uid != me() {
        command.uid(uid).gid(uid);
    }
    // A folder that this user may enter.
    command.current_dir("/");
    command
}

/// Return what psql prints, or its error message.
pub fn try_psql(url: &str, sql: &str) -> Result<String, String> {
    try_psql_as(me(), url, sql)
}

pub fn try_psql_as(uid: u32, url: &str, sql: &str) -> Result<String, String> {
    let output = psql_as(uid, url, sql).output().expect("psql is installed");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Send a signal. It is no error if the process has already ended.
pub fn kill(pid: i32, signal: i32) {
    // SAFETY: `kill` takes plain numbers.
    unsafe { libc::kill(pid, signal) };
}

/// Every process whose working directory is the cluster of this data folder, complete or under construction.
pub fn processes(data: &Path) -> Vec<i32> {
    ["postgres", "postgres.new"].iter().flat_map(|cluster| working_in(&data.join(cluster))).collect()
}

fn working_in(folder: &Path) -> Vec<i32> {
    let Ok(folder) = fs::metadata(folder) else {
        return Vec::new();
    };
    let pids = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    users::with_eyes_of(folder.uid(), || {
        pids.filter(|pid: &i32| {
            fs::metadata(format!("/proc/{pid}/cwd"))
                .is_ok_and(|cwd| (cwd.dev(), cwd.ino()) == (folder.dev(), folder.ino()))
        })
        .collect()
    })
}

/// The server's first process, as its pid file says.
pub fn postmaster(data: &Path) -> Option<i32> {
    fs::read_to_string(data.join("postgres/postmaster.pid")).ok()?.lines().next()?.parse().ok()
}

/// The user that the server runs as.
pub fn server_user(data: &Path) -> u32 {
    let server = postmaster(data).expect("a postmaster");
    fs::metadata(format!("/proc/{server}")).expect("it is alive").uid()
}

/// The folder of the server's socket, as its pid file says.
pub fn socket_folder(data: &Path) -> Option<PathBuf> {
    let status = fs::read_to_string(data.join("postgres/postmaster.pid")).ok()?;
    status.lines().nth(4).map(PathBuf::from)
}

pub fn log(data: &Path) -> String {
    fs::read_to_string(data.join("postgres.log")).expect("the server's log")
}

/// A lock on a table, held by another session.
pub struct TableLock {
    psql: KilledAtEnd,
    stdin: ChildStdin,
}

impl TableLock {
    pub fn on(plaza: &Plaza, table: &str) -> Self {
        let mut command = Command::new(&*PSQL);
        command.args(["--no-psqlrc", "-qAt", plaza.database_url()]);
        let mut psql: Child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql is installed");
        let mut stdin = psql.stdin.take().expect("piped");
        writeln!(stdin, "begin; lock table {table} in exclusive mode; select 'locked';").expect("it reads");
        let mut line = String::new();
        BufReader::new(psql.stdout.take().expect("piped")).read_line(&mut line).expect("it answers");
        assert_eq!(line, "locked\n", "psql has the lock");
        Self { psql: KilledAtEnd(psql), stdin }
    }

    pub fn release(self) {
        let Self { mut psql, mut stdin } = self;
        writeln!(stdin, "commit;").expect("it reads");
        drop(stdin);
        assert!(psql.0.wait().expect("our child").success(), "psql ends");
    }
}
