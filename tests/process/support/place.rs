//! A place to run the program: a scratch folder with its data and its files, and the user that it runs as.

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

/// The prefix of URLs. It is not an address that the program listens on, so that a URL built from the wrong setting
/// is noticed.
pub const PUBLIC_URL: &str = "http://plaza.test";

/// Settings for every command: passwords are cheap to hash, and pictures are encoded even while tests use both cores.
/// No test checks these settings' effects.
const CHEAP: [&str; 6] = ["--argon2-memory", "8", "--argon2-passes", "1", "--work-priority", "ordinary"];

/// Where, as which user and with which settings a program runs. Dropping it removes everything, including processes.
pub struct Place {
    /// The program's database. `None` if the program runs its own server.
    database: Option<Database>,
    folder: TempDir,
    home: PathBuf,
    data: PathBuf,
    media: PathBuf,
    uid: u32,
}

impl Place {
    /// A place with a migrated database on the run's server, which is not durable. The data folder does not exist
    /// yet.
    pub fn new() -> Self {
        let mut place = Self::untouched();
        place.database = Some(Database::migrated());
        place
    }

    /// A place where the program runs its own server, with a migrated, durable database.
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

    /// An empty place of the user who runs the tests.
    pub fn untouched() -> Self {
        Self::named("data")
    }

    /// An empty place with another name for the data folder.
    pub fn named(data: &str) -> Self {
        let folder = TempDir::new().expect("a scratch folder");
        let home = folder.path().to_owned();
        Self { database: None, data: home.join(data), media: home.join("media"), home, folder, uid: me() }
    }

    /// A place with its own data folder and `other`'s store. The caller passes `other`'s database to the program.
    pub fn beside(other: &Self) -> Self {
        let mut place = Self::untouched();
        place.media.clone_from(&other.media);
        place
    }

    /// A place whose home belongs to this user and has these permissions, in a folder that all users may enter. Only
    /// root can make one for another user.
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

    /// The working directory of the program.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The arguments that name the database, unless `arguments` already do.
    pub fn database_flags(&self, arguments: &[&str]) -> Vec<String> {
        let is_told = arguments.iter().any(|argument| argument.starts_with("--database-url"));
        let database = self.database.as_ref().filter(|_| !is_told);
        database.map_or_else(Vec::new, |database| vec!["--database-url".to_owned(), database.url.clone()])
    }

    /// How to find out the URL of the database of a program with these arguments.
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

    /// The program with only these arguments and `PATH`: every setting has its default.
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

    /// The program with these arguments, run as this place's user. Its environment contains only `PATH`.
    pub fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        self.command_as(self.uid, arguments)
    }

    /// The program with these arguments, run as another user.
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

    /// The path of the program. Another user may not have access to the build folder, so this copies the program.
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

    /// Start `plaza serve` and wait until it is ready.
    pub fn serve(&self) -> Plaza {
        self.serve_with([])
    }

    pub fn serve_with<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Plaza {
        self.try_serve_with(arguments).unwrap_or_else(|refused| panic!("it did not start: {refused:?}"))
    }

    /// Start `plaza serve` and wait until it is ready or has ended.
    pub fn try_serve(&self) -> Result<Plaza, Refused> {
        self.try_serve_with([])
    }

    pub fn try_serve_with<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<Plaza, Refused> {
        self.spawn_with(arguments).ready()
    }

    /// Start `plaza serve` without waiting.
    pub fn spawn(&self) -> Plaza {
        self.spawn_with([])
    }

    pub fn spawn_with<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Plaza {
        self.spawn_as(self.uid, arguments)
    }

    /// Start `plaza serve` as another user, without waiting.
    pub fn spawn_as<'a>(&self, uid: u32, arguments: impl IntoIterator<Item = &'a str>) -> Plaza {
        let arguments: Vec<&str> = ["serve"].into_iter().chain(arguments).collect();
        let serve = self.command_as(uid, arguments.iter().copied());
        Plaza::spawn(serve, self.finds_database_as(uid, &arguments), &self.data)
    }

    /// Start `plaza serve` in its own process group, as from a terminal, without waiting.
    pub fn spawn_in_group(&self) -> Plaza {
        let mut serve = self.command(["serve"]);
        serve.process_group(0);
        Plaza::spawn(serve, self.finds_database(&[]), &self.data)
    }

    /// Start `plaza serve` as another user and wait until it is ready.
    pub fn serve_as(&self, uid: u32) -> Plaza {
        let started = self.spawn_as(uid, []).ready();
        started.unwrap_or_else(|refused| panic!("it did not start: {refused:?}"))
    }

    /// Run another command to its end.
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        Output::of(self.command(arguments))
    }

    /// The URL of the database of this place's running program.
    pub fn database_url(&self) -> String {
        self.run(["dbshell", "--print-url"]).succeeded().trim_end().to_owned()
    }

    /// Whether no process of a server is left.
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
        // Kill what a killed program or a failed test left behind, since a server would write into the folder while
        // it is being removed. This does not assert: a panic here would end the other tests too.
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
            // Without its owner's rights a folder cannot be removed, except by root.
            return;
        }
        drop(fs::set_permissions(&self.home, Permissions::from_mode(0o700)));
    }
}
