//! A place for a program: a scratch folder with its data and its files, and whose program it is.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::plaza::{FindsDatabase, Output, Plaza, Refused};
use super::users::{is_root, me};
use super::{PATIENCE, kill, processes, socket_folder};
use crate::database::{Database, RUN};

/// What URLs begin with: no address, so that a URL made from the wrong setting is seen.
pub const PUBLIC_URL: &str = "http://plaza.test";

/// What every command is given besides: passwords cost next to nothing to hash, and pictures are made though both cores are full of
/// tests. What a test waits for is something else.
const CHEAP: [&str; 6] = ["--argon2-memory", "8", "--argon2-passes", "1", "--work-priority", "ordinary"];

/// Where a program is run, by whom, and with which settings. In the end nothing of it is left, processes included.
pub struct Place {
    /// The database that the program is given; without one it runs a server of its own.
    database: Option<Database>,
    folder: TempDir,
    home: PathBuf,
    data: PathBuf,
    media: PathBuf,
    uid: u32,
}

impl Place {
    /// With a migrated database on the run's server, which is not durable. The data folder does not exist yet.
    pub fn new() -> Self {
        let mut place = Self::untouched();
        place.database = Some(Database::migrated());
        place
    }

    /// With a migrated, durable database of the program's own.
    pub fn embedded() -> Self {
        let place = Self::untouched();
        // The server runs as the owner of the cluster.
        let copied = Command::new("cp")
            .args(["--archive", "--reflink=auto"])
            .args([&RUN.cluster, &place.data])
            .status()
            .expect("a system has cp");
        assert!(copied.success(), "the cluster can be copied");
        place
    }

    /// A place of the user who runs the tests, with nothing made yet.
    pub fn untouched() -> Self {
        Self::named("data")
    }

    /// The same with another name for the data folder.
    pub fn named(data: &str) -> Self {
        let folder = TempDir::new().expect("a scratch folder");
        let home = folder.path().to_owned();
        Self { database: None, data: home.join(data), media: home.join("media"), home, folder, uid: me() }
    }

    /// With a data folder of its own, and the same store. It is to be given the other's database.
    pub fn beside(other: &Self) -> Self {
        let mut place = Self::untouched();
        place.media.clone_from(&other.media);
        place
    }

    /// A home of this user's with these permissions, in a folder that all may walk. Only root can make another's.
    pub fn home_of(uid: u32, mode: u32) -> Self {
        let folder = TempDir::new().expect("a scratch folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("our own folder");
        let home = folder.path().join("home");
        fs::create_dir(&home).expect("a folder");
        fs::set_permissions(&home, Permissions::from_mode(mode)).expect("our own folder");
        if uid != me() {
            chown(&home, Some(uid), Some(uid)).expect("root may give away");
        }
        Self { database: None, data: home.join("data"), media: home.join("media"), home, folder, uid }
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The folder of the store.
    pub fn media(&self) -> PathBuf {
        self.media.clone()
    }

    /// The folder that the program stands in.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What tells the program where its database is, unless these arguments do.
    pub fn database_flags(&self, arguments: &[&str]) -> Vec<String> {
        let is_told = arguments.iter().any(|argument| argument.starts_with("--database-url"));
        let database = self.database.as_ref().filter(|_| !is_told);
        database.map_or_else(Vec::new, |database| vec!["--database-url".to_owned(), database.url.clone()])
    }

    /// How to know the URL of the database of the program with these arguments.
    pub fn finds_database(&self, arguments: &[&str]) -> FindsDatabase {
        self.finds_database_as(self.uid, arguments)
    }

    fn finds_database_as(&self, uid: u32, arguments: &[&str]) -> FindsDatabase {
        let flags = self.database_flags(arguments);
        let mut told = flags.iter().map(String::as_str).chain(arguments.iter().copied());
        match (told.find(|argument| argument.starts_with("--database-url")), told.next()) {
            (Some("--database-url"), Some(url)) => FindsDatabase::Told(url.to_owned()),
            (Some(_), Some(file)) => {
                FindsDatabase::Told(fs::read_to_string(file).expect("the file of the URL"))
            }
            _ => FindsDatabase::Asks(self.command_as(uid, ["dbshell", "--print-url"])),
        }
    }

    /// The program with nothing but these arguments and `PATH`: every setting has its default.
    pub fn bare_command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(self.program(self.uid));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", search_path())
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The program with these arguments, nothing in its environment but `PATH`, as this place's user.
    pub fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        self.command_as(self.uid, arguments)
    }

    /// The same as another user.
    pub fn command_as<'a>(&self, uid: u32, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let arguments: Vec<&str> = arguments.into_iter().collect();
        let mut command = Command::new(self.program(uid));
        command.arg("--data-dir").arg(&self.data);
        command.arg("--store").arg(format!("file:{}", self.media().display()));
        command
            .args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"])
            .args(["--public-url", PUBLIC_URL, "--drain", "0ms", "--database-pool", "4"])
            .args(CHEAP)
            .args(self.database_flags(&arguments))
            .args(&arguments)
            .env_clear()
            .env("PATH", search_path())
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if uid != me() {
            command.uid(uid).gid(uid);
        }
        command
    }

    /// Another user may not be able to walk to where the program was built.
    fn program(&self, uid: u32) -> PathBuf {
        let built = Path::new(env!("CARGO_BIN_EXE_plaza"));
        if uid == me() {
            return built.to_owned();
        }
        let copy = self.folder.path().join("plaza");
        if !copy.exists() {
            fs::copy(built, &copy).expect("a copy of the program");
        }
        copy
    }

    /// `plaza serve`, ready.
    pub fn serve(&self) -> Plaza {
        self.serve_with([])
    }

    pub fn serve_with<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Plaza {
        self.try_serve_with(arguments).unwrap_or_else(|refused| panic!("it did not start: {refused:?}"))
    }

    /// `plaza serve`, ready or ended.
    pub fn try_serve(&self) -> Result<Plaza, Refused> {
        self.try_serve_with([])
    }

    pub fn try_serve_with<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<Plaza, Refused> {
        self.spawn_with(arguments).ready()
    }

    /// `plaza serve`, just begun.
    pub fn spawn(&self) -> Plaza {
        self.spawn_with([])
    }

    pub fn spawn_with<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Plaza {
        self.spawn_as(self.uid, arguments)
    }

    /// The same as another user.
    pub fn spawn_as<'a>(&self, uid: u32, arguments: impl IntoIterator<Item = &'a str>) -> Plaza {
        let arguments: Vec<&str> = ["serve"].into_iter().chain(arguments).collect();
        let serve = self.command_as(uid, arguments.iter().copied());
        Plaza::spawn(serve, self.finds_database_as(uid, &arguments), &self.data)
    }

    /// The same in a process group of its own, as from a terminal.
    pub fn spawn_in_group(&self) -> Plaza {
        let mut serve = self.command(["serve"]);
        serve.process_group(0);
        Plaza::spawn(serve, self.finds_database(&[]), &self.data)
    }

    /// `plaza serve` as another user, ready.
    pub fn serve_as(&self, uid: u32) -> Plaza {
        let started = self.spawn_as(uid, []).ready();
        started.unwrap_or_else(|refused| panic!("it did not start: {refused:?}"))
    }

    /// Another command, to its end.
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        Output::of(self.command(arguments))
    }

    /// Where the database of this place's running program is.
    pub fn database_url(&self) -> String {
        self.run(["dbshell", "--print-url"]).succeeded().trim_end().to_owned()
    }

    /// No process of a server is left.
    pub fn is_quiet(&self) -> bool {
        processes(&self.data).is_empty()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one variable that the program is given")]
fn search_path() -> OsString {
    std::env::var_os("PATH").expect("PostgreSQL's programs are found on it")
}

impl Drop for Place {
    fn drop(&mut self) {
        // What a killed program or a failed test left behind: a server would write into the folder while that is being
        // removed. No assertion: a panic here would end the other tests too.
        let deadline = Instant::now() + PATIENCE;
        while !self.is_quiet() && Instant::now() < deadline {
            for pid in processes(&self.data) {
                kill(pid, libc::SIGKILL);
            }
            thread::sleep(Duration::from_millis(5));
        }
        if let Some(socket) = socket_folder(&self.data).filter(|socket| socket.is_absolute()) {
            drop(fs::remove_dir_all(socket));
        }
        if is_root() {
            // A folder without rights for its owner is none for its removal either, but root minds nothing.
            return;
        }
        drop(fs::set_permissions(&self.home, Permissions::from_mode(0o700)));
    }
}
